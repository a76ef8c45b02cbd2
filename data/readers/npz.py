"""Archives in the layout of gnn-benchmark: adj_*, attr_* in CSR, or dense attr_matrix, and labels."""

import os
import zipfile

import numpy as np
import scipy.sparse

from .graph import MAX_CLASSES, Graph, InputError, clean_edges, clean_features, make_csr, real

PARTS = ("train", "val", "test")
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read(path, split_seed):
  """Returns the graph; idx_train, idx_val and idx_test become the split `public`, else `random` is drawn."""
  archive = Archive(path)
  adjacency = archive.matrix("adj")
  features = archive.matrix("attr")
  labels = archive.integers("labels")
  n_nodes = adjacency.shape[0]
  if adjacency.shape[1] != n_nodes or features.shape[0] != n_nodes or len(labels) != n_nodes:
    raise InputError(f"{path}: an adjacency matrix of shape {adjacency.shape}, {features.shape[0]} rows of features "
                     f"and {len(labels)} labels do not fit together")
  labels = np.maximum(labels, -1)
  if n_nodes and labels.max() >= MAX_CLASSES:
    raise InputError(f"{path}: label {labels.max()} is no class: these are 0 to {MAX_CLASSES - 1}")
  adjacency = adjacency.tocoo()
  linked = adjacency.data != 0
  indptr, indices = clean_edges(path, adjacency.col[linked], adjacency.row[linked], n_nodes)
  if archive.has("idx_train"):
    splits = {"public": {part: archive.node_ids(f"idx_{part}", n_nodes) for part in PARTS}}
  else:
    splits = {"random": draw_split(labels, split_seed)}
  return Graph(os.path.splitext(os.path.basename(path))[0], int(labels.max(initial=0)) + 1, indptr, indices,
               clean_features(path, features), labels.astype(np.int32), splits)


class Archive:
  """The arrays of an archive; pickled ones are refused, each error names the file."""

  def __init__(self, path):
    self.path = path
    try:
      self.arrays = np.load(path, allow_pickle=False)
    except OSError as error:
      raise InputError(f"{path}: cannot read it: {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
      raise InputError(f"{path}: is no npz archive, or truncated") from error
    if isinstance(self.arrays, np.ndarray):
      raise InputError(f"{path}: is one array, an npz archive is expected")
    for member in self.arrays.zip.namelist():
      self.check_plain(member)

  def check_plain(self, member):
    """Refuses a member that only unpickling could read, wanted or not: the file is not one to be trusted."""
    name = member.removesuffix(".npy")
    try:
      with self.arrays.zip.open(member) as file:
        kind = HEADERS[np.lib.format.read_magic(file)](file)[2]
    except Exception as error:  # zlib, zipfile and numpy each raise their own on damaged data
      raise InputError(f"{self.path}: {name} is no array, or truncated or damaged") from error
    if kind.hasobject:
      raise InputError(f"{self.path}: refuses to load it: {name} is an array of pickled Python objects")

  def has(self, name):
    return name in self.arrays.files

  def get(self, name):
    if not self.has(name):
      raise InputError(f"{self.path}: has no array {name} (layout: data/README.md)")
    try:
      return self.arrays[name]
    except Exception as error:  # as above
      raise InputError(f"{self.path}: array {name} is truncated or damaged") from error

  def matrix(self, prefix):
    if not self.has(f"{prefix}_data"):
      dense = self.get(f"{prefix}_matrix")
      if dense.ndim != 2:
        raise InputError(f"{self.path}: {prefix}_matrix is no matrix")
      return scipy.sparse.csr_matrix(real(self.path, dense))
    data, indices, indptr = (self.get(f"{prefix}_{part}") for part in ("data", "indices", "indptr"))
    return make_csr(self.path, data, indices, indptr, self.integers(f"{prefix}_shape").tolist())

  def integers(self, name):
    values = self.get(name)
    if values.ndim != 1 or values.dtype.kind not in "iu":
      raise InputError(f"{self.path}: {name} is no vector of integers")
    return values.astype(np.int64)

  def node_ids(self, name, n_nodes):
    ids = np.unique(self.integers(name))
    if ids.size and not 0 <= ids[0] <= ids[-1] < n_nodes:
      raise InputError(f"{self.path}: {name} names node {ids[-1] if ids[0] >= 0 else ids[0]}, but the nodes are 0 to "
                       f"{n_nodes - 1}")
    return ids


def draw_split(labels, seed, n_train=20, n_val=30):
  """Returns a split with n_train training and n_val validation nodes of each class, the other labelled ones test."""
  draw = np.random.RandomState(seed)  # frozen: the same numbers in every version of numpy
  chosen = {part: [] for part in PARTS}
  for label in np.unique(labels[labels >= 0]):
    nodes = draw.permutation(np.flatnonzero(labels == label))
    for part, ids in zip(PARTS, np.split(nodes, [n_train, n_train + n_val])):
      chosen[part].append(ids)
  return {part: np.sort(np.concatenate(ids)) if ids else np.zeros(0, np.int64) for part, ids in chosen.items()}
