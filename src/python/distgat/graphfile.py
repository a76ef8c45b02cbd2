"""The graph file (layout: data/README.md), for whoever has a graph's arrays in the file's own order."""

import dataclasses
from typing import Any, NamedTuple, Optional, Sequence

import h5py
import numpy as np

from . import h5

PARTS = ("train", "val", "test")


@dataclasses.dataclass
class Contents:
  """What a graph file holds."""
  name: str
  num_classes: int
  indptr: np.ndarray  # [N + 1]
  indices: np.ndarray  # [E], in-neighbours of each node, ascending, each once, without itself
  features: Any  # [N, F], an array or a CSR matrix as scipy has it, columns ascending
  labels: np.ndarray  # [N], -1 where unknown; or 0 and 1 [N, C], of several labels at once
  splits: dict  # name -> {"train", "val", "test"} -> node ids, each once
  node_ids: Optional[Sequence] = None  # [N] integers or strings: what the nodes are called elsewhere
  class_names: Optional[Sequence[str]] = None  # [num_classes]
  edge_weight: Optional[np.ndarray] = None  # [E]
  edge_features: Optional[np.ndarray] = None  # [E, D]


class Csr(NamedTuple):
  """A sparse matrix as scipy has it, without scipy."""
  indptr: np.ndarray  # [N + 1]
  indices: np.ndarray  # [nnz]
  data: np.ndarray  # [nnz]
  shape: tuple

  @property
  def nnz(self):
    return len(self.data)

  def toarray(self):
    dense = np.zeros(self.shape, self.data.dtype)
    dense[np.repeat(np.arange(self.shape[0]), np.diff(self.indptr)), self.indices] = self.data
    return dense


def write(path, contents):
  """Writes the file. Raises OSError where it cannot."""
  h5.write(path, attributes(contents), datasets(contents))


def attributes(c):
  """Returns the file's root attributes."""
  found = {"format": "distgat-graph", "name": c.name, "version": 1, "num_classes": c.num_classes,
           "num_features": c.features.shape[1]}
  return {**found, "task": "multilabel"} if c.labels.ndim == 2 else found


def is_sparse(features):
  return hasattr(features, "indptr")


def stored_sparse(features):
  """Whether CSR is the smaller form: up to half of the entries are not zero."""
  nonzeros = features.nnz if is_sparse(features) else np.count_nonzero(features)
  return 2 * nonzeros <= features.shape[0] * features.shape[1]


def sparse_parts(features):
  """Returns (indptr, indices, values) of an array or a CSR matrix."""
  if is_sparse(features):
    return features.indptr, features.indices, features.data
  present = features != 0
  return np.concatenate([[0], np.cumsum(present.sum(axis=1))]), np.nonzero(present)[1], features[present]


def datasets(c):
  """Yields (name, array) of all data sets of the file."""
  yield "graph/indptr", np.asarray(c.indptr, np.int64)
  yield "graph/indices", np.asarray(c.indices, np.int32 if len(c.labels) < 2**31 else np.int64)
  if stored_sparse(c.features):
    for part, values, kind in zip(("indptr", "indices", "values"), sparse_parts(c.features), "qif"):
      yield f"features/{part}", np.asarray(values, kind)
  else:
    dense = c.features.toarray() if is_sparse(c.features) else c.features
    yield "features/dense", np.asarray(dense, np.float32)
  yield "labels", np.asarray(c.labels, np.uint8 if c.labels.ndim == 2 else np.int32)
  if c.node_ids is not None:
    yield "nodes/id", as_ids(c.node_ids)
  if c.class_names is not None:
    yield "classes/name", h5.fixed(c.class_names)
  if c.edge_weight is not None:
    yield "edges/weight", np.asarray(c.edge_weight, np.float32)
  if c.edge_features is not None:
    yield "edges/features", np.asarray(c.edge_features, np.float32)
  for name, split in c.splits.items():
    for part in PARTS:
      yield f"splits/{name}/{part}", np.asarray(split[part], np.int64)


def as_ids(ids):
  """Returns node ids as the file has them: int64 where all are integers, else strings."""
  found = np.asarray(ids)
  whole = found.dtype.kind in "iu" and int(found.max(initial=0)) < 2**63
  return found.astype(np.int64) if whole else h5.fixed([str(i) for i in ids])


def read(path, make=Contents):
  """Returns the contents of a graph file. Raises OSError where HDF5 cannot read it, ValueError where it is none."""
  with h5py.File(path, "r") as file:
    if h5.text(file.attrs.get("format", "")) != "distgat-graph":
      raise ValueError(f"{path}: not a distgat graph (root attribute format is not distgat-graph)")
    strings = {"node_ids": "nodes/id", "class_names": "classes/name"}
    arrays = {"edge_weight": "edges/weight", "edge_features": "edges/features"}
    return make(
      name=h5.text(file.attrs.get("name", "")), num_classes=int(file.attrs["num_classes"]),
      indptr=file["graph/indptr"][:], indices=file["graph/indices"][:], features=read_features(file),
      labels=file["labels"][:],
      splits={name: {part: split[part][:] for part in PARTS} for name, split in file.get("splits", {}).items()},
      **{field: h5.names(file.get(place)) for field, place in strings.items()},
      **{field: file[place][:] if place in file else None for field, place in arrays.items()})


def read_features(file):
  features = file["features"]
  if "dense" in features:
    return features["dense"][:]
  shape = len(features["indptr"]) - 1, int(file.attrs["num_features"])
  return Csr(features["indptr"][:], features["indices"][:], features["values"][:], shape)
