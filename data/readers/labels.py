"""Classes of nodes, however the labels are written."""

import numpy as np

from .graph import MAX_CLASSES, InputError, Labels


UNKNOWN = {"", "nan", "na", "n/a", "none", "null"}  # in small letters


def read(archive, name):
  """Returns the Labels of an archive's array."""
  return from_array(archive, name, archive.get(name))


def from_array(archive, name, values):
  """Returns the Labels of an array; `archive.refuse(name, why)` tells what is wrong with it."""
  if values.ndim == 2 and values.shape[1] == 1:
    values = values[:, 0]
  if values.dtype.kind in "US":
    return from_strings(archive, name, values)
  if values.dtype.kind not in "biuf":
    archive.refuse(name, f"holds values of type {values.dtype}; labels are integers, strings or rows of 0 and 1")
  if values.ndim == 2:
    return from_rows(archive, name, values)
  if values.ndim != 1:
    archive.refuse(name, f"has {values.ndim} dimensions; labels have one, or two as rows of 0 and 1")
  labels = from_numbers(archive, name, values)
  return Labels(labels, int(labels.max(initial=-1)) + 1)


def from_numbers(archive, name, values):
  if values.dtype.kind == "f":
    values = values.astype(np.float64)  # half precision does not know so many classes
  unknown = (values == -1) | (values != values) if values.dtype.kind in "if" else np.zeros(len(values), bool)
  known = np.where(unknown, 0, values).astype(values.dtype)
  wrong = ~((known >= 0) & (known < MAX_CLASSES) & (np.floor(known) == known))
  if wrong.any():
    node = int(np.argmax(wrong))
    archive.refuse(name, f"has label {values[node]} at node {node}; classes are 0 to {MAX_CLASSES - 1}, and -1 alone "
                   "means unknown")
  return np.where(unknown, -1, known).astype(np.int32)


def from_rows(archive, name, values):
  """The class of a row is the column of its 1; a row without one is unknown. Where a row has several, all rows say which
  classes a node has."""
  wrong = ((values != 0) & (values != 1)).any(axis=1)
  if wrong.any():
    archive.refuse(name, f"has others than 0 and 1 in row {int(np.argmax(wrong))}; expected are one-hot rows, or rows of several "
                   "classes at once")
  if values.shape[1] > MAX_CLASSES:
    archive.refuse(name, f"has {values.shape[1]} columns; at most {MAX_CLASSES} classes are possible")
  hot = values != 0
  if (hot.sum(axis=1) > 1).any():
    return Labels(hot.astype(np.uint8), values.shape[1])
  labels = np.where(hot.any(axis=1), hot.argmax(axis=1), -1) if values.shape[1] else np.full(len(values), -1)
  return Labels(labels.astype(np.int32), values.shape[1])


def from_strings(archive, name, values):
  """Classes are the sorted names; an empty one means unknown, as do the words for nothing that are written as text."""
  if values.ndim != 1:
    archive.refuse(name, f"has {values.ndim} dimensions; strings as labels have one")
  values = text(archive, name, values)
  nothing = np.array([value.strip().casefold() in UNKNOWN for value in values.tolist()], bool)
  names, classes = np.unique(np.where(nothing, "", values), return_inverse=True)
  if len(names) and names[0] == "":
    names, classes = names[1:], classes - 1
  if len(names) > MAX_CLASSES:
    archive.refuse(name, f"has {len(names)} different names; at most {MAX_CLASSES} classes are possible")
  return Labels(classes.reshape(-1).astype(np.int32), len(names), names.tolist())


def text(archive, name, values):
  """Returns an array of strings that UTF-8 can write."""
  try:
    values = np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values
    np.char.encode(values, "utf-8")
    return values
  except UnicodeError:
    archive.refuse(name, "holds text that is no UTF-8")


def read_names(archive, name, count):
  """Returns just so many strings from an array; None from any other."""
  if name not in archive.members:
    return None
  shape, dtype = archive.header(name)
  if shape != (count,) or dtype.kind not in "USO":
    return None
  try:
    values = archive.get(name)
  except InputError:  # names are no need: objects that cannot be read stay unread
    archive.used.discard(name)
    return None
  return text(archive, name, values).tolist() if values.dtype.kind in "US" else None
