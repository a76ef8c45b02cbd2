"""The raw files of the Planetoid repository: ind.NAME.{x,tx,allx,y,ty,ally,graph,test.index}."""

import itertools
import os

import numpy as np
import scipy.sparse

from . import safe_pickle
from .edges import check_range
from .graph import InputError, Labels, Source, clean_features, open_input, real

N_VAL = 500  # of the public split
# The files have no names of classes; those of the public data sets are known by the number of nodes of each.
CLASSES = (
  {"Theory": 351, "Reinforcement_Learning": 217, "Genetic_Algorithms": 418, "Neural_Networks": 818,
   "Probabilistic_Methods": 426, "Case_Based": 298, "Rule_Learning": 180},
  {"AI": 249, "ML": 590, "IR": 668, "DB": 701, "Agents": 596, "HCI": 508},
  {"Diabetes Mellitus, Experimental": 4103, "Diabetes Mellitus Type 1": 7739, "Diabetes Mellitus Type 2": 7875})


def read(directory, name):
  """Returns the graph with its public split: the rows of y train, the next 500 validate, test.index tests."""

  def path(part):
    return os.path.join(directory, f"ind.{name}.{part}")

  x, allx, tx = (load_rows(path(part)) for part in ("x", "allx", "tx"))
  y, ally, ty = (load_rows(path(part)) for part in ("y", "ally", "ty"))
  for rows, labels, part in ((x, y, "y"), (allx, ally, "ally"), (tx, ty, "ty")):
    if labels.shape != (rows.shape[0], y.shape[1]) or rows.shape[1] != allx.shape[1]:
      raise InputError(f"{path(part)}: labels of shape {labels.shape} do not fit features of shape {rows.shape}; "
                       f"expected are {allx.shape[1]} features as in allx and {y.shape[1]} classes as in y")
  n_known, notes = allx.shape[0], []
  train = find_rows(path("x"), row_keys(x, y), row_keys(allx, ally), notes)
  neighbours = load_neighbours(path("graph"))
  sources, targets, n_listed = edges(path("graph"), neighbours, n_known + tx.shape[0] + len(neighbours))
  test = load_test_ids(path("test.index"), n_known, tx.shape[0], n_listed)
  n_nodes = int(max(n_known, test.max(initial=-1) + 1, n_listed))
  check_range(path("graph"), sources, targets, n_nodes)
  split = {"train": np.sort(train), "val": np.setdiff1d(np.arange(n_known), train)[:N_VAL], "test": np.sort(test)}
  # Nodes that test.index leaves out (15 of CiteSeer) have neither features nor a label.
  labels = np.full(n_nodes, -1, np.int32)
  labels[:n_known] = classes(path("ally"), ally)
  labels[test] = classes(path("ty"), ty)
  features = clean_features(path("allx"), place_rows(allx, tx, test, n_nodes))
  return Source(path("y"), name, n_nodes, sources, targets, features=features, labels=Labels(labels, y.shape[1], class_names(labels)),
                splits={"public": split}, notes=notes)


def row_keys(*matrices):
  """Returns what each row holds in all of the matrices, in a form that compares."""
  return [tuple(part[m.indptr[i]:m.indptr[i + 1]].tobytes() for m in matrices for part in (m.indices, m.data))
          for i in range(matrices[0].shape[0])]


def find_rows(path, wanted, known, notes):
  """Returns where the rows of x stand in allx: at its beginning, as in the public data, or each in one place."""
  if wanted == known[:len(wanted)]:
    return np.arange(len(wanted))
  places = {}
  for place, row in enumerate(known):
    places.setdefault(row, []).append(place)
  for i, row in enumerate(wanted):
    found = places.get(row, [])
    if len(found) != 1:
      raise InputError(f"{path}: x is not the first rows of allx, and its row {i} with its label stands there "
                       f"{len(found)} times; each row of x must be one of allx")
  notes.append("training nodes found by their rows, x is not the first rows of allx")
  ids = np.array([places[row][0] for row in wanted], np.int64)
  if len(np.unique(ids)) != len(ids):
    raise InputError(f"{path}: x holds a row of allx twice; each node is expected once")
  return ids


def load_rows(path):
  rows = safe_pickle.load(path)
  if not isinstance(rows, (np.ndarray, scipy.sparse.csr_matrix)) or rows.ndim != 2:
    raise InputError(f"{path}: holds no matrix")
  return clean_features(path, real(path, rows) if isinstance(rows, np.ndarray) else rows)


def classes(path, one_hot):
  """Returns the class of each row, -1 where it has none."""
  marks = np.diff(one_hot.indptr)
  if (marks > 1).any():
    raise InputError(f"{path}: row {np.argmax(marks > 1)} has {marks.max()} classes, at most one is expected")
  labels = np.full(len(marks), -1, np.int32)
  labels[marks == 1] = one_hot.indices
  return labels


def class_names(labels):
  """Returns the names of the classes where they are known, else None."""
  counts = np.bincount(labels[labels >= 0]).tolist()
  return next((list(known) for known in CLASSES if list(known.values()) == counts), None)


def place_rows(allx, tx, test, n_nodes):
  """Returns [n_nodes, F]: the rows of allx, those of tx at their nodes, and none elsewhere."""
  known, tested = allx.tocoo(), tx.tocoo()
  rows = np.concatenate([known.row, test[tested.row]])
  columns = np.concatenate([known.col, tested.col])
  values = np.concatenate([known.data, tested.data])
  return scipy.sparse.csr_matrix((values, (rows, columns)), shape=(n_nodes, allx.shape[1]))


def load_neighbours(path):
  neighbours = safe_pickle.load(path)
  if not isinstance(neighbours, dict) or not all(isinstance(part, list) for part in neighbours.values()):
    raise InputError(f"{path}: holds no dict of lists of neighbours")
  return neighbours


def edges(path, neighbours, most):
  """Returns the sources and targets of all entries, and the number of nodes that the keys name, up to `most`."""
  nodes = integers(path, list(neighbours))
  if nodes.size and not 0 <= nodes.min() <= nodes.max() < most:
    raise InputError(f"{path}: lists node {nodes.min() if nodes.min() < 0 else nodes.max()}, but the files hold no "
                     f"more than {most}")
  sources = integers(path, list(itertools.chain.from_iterable(neighbours.values())))
  return sources, np.repeat(nodes, [len(part) for part in neighbours.values()]), int(nodes.max(initial=-1)) + 1


def integers(path, values):
  if not all(type(value) is int and abs(value) < 2**31 for value in values):
    raise InputError(f"{path}: a node is no integer below 2^31")
  return np.array(values, np.int64)


def load_test_ids(path, n_known, n_test, n_listed):
  """Returns the node of each row of tx, in their order; they follow the n_known nodes of allx."""
  try:
    with open_input(path) as file:
      ids = integers(path, [int(line) for line in file.read().decode("ascii").split()])
  except ValueError as error:
    raise InputError(f"{path}: holds other things than node ids") from error
  if len(ids) != n_test or len(np.unique(ids)) != n_test:
    raise InputError(f"{path}: {len(np.unique(ids))} different nodes, but {n_test} rows in tx")
  if n_test and not n_known <= ids.min() <= ids.max() < max(n_known + n_test, n_listed):
    raise InputError(f"{path}: nodes {ids.min()} to {ids.max()}, but they start at {n_known} and the graph has "
                     f"{max(n_known + n_test, n_listed)}")
  return ids
