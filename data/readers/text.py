"""Text files as people have them: packed or not, with fields that commas, semicolons, tabs, bars or spaces separate,
lines ended in any way, comments, quotes and byte order marks. Read in pieces, so that large ones take little memory."""

import bz2
import csv
import gzip
import io
import lzma
import re
import warnings
import zlib

import numpy as np

from .graph import InputError, open_input, printable

PACKED = {b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file), b"BZh": bz2.BZ2File, b"\xfd7zXZ\x00": lzma.LZMAFile}
FOREIGN = {b"PK\x03\x04": "a zip archive; unpack it", b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it",
           b"\x89HDF": "a file of HDF5", b"%PDF": "a PDF", b"\x93NUM": "an array of numpy"}
DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)
PIECE = 2**22
LONGEST = 2**28  # bytes of a line
COMMENTS = ("#", "%", "//")
DELIMITERS = "\t;,|"  # in this order: a field of a table of tabs may hold a list with commas
SLASHES = re.compile(rb"^\s*//", re.MULTILINE)  # names may have them elsewhere, as addresses do
BEHIND = re.compile(r"([-+.\d]+(?:[eE][-+]?\d+)?)\s+[#%].*")  # a comment behind a number
ANY = re.compile(r"[\s,;|]+")


def unpack(file):
  """Returns the open file, or what unpacks it, told by its first bytes."""
  start = file.read(6)
  file.seek(0)
  return next((kind(file) for magic, kind in PACKED.items() if start.startswith(magic)), file)


def pieces(path):
  """Yields (number of the first line, bytes of whole lines, each ended by a line feed)."""
  with open_input(path) as file:
    stream, number, rest = unpack(file), 1, b""
    more = read_some(path, stream)
    check_encoding(path, more)
    more = more[3:] if more.startswith(b"\xef\xbb\xbf") else more
    while more:
      rest += more
      end = rest.rfind(b"\n") + 1
      if end == 0 and len(rest) > LONGEST:
        raise InputError(f"{path}, line {number}: longer than {LONGEST} bytes; this is no text with one entry a line")
      if end:
        text, rest = ended(rest[:end]), rest[end:]
        yield number, text
        number += text.count(b"\n")
      more = read_some(path, stream)
    if rest:
      yield number, ended(rest)


def read_some(path, stream):
  try:
    return stream.read(PIECE)
  except DAMAGED as error:
    raise InputError(f"{path}: is truncated or damaged ({error})") from error


def check_encoding(path, start):
  if start[:4] in FOREIGN:
    raise InputError(f"{path}: is {FOREIGN[start[:4]]}; expected is text, packed by gzip, bzip2 or xz or not")
  if start.startswith((b"\xff\xfe", b"\xfe\xff")):
    raise InputError(f"{path}: is text of UTF-16; save it as UTF-8")
  if b"\0" in start:
    raise InputError(f"{path}: is no text")


def ended(text):
  """Returns the text with line feeds alone as ends of lines, the last one included."""
  text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in text else text
  return text if text.endswith(b"\n") else text + b"\n"


def decode(path, number, text):
  try:
    return text.decode("utf-8")
  except UnicodeDecodeError as error:
    line = number + text.count(b"\n", 0, error.start)
    raise InputError(f"{path}, line {line}: is no text of UTF-8; save it as UTF-8") from error


def after(number, content, line):
  """Returns a piece of text without the lines before `line`, and the number of its first line."""
  skip = line - number
  if skip <= 0:
    return number, content
  return line, content.split(b"\n", skip)[-1] if skip <= content.count(b"\n") else b""


# ---- lines of fields ----


def choose_delimiter(line):
  """Returns what separates the fields of a line; None stands for spaces and tabs."""
  bare = re.sub(r'"[^"]*"', "", line.strip(" ").partition(" {")[0])
  return next((mark for mark in DELIMITERS if mark in bare), None)


def rows(path, number, text, delimiter):
  """Yields (line, fields) of the lines of a piece of text that are neither empty nor comments."""
  lines = decode(path, number, text).split("\n")
  for line, content in enumerate(lines, number):
    content = content.strip()
    if content and not content.startswith(COMMENTS):
      yield line, fields(path, line, content, delimiter)


def fields(path, line, content, delimiter):
  if delimiter is None and " {" in content:  # attributes, as networkx writes them
    head, brace, tail = content.partition("{")
    parts = [*head.split(), brace + tail]
  elif delimiter is None and '"' not in content:
    parts = content.split()
  elif '"' not in content:
    parts = [part.strip() for part in content.split(delimiter)]
    behind = BEHIND.fullmatch(parts[-1])
    parts[-1] = behind.group(1) if behind else parts[-1]
  else:
    try:
      parts = next(csv.reader([content], delimiter=delimiter or " ", skipinitialspace=True, strict=True))
    except (csv.Error, StopIteration) as error:
      raise InputError(f"{path}, line {line}: a quote that is not closed, or text behind one") from error
    parts = [part.strip() for part in parts if part or delimiter]
  if delimiter is None:  # a comment at the end of the line
    end = next((k for k, part in enumerate(parts) if part.startswith("#")), len(parts))
    del parts[end:]
  return parts


def table_rows(path):
  """Yields (line, fields) of a whole table; quoted fields may hold line feeds. The first row is its header or not."""
  first = next(numbered(path, 1), None)
  if first is None:
    return
  delimiter = choose_delimiter(first[1])
  if delimiter is None:
    for number, text in pieces(path):
      yield from rows(path, number, text, None)
    return
  at = [0]

  def lines():
    for number, text in pieces(path):
      for at[0], content in enumerate(io.StringIO(decode(path, number, text)), number):
        yield content

  reader, begin = csv.reader(lines(), delimiter=delimiter, skipinitialspace=True, strict=True), 1
  try:
    for parts in reader:
      begin = at[0] + 1
      parts = [part.strip() for part in parts]
      if any(parts) and not parts[0].startswith(COMMENTS):
        yield at[0], parts
  except csv.Error as error:
    raise InputError(f"{path}, line {begin}: a quote that is not closed, or text behind one") from error


def numbered(path, count):
  """Yields (line, content) of the first lines that are neither empty nor comments."""
  for number, text in pieces(path):
    for line, content in enumerate(decode(path, number, text).split("\n"), number):
      bare = content.strip()
      if bare and not bare.startswith(COMMENTS):
        yield line, content.strip(" ")
        count -= 1
        if count == 0:
          return


# ---- lines of numbers, many at once ----


class Tokens:
  """Where the tokens of a piece of text stand, and in which lines."""

  def __init__(self, text, delimiter=None):
    content = np.frombuffer(text, np.uint8)
    blank = content <= 32
    if delimiter is not None:
      blank |= content == ord(delimiter)
    edge = np.diff(blank, prepend=True)  # where tokens begin and end, in turns
    self.content, self.bounds = content, np.flatnonzero(edge)
    self.starts, self.ends = self.bounds[::2], self.bounds[1::2]
    self.line_ends = np.flatnonzero(content == 10)
    self.per_line = np.diff(np.searchsorted(self.starts, self.line_ends), prepend=0)

  def lengths(self):
    return self.ends - self.starts

  def delimiters_per_line(self, delimiter):
    return np.diff(np.searchsorted(np.flatnonzero(self.content == ord(delimiter)), self.line_ends), prepend=0)

  def leading_zero(self):
    """Whether tokens begin with a 0, after a sign or not, that a digit follows."""
    sign = self.content[self.starts] == ord("-")
    first = self.starts + sign
    second = np.minimum(first + 1, len(self.content) - 1)
    follows = (self.content[second] >= ord("0")) & (self.content[second] <= ord("9"))
    return (self.content[first] == ord("0")) & (follows | sign)


def plain_rows(number, text, columns, delimiter, exact):
  """Returns (values [rows, columns], lines [rows]) of a piece of text that holds numbers alone, or None: then its lines
  are to be looked at one by one. The columns `exact` hold integers as people write them, without leading zeros."""
  allowed = b"0123456789-.eE+\n" + (b" \t" if delimiter is None else delimiter.encode())
  if text.translate(None, allowed):
    return None
  tokens = regular(text, columns, delimiter)
  if tokens is None:
    return None
  whole = not text.translate(None, b"0123456789- \t\n,;|")
  if not plain_integers(tokens, columns, exact, whole) or has_letters(tokens, columns, exact):
    return None
  values = parse(text if delimiter is None else text.replace(delimiter.encode(), b" "),
                 np.int64 if whole else np.float64)
  if values is None or len(values) != len(tokens.starts):
    return None
  values = values.reshape(-1, columns)
  if not whole and (values[:, exact] != np.floor(values[:, exact])).any():
    return None
  return values, np.flatnonzero(tokens.per_line) + number


def plain_fields(path, number, text, columns, delimiter):
  """Returns (fields of each column, lines [rows]) of a piece of text without quotes, comments, braces and empty fields,
  or None, as above."""
  if any(mark in text for mark in b'"#%{') or SLASHES.search(text):
    return None
  tokens = regular(text, columns, delimiter)
  if tokens is None:
    return None
  fields_ = decode(path, number, text if delimiter is None else text.replace(delimiter.encode(), b" ")).split()
  if len(fields_) != len(tokens.starts):  # there are other blanks than those of ASCII
    return None
  return [fields_[k::columns] for k in range(columns)], np.flatnonzero(tokens.per_line) + number


def regular(text, columns, delimiter):
  """Returns the Tokens of a piece of text whose lines hold just so many, or nothing; None of any other."""
  tokens = Tokens(text, delimiter)
  filled = tokens.per_line > 0
  if (tokens.per_line[filled] != columns).any():
    return None
  if delimiter is not None and (tokens.delimiters_per_line(delimiter)[filled] != columns - 1).any():
    return None
  return tokens


def plain_integers(tokens, columns, exact, whole):
  """Whether the exact columns are what int64, or double, holds to the last digit."""
  lengths, zeros = tokens.lengths().reshape(-1, columns), tokens.leading_zero().reshape(-1, columns)
  most = lengths.max(initial=0) if whole else lengths[:, exact].max(initial=0)
  return most <= (18 if whole else 15) and not zeros[:, exact].any()


def has_letters(tokens, columns, exact):
  """Whether the exact columns hold exponents or plus signs."""
  places = np.flatnonzero(np.isin(tokens.content, np.frombuffer(b"eE+", np.uint8)))
  return np.isin((np.searchsorted(tokens.starts, places, "right") - 1) % columns, exact).any()


def parse(text, kind):
  """Returns the numbers between blanks; None where something else is found."""
  with warnings.catch_warnings():
    warnings.simplefilter("error")
    try:
      return np.fromstring(text, kind, sep=" ")
    except (DeprecationWarning, ValueError):
      return None


def check_finite(path, weights, lines):
  wrong = np.flatnonzero(~(np.abs(weights) <= np.finfo(np.float32).max))
  if len(wrong):
    raise InputError(
        f"{path}, line {lines[wrong[0]]}: the weight {weights[wrong[0]]} is not finite in single precision")


def shown(token):
  """Returns a token for a message."""
  token = printable(token)
  return f"'{token[:40]}…'" if len(token) > 40 else f"'{token}'"
