"""The raw files of the Planetoid repository: ind.NAME.{x,tx,allx,y,ty,ally,graph,test.index}."""

import itertools
import os

import numpy as np
import scipy.sparse

from . import safe_pickle
from .graph import Graph, InputError, clean_edges, clean_features, real

N_VAL = 500  # of the public split


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
  n_train, n_known = y.shape[0], allx.shape[0]
  if n_train > n_known:
    raise InputError(f"{path('x')}: {n_train} rows, but only {n_known} in allx")

  neighbours = load_neighbours(path("graph"))
  test = load_test_ids(path("test.index"), n_known, tx.shape[0], len(neighbours))
  n_nodes = int(max(n_known, test.max(initial=-1) + 1))
  indptr, indices = clean_edges(path("graph"), *edges(path("graph"), neighbours), n_nodes)
  split = {"train": np.arange(n_train), "val": np.arange(n_train, min(n_train + N_VAL, n_known)), "test": np.sort(test)}
  # Nodes that test.index leaves out (15 of CiteSeer) have neither features nor a label.
  labels = np.full(n_nodes, -1, np.int32)
  labels[:n_known] = classes(path("ally"), ally)
  labels[test] = classes(path("ty"), ty)
  features = clean_features(path("allx"), place_rows(allx, tx, test, n_nodes))
  return Graph(name, y.shape[1], indptr, indices, features, labels, {"public": split})


def load_rows(path):
  rows = safe_pickle.load(path)
  if not isinstance(rows, (np.ndarray, scipy.sparse.csr_matrix)) or rows.ndim != 2:
    raise InputError(f"{path}: holds no matrix")
  return real(path, rows) if isinstance(rows, np.ndarray) else rows


def classes(path, one_hot):
  """Returns the class of each row, -1 where it has none."""
  one_hot = one_hot.toarray() if scipy.sparse.issparse(one_hot) else one_hot
  marks = (one_hot != 0).sum(axis=1)
  if (marks > 1).any():
    raise InputError(f"{path}: row {np.argmax(marks > 1)} has {marks.max()} classes, at most one is expected")
  return np.where(marks == 1, (one_hot != 0).argmax(axis=1), -1) if one_hot.shape[1] else np.full(len(marks), -1)


def place_rows(allx, tx, test, n_nodes):
  """Returns [n_nodes, F]: the rows of allx, those of tx at their nodes, and none elsewhere."""
  known, tested = scipy.sparse.coo_matrix(allx), scipy.sparse.coo_matrix(tx)
  rows = np.concatenate([known.row, test[tested.row]])
  columns = np.concatenate([known.col, tested.col])
  values = np.concatenate([known.data, tested.data])
  return scipy.sparse.csr_matrix((values, (rows, columns)), shape=(n_nodes, allx.shape[1]))


def load_neighbours(path):
  neighbours = safe_pickle.load(path)
  if not isinstance(neighbours, dict) or not all(isinstance(part, list) for part in neighbours.values()):
    raise InputError(f"{path}: holds no dict of lists of neighbours")
  return neighbours


def edges(path, neighbours):
  """Returns the sources and targets of all entries."""
  nodes = integers(path, list(neighbours))
  sources = integers(path, list(itertools.chain.from_iterable(neighbours.values())))
  return sources, np.repeat(nodes, [len(part) for part in neighbours.values()])


def integers(path, values):
  if not all(type(value) is int and abs(value) < 2**31 for value in values):
    raise InputError(f"{path}: a node is no integer below 2^31")
  return np.array(values, np.int64)


def load_test_ids(path, n_known, n_test, n_listed):
  """Returns the node of each row of tx, in their order; they follow the n_known nodes of allx."""
  try:
    with open(path, encoding="ascii") as file:
      ids = integers(path, [int(line) for line in file.read().split()])
  except OSError as error:
    raise InputError(f"{path}: cannot read it: {error.strerror}") from error
  except ValueError as error:
    raise InputError(f"{path}: holds other things than node ids") from error
  if len(ids) != n_test or len(np.unique(ids)) != n_test:
    raise InputError(f"{path}: {len(np.unique(ids))} different nodes, but {n_test} rows in tx")
  if n_test and not n_known <= ids.min() <= ids.max() < max(n_known + n_test, n_listed):
    raise InputError(f"{path}: nodes {ids.min()} to {ids.max()}, but they start at {n_known} and the graph has "
                     f"{max(n_known + n_test, n_listed)}")
  return ids
