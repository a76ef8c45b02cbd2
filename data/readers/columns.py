"""Columns of a table of nodes: which of them is the id, which the label, which are features, and what they hold."""

import dataclasses
from typing import List, Optional

import numpy as np
import scipy.sparse

from . import labels
from .graph import MAX_CLASSES, InputError, Named, printable
from .nodes import whole
from .text import shown

IDS = {"id", "node", "node_id", "nodeid", "new_id", "name", "vertex", "v", "index", "key", "paper_id"}
LABELS = {
    "label", "labels", "class", "y", "target", "category", "subject", "ml_target", "page_type", "mature", "node_label",
    "community", "group"
}
NO_FEATURES = {"label", "labels", "class", "node_label"}  # whatever the labels are read from
LONGEST = 1000  # characters of a label
MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}
LONGEST_TOLD = 60  # characters of a header
WORDS = {"true": 1.0, "false": 0.0}


@dataclasses.dataclass
class Wanted:
  features: bool
  labels: bool
  id_column: Optional[str] = None
  label_column: Optional[str] = None
  header: str = "auto"  # yes, no


@dataclasses.dataclass
class Plan:
  header: bool
  names: List[str]
  n_columns: int
  ids: List[int]  # columns that may be the id
  label: Optional[int]
  features: List[int]
  notes: List[str]

  def name(self, k):
    return shown(self.names[k]) if self.header else str(k + 1)


def find(path, rows, wanted, is_node):
  """Returns the Plan of a table from its first rows; `is_node` tells of an id whether the edges name it."""
  header = has_header(rows, wanted, is_node)
  first = rows[header] if len(rows) > header else []
  if not first:
    raise InputError(f"{path}: a header, and no rows")
  plan = Plan(header, rows[0], len(first), [], None, [], [])
  if header and not known_words(rows[0]):
    plan.notes.append(f"header line of {path}: {','.join(map(printable, rows[0]))[:LONGEST_TOLD]}")
  if header and len(rows[0]) != len(first):
    raise InputError(f"{path}: {len(rows[0])} names of columns, and {len(first)} columns below them")
  plan.ids = find_ids(path, plan, wanted)
  plan.label = find_label(path, plan, wanted)
  if wanted.features:
    find_features(path, plan, [next((row[k] for row in rows[header:] if k < len(row) and not is_missing(row[k])), "")
                               for k in range(len(first))])
  return plan


def has_header(rows, wanted, is_node):
  """Whether the first row names columns: as is said, because one is called by its name, by known words, or as text
  above numbers. A row of a node of the edges is none, unless known words say both id and label."""
  called = [wanted.id_column, wanted.label_column if wanted.labels else None]
  if wanted.header != "auto":
    return wanted.header == "yes"
  if any(name and name != "none" and not name.isdigit() for name in called):
    return True
  if any(map(is_number, rows[0])):
    return False
  words = known_words(rows[0])
  if is_node(rows[0][0]):
    return bool(words & IDS and words & LABELS)
  return bool(words) or len(rows) > 1 and any(map(is_number, rows[1]))


def known_words(fields):
  return {field.casefold() for field in fields} & (IDS | LABELS | {"feature", "features"})


def is_number(field):
  try:
    float(field)
    return True
  except ValueError:
    return field.casefold() in WORDS


def column(path, plan, wanted):
  """Returns the place of a column that is named, or counted from 1."""
  if plan.header and wanted in plan.names:
    return plan.names.index(wanted)
  if wanted.isdigit() and 1 <= int(wanted) <= plan.n_columns:
    return int(wanted) - 1
  raise InputError(f"{path}: has no column {shown(wanted)}; it has {plan.n_columns}" +
                   (": " + ", ".join(map(printable, plan.names)) if plan.header else ""))


def find_ids(path, plan, wanted):
  if wanted.id_column == "none" or wanted.id_column is None and plan.n_columns == 1:
    return []
  if wanted.id_column is not None:
    return [column(path, plan, wanted.id_column)]
  named = [k for k, name in enumerate(plan.names) if name.casefold() in IDS or name.casefold().endswith("_id")]
  return named if plan.header and named else [0]


def find_label(path, plan, wanted):
  if not wanted.labels:  # of another file, unless this one has such a column
    return plan.names.index(wanted.label_column) if plan.header and wanted.label_column in plan.names else None
  if wanted.label_column is not None:
    return column(path, plan, wanted.label_column)
  named = [k for k, name in enumerate(plan.names) if plan.header and name.casefold() in LABELS]
  others = [k for k in range(plan.n_columns) if k not in plan.ids]
  if len(named) == 1:
    return named[0]
  if len(others) == 1 or not plan.header and others:
    return others[-1]
  raise InputError(f"{path}: --label-column must name the column of the labels, one of " +
                   ", ".join(map(printable, plan.names)))


def find_features(path, plan, first):
  """All other columns; those that begin with text are left out. `first` has the first value of each that is not missing."""
  others = [k for k in range(plan.n_columns) if k not in plan.ids and k != plan.label]
  marks = [k for k in others if plan.header and plan.names[k].casefold() in NO_FEATURES]
  others = [k for k in others if k not in marks]
  plan.features = [k for k in others if is_number(first[k]) or is_list(first[k])]
  left = [plan.name(k) for k in others if k not in plan.features and (first[k] or plan.header and plan.names[k])]
  if not plan.features:
    raise InputError(f"{path}: has no columns of numbers beside the id and the label")
  if any(is_list(first[k]) for k in plan.features) and len(plan.features) > 1:
    lists = plan.name(next(k for k in plan.features if is_list(first[k])))
    raise InputError(f"{path}: {lists} is a column of lists with commas, beside other features; expected is one of both, and "
                     "decimal numbers with points")
  plan.notes += [f"lists of features: column {plan.name(k)}" for k in plan.features if is_list(first[k])]
  plan.notes += [f"columns of text not used: {', '.join(left)}"] if left else []
  plan.notes += [f"columns of labels, no features: {', '.join(map(plan.name, marks))}"] if marks else []


def is_missing(field):
  """Whether a field says that there is no value, as tables of numbers have it."""
  return field.casefold() in MISSING


def parts_of(field):
  """Returns the entries of a list: what commas separate, or in brackets, as Python and numpy print them, blanks too."""
  if field[:1] != "[" or field[-1:] != "]":
    return field.split(",")
  inner = field[1:-1]
  return [part.strip() for part in inner.split(",")] if "," in inner else inner.split()


def is_list(field):
  return ("," in field or field[:1] == "[") and all(map(is_number, parts_of(field)[:2]))


def check_width(path, plan, batch):
  for line, fields in batch:
    if len(fields) > plan.n_columns and not any(fields[plan.n_columns:]):
      del fields[plan.n_columns:]
    if len(fields) != plan.n_columns:
      raise InputError(f"{path}, line {line}: {len(fields)} columns, expected are {plan.n_columns} as in the first row")


# ---- what they hold ----


def numbers(path, plan, batch):
  """Returns the features of some rows: float32 [n, F], or a list of vectors where a column holds lists."""
  if len(plan.features) == 1 and any(is_list(fields[plan.features[0]]) for _, fields in batch):
    return [to_floats(path, line, parts_of(fields[plan.features[0]])) for line, fields in batch]
  return block(path, plan, batch)


def block(path, plan, batch):
  """Returns float32 [n, F], all finite."""
  with np.errstate(over="ignore"):
    try:
      flat = np.array([fields[k] for _, fields in batch for k in plan.features]).astype(np.float32)
      found = flat.reshape(len(batch), len(plan.features))
    except ValueError:
      for line, fields in batch:
        for k in plan.features:
          check_feature(path, plan, k, line, fields[k], is_number(fields[k]), "is no number")
      found = np.stack([to_floats(path, line, [fields[k] for k in plan.features]) for line, fields in batch])
  for row, place in np.argwhere(~np.isfinite(found))[:1]:
    line, fields = batch[row]
    check_feature(path, plan, plan.features[place], line, fields[plan.features[place]], False, "is not finite in single precision")
  return found


def check_feature(path, plan, k, line, field, good, what):
  if not good:
    raise InputError(f"{path}, line {line}: {shown(field)} {what}, in the features' column {plan.name(k)}; give it a number, or "
                     "leave the column out")


def to_floats(path, line, fields):
  try:
    return np.array([WORDS[f.casefold()] if f.casefold() in WORDS else float(f) for f in fields], np.float32)
  except ValueError as error:
    wrong = next(field for field in fields if not is_number(field))
    raise InputError(f"{path}, line {line}: {shown(wrong)} is no number") from error


def join(path, blocks, lines):
  """Returns the features of all rows. Lists of one length are rows; of several, as geom-gcn's film has them, the
  columns that are 1."""
  if not any(isinstance(block, list) for block in blocks):
    return np.concatenate(blocks)
  rows = [row for block in blocks for row in (block if isinstance(block, list) else list(block))]
  if len({len(row) for row in rows}) == 1:
    return np.stack(rows)
  places = np.concatenate(rows)
  twice = any(len(np.unique(row)) < len(row) for row in rows)
  if twice or not ((places >= 0) & (places < 2**24) & (places == np.floor(places))).all():
    row = next(k for k, row in enumerate(rows) if len(row) != len(rows[0]))
    raise InputError(f"{path}, line {lines[row]}: {len(rows[row])} features, {len(rows[0])} before")
  which = np.repeat(np.arange(len(rows)), list(map(len, rows)))
  matrix = scipy.sparse.csr_matrix((np.ones(len(places), np.float32), (which, places.astype(np.int64))))
  matrix.resize(len(rows), matrix.shape[1])
  matrix.data[:] = 1
  return matrix


def classes(path, marks, lines):
  """Returns the Labels that strings stand for: integers from 0, or names in their order; -1 and nan are unknown."""
  known = ["" if mark.casefold() in labels.UNKNOWN else mark for mark in marks]
  long = next((k for k, mark in enumerate(known) if len(mark) > LONGEST), None)
  if long is not None:
    raise InputError(
        f"{path}, line {lines[long]}: a label of {len(known[long])} characters, {LONGEST} at most are expected")
  if any(whole(mark) is None for mark in known if mark):
    return labels.from_array(Named(path), "its label column", np.array(known))
  values = np.array([float(mark) if mark else -1 for mark in known])
  wrong = ~((values >= -1) & (values < MAX_CLASSES))
  if wrong.any():
    k = int(np.argmax(wrong))
    raise InputError(
        f"{path}, line {lines[k]}: the label {shown(marks[k])}; classes are 0 to {MAX_CLASSES - 1}, or names, "
        "and -1 alone means unknown")
  return labels.from_array(Named(path), "its label column", values)
