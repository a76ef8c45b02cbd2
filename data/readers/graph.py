"""What every reader returns, and what readers share."""

import contextlib
import dataclasses
import os
import stat
from typing import List, Optional, Union

import numpy as np
import scipy.sparse

MAX_NODES = 2**31 - 1  # node ids fit int32
MAX_CLASSES = 2**20  # as the program accepts
MAX_EDGE_FEATURES = 2**16  # as well
POINTER = b"version https://git-lfs.github.com/spec/"


class InputError(Exception):
  """Input that cannot be used: what, where, what would be right."""


class OutputError(Exception):
  """A result that cannot be written."""


Features = Union[np.ndarray, scipy.sparse.csr_matrix]  # float32 [N, F]; CSR: columns ascending, no stored zeros


@dataclasses.dataclass
class Labels:
  values: np.ndarray  # int32 [N], -1 where unknown; or uint8 [N, n_classes], 0 and 1, of several labels a node
  n_classes: int
  names: Optional[List[str]] = None  # [n_classes]

  @property
  def several(self):
    return self.values.ndim == 2

  @property
  def known(self):
    """Whether each node has a label; of several any node may have none of them. [N]"""
    return np.ones(len(self.values), bool) if self.several else self.values >= 0


@dataclasses.dataclass
class Source:
  """What a reader has found. Nodes are 0 to n_nodes - 1 everywhere but in node_ids."""
  path: str  # for messages
  name: str
  n_nodes: int
  sources: np.ndarray  # [M], edges as they are listed: sources -> targets
  targets: np.ndarray
  weights: Optional[np.ndarray] = None  # float64 [M], all finite
  edge_features: Optional[np.ndarray] = None  # float32 [M, D], all finite
  features: Optional[Features] = None
  labels: Optional[Labels] = None
  splits: dict = dataclasses.field(default_factory=dict)  # name -> {"train", "val", "test"} -> int64 ids, ascending
  node_ids: Optional[np.ndarray] = None  # int64 or strings [N], ids that the nodes had, where they had others
  notes: List[str] = dataclasses.field(default_factory=list)  # what the import chose or left out
  warnings: List[str] = dataclasses.field(default_factory=list)  # what looks like a mistake in the input


@dataclasses.dataclass
class Graph:
  """What is written."""
  name: str
  indptr: np.ndarray  # int64 [N + 1]
  indices: np.ndarray  # int32 [E], in-neighbours of each node, ascending
  features: Features
  labels: Labels
  splits: dict
  node_ids: Optional[np.ndarray]
  notes: List[str]
  warnings: List[str]
  weights: Optional[np.ndarray] = None  # float64 [E]
  edge_features: Optional[np.ndarray] = None  # float32 [E, D]


@dataclasses.dataclass
class Named:
  """A file whose parts have names."""
  path: str

  def refuse(self, name, why):
    raise InputError(f"{self.path}: {printable(name)} {why}")


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
