"""Which node an entry of a file speaks of: ids as files write them, and numbers from 0 without gaps."""

import collections
import re

import numpy as np

from .graph import MAX_NODES, InputError
from .text import shown

INTEGER = re.compile(r"(-?(?:0|[1-9][0-9]*))(?:\.0*)?")
SAVED = re.compile(r"(-?[0-9])\.([0-9]{4,18})e\+([0-9]{2})")  # as numpy.savetxt writes all numbers
LARGEST_TABLE = 2**26  # entries, of all that lies between the smallest id and the largest
LONGEST = 1000  # characters of an id


def such_as(ids, mask):
  """Returns the words that name the first node of a mask by its id; ids may be None, where they are the numbers."""
  node = int(np.argmax(mask))
  node = node if ids is None else ids[node]
  return f", such as {shown(node) if isinstance(node, str) else node}"


def whole(token):
  """Returns the integer that an id or a class is written as, or None."""
  match = INTEGER.fullmatch(token)
  if match:
    return int(match.group(1))
  match = SAVED.fullmatch(token)
  places = int(match.group(3)) if match else 0
  if match is None or places > len(match.group(2)) or match.group(2)[places:].strip("0"):
    return None
  return int(match.group(1) + match.group(2)[:places])


def shared(ids):
  """Returns notes on ids, a list, that several nodes have."""
  times = collections.Counter(ids)
  again = [node for node, count in times.items() if count > 1]
  return [f"ids that several nodes have: {len(again)}{such_as(again, [True])}"] if again else []


class NotIntegers(Exception):
  """An id that is no integer has been met: all of them are strings."""


class Integers:
  """Ids that are integers: the code of an id is the id."""
  strings = False
  settled = False  # once the edges are read, other ids are wrong

  def encode(self, path, tokens, lines):
    """Returns the codes, int64, of ids as they are written."""
    return np.array([self.code(path, *entry) for entry in zip(tokens, lines)], np.int64)

  def code(self, path, token, line):
    value = whole(token)
    if value is None or not -2**63 <= value < 2**63:
      if self.settled:
        where = path if line is None else f"{path}, line {line}"
        raise InputError(f"{where}: the id {shown(token)} is no integer, as those of the edges are")
      raise NotIntegers(f"{path}, line {line}: {shown(token)}")
    return value

  def find(self, token):
    """Returns the code of an id, or None."""
    return whole(token)


class Strings:
  """Ids that are strings: the code of an id counts those that were met before it."""
  strings = True
  settled = False

  def __init__(self):
    self.known = {}

  def encode(self, path, tokens, lines):
    known = self.known
    codes = np.array([known.setdefault(token, len(known)) for token in tokens], np.int64)
    if "" in known or len(codes) and len(max(tokens, key=len)) > LONGEST:
      wrong = next(k for k, token in enumerate(tokens) if not token or len(token) > LONGEST)
      raise InputError(f"{path}, line {lines[wrong]}: an id of {len(tokens[wrong])} characters, 1 to {LONGEST} are "
                       "expected")
    return codes

  def find(self, token):
    return self.known.get(token)

  def names(self):
    return np.array(list(self.known) + [None], object)[:-1]


class Numbering:
  """The nodes of a graph: codes, ascending, stand for the numbers 0, 1, …; strings are in the order of names."""

  def __init__(self, ids, parts):
    """`parts` are arrays of codes, each code in any number of them."""
    parts = [part for part in parts if len(part)]
    self.first = min((int(part.min()) for part in parts), default=0)
    span = max((int(part.max()) for part in parts), default=-1) - self.first + 1
    self.table = None
    if span <= LARGEST_TABLE:
      met = np.zeros(span, bool)
      for part in parts:
        met[part - self.first] = True
      self.codes = np.flatnonzero(met) + self.first
      self.table = np.cumsum(met, dtype=np.int32) - np.int32(1)
    else:
      self.codes = np.unique(np.concatenate([np.unique(part) for part in parts]))
    self.ids, self.rank = self.codes, None
    if ids.strings:
      names = ids.names()[self.codes]
      order = np.array(sorted(range(len(names)), key=names.tolist().__getitem__), np.int64)
      self.ids, self.rank = names[order], np.argsort(order)

  def __len__(self):
    return len(self.codes)

  def numbers(self, codes):
    """Returns the numbers of nodes that are all in it."""
    places = np.searchsorted(self.codes, codes) if self.table is None else self.table[codes - self.first]
    places = places if self.rank is None else self.rank[places]
    return places.astype(np.int32, copy=False)

  def holds(self, codes):
    """Returns for each code whether it is a node."""
    if not len(self.codes):
      return np.zeros(len(codes), bool)
    return self.codes[np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)] == codes

  def check_size(self, path):
    if len(self) > MAX_NODES:
      raise InputError(f"{path}: {len(self)} nodes, at most {MAX_NODES} are possible")

  def changed(self):
    """Whether the ids are other than the numbers."""
    return self.rank is not None or not np.array_equal(self.codes, np.arange(len(self.codes)))
