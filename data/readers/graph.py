"""The graph that every reader returns, and the file that is made of it (layout: data/README.md)."""

import contextlib
import dataclasses
import os
import tempfile

import h5py
import numpy as np
import scipy.sparse

MAX_NODES = 2**31 - 1  # node ids fit int32
MAX_CLASSES = 2**20  # as the program accepts


class InputError(Exception):
  """Input that cannot be used: what, where, what would be right."""


class OutputError(Exception):
  """A result that cannot be written."""


@dataclasses.dataclass
class Graph:
  name: str
  n_classes: int
  indptr: np.ndarray  # int64 [N + 1]
  indices: np.ndarray  # int32 [E], in-neighbours of each node, ascending
  features: scipy.sparse.csr_matrix  # float32 [N, F], columns ascending, no stored zeros
  labels: np.ndarray  # int32 [N], -1 where unknown
  splits: dict  # name -> {"train", "val", "test"} -> int64 ids


def clean_edges(path, sources, targets, n_nodes):
  """Returns (indptr, indices) of the undirected simple graph that the pairs span: both directions, each once, no
  self-loops."""
  if n_nodes == 0:
    raise InputError(f"{path}: the graph has no nodes")
  sources, targets = np.asarray(sources, np.int64), np.asarray(targets, np.int64)
  for ids in (sources, targets):
    wrong = ids[(ids < 0) | (ids >= n_nodes)]
    if wrong.size:
      raise InputError(f"{path}: an edge names node {wrong[0]}, but the nodes are 0 to {n_nodes - 1}")
  proper = sources != targets
  sources, targets = sources[proper], targets[proper]
  pairs = np.unique(np.concatenate([targets * n_nodes + sources, sources * n_nodes + targets]))
  rows, columns = np.divmod(pairs, n_nodes)
  indptr = np.zeros(n_nodes + 1, np.int64)
  np.cumsum(np.bincount(rows, minlength=n_nodes), out=indptr[1:])
  return indptr, columns.astype(np.int32)


def real(path, values):
  """Returns an array from a file in double precision: scipy knows neither half precision nor foreign byte order."""
  if values.dtype.kind not in "biuf":
    raise InputError(f"{path}: values of type {values.dtype}, numbers are expected")
  return values.astype(np.float64)


def clean_features(path, matrix):
  """Returns the matrix as CSR float32, columns ascending, entries named twice summed, without stored zeros."""
  with np.errstate(over="ignore"):
    features = scipy.sparse.csr_matrix(matrix, dtype=np.float32, copy=True)
  features.sum_duplicates()
  features.eliminate_zeros()
  if not np.isfinite(features.data).all():
    row = np.searchsorted(features.indptr, np.flatnonzero(~np.isfinite(features.data))[0], side="right") - 1
    raise InputError(f"{path}: a feature of row {row} is not finite in single precision")
  return features


def make_csr(path, data, indices, indptr, shape):
  """Returns a scipy matrix of arrays from a file, after checking that they describe one."""
  arrays = (data, indices, indptr)
  if any(a.ndim != 1 for a in arrays) or any(a.dtype.kind not in "iu" for a in arrays[1:]):
    raise InputError(f"{path}: data, indices and indptr of a sparse matrix must be vectors, the latter two of integers")
  if len(shape) != 2 or not all(0 <= s <= MAX_NODES for s in shape):
    raise InputError(f"{path}: a sparse matrix of shape {tuple(shape)}, two sizes below 2^31 are expected")
  indices, indptr = indices.astype(np.int64), indptr.astype(np.int64)
  if len(indptr) != shape[0] + 1 or indptr[0] != 0 or (np.diff(indptr) < 0).any() or indptr[-1] != len(indices):
    raise InputError(f"{path}: indptr of a sparse matrix must rise from 0 to its {len(indices)} entries over "
                     f"{shape[0]} rows")
  if len(data) != len(indices) or (len(indices) and not 0 <= indices.min() <= indices.max() < shape[1]):
    raise InputError(f"{path}: a sparse matrix needs one value per entry and columns from 0 to {shape[1] - 1}")
  return scipy.sparse.csr_matrix((real(path, data), indices, indptr), shape=tuple(shape))


def write(path, graph):
  """Writes the graph file, complete or not at all; the same graph gives the same bytes."""
  try:
    replace_file(path, image(graph))
  except OSError as error:
    raise OutputError(f"{path}: cannot write it: {error.strerror or error}") from error


def image(graph):
  """Returns the bytes of the file. Made in memory: the HDF5 library crashes when it meets a full disk."""
  with h5py.File("graph", "w", driver="core", backing_store=False, block_size=2**22) as file:
    write_attributes(file, graph)
    for name, values in datasets(graph):
      file.create_dataset(name, data=values, track_times=False)
    file.flush()
    return file.id.get_file_image()


def replace_file(path, content):
  """Writes under a temporary name beside `path`, renamed at the end and removed on failure."""
  path = os.path.realpath(path)
  if os.path.exists(path) and not os.path.isfile(path):
    raise OSError("is no regular file")
  handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)[:200]}.", dir=os.path.dirname(path))
  try:
    with open(handle, "wb") as file:
      file.write(content)
      file.flush()
      os.fsync(handle)
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes private files
    os.replace(temporary, path)
  except BaseException:
    with contextlib.suppress(OSError):
      os.unlink(temporary)
    raise


def write_attributes(file, graph):
  file.attrs["format"] = "distgat-graph"
  file.attrs["version"] = 1
  file.attrs["name"] = graph.name
  file.attrs["num_classes"] = graph.n_classes
  file.attrs["num_features"] = graph.features.shape[1]


def stored_sparse(features):
  """Whether CSR is the smaller form: up to half of the entries are not zero."""
  return 2 * features.nnz <= features.shape[0] * features.shape[1]


def datasets(graph):
  """Yields (name, array) of all data sets of the file."""
  yield "graph/indptr", graph.indptr.astype(np.int64)
  yield "graph/indices", graph.indices.astype(np.int32)
  if stored_sparse(graph.features):
    yield "features/indptr", graph.features.indptr.astype(np.int64)
    yield "features/indices", graph.features.indices.astype(np.int32)
    yield "features/values", graph.features.data.astype(np.float32)
  else:
    yield "features/dense", graph.features.toarray()
  yield "labels", graph.labels.astype(np.int32)
  for name, split in graph.splits.items():
    for part in ("train", "val", "test"):
      yield f"splits/{name}/{part}", np.asarray(split[part], np.int64)


def describe(graph):
  splits = "; ".join(f"split {name}: " + " / ".join(str(len(split[part])) for part in ("train", "val", "test"))
                     for name, split in graph.splits.items())
  form = "sparse" if stored_sparse(graph.features) else "dense"
  return (f"{graph.name}, {len(graph.labels)} nodes, {len(graph.indices)} directed edges, "
          f"{graph.features.shape[1]} features ({form}), {graph.n_classes} classes; {splits} train/val/test")
