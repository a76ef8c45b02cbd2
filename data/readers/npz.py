"""Archives in the layout of gnn-benchmark, with PyTorch Geometric's names, or of the heterophilous data sets."""

import os

import numpy as np
import scipy.sparse

from . import labels, splits
from .archive import Archive
from .graph import Graph, InputError, clean_edges, clean_features, complete, make_csr, real

PREFIXES = {"adj": ("adj_", "adj_matrix.", "adj."), "attr": ("attr_", "attr_matrix.", "attr.")}
DENSE = {"adj": ("adj_matrix", "adj"), "attr": ("attr_matrix", "node_features", "features", "x")}
EDGES = ("edge_index", "edges")
LABELS = ("labels", "node_labels", "y")


def read(path, split_seed):
  """Returns the graph; where the archive has no split, `random` is drawn."""
  archive = Archive(path)
  refuse_scipy(archive)
  adjacency, features = find_matrix(archive, "adj"), find_matrix(archive, "attr")
  name = archive.need_one("labels", LABELS)
  n_nodes = count_nodes(archive, adjacency, features, name)
  classes, n_classes, class_names = labels.read(archive, name)
  notes = []
  indptr, indices = read_edges(archive, adjacency, n_nodes, notes)
  if features is None:
    features = scipy.sparse.csr_matrix((n_nodes, 0), dtype=np.float32)
  else:
    features = clean_features(path, features.read())
  parts = splits.read(archive, n_nodes)
  if not parts:
    notes.append(f"no split given, random drawn with --split-seed {split_seed}")
    parts = {"random": splits.draw(classes, split_seed)}
  class_names = class_names or labels.read_names(archive, "class_names", n_classes)
  unused = archive.unused()
  notes += ["not used: " + ", ".join(unused)] if unused else []
  graph_name = os.path.splitext(os.path.basename(path))[0]
  return complete(path, Graph(graph_name, n_classes, indptr, indices, features, classes, parts, class_names, notes))


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


def read_edges(archive, adjacency, n_nodes, notes):
  """Returns (indptr, indices); of an adjacency matrix the entries other than zero."""
  path = archive.path
  if adjacency is None:
    pairs = read_pairs(archive, archive.first(EDGES))
    return clean_edges(path, pairs[0], pairs[1], n_nodes)
  matrix = adjacency.read().tocoo()
  if matrix.shape != (n_nodes, n_nodes):
    raise InputError(f"{path}: an adjacency matrix of shape {matrix.shape}, it must be square")
  if not np.isfinite(matrix.data).all():
    raise InputError(f"{path}: the adjacency matrix holds weights that are not finite")
  linked = matrix.data != 0
  if (matrix.data[linked] != 1).any():
    notes.append("edge weights dropped")
  return clean_edges(path, matrix.col[linked], matrix.row[linked], n_nodes)


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
