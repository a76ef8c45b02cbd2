"""The graph that every reader returns, and what readers share."""

import contextlib
import dataclasses
import itertools
import os
import stat
from typing import List, Optional

import numpy as np
import scipy.sparse

MAX_NODES = 2**31 - 1  # node ids fit int32
MAX_CLASSES = 2**20  # as the program accepts
POINTER = b"version https://git-lfs.github.com/spec/"


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
  splits: dict  # name -> {"train", "val", "test"} -> int64 ids, ascending, each once
  class_names: Optional[List[str]] = None  # [n_classes]
  notes: List[str] = dataclasses.field(default_factory=list)  # what the import chose or left out
  warnings: List[str] = dataclasses.field(default_factory=list)  # what looks like a mistake in the input


def printable(text):
  """Returns text of foreign origin on one line, without control characters."""
  return "".join(c if c.isprintable() else "?" for c in text)


@contextlib.contextmanager
def open_input(path):
  """Opens a regular file, for reading bytes, that is no mere pointer to its content."""
  try:
    # Without waiting for the other end of a pipe.
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))
  except OSError as error:
    raise InputError(f"{path}: cannot read it: {error.strerror or error}") from error
  with file:
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
      raise InputError(f"{path}: is no regular file")
    if file.read(len(POINTER)) == POINTER:
      raise InputError(f"{path}: is a Git LFS pointer, not the data itself; fetch it with git lfs pull")
    file.seek(0)
    yield file


def complete(path, graph):
  """Returns the graph as the program takes it: with features, at least one class, and labels in all splits."""
  if not 1 <= graph.n_classes <= MAX_CLASSES or (graph.labels < 0).all():
    raise InputError(f"{path}: {graph.n_classes} classes, and {(graph.labels >= 0).sum()} nodes with a label; expected "
                     f"are 1 to {MAX_CLASSES} classes and at least one such node")
  n_nodes = len(graph.labels)
  if graph.features.shape[1] == 0:
    graph.features = scipy.sparse.identity(n_nodes, np.float32, "csr")
    graph.notes.insert(0, "no features: identity features")
  for name, split in graph.splits.items():
    leave_out_unlabelled(path, graph, name, split)
    if len(split["train"]) == 0:
      raise InputError(f"{path}: the training part of split {name} has no node with a label; it needs at least one")
    warn_overlap(path, graph, name, split)
  return graph


def leave_out_unlabelled(path, graph, name, split):
  for part, ids in split.items():
    known = graph.labels[ids] >= 0
    if not known.all():
      graph.warnings.append(f"{path}: split {name}: nodes of {part} without a label are left out: {(~known).sum()}")
      split[part] = ids[known]


def warn_overlap(path, graph, name, split):
  times = np.zeros(len(graph.labels), np.int8)
  for ids in split.values():
    times[ids] += 1
  if (times > 1).any():
    pairs = [(a, b, len(np.intersect1d(split[a], split[b]))) for a, b in itertools.combinations(split, 2)]
    counts = ", ".join(f"{a} and {b} share {count}" for a, b, count in pairs if count)
    graph.warnings.append(f"{path}: split {name}: nodes in more than one part: {(times > 1).sum()} ({counts})")


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
  """Returns an array from a file in single precision, if that keeps its values, or double: scipy knows neither half
  precision nor foreign byte order."""
  if values.dtype.kind not in "biuf":
    raise InputError(f"{path}: values of type {values.dtype}, numbers are expected")
  return values.astype(np.float32 if np.can_cast(values.dtype, np.float32) else np.float64)


def clean_features(path, matrix):
  """Returns the matrix as CSR float32, columns ascending, entries named twice summed, without stored zeros."""
  with np.errstate(over="ignore"):
    features = scipy.sparse.csr_matrix(matrix, dtype=np.float32, copy=True)
  features.sum_duplicates()
  features.eliminate_zeros()
  if not np.isfinite(features.data).all():
    row = np.searchsorted(features.indptr, np.flatnonzero(~np.isfinite(features.data))[0], side="right") - 1
    raise InputError(f"{path}: row {row} holds a number that is not finite in single precision")
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
