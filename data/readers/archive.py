"""The arrays of an npz archive: only those asked for are read, and only after their claims are checked."""

import io
import math
import os
import zipfile

import numpy as np

from . import safe_pickle
from .graph import InputError, Named, open_input, printable, real

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
HEADER_BYTES = 2**16  # longer ones are no plain arrays
MOST_DEFLATED = 1032  # deflate packs at most so many bytes into one


class Archive(Named):
  """Arrays by name; every error names the file. Nothing in it is ever run."""

  def __init__(self, path):
    super().__init__(path)
    with open_input(path) as file:
      if file.read(6) == b"\x93NUMPY":
        raise InputError(f"{path}: is one array, an npz archive is expected")
      self.size = os.fstat(file.fileno()).st_size
    try:
      self.zip = zipfile.ZipFile(path)
    except Exception as error:  # zlib, zipfile and struct each raise their own on damaged data
      raise InputError(f"{path}: is no npz archive, or truncated") from error
    self.members = {info.filename[:-4] if info.filename.endswith(".npy") else info.filename: info
                    for info in self.zip.infolist()}
    self.used = set()

  def first(self, names):
    """Returns the first of the names that the archive has, or None."""
    return next((name for name in names if name in self.members), None)

  def unused(self):
    return [printable(name) for name in self.members if name not in self.used]

  def need(self, name):
    if name not in self.members:
      raise InputError(f"{self.path}: has no array {name} (layout: data/README.md)")
    return self.members[name]

  def need_one(self, what, names):
    """Returns the first of the names that the archive has."""
    name = self.first(names)
    if name is None:
      raise InputError(f"{self.path}: has no {what}: an array {' or '.join(names)} (layout: data/README.md); it has " +
                       (", ".join(map(printable, self.members)) or "no arrays"))
    return name

  def shape(self, name):
    return self.header(name)[0]

  def header(self, name):
    """Returns (shape, dtype) of an array, having checked that the file can hold what they claim."""
    info = self.need(name)
    try:
      with self.zip.open(info) as member:
        head = io.BytesIO(member.read(HEADER_BYTES))
      shape, _, dtype = HEADERS[np.lib.format.read_magic(head)](head)
    except Exception as error:  # as above
      raise InputError(f"{self.path}: {printable(name)} is no array, or truncated or damaged") from error
    claimed = head.tell() + math.prod(shape) * dtype.itemsize
    held = min(info.file_size, MOST_DEFLATED * min(info.compress_size, self.size) + HEADER_BYTES)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
      self.refuse(name, "is packed otherwise than numpy.savez and savez_compressed do; save it by these")
    if held < info.file_size:
      self.refuse(name, f"claims to unpack to {info.file_size} bytes, more than its {info.compress_size} can hold")
    if any(size < 0 for size in shape) or dtype.itemsize == 0 or not dtype.hasobject and claimed != info.file_size:
      self.refuse(name, f"claims the shape {shape} of {dtype}, which is not what it holds")
    return shape, dtype

  def get(self, name):
    """Returns an array of numbers or strings."""
    shape, dtype = self.header(name)
    self.used.add(name)
    try:
      with self.zip.open(self.members[name]) as member:
        if dtype.hasobject:
          file = io.BytesIO(member.read())
          HEADERS[np.lib.format.read_magic(file)](file)
          return safe_pickle.load_objects(file).reshape(shape)
        return np.lib.format.read_array(member, allow_pickle=False)  # at its end the checksum is compared
    except MemoryError:
      raise
    except safe_pickle.Refused as refused:
      raise InputError(f"{self.path}: {name} is an array of pickled Python objects, and refuses to load {refused}; "
                       "save it as an array of numbers or strings") from refused
    except Exception as error:  # as above
      raise InputError(f"{self.path}: array {name} is truncated or damaged") from error

  def rows(self, name, n_rows):
    """Returns an array of finite numbers as float32 [n_rows, F]; a vector stands for a column."""
    values = self.get(name)
    if values.ndim not in (1, 2) or len(values) != n_rows:
      self.refuse(name, f"has the shape {values.shape}, [{n_rows}, F] is expected")
    with np.errstate(over="ignore"):
      values = real(self.path, values.reshape(n_rows, math.prod(values.shape[1:]))).astype(np.float32, copy=False)
    wrong = ~np.isfinite(values).all(axis=1)
    if wrong.any():
      self.refuse(name, f"holds a number that is not finite in single precision, in row {int(np.argmax(wrong))}")
    return values

  def whole(self, name):
    """Returns an array of integers as int64; floats may stand for them."""
    values = self.get(name)
    if values.dtype.kind not in "biuf":
      self.refuse(name, f"holds values of type {values.dtype}, integers are expected")
    if values.dtype.kind == "f" and not (np.isfinite(values) & (np.floor(values) == values)).all():
      self.refuse(name, "holds numbers that are no integers")
    for extreme in (values.min().item(), values.max().item()) if values.size else ():
      if abs(extreme) > 2**53:
        self.refuse(name, f"holds {extreme}, integers up to 2^53 are expected")
    return values.astype(np.int64)
