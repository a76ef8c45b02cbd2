"""Reads pickles of plain numpy arrays, CSR matrices, dict and list without running anything they name.

Every name in a pickle is looked up in NAMES, and stands there for a class of this file that only checks and keeps
what it is given: neither numpy's nor scipy's own constructors ever see the content. Any other name is refused."""

import io
import math
import pickle
import re
import struct

import numpy as np

from .graph import InputError, make_csr, open_input


MAX_TEXT = 1000  # of a label: numpy gives each string of an array the length of the longest


class Refused(Exception):
  """The pickle asks for something that is not on the list."""


class DType:
  """numpy.dtype of plain numbers."""
  __slots__ = ("value",)
  codes = "b1|[iu][1248]|f[248]"

  def __init__(self, code, *_):
    if not isinstance(code, str) or not re.fullmatch(self.codes, code):
      raise Refused(f"an array of type {ascii(code)[:20]}")
    self.value = np.dtype(code)

  def __setstate__(self, state):
    if any(part is not None for part in state[2:5]):
      raise Refused("an array of records")
    self.value = self.value.newbyteorder(state[1] if state[1] in "<>" else "=")


class Array:
  """numpy.ndarray, and the function that numpy's pickles make an empty one with."""
  __slots__ = ("value",)

  def __init__(self, *_):
    self.value = None

  def __setstate__(self, state):
    _, shape, dtype, fortran, data = state
    self.value = array(data, dtype, shape, "F" if fortran else "C")


class Buffer(Array):
  """numpy's _frombuffer, of newer pickles."""
  __slots__ = ()

  def __init__(self, data, dtype, shape, order):
    self.value = array(data, dtype, shape, order)


class Scalar:
  """numpy's scalar: becomes a plain number."""

  def __new__(cls, dtype, data):
    return "" if not data and dtype.value.kind in "US" else array(data, dtype, (1,), "C")[0].item()

  def __setstate__(self, _):
    raise Refused("a state for a number")


class ObjectDType(DType):
  """numpy.dtype of an array of objects, and of the strings in it."""
  __slots__ = ()
  codes = DType.codes + "|O[48]?|[US][0-9]+"


class ObjectArray(Array):
  """numpy.ndarray of objects that are strings, numbers or None."""
  __slots__ = ()

  def __setstate__(self, state):
    _, shape, _, _, items = state
    if type(items) is not list:
      raise Refused("an array of another kind")
    self.value = plain(items).reshape(shape)


class Latin1(bytes):
  """_codecs.encode, with which Python 3 spells bytes in old protocols."""

  def __new__(cls, text, encoding):
    return text.encode("latin1")

  def __setstate__(self, _):
    raise Refused("a state for bytes")


class Csr:
  """scipy.sparse.csr_matrix."""
  __slots__ = ("state",)

  def __setstate__(self, state):
    self.state = state

  def matrix(self, path):
    data, indices, indptr = (self.state[key].value for key in ("data", "indices", "indptr"))
    return make_csr(path, data, indices, indptr, [int(size) for size in self.state["_shape"]])


class DefaultDict(dict):
  """collections.defaultdict, without its factory."""
  __slots__ = ()

  def __init__(self, *_):
    super().__init__()

  def __setstate__(self, _):
    raise Refused("a state for a dict")


NAMES = {
  "builtins.list": list,
  "builtins.dict": dict,
  "collections.defaultdict": DefaultDict,
  "_codecs.encode": Latin1,
  "numpy.dtype": DType,
  "numpy.ndarray": Array,
  "scipy.sparse.csr.csr_matrix": Csr,
  "scipy.sparse._csr.csr_matrix": Csr,
}
for package in ("numpy.core", "numpy._core"):
  NAMES[f"{package}.multiarray._reconstruct"] = Array
  NAMES[f"{package}.multiarray.scalar"] = Scalar
  NAMES[f"{package}.numeric._frombuffer"] = Buffer


OBJECT_NAMES = {name: {Array: ObjectArray, DType: ObjectDType}.get(kept, kept) for name, kept in NAMES.items()}


def plain(items):
  """Returns objects as an array of strings, where None and NaN are empty, or of numbers, where None is NaN."""
  items = [item.decode() if isinstance(item, bytes) else item for item in items]
  kinds = {type(item) for item in items}
  if not kinds <= {str, bool, int, float, type(None)}:
    raise Refused(f"a {(kinds - {str, bool, int, float, type(None)}).pop().__name__} in it")
  if str in kinds:
    if not all(item is None or item != item or type(item) is str for item in items):
      raise Refused("strings beside numbers")
    if any(len(item) > MAX_TEXT for item in items if type(item) is str):
      raise Refused(f"a string of more than {MAX_TEXT} characters")
    return np.array([item if type(item) is str else "" for item in items])
  if int in kinds and not all(abs(item) < 2**53 for item in items if type(item) is int):
    raise Refused("an integer beyond 2^53")
  return np.array([math.nan if item is None else item for item in items])


def array(data, dtype, shape, order):
  """Returns the numbers of a buffer as an array; its size must be exactly right."""
  if not isinstance(dtype, DType) or not isinstance(data, (str, bytes, bytearray)):
    raise Refused("an array of Python objects")
  if not all(type(size) is int and size >= 0 for size in shape):
    raise ValueError("bad shape")
  data = data.encode("latin1") if isinstance(data, str) else bytes(data)
  if len(data) != math.prod(shape) * dtype.value.itemsize:
    raise ValueError("bad length of an array")
  return np.frombuffer(data, dtype.value).reshape(shape, order=order)


# The reader in Python rather than the one in C: that one allocates whatever a damaged memo index asks for.
class Unpickler(pickle._Unpickler):
  names = NAMES

  def find_class(self, module, name):
    module = "builtins" if module == "__builtin__" else module
    full = f"{module}.{name}"
    if full not in self.names:
      raise Refused(full.encode("unicode_escape").decode()[:100])
    return self.names[full]

  def load_bytearray(self):
    """Reads what is there, where the original first allocates the length that the file claims."""
    (length,) = struct.unpack("<Q", self.read(8))
    self.append(bytearray(self.read(length)))

  dispatch = {**pickle._Unpickler.dispatch, pickle.BYTEARRAY8[0]: load_bytearray}


class ObjectUnpickler(Unpickler):
  names = OBJECT_NAMES


def load_objects(file):
  """Returns a pickled array of Python objects as one of strings or numbers; raises Refused, or anything if damaged."""
  return ObjectUnpickler(file, encoding="latin1").load().value


def load(path):
  """Returns the content of a pickle: an array, a CSR matrix, or what dict and list hold of numbers."""
  with open_input(path) as file:
    content = file.read()
  try:
    value = Unpickler(io.BytesIO(content), encoding="latin1").load()
    if isinstance(value, Array):
      return value.value
    return value.matrix(path) if isinstance(value, Csr) else value
  except Refused as refused:
    raise InputError(f"{path}: refuses to load {refused}; only numpy arrays, CSR matrices, dict and list are read"
                     ) from refused
  except InputError:
    raise
  except Exception as error:  # a damaged pickle may raise anything
    raise InputError(f"{path}: is truncated, damaged or no pickle ({type(error).__name__})") from error
