"""MatrixMarket's files of matrices, sparse or whole: each entry other than zero is an edge, from its row to its column."""

import dataclasses

import numpy as np

from . import joined, nodes, text
from .graph import MAX_NODES, InputError

VALUES = {"pattern": 0, "real": 1, "integer": 1, "complex": 2, "double": 1, "unsigned-integer": 1}
SYMMETRIES = ("general", "symmetric", "skew-symmetric", "hermitian")


@dataclasses.dataclass
class Header:
  path: str
  whole: bool  # all entries, one in a line, column by column; of symmetric ones those from the diagonal on
  values: int  # numbers of an entry beside row and column
  symmetric: bool
  skew: bool  # with the other sign
  n_nodes: int
  n_entries: int
  first_line: int  # of an entry


def read(options):
  """Returns the graph of a square matrix; rows and columns are nodes 1, 2, …, their ids."""
  header = read_header(options.source)
  if options.weights:
    check_weights(header, options.directed)
  entries, weights = read_entries(header)
  linked = weights != 0
  sources, targets, weights = entries[0][linked], entries[1][linked], weights[linked]
  notes = [f"entries of zero, no edges: {(~linked).sum()}"] if not linked.all() and not header.whole else []
  if header.symmetric:
    other = sources != targets
    sources, targets = np.concatenate([sources, targets[other]]), np.concatenate([targets, sources[other]])
    weights = np.concatenate([weights, -weights[other] if header.skew else weights[other]])
  listed = joined.Listed(header.path, nodes.Integers(), sources, targets, weights if header.values else None,
                         n_nodes=header.n_nodes, first_id=1, notes=notes)
  return joined.assemble(listed, options)


def read_header(path):
  number, content = next(text.pieces(path), (1, b""))
  lines = text.decode(path, number, content).split("\n")
  words = lines[0].casefold().split()
  if len(words) != 5 or words[:2] != ["%%matrixmarket", "matrix"]:
    raise InputError(f"{path}, line 1: expected is the header %%MatrixMarket matrix coordinate FIELD SYMMETRY")
  form, field, symmetry = words[2:]
  whole = form == "array"
  if not whole and form != "coordinate" or field not in VALUES or symmetry not in SYMMETRIES or whole and not VALUES[field]:
    raise InputError(f"{path}, line 1: a matrix {' '.join(map(text.shown, words[2:]))}; expected is coordinate or array, one of "
                     f"{', '.join(VALUES)}, the first of coordinate alone, and one of {', '.join(SYMMETRIES)}")
  line, sizes = next(((line, content.split())
                      for line, content in enumerate(lines[1:], 2)
                      if content.strip() and not content.lstrip().startswith("%")), (2, []))
  if len(sizes) != 3 - whole or not all(size.isdecimal() for size in sizes):
    raise InputError(f"{path}, line {line}: expected are " +
                     ("two sizes, of rows and columns" if whole else "three sizes, of rows, columns and entries"))
  n_rows, n_columns, *n_entries = map(int, sizes)
  if n_rows != n_columns:
    raise InputError(
        f"{path}, line {line}: a matrix of {n_rows} rows and {n_columns} columns; that of a graph is square")
  if not 1 <= n_rows <= MAX_NODES:
    raise InputError(f"{path}, line {line}: {n_rows} nodes, 1 to {MAX_NODES} are possible")
  symmetric, skew = symmetry != "general", symmetry == "skew-symmetric"
  n_whole = n_rows * (n_rows + 1 - 2 * skew) // 2 if symmetric else n_rows**2
  return Header(path, whole, VALUES[field], symmetric, skew, n_rows, n_whole if whole else n_entries[0], line + 1)


def check_weights(header, directed):
  """Refuses weights that have no one value for an edge."""
  if header.values == VALUES["complex"]:
    raise InputError(f"{header.path}, line 1: --weights: complex values; expected are real ones, or none of them wanted")
  if header.skew and not directed:
    raise InputError(f"{header.path}, line 1: --weights: those of a skew-symmetric matrix have another sign in each direction; "
                     "expected is --directed, or none of them wanted")


def read_entries(header):
  """Returns rows and columns [2, n] and weights [n]: values, of complex ones the real part, or 1."""
  places, weights, n_found = [np.zeros((2, 0), np.int64)], [np.zeros(0)], 0
  for number, content in text.pieces(header.path):
    number, content = text.after(number, content, header.first_line)
    values, lines = read_piece(header, number, content)
    n_found += len(lines)
    if n_found > header.n_entries:
      raise InputError(
          f"{header.path}, line {lines[header.n_entries - n_found]}: {header.n_entries} entries are promised, "
          "this is one more")
    if header.whole:
      filled = np.flatnonzero((values != 0).any(axis=1))  # what is no number is not zero, and refused below
      pairs = place(header, filled + n_found - len(lines))
      values, lines = values[filled], np.asarray(lines)[filled]
    else:
      pairs, values = values[:, :2].T.astype(np.int64), values[:, 2:]
    wrong = np.flatnonzero(((pairs < 1) | (pairs > header.n_nodes)).any(axis=0))
    if len(wrong):
      raise InputError(
          f"{header.path}, line {lines[wrong[0]]}: row {pairs[0, wrong[0]]} and column {pairs[1, wrong[0]]}; "
          f"they count from 1 to {header.n_nodes}")
    places.append(pairs)
    weights.append(weigh(header, values, lines))
  if n_found < header.n_entries:
    raise InputError(
        f"{header.path}, line {header.first_line - 1}: {header.n_entries} entries promised, {n_found} found")
  return np.concatenate(places, axis=1), np.concatenate(weights)


def place(header, entries):
  """Returns rows and columns [2, n], from 1, of entries of a whole matrix, by their numbers."""
  n = header.n_nodes
  if not header.symmetric:
    return np.stack([entries % n, entries // n]) + 1
  starts = np.concatenate([[0], np.cumsum(np.arange(n - header.skew, 0, -1))])
  columns = np.searchsorted(starts, entries, "right") - 1
  return np.stack([entries - starts[columns] + columns + header.skew, columns]) + 1


def weigh(header, values, lines):
  if header.values == 0:
    return np.ones(len(values))
  weights = values[:, 0].astype(np.float64)
  text.check_finite(header.path, weights, lines)
  if header.values == 2:  # an entry is an edge unless both of its parts are zero
    weights[(weights == 0) & (values[:, 1] != 0)] = 1
  return weights


def read_piece(header, number, content):
  n_places = 0 if header.whole else 2
  n_columns = n_places + header.values
  plain = text.plain_rows(number, content, n_columns, None, list(range(n_places)))
  if plain is not None:
    return plain
  rows, lines = [], []
  for line, fields in text.rows(header.path, number, content, None):
    try:
      rows.append([int(field) for field in fields[:n_places]] + [float(field) for field in fields[n_places:]])
    except ValueError:
      rows.append([])
    if len(rows[-1]) != n_columns:
      what = ["row, column"] * (not header.whole) + ["value"] * (header.values > 0)
      raise InputError(f"{header.path}, line {line}: expected {'are' if n_columns > 1 else 'is'} {n_columns} "
                       f"number{'s' * (n_columns > 1)}: {' and '.join(what)}")
    lines.append(line)
  return np.array(rows, np.float64).reshape(-1, n_columns), lines
