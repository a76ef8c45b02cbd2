"""The graph file (layout: data/README.md), and the line that tells what is in it."""

import contextlib
import os
import tempfile

import h5py
import numpy as np

from .graph import OutputError, printable

SPLITS_TOLD = 3


def write(path, graph):
  """Writes the graph file, complete or not at all; the same graph gives the same bytes."""
  try:
    replace_file(path, image(graph))
  except OSError as error:
    raise OutputError(f"{path}: cannot write it: {error.strerror or error}") from error


def image(graph):
  """Returns the bytes of the file. Made in memory: the HDF5 library crashes when it meets a full disk."""
  memory = {"driver": "core", "backing_store": False, "block_size": 2**22}
  with h5py.File("graph", "w", libver=("earliest", "v110"), **memory) as file:
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
  handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)[:50]}.", dir=os.path.dirname(path))
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
  """Strings have a fixed length: HDF5 reads those of variable length past its heap when a file is damaged."""
  for name, text in (("format", "distgat-graph"), ("name", graph.name)):
    file.attrs[name] = fixed([text]).reshape(())
  file.attrs["version"] = 1
  file.attrs["num_classes"] = graph.n_classes
  file.attrs["num_features"] = graph.features.shape[1]


def fixed(texts):
  """Returns strings as an array of UTF-8 of one fixed length."""
  content = [text.encode("utf-8", "replace") for text in texts]
  return np.array(content, h5py.string_dtype("utf-8", max(1, *map(len, content))))


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
  if graph.class_names:
    yield "classes/name", fixed(graph.class_names)
  for name, split in graph.splits.items():
    for part in ("train", "val", "test"):
      yield f"splits/{name}/{part}", np.asarray(split[part], np.int64)


def describe(graph):
  form = "sparse" if stored_sparse(graph.features) else "dense"
  facts = [f"{graph.name}, {len(graph.labels)} nodes, {len(graph.indices)} directed edges, "
           f"{graph.features.shape[1]} features ({form}), {graph.n_classes} classes"]
  told = list(graph.splits.items())[:SPLITS_TOLD]
  facts += [f"split {name}: " + " / ".join(str(len(split[part])) for part in ("train", "val", "test"))
            for name, split in told]
  facts[-1] += " train/val/test"
  if len(graph.splits) > len(told):
    facts.append(f"{len(graph.splits)} splits in all, chosen with --split")
  return printable("; ".join(facts + graph.notes))
