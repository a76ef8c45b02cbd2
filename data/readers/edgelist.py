"""Edge lists: a line for each edge, its two nodes first or in columns that a header names."""

import dataclasses
import itertools
import math
import re
from typing import List, Optional

import numpy as np

from . import arrows, columns, joined, matrix, nodes, text
from .graph import InputError, printable

SOURCES = {
    "source", "src", "from", "head", "id1", "id_1", "node1", "node_1", "u", "start", "fromnodeid", "from_id",
    "from_node", "source_id", "node_id", "row"
}
TARGETS = {
    "target", "dst", "dest", "destination", "to", "tail", "id2", "id_2", "node2", "node_2", "v", "end", "tonodeid",
    "to_id", "to_node", "target_id", "node_id", "col", "column"
}
WEIGHTS = {"weight", "weights", "w", "value", "edge_weight", "edgeweight"}
FEW_PAIRS = 0.1  # of the lines: where more are edges of two nodes without others, the first may be one of them
LEAST_LINES = 3  # below a header, to tell it by the names of nodes
ATTRIBUTE = re.compile(r"""['"]?weight['"]?\s*[:=]\s*['"]?([^,}\]'"\s]+)""")
FOREIGN = [(re.compile(pattern, re.IGNORECASE), name) for pattern, name in (
    (r"(strict\s+)?(di)?graph\b[^{]*\{.*", "DOT"), (r"(graph|creator)\b.*(\[|\").*", "GML"), (r"<[?!a-z].*", "XML or HTML"),
    (r"[\[{].*", "JSON"), (r"\*\w.*", "Pajek"), (r"\(.*\)[,;]?", "a list of pairs in brackets"))]
MATRIX_MARKET = b"%%matrixmarket"
MOST_COLUMNS = 20  # of an edge whose columns have no names, unless they are its features: more are those of a matrix
HEAD = 100  # lines that are looked at to tell what columns hold


@dataclasses.dataclass
class Layout:
  path: str
  delimiter: Optional[str]
  n_columns: int
  ends: List[int]  # columns of source and target
  names: List[str]  # of columns, or their numbers
  first_line: int  # of an edge
  weight: Optional[int] = None  # column of the weight, if it is wanted
  features: List[int] = dataclasses.field(default_factory=list)  # columns of these, if they are
  notes: List[str] = dataclasses.field(default_factory=list)
  doubt: Optional[str] = None  # the first line, where it may be a header
  header: Optional[re.Pattern] = None  # the line, as bytes
  again: int = 0  # how often it was met again, as where tables were put one behind the other
  arrow: Optional[int] = None  # column of the arrow
  both: int = 0  # edges whose arrow goes both ways

  def name(self, k):
    return text.shown(self.names[k])


def read(options):
  """Returns the graph of an edge list, with what files of its nodes say of them."""
  layout = find_layout(options, options.header)
  listed = list_edges(layout, options)
  if layout.doubt and stands_alone(listed):
    if is_odd(listed):
      listed = None  # before the next is made
      listed = list_edges(find_layout(options, "yes"), options)
    else:
      listed.warnings.append(f"{layout.path}, line {layout.first_line}: {layout.doubt} is read as an edge, and may be "
                             "a header: its names are nowhere else; --header yes or no decides")
  return joined.assemble(listed, options)


def list_edges(layout, options):
  try:
    ids = nodes.Integers()
    sources, targets, attributes = read_edges(layout, ids)
    reason = None
  except nodes.NotIntegers as met:
    reason, ids = str(met), nodes.Strings()  # the exception itself would hold what was read
    sources, targets, attributes = read_edges(layout, ids)
  if not len(sources):
    raise InputError(f"{layout.path}: has no edges: every line is empty, a comment, or the header again")
  notes = layout.notes + ([f"the header again, skipped: {layout.again}"] if layout.again else [])
  notes += [f"edges of both directions, as <-> and -- are: {layout.both}"] if layout.both and options.directed else []
  return joined.Listed(layout.path, ids, sources, targets, **attributes, first_id=options.first_id, notes=notes,
                       reason=reason)


# ---- headers above names of nodes ----


def stands_alone(listed):
  """Whether no other edge names a node of the first one."""
  parts = (listed.sources, listed.targets)
  return not any((part[1:] == end[0]).any() for part in parts for end in parts)


def is_odd(listed):
  """Whether the first edge, which stands alone, is unlike the others, so that it is none."""
  sources, targets = listed.sources, listed.targets
  n_others = len(sources) - 1
  if n_others < LEAST_LINES or sources[0] == targets[0]:
    return False
  degrees = np.bincount(np.concatenate([sources, targets]))
  n_alone = np.count_nonzero((degrees[sources] == 1) & (degrees[targets] == 1)) - 1
  return n_alone <= FEW_PAIRS * n_others


# ---- columns ----


def find_layout(options, wanted):
  """Returns the Layout of a file by its first two lines; `wanted` says whether a header is there: yes, no or auto."""
  path = options.source
  lines = list(text.numbered(path, 2))
  if not lines:
    raise InputError(f"{path}: has no edges: every line is empty or a comment")
  refuse_foreign(path, *lines[0])
  drawn = arrows.are_drawn(path, *lines[0])
  if drawn:
    lines = [(line, arrows.spaced(content.encode()).decode()) for line, content in lines]
  delimiter = None if drawn else text.choose_delimiter(lines[0][1])
  if delimiter == "\t" and not all(part.strip() for part in lines[0][1].strip().split("\t")):
    delimiter = None  # columns are padded
  rows = [text.fields(path, line, content, delimiter) for line, content in lines]
  header = is_header(rows) if wanted == "auto" else wanted == "yes"
  names = [name.strip("# ").casefold() for name in rows[0]] if header else []
  if header and len(rows) == 1:
    raise InputError(f"{path}, line {lines[0][0]}: a header, and no edges")
  n_columns, first_line = count_columns(rows, len(rows[header])), lines[header][0]
  if n_columns < 2:
    raise InputError(f"{path}, line {first_line}: {n_columns} field, two nodes are expected, separated by blanks, tabs, "
                     "commas, semicolons, bars or an arrow")
  if not drawn and not is_named(names):
    matrix.refuse(path, delimiter, max(n_columns, len(rows[0])))
  if n_columns > MOST_COLUMNS and not header and not options.edge_features:
    raise InputError(f"{path}, line {first_line}: {n_columns} fields; expected are two nodes and perhaps a weight. A matrix is "
                     "read as MatrixMarket or npz")
  arrow = 1 if n_columns > 2 and rows[header][1] in arrows.WAY else None
  ends = find_ends(names, arrow)
  if max(ends) >= n_columns:
    raise InputError(f"{path}, line {first_line}: {n_columns} fields, {len(names)} are expected as the header in line "
                     f"{lines[0][0]} names them")
  notes = [f"header skipped: {' '.join(map(printable, rows[0]))}"] if header else []
  others = [k for k in range(n_columns) if k not in ends and k != arrow]
  if any(rows[header][k] in arrows.WAY for k in others):
    raise InputError(f"{path}, line {first_line}: a chain of arrows; expected is one edge in a line")
  called = [printable(rows[0][k]) if header and k < len(rows[0]) else str(k + 1) for k in range(n_columns)]
  doubtful = wanted == "auto" and not header and len(rows) > 1 and not any(map(is_value, rows[0]))
  doubt = text.shown((delimiter or " ").join(rows[0])) if doubtful else None
  layout = Layout(path, delimiter, n_columns, ends, called, first_line, notes=notes, doubt=doubt, arrow=arrow,
                  header=pattern_of(rows[0], delimiter, is_named(names)) if header else None)
  find_attributes(layout, options, find_weight(names, others), others)
  return layout


def refuse_foreign(path, line, content):
  """Refuses the other formats of graphs, which are text as well."""
  _, start = next(text.pieces(path))
  if start[:len(MATRIX_MARKET)].lower() == MATRIX_MARKET:
    raise InputError(f"{path}, line 1: is MatrixMarket, no list of edges; import.py mtx reads it")
  for pattern, name in FOREIGN:
    if pattern.fullmatch(content.strip()):
      raise InputError(f"{path}, line {line}: is {name}, no list of edges; expected is one edge in a line, as "
                       "networkx.write_edgelist has them")


def is_named(names):
  return bool(SOURCES & set(names) and TARGETS & set(names))


def pattern_of(names, delimiter, named):
  """Returns what a header looks like where it comes again: quoted otherwise, or after the mark of a file's begin; one of
  known words in capitals too."""
  while names and not names[-1]:
    names = names[:-1]
  between = rb"[ \t]+" if delimiter is None else rb"[ \t]*%b[ \t]*" % re.escape(delimiter.encode())
  words = [rb"[\"']?%b[\"']?" % re.escape(name.strip("\"'").encode()) for name in names]
  return re.compile(rb"^(?:\xef\xbb\xbf)?[ \t]*%b(?:%b)*[ \t\r]*$" % (between.join(words), between),
                    re.MULTILINE | (re.IGNORECASE if named else 0))


def count_columns(rows, n):
  """Returns how many of n columns there are, without those at the end that are empty in all of the rows."""
  while n > 2 and not any(row[n - 1] for row in rows if len(row) >= n):
    n -= 1
  return n


def is_header(rows):
  """Whether the first row names columns: by known words, or as text above integers, or above other numbers than ids."""
  words = [field.strip("# ").casefold() for field in rows[0]]
  if any(a in SOURCES and b in TARGETS for a in words for b in words) and not any(map(is_integer, rows[0])):
    return True
  if len(rows) < 2 or any(map(is_integer, rows[0][:2])):
    return False
  names, fields = rows
  if all(map(is_integer, fields[:2])) or names[0] == "" and is_integer(fields[0]):
    return True
  return not any(map(is_value, names)) and any(
      name and is_value(field) for name, field in zip(names[2:], fields[2:]))


def is_integer(field):
  return nodes.whole(field) is not None


def is_value(field):
  """Whether a field is a number or holds attributes, as no name of a column does."""
  try:
    return math.isfinite(float(field))
  except ValueError:
    return field.startswith("{")


def find_ends(names, arrow):
  sources = [k for k, name in enumerate(names) if name in SOURCES]
  targets = [k for k, name in enumerate(names) if name in TARGETS and k not in sources[:1]]
  if sources and targets:
    return [sources[0], targets[0]]
  if arrow is not None:
    return [0, 2]
  return [1, 2] if len(names) > 2 and names[0] == "" else [0, 1]  # pandas writes its index first


def find_weight(names, others):
  named = [k for k in others if k < len(names) and names[k] in WEIGHTS]
  return named[0] if named else others[0] if len(others) == 1 or others and not names else None


def find_attributes(layout, options, weight, others):
  """Finds what is wanted among the columns beside the ends, and notes what is left."""
  where = f"{layout.path}, line {layout.first_line}"
  if options.weights:
    if weight is None:
      raise InputError(f"{where}: --weights: {layout.n_columns} fields, and none for the weight; expected is a third one, or "
                       "a header that names one weight")
    layout.weight = weight
    layout.notes.append(f"weights: column {layout.names[weight]}")
    others = [k for k in others if k != weight]
  if options.edge_features:
    layout.features = find_features(layout, others)
    if not layout.features:
      raise InputError(f"{where}: --edge-features: no column of numbers beside the two nodes"
                       f"{' and the weight' * options.weights}")
    layout.notes.append("features of edges: " + ", ".join(layout.names[k] for k in layout.features))
    others = [k for k in others if k not in layout.features]
  if others:
    of_text = "of text " * options.edge_features
    layout.notes.append(f"columns {of_text}not used: " + ", ".join(layout.names[k] for k in others))


def find_features(layout, others):
  """Returns those of the columns whose first value that is not missing is a number."""
  rows = itertools.chain.from_iterable(text.rows(layout.path, *piece, layout.delimiter) for piece in pieces(layout))
  head = [fields for _, fields in itertools.islice(rows, HEAD)]
  return [k for k in others if columns.is_number(next(
      (fields[k] for fields in head if k < len(fields) and not columns.is_missing(fields[k])), ""))]


# ---- edges ----


def pieces(layout):
  """Yields (number of the first line, bytes) of the lines of edges."""
  for number, content in text.pieces(layout.path):
    number, content = text.after(number, content, layout.first_line)
    content = arrows.spaced(content) if layout.arrow and layout.delimiter is None else content
    yield number, without_header(layout, content)


def read_edges(layout, ids):
  """Returns the codes of sources and targets, and what is wanted beside them by its name in joined.Listed."""
  ends, parts = [], []
  layout.again = layout.both = 0
  for number, content in pieces(layout):
    pairs, attributes = read_piece(layout, ids, number, content)
    ends.append(pairs)
    parts.append(attributes)
  ends = np.concatenate(ends, axis=1)
  return ends[0], ends[1], {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}


def without_header(layout, content):
  """Returns a piece of the file with empty lines in the place of its header, wherever that is met again."""
  if layout.header is None:
    return content
  content, again = layout.header.subn(b"", content)
  layout.again += again
  return content


def read_piece(layout, ids, number, content):
  """Returns codes [2, n] and attributes [n, ...] of a piece of the file."""
  plain = None
  if not ids.strings:
    plain = text.plain_rows(number, content, layout.n_columns, layout.delimiter, layout.ends)
  if plain is None:
    return read_rows(layout, ids, number, content)
  values, lines = plain
  attributes = {}
  if layout.weight is not None:
    attributes["weights"] = values[:, layout.weight].astype(np.float64)
    text.check_finite(layout.path, attributes["weights"], lines)
  if layout.features:
    with np.errstate(over="ignore"):
      attributes["edge_features"] = values[:, layout.features].astype(np.float32)
    if not np.isfinite(attributes["edge_features"]).all():
      return read_rows(layout, ids, number, content)  # which says where
  return values[:, layout.ends].T.astype(np.int64), attributes


def read_rows(layout, ids, number, content):
  plain = text.plain_fields(layout.path, number, content, layout.n_columns, layout.delimiter)
  if plain is not None:
    return convert(layout, ids, *plain)
  rows, lines = [], []
  for line, fields in text.rows(layout.path, number, content, layout.delimiter):
    rows.append(fields if len(fields) == layout.n_columns else mend(layout, ids, line, fields))
    lines.append(line)
  return convert(layout, ids, list(zip(*rows)) or [()] * layout.n_columns, lines)


def convert(layout, ids, fields, lines):
  """Returns codes and attributes of the fields of each column."""
  path = layout.path
  pairs = np.stack([ids.encode(path, fields[column], lines) for column in layout.ends])
  attributes = {}
  if layout.weight is not None:
    weights = np.array([weight_of(path, line, field) for line, field in zip(lines, fields[layout.weight])], np.float64)
    text.check_finite(path, weights, lines)
    attributes["weights"] = weights
  if layout.features:
    attributes["edge_features"] = columns.block(path, layout, list(zip(lines, zip(*fields))))
  if layout.arrow is None:
    return pairs, attributes
  pairs, made_from = arrows.turn(path, layout.first_line, pairs, fields[layout.arrow], lines)
  layout.both += len(made_from) - len(lines)
  return pairs, {name: values[made_from] for name, values in attributes.items()}


def mend(layout, ids, line, fields):
  """Returns the fields of a line with others than the expected number, where it is clear what they are: a last one that
  is empty, or integers that something else separates."""
  n = layout.n_columns
  if len(fields) > n and not any(fields[n:]):
    return fields[:n]
  if len(fields) < n and not ids.strings:
    parts = [part for part in text.ANY.split((layout.delimiter or " ").join(fields)) if part]
    if len(parts) == n:
      return parts
  raise InputError(
      f"{layout.path}, line {line}: {len(fields)} field{'s' * (len(fields) != 1)}, expected are {n} as in line "
      f"{layout.first_line}")


def weight_of(path, line, field):
  try:
    if field.startswith(("{", "[")):
      match = ATTRIBUTE.search(field)
      return float(match.group(1)) if match else 1.0
    return float(field)
  except ValueError as error:
    raise InputError(f"{path}, line {line}: the weight {text.shown(field)} is no number") from error
