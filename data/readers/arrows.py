"""Edges with an arrow between their two nodes, as people draw them and DOT writes them: `a -> b`, `a<->b;`."""

import re

import numpy as np

from . import text
from .graph import InputError

FORWARD, BACKWARD, BOTH = 1, 2, 3  # from the first node to the second, from the second to the first
WAY = {
    **dict.fromkeys(("->", "-->", "=>", "==>", "→"), FORWARD),
    **dict.fromkeys(("<-", "<--", "<=", "<==", "←"), BACKWARD),
    **dict.fromkeys(("<->", "<-->", "<=>", "<==>", "↔", "--", "-"), BOTH)
}
GLUED = set(WAY) - {"-"}  # which may stand without blanks: names have hyphens
MARK = b"|".join(re.escape(mark.encode()) for mark in sorted(GLUED, key=len, reverse=True))
LINE = re.compile(rb"^([ \t]*(?:\"[^\"\n]*\"|[^\s\",;|]+?))[ \t]*(%b)[ \t]*(?=[^\s;])" % MARK, re.MULTILINE)
LAST = re.compile(rb"[ \t]*;[ \t\r]*$", re.MULTILINE)  # behind a statement


def spaced(content):
  """Returns lines, as bytes, with blanks around their arrows, and without semicolons at their ends."""
  return LINE.sub(rb"\1 \2 ", LAST.sub(b"", content))


def are_drawn(path, line, content):
  """Whether a line, as a string, is an edge with an arrow among blanks or none. Names with an arrow in them are none."""
  bare = spaced(content.encode())
  fields = bare.split()
  if len(fields) < 3 or fields[1].decode() not in WAY:
    return False
  first, *others = content.rstrip("; \t").split()
  if len(others) == 1 and fields[1] == b"--" and not (first.endswith("--") or others[0].startswith("--")):
    return False  # two names with dashes
  rest = bare.partition(fields[1])[2].decode()
  delimiter = text.choose_delimiter(rest)
  if delimiter is None or delimiter == "\t":
    return True
  if len(rest.split(delimiter)) == 2 and re.fullmatch(r"\s*[-+.\d]+\s*", rest.split(delimiter)[1]):
    raise InputError(f"{path}, line {line}: {text.shown(content)} is an edge with an arrow and something behind a "
                     f"'{delimiter}'; expected are blanks: a -> b 3")
  return False


def turn(path, first_line, pairs, marks, lines):
  """Returns pairs [2, n] in the directions that the marks say, those of both twice, and from which each is made."""
  ways = np.array([WAY.get(mark, 0) for mark in marks], np.int8)
  for k in np.flatnonzero(ways == 0)[:1]:
    raise InputError(f"{path}, line {lines[k]}: {text.shown(marks[k])} stands where line {first_line} has an arrow; expected "
                     "is one, such as ->, <- or <->")
  pairs = np.where(ways == BACKWARD, pairs[::-1], pairs)
  both = ways == BOTH
  pairs = np.concatenate([pairs, pairs[::-1, both]], axis=1)
  return pairs, np.concatenate([np.arange(len(ways)), np.flatnonzero(both)])
