"""Graphs from arrays: what users have, brought to what the graph file holds."""

import warnings

import numpy as np

from . import graphfile
from .graphfile import PARTS, Csr


class Graph(graphfile.Contents):
  """A graph as the program takes it; names follow PyTorch Geometric's `Data`."""

  @property
  def num_nodes(self):
    return len(self.indptr) - 1

  @property
  def num_edges(self):
    return len(self.indices)

  @property
  def num_features(self):
    return self.features.shape[1]

  @property
  def degree(self):
    """Number of in-neighbours of each node."""
    return np.diff(self.indptr)

  @property
  def edge_index(self):
    """[2, E]: sources and targets, by target and then source."""
    return np.stack([self.indices, np.repeat(np.arange(self.num_nodes), self.degree)]).astype(np.int64)

  @property
  def x(self):
    """[N, F] as a dense array."""
    return self.features.toarray() if graphfile.is_sparse(self.features) else self.features

  @property
  def y(self):
    return self.labels

  def __repr__(self):
    return (f"Graph({self.name!r}, nodes={self.num_nodes}, edges={self.num_edges}, features={self.num_features}, "
            f"classes={self.num_classes}, splits={list(self.splits)})")


def write_graph(path, edge_index, x=None, y=None, **fields):
  """Writes a graph file and returns the Graph: of edges and what `make_graph` takes besides, or of a Graph as it is."""
  graph = edge_index if isinstance(edge_index, Graph) else make_graph(edge_index, x, y, **fields)
  graphfile.write(path, graph)
  return graph


def read_graph(path):
  """Returns the Graph of a graph file."""
  return graphfile.read(path, Graph)


def make_graph(edge_index, x=None, y=None, *, train_mask=None, val_mask=None, test_mask=None, splits=None,
               num_nodes=None, num_classes=None, name="graph", node_ids=None, class_names=None, edge_weight=None,
               edge_attr=None, undirected=False):
  """Returns a Graph of arrays, tensors or scipy's matrices.

  edge_index            [2, E]: messages flow from the first row to the second; or a sparse matrix [N, N], row to column
  x                     [N, F]; without it, or with F = 0, every node gets a feature of its own
  y                     [N]: classes from 0, -1 or NaN where unknown; or names of classes, None where unknown; or 0 and
                        1 [N, C] of several labels at once, or one-hot where each row has a single 1
  train_mask, val_mask, test_mask   [N], or node ids, of the split `public`; [N, k] or [k, N] of the splits `0` to `k-1`
  splits                the same by name: {"public": {"train": ..., "val": ..., "test": ...}}, or one split alone
  node_ids, class_names what nodes and classes are called
  edge_weight, edge_attr  [E] and [E, D]
  undirected            adds the other direction of every edge

  Self-loops, which layers add, and repeated edges are left out with a warning. Raises ValueError."""
  x = None if x is None else features_of(x)
  labels, named = labels_of(y)
  edges, edge_weight = edges_of(edge_index, edge_weight)
  n = nodes_of(num_nodes, edges, x, labels, node_ids)
  indptr, indices, kept = neighbours(name, edges, n, undirected)
  weight, attributes = edge_values(edge_weight, edge_attr)
  if labels is None:
    labels = np.full(n, -1)
  class_names = named if class_names is None else [str(one) for one in class_names]
  if num_classes is None:
    width = (*np.shape(array(y)), 0, 0)[1]  # of rows of 0 and 1, or none
    num_classes = max(width, labels.max(initial=0) + 1, len(class_names or ()))
  check_labels(labels, num_classes, class_names)
  given = {"train": train_mask, "val": val_mask, "test": test_mask}
  return Graph(name=str(name), num_classes=int(num_classes), indptr=indptr, indices=indices, labels=labels,
               node_ids=node_ids, features=identity(n) if x is None or x.shape[1] == 0 else x, class_names=class_names,
               splits=splits_of(splits, given, n), edge_weight=kept(weight, "weight"),
               edge_features=kept(attributes, "features"))


def array(value):
  """Returns a numpy array of an array, a tensor or a list."""
  for step in ("detach", "cpu", "float") if str(getattr(value, "dtype", "")) == "torch.bfloat16" else ("detach", "cpu"):
    value = getattr(value, step)() if hasattr(value, step) else value
  return np.asarray(value)


def features_of(x):
  if hasattr(x, "tocsr"):
    x = x.tocsr().astype(np.float32)
    x.sum_duplicates()
    x.eliminate_zeros()
  elif not graphfile.is_sparse(x):
    x = numbers(array(x))
    if x.ndim not in (1, 2) or x.dtype.kind not in "biuf":
      raise ValueError(f"x: features of shape {x.shape} and type {x.dtype}; numbers of shape [N, F] are expected")
    with np.errstate(over="ignore"):
      x = x.reshape(len(x), int(np.prod(x.shape[1:]))).astype(np.float32)
  values = x.data if graphfile.is_sparse(x) else x
  if not np.isfinite(values).all():
    raise ValueError("x: holds numbers that are not finite in single precision")
  return x


def numbers(values):
  """Returns an array of Python's numbers as one of numpy's, such as pandas makes of its own types; all else as it is."""
  if values.dtype == object and all(isinstance(one, (int, float, np.number)) for one in values.flat):
    return values.astype(np.float64)
  return values


def identity(n):
  return Csr(np.arange(n + 1), np.arange(n), np.ones(n, np.float32), (n, n))


def labels_of(y):
  """Returns (labels, names of the classes or None)."""
  if y is None:
    return None, None
  if isinstance(y, (list, tuple)) and any(isinstance(one, (str, bytes)) for one in y):
    y = np.array(y, object)  # else what is unknown becomes text
  y = array(y)
  if y.ndim == 2 and y.shape[1] == 1:
    y = y[:, 0]
  if y.ndim == 2:
    if not np.isin(y, (0, 1)).all():
      raise ValueError(f"y: of shape {y.shape}, several labels at once, which must be 0 or 1")
    if len(y) and y.shape[1] > 1 and (y.sum(axis=1) == 1).all():
      warnings.warn("y: each row has a single 1, one-hot, and is taken for one class a node", stacklevel=4)
      return y.argmax(axis=1).astype(np.int64), None
    return y.astype(np.uint8), None
  if y.dtype.kind in "OUS":
    return named_labels(y)
  if y.dtype.kind == "f":
    y = np.where(np.isnan(y), -1, y)
  labels = y.astype(np.int64) if y.dtype.kind in "biuf" else None
  if y.ndim != 1 or labels is None or (labels != y).any():
    raise ValueError(f"y: of shape {y.shape} and type {y.dtype}; [N] class numbers or names are expected")
  return labels, None


def is_unknown(one):
  try:
    return one is None or bool(one != one)
  except TypeError:  # as of pandas.NA
    return True


def named_labels(y):
  known = [None if is_unknown(one) else one for one in y]
  if all(one is None or isinstance(one, (int, np.integer)) for one in known):  # numbers among which some are missing
    return np.array([-1 if one is None else one for one in known], np.int64), None
  texts = [one if one is None else one.decode() if isinstance(one, bytes) else str(one) for one in known]
  names = sorted({one for one in texts if one is not None})
  number = {one: k for k, one in enumerate(names)}
  return np.array([-1 if one is None else number[one] for one in texts], np.int64), names


def check_labels(labels, num_classes, class_names):
  largest, least = labels.max(initial=0), labels.min(initial=0)
  if labels.ndim == 1 and not -1 <= least <= largest < max(num_classes, 1):
    wrong = least if least < -1 else largest
    raise ValueError(f"y: names class {wrong}, but the classes are 0 to {num_classes - 1}, and -1 where unknown")
  if class_names is not None and len(class_names) != num_classes:
    raise ValueError(f"class_names: {len(class_names)} names for {num_classes} classes")


def edges_of(edge_index, edge_weight):
  """Returns ([2, E] of int64, weights or None); a sparse matrix's values are weights where they are not all 1."""
  matrix = entries_of(edge_index)
  if matrix is not None:
    rows, columns, values = matrix
    return np.stack([rows, columns]).astype(np.int64), values if edge_weight is None and (values != 1).any() else edge_weight
  edges = array(edge_index)
  if edges.size == 0:
    edges = np.zeros((2, 0), np.int64)
  if edges.ndim != 2 or edges.shape[0] != 2 or edges.dtype.kind not in "iu":
    raise ValueError(f"edge_index: of shape {edges.shape} and type {edges.dtype}; integers [2, E] are expected" + advice(edges))
  return edges.astype(np.int64), edge_weight


def advice(edges):
  """Returns what to do with what is no edge_index."""
  if edges.ndim == 2 and edges.shape[1] == 2 and edges.dtype.kind in "iu":
    return ": transpose it"
  return ", or a sparse matrix, scipy.sparse.coo_matrix(A)" if edges.ndim == 2 and edges.shape[0] == edges.shape[1] else ""


def entries_of(matrix):
  """Returns (rows, columns, values) of a sparse matrix of scipy or torch; None of all else."""
  if hasattr(matrix, "tocoo"):
    matrix = matrix.tocoo()
    return matrix.row, matrix.col, matrix.data
  if "sparse" not in str(getattr(matrix, "layout", "")):
    return None
  matrix = matrix.to_sparse_coo().coalesce()
  return *array(matrix.indices()), array(matrix.values())


def nodes_of(num_nodes, edges, x, labels, node_ids):
  """Returns the number of nodes, on which all that tells it must agree."""
  told = {"num_nodes": num_nodes, "x": None if x is None else x.shape[0], "y": None if labels is None else len(labels),
          "node_ids": None if node_ids is None else len(node_ids)}
  told = {what: count for what, count in told.items() if count is not None}
  if len(set(told.values())) > 1:
    raise ValueError("the number of nodes: " + ", ".join(f"{what} says {count}" for what, count in told.items()))
  n = int(next(iter(told.values()), edges.max(initial=-1) + 1))
  if n == 0:
    raise ValueError("the graph has no nodes")
  if edges.size and not 0 <= edges.min() <= edges.max() < n:
    wrong = edges.min() if edges.min() < 0 else edges.max()
    raise ValueError(f"edge_index: names node {wrong}, but the nodes are 0 to {n - 1}")
  return n


def edge_values(weight, attributes):
  """Returns (weight [E], attributes [E, D]); attributes of one column are weights."""
  weight = None if weight is None else finite(array(weight).reshape(-1), "edge_weight")
  if attributes is None:
    return weight, None
  attributes = finite(array(attributes), "edge_attr")
  if attributes.ndim not in (1, 2) or attributes.shape[1:] == (0,):
    raise ValueError(f"edge_attr: of shape {attributes.shape}; numbers of shape [E] or [E, D] are expected")
  if weight is None and attributes.shape[1:] in ((), (1,)):
    return attributes.reshape(-1), None
  return weight, attributes


def finite(values, what):
  """Returns values in single precision, in which they must be finite."""
  try:
    with np.errstate(over="ignore"):
      values = values.astype(np.float32)
  except (TypeError, ValueError) as error:
    raise ValueError(f"{what}: of type {values.dtype}; numbers are expected") from error
  if not np.isfinite(values).all():
    raise ValueError(f"{what}: holds numbers that are not finite in single precision")
  return values


def neighbours(name, edges, n, undirected):
  """Returns indptr, indices, and a function that brings values of the given edges to their order."""
  count = edges.shape[1]
  origin = np.arange(count)
  if undirected:
    edges, origin = np.concatenate([edges, edges[::-1]], axis=1), np.concatenate([origin, origin])
  proper = edges[0] != edges[1]
  sources, targets, origin = edges[0, proper], edges[1, proper], origin[proper]
  keys = targets * n + sources
  pairs = np.unique(keys)
  warn_left_out(name, count - proper[:count].sum(), 0 if undirected else len(sources) - len(pairs))
  indptr = np.zeros(n + 1, np.int64)
  np.cumsum(np.bincount(pairs // n, minlength=n), out=indptr[1:])

  def kept(values, what):
    if values is None:
      return None
    if len(values) != count:
      raise ValueError(f"edge {what}: {len(values)} values for {count} edges")
    given, place = values[origin], np.searchsorted(pairs, keys)
    chosen = np.empty((len(pairs), *given.shape[1:]), np.float32)
    chosen[place] = given
    if not np.array_equal(chosen[place], given):
      raise ValueError(f"edge {what}: an edge that is named more than once has different values; decide on one")
    return chosen

  return indptr, pairs % n, kept


def warn_left_out(name, loops, repeated):
  found = (loops, "self-loops, which layers add"), (repeated, "repeated edges")
  told = [f"{count} {what}" for count, what in found if count]
  if told:
    warnings.warn(f"{name}: left out: " + ", ".join(told), stacklevel=4)


def splits_of(splits, masks, n):
  """Returns name -> part -> ids, ascending."""
  splits = dict(splits or {})
  if set(splits) & {*PARTS, "valid"}:
    splits = {"public": splits}
  if any(mask is not None for mask in masks.values()):
    splits = {**columns(masks, n), **splits}
  return {str(name): {part: ids_of(split.get(part, split.get("valid") if part == "val" else None), n, f"{name}: {part}")
                      for part in PARTS} for name, split in splits.items()}


def columns(masks, n):
  """Returns the splits that masks [N], or [N, k], or [k, N], stand for."""
  found = {part: array(mask) for part, mask in masks.items() if mask is not None}
  found = {part: mask.T if mask.ndim == 2 and len(mask) != n == mask.shape[1] else mask for part, mask in found.items()}
  count = max(mask.shape[1] if mask.ndim == 2 else 0 for mask in found.values())
  if count == 0:
    return {"public": found}
  return {str(k): {part: mask[:, k] if mask.ndim == 2 else mask for part, mask in found.items()} for k in range(count)}


def ids_of(part, n, what):
  """Returns ids of a mask, or of ids. N entries of 0 and 1 are a mask, whatever their type."""
  if part is None:
    return np.zeros(0, np.int64)
  part = array(part)
  if part.size == 0:
    part = part.astype(np.int64)
  if part.ndim == 1 and (part.dtype == bool or (len(part) == n and np.isin(part, (0, 1)).all())):
    if len(part) != n:
      raise ValueError(f"split {what}: a mask of {len(part)} entries for {n} nodes")
    return np.flatnonzero(part)
  ids = np.unique(part)
  if part.ndim != 1 or part.dtype.kind not in "iu" or len(ids) != len(part):
    raise ValueError(f"split {what}: expected is a mask of {n} entries, or node ids, each once")
  if ids.size and not 0 <= ids[0] <= ids[-1] < n:
    raise ValueError(f"split {what}: names node {ids[-1] if ids[0] >= 0 else ids[0]}, but the nodes are 0 to {n - 1}")
  return ids.astype(np.int64)
