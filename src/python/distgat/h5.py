"""HDF5 files, written complete or not at all; the same content gives the same bytes."""

import contextlib
import os
import tempfile

import h5py
import numpy as np


def write(path, attributes, datasets):
  """Writes root attributes and pairs (name, array). Strings get a fixed length: HDF5 reads those of variable length
  past its heap when a file is damaged. Raises OSError where `path` cannot be written."""
  replace_file(path, image(attributes, datasets))


def image(attributes, datasets):
  """Returns the bytes of the file. Made in memory: the HDF5 library crashes when it meets a full disk."""
  memory = {"driver": "core", "backing_store": False, "block_size": 2**22}
  with h5py.File("image", "w", libver=("earliest", "v110"), **memory) as file:
    for name, value in attributes.items():
      file.attrs[name] = fixed([value]).reshape(()) if isinstance(value, str) else value
    for name, values in datasets:
      file.create_dataset(name, data=values, track_times=False)
    file.flush()
    return file.id.get_file_image()


def fixed(texts):
  """Returns strings as an array of UTF-8 of one fixed length."""
  content = [text.encode("utf-8", "replace") for text in texts]
  return np.array(content, h5py.string_dtype("utf-8", max(1, *map(len, content))))


def text(value):
  """Returns a string of a file, whichever of its types h5py found."""
  return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def names(dataset):
  """Returns integers as an array, strings as a list; None of no data set."""
  if dataset is None:
    return None
  return dataset[:] if dataset.dtype.kind in "iu" else [text(value) for value in dataset[:]]


def replace_file(path, content):
  """Writes under a temporary name beside `path`, renamed at the end and removed on failure."""
  path = os.path.realpath(path)
  if os.path.exists(path) and not os.path.isfile(path):
    raise OSError("is no regular file")
  try:
    handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)[:50]}.", dir=os.path.dirname(path))
  except OSError as error:
    raise OSError(error.errno, error.strerror, path) from error
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
