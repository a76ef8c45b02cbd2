"""Archives in the layout of gnn-benchmark, with PyTorch Geometric's names, or of the heterophilous data sets."""

import os

import numpy as np
import scipy.sparse

from . import labels, nodes, splits
from .archive import Archive
from .edges import check_range
from .graph import InputError, Source, clean_features, make_csr, real

PREFIXES = {"adj": ("adj_", "adj_matrix.", "adj."), "attr": ("attr_", "attr_matrix.", "attr.")}
DENSE = {"adj": ("adj_matrix", "adj"), "attr": ("attr_matrix", "node_features", "features", "x")}
EDGES = ("edge_index", "edges")
WEIGHTS = ("edge_weight", "edge_weights", "edge_attr")
FEATURES = ("edge_features", "edge_feat", "edge_attr")
LABELS = ("labels", "node_labels", "y")


def read(options):
  path = options.source
  archive = Archive(path)
  refuse_scipy(archive)
  adjacency, features = find_matrix(archive, "adj"), find_matrix(archive, "attr")
  name = archive.need_one("labels", LABELS)
  n_nodes = count_nodes(archive, adjacency, features, name)
  known = labels.read(archive, name)
  name = os.path.splitext(os.path.basename(path))[0]
  source = Source(path, name, n_nodes, *read_edges(archive, adjacency, n_nodes, options.edge_features), labels=known)
  if features is not None:
    source.features = clean_features(path, features.read())
  source.splits = splits.read(archive, n_nodes)
  known.names = known.names or labels.read_names(archive, "class_names", known.n_classes)
  names = labels.read_names(archive, "node_names", n_nodes)
  source.node_ids = names and np.array(names, object)
  unused = archive.unused()
  source.notes = (["not used: " + ", ".join(unused)] if unused else []) + nodes.shared(names or [])
  return source


class Csr:
  """A sparse matrix in four arrays."""

  def __init__(self, archive, prefix):
    self.archive, self.prefix = archive, prefix
    self.rows = max(self.vector("indptr") - 1, 0)

  def vector(self, part):
    """Returns the length of one of the arrays."""
    shape = self.archive.shape(self.prefix + part)
    if len(shape) != 1:
      self.archive.refuse(self.prefix + part, f"has the shape {shape}, a vector is expected")
    return shape[0]

  def read(self):
    if self.vector("shape") != 2:
      self.archive.refuse(self.prefix + "shape", "must hold two sizes")
    if self.vector("data") != self.vector("indices"):
      self.archive.refuse(self.prefix + "data",
                          f"holds {self.vector('data')} values for {self.vector('indices')} indices")
    data, indices, indptr = (self.archive.get(self.prefix + part) for part in ("data", "indices", "indptr"))
    return make_csr(self.archive.path, data, indices, indptr, self.archive.whole(self.prefix + "shape").tolist())


class Dense:
  """A matrix in one array."""

  def __init__(self, archive, name):
    self.archive, self.name = archive, name
    shape, dtype = archive.header(name)
    if len(shape) != 2 and dtype.hasobject:
      archive.refuse(name, "is a pickled Python object; save data, indices, indptr and shape of a sparse matrix as "
                     "arrays of their own (layout: data/README.md)")
    if len(shape) != 2:
      archive.refuse(name, f"has the shape {shape}, a matrix is expected")
    self.rows = shape[0]

  def read(self):
    return scipy.sparse.csr_matrix(real(self.archive.path, self.archive.get(self.name)))


def find_matrix(archive, kind):
  for prefix in PREFIXES[kind]:
    if prefix + "data" in archive.members:
      return Csr(archive, prefix)
  name = archive.first(DENSE[kind])
  return Dense(archive, name) if name else None


def count_nodes(archive, adjacency, features, name):
  """Returns the number that all headers agree on, before anything large is read."""
  shape = archive.shape(name)
  counts = {name: shape[0] if shape else 0}
  if adjacency is not None:
    counts["the adjacency matrix"] = adjacency.rows
  else:
    archive.need_one("edges", ("adj_data", *DENSE["adj"], *EDGES))
  if features is not None:
    counts["the features"] = features.rows
  if len(set(counts.values())) > 1:
    raise InputError(f"{archive.path}: " + ", ".join(f"{rows} rows in {what}" for what, rows in counts.items()) +
                     "; all must have one for each node")
  return counts[name]


def read_edges(archive, adjacency, n_nodes, featured):
  """Returns (sources, targets, weights or None, features or None); of an adjacency matrix the entries other than zero,
  from row to column."""
  path = archive.path
  if adjacency is None:
    sources, targets = read_pairs(archive, archive.first(EDGES))
    check_range(path, sources, targets, n_nodes)
    features = archive.need_one("features of edges for --edge-features", FEATURES) if featured else None
    weights = read_weights(archive, archive.first([name for name in WEIGHTS if name != features]), len(sources))
    return sources, targets, weights, archive.rows(features, len(sources)) if featured else None
  if featured:
    raise InputError(f"{path}: --edge-features: a matrix has one number for an edge; expected are listed edges, as "
                     f"{EDGES[0]}, and a row of features for each")
  matrix = adjacency.read().tocoo()
  if matrix.shape != (n_nodes, n_nodes):
    raise InputError(f"{path}: an adjacency matrix of shape {matrix.shape}, it must be square")
  if not (np.abs(matrix.data) <= np.finfo(np.float32).max).all():
    raise InputError(f"{path}: the adjacency matrix holds weights that are not finite in single precision")
  check_range(path, matrix.row, matrix.col, n_nodes)
  linked = matrix.data != 0
  return matrix.row[linked], matrix.col[linked], matrix.data[linked].astype(np.float64), None


def read_weights(archive, name, n_edges):
  """Returns the weights of listed edges, or None."""
  if name is None or archive.shape(name) not in ((n_edges,), (n_edges, 1)):
    if name not in (None, "edge_attr"):
      archive.refuse(name, f"has the shape {archive.shape(name)}; expected is one weight for each of {n_edges} edges")
    return None
  weights = real(archive.path, archive.get(name)).astype(np.float64).reshape(-1)
  if not (np.abs(weights) <= np.finfo(np.float32).max).all():
    archive.refuse(name, "holds weights that are not finite in single precision")
  return weights


def read_pairs(archive, name):
  """Returns [2, E] of edges as [2, E] or [E, 2]; of two edges the name tells: PyTorch Geometric's are in columns."""
  pairs = archive.whole(name)
  if pairs.ndim != 2 or 2 not in pairs.shape:
    archive.refuse(name, f"has the shape {pairs.shape}, [2, E] or [E, 2] is expected")
  columns = name == "edge_index" if pairs.shape == (2, 2) else pairs.shape[0] == 2
  return pairs if columns else pairs.T


def refuse_scipy(archive):
  if {"format", "shape", "data"} <= set(archive.members) and not archive.first(LABELS):
    raise InputError(
      f"{archive.path}: is one matrix of scipy.sparse.save_npz, without labels; complete it: A = "
      "scipy.sparse.csr_matrix(scipy.sparse.load_npz(FILE)); numpy.savez(NEW, adj_data=A.data, "
      "adj_indices=A.indices, adj_indptr=A.indptr, adj_shape=A.shape, labels=…)")
