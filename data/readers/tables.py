"""Files that say something of each node: text with an id in each row, whose other columns are features and a label; or
the same in rows without ids, of which row i is of node i: numpy's arrays, scipy's matrices, LIBSVM's text."""

import collections
import dataclasses
import itertools
import json
import re
from typing import List, Optional

import numpy as np
import scipy.sparse

from . import columns, labels, text
from .archive import Archive
from .graph import Features, InputError, Labels, Named, clean_features, make_csr, open_input, real
from .nodes import whole

SVM = re.compile(r"(\S+\s+)?\d+:\S+(\s+\d+:\S+)*(\s*#.*)?")
BATCH = 100_000  # fields at a time
HEAD = 100  # rows that are looked at to tell what the columns hold
FEW_ALONE = 0.1  # of the rows: where more are of nodes without edges and of classes of their own, so may the first be


@dataclasses.dataclass
class Table(Named):
  n_rows: int
  codes: Optional[np.ndarray] = None  # int64 [n_rows], of the ids; without, row i is of node i
  features: Optional[Features] = None  # [n_rows, F]
  labels: Optional[Labels] = None  # [n_rows]
  notes: List[str] = dataclasses.field(default_factory=list)
  warnings: List[str] = dataclasses.field(default_factory=list)


def read(path, wanted, ids, met):
  """Returns the Table of a file; `wanted` says what of it, `met` are the codes that the edges name."""
  with open_input(path) as file:
    start = file.read(6)
  if start == b"\x93NUMPY":
    return of_array(path, wanted)
  if start.startswith(b"PK"):
    return of_archive(path, wanted)
  if start.lstrip().startswith(b"{"):
    return of_json(path, wanted, ids)
  lines = list(text.numbered(path, 2))
  if not lines:
    raise InputError(f"{path}: has no rows: every line is empty or a comment")
  if any(SVM.fullmatch(content.strip()) for _, content in lines):
    return of_svm(path, wanted)
  return of_text(path, wanted, ids, met)


# ---- rows without ids ----


def of_array(path, wanted):
  try:
    values = np.load(path, mmap_mode="r", allow_pickle=False)  # which compares what it claims with what is there
  except Exception as error:  # numpy raises many kinds
    raise InputError(f"{path}: is an array of pickled Python objects, truncated or damaged; expected are numbers or "
                     "strings") from error
  table = Table(path, values.shape[0] if values.ndim else 0)
  if wanted.features:
    if values.ndim != 2:
      raise InputError(f"{path}: an array of shape {values.shape}, features have a row for each node")
    table.features = dense(path, values)
  if wanted.labels:
    table.labels = labels.from_array(table, "the array", np.asarray(values))
  return table


def dense(path, values):
  with np.errstate(over="ignore"):
    features = real(path, values).astype(np.float32)
  wrong = ~np.isfinite(features).all(axis=1)
  if wrong.any():
    raise InputError(f"{path}: row {np.argmax(wrong)} holds a number that is not finite in single precision")
  return features


def of_archive(path, wanted):
  """A sparse matrix as scipy.sparse.save_npz writes it."""
  archive = Archive(path)
  if wanted.labels:
    raise InputError(f"{path}: is an archive of numpy, and holds no labels that are read here; expected is a table, or .npy")
  form = str(np.asarray(archive.get("format")).astype("U")) if "format" in archive.members else "csr"
  if form not in ("csr", "csc"):
    raise InputError(f"{path}: is a sparse matrix of the form {text.shown(form)}; save it as CSR: save_npz(FILE, A.tocsr())")
  if "data" not in archive.members:
    raise InputError(f"{path}: is no sparse matrix of scipy.sparse.save_npz; expected is one, or an array as .npy")
  parts, shape = [archive.get(name) for name in ("data", "indices", "indptr")], archive.whole("shape").tolist()
  matrix = make_csr(path, *parts, shape) if form == "csr" else make_csr(path, *parts, shape[::-1]).T
  features = clean_features(path, matrix)
  return Table(path, features.shape[0], features=features)


def of_svm(path, wanted):
  """Lines of `label column:value …`, as LIBSVM has them; columns count from 1, or from 0 where a 0 is met."""
  marks, indptr, places, values = [], [0], [], []
  for number, content in text.pieces(path):
    for line, fields in text.rows(path, number, content, None):
      marks.append("" if ":" in fields[0] else fields.pop(0))
      try:
        pairs = [field.split(":") for field in fields if not field.startswith("qid:")]
        places += [int(column) for column, _ in pairs]
        values += [float(value) for _, value in pairs]
      except ValueError as error:
        raise InputError(f"{path}, line {line}: expected are pairs column:value") from error
      indptr.append(len(places))
  places = np.array(places, np.int64)
  base = 0 if len(places) and places.min() <= 0 else 1
  shape = (len(marks), int(places.max(initial=0)) + 1 - base)
  matrix = make_csr(path, np.array(values), places - base, np.array(indptr), shape)
  table = Table(path, len(marks), notes=[f"columns of {path} count from {base}"])
  table.features = clean_features(path, matrix) if wanted.features else None
  table.labels = columns.classes(path, marks, range(1, len(marks) + 1)) if wanted.labels else None
  return table


# ---- with ids ----


def of_json(path, wanted, ids):
  """An object that holds, by id, the columns that are 1, as the MUSAE graphs have it."""
  if wanted.labels:
    raise InputError(f"{path}: is JSON, which is read for features alone; expected is a table with an id and a label in "
                     "each row")
  try:
    with open_input(path) as file:
      content = json.loads(file.read().decode("utf-8-sig"), object_pairs_hook=unique)
    listed = [column for row in content.values() for column in row]
    if not all(type(column) is int for column in listed):
      raise ValueError
    places = np.array(listed, np.int64)
    indptr = np.cumsum([0] + [len(row) for row in content.values()])
  except (ValueError, AttributeError, TypeError, OverflowError, RecursionError) as error:
    raise InputError(f"{path}: is no JSON object with a list of columns for each id" +
                     (f": {error}" if isinstance(error, Twice) else "")) from error
  shape = (len(content), int(places.max(initial=-1)) + 1)
  features = clean_features(path, make_csr(path, np.ones(len(places)), places, indptr, shape))
  features.data[:] = 1
  return Table(path, len(content), ids.encode(path, list(content), [None] * len(content)), features)


class Twice(ValueError):
  """A key that stands twice."""


def unique(pairs):
  """Returns the dict of a JSON object whose keys stand once each."""
  found = dict(pairs)
  if len(found) < len(pairs):
    keys = [key for key, _ in pairs]
    raise Twice(f"{text.shown(next(key for key in keys if keys.count(key) > 1))} is there twice")
  return found


def of_text(path, wanted, ids, met):
  rows = text.table_rows(path)
  head = list(itertools.islice(rows, HEAD))
  if not head:
    raise InputError(f"{path}: has no rows: every field is empty")
  plan = columns.find(path, [fields for _, fields in head], wanted, lambda node: is_met(ids.find(node), met))
  refuse_decimal_commas(path, plan, head[plan.header:])
  rows, again = itertools.chain(head[plan.header:], rows), [0]
  if plan.header:
    rows = without_header(rows, head[0][1], again)
  lines, tokens, marks, blocks = [], {k: [] for k in plan.ids}, [], []
  while True:
    batch = list(itertools.islice(rows, max(1, BATCH // plan.n_columns)))
    if not batch:
      break
    columns.check_width(path, plan, batch)
    lines += [line for line, _ in batch]
    for k, some in tokens.items():
      some += [fields[k] for _, fields in batch]
    marks += [fields[plan.label] for _, fields in batch] if wanted.labels else []
    blocks += [columns.numbers(path, plan, batch)] if wanted.features else []
  if not lines:
    raise InputError(f"{path}: a header, and no rows")
  plan.notes += again_notes(path, again[0]) + number_notes(path, lines, marks)
  table = Table(path, len(lines), notes=plan.notes)
  table.codes = choose_ids(path, plan, tokens, lines, ids, met)
  if wanted.header == "auto" and not plan.header and stands_alone(table.codes, head[0][1], marks, met):
    if table.codes is not None and not others_alone(table.codes, marks, met):
      return of_text(path, dataclasses.replace(wanted, header="yes"), ids, met)
    table.warnings.append(f"{path}, line {lines[0]}: {text.shown(','.join(head[0][1]))} is read as a row, and may be a "
                          "header: its label is nowhere else; --table-header yes or no decides")
  table.labels = columns.classes(path, marks, lines) if wanted.labels else None
  table.features = columns.join(path, blocks, lines) if wanted.features else None
  if scipy.sparse.issparse(table.features):
    table.notes.append(f"lists of {path}: of the columns that are 1, as they have several lengths")
  return table if table.codes is None else once(table, lines)


def refuse_decimal_commas(path, plan, head):
  """Refuses lists of two between semicolons, which are rather numbers as some countries write them."""
  if text.choose_delimiter(next(text.numbered(path, 1))[1]) != ";":
    return
  for k in plan.features:
    if all(len(fields) > k and fields[k].count(",") == 1 and fields[k][0] != "[" for _, fields in head):
      raise InputError(f"{path}, line {head[0][0]}: {text.shown(head[0][1][k])} is a number with a comma, or a list of two; "
                       "expected are points in numbers, and tabs around lists")


def without_header(rows, header, again):
  """Yields the rows but the header where it is met again, as where tables were put one behind the other; counts these."""
  for line, fields in rows:
    if fields == header:
      again[0] += 1
    else:
      yield line, fields


def again_notes(path, count):
  return [f"the header of {path} again, skipped: {count}"] if count else []


def number_notes(path, lines, marks):
  """Tells of labels that are numbers, but no integers: they are names like others."""
  odd = next((k for k, mark in enumerate(marks) if is_odd(mark)), None)
  return [] if odd is None else [f"labels are names ({path}, line {lines[odd]}: {text.shown(marks[odd])})"]


def is_odd(mark):
  return columns.is_number(mark) and mark.casefold() not in labels.UNKNOWN | set(columns.WORDS) and whole(mark) is None


def is_met(code, met):
  return code is not None and bool((met == code).any())


def stands_alone(codes, first, marks, met):
  """Whether the first row is text alone, of a node that no edge names, if it has an id, and no other has its label."""
  if len(marks) < 2 or any(columns.is_number(field) for field in first) or marks[0].casefold() in labels.UNKNOWN:
    return False
  return marks.count(marks[0]) == 1 and (codes is None or not is_met(codes[0], met))


def others_alone(codes, marks, met):
  """Whether so many others are like it that it may be a row like any."""
  counts = collections.Counter(marks)
  unnamed = np.flatnonzero(~np.isin(codes[1:], met)) + 1
  return sum(counts[marks[k]] == 1 for k in unnamed) > FEW_ALONE * (len(marks) - 1)


def choose_ids(path, plan, tokens, lines, ids, met):
  """Returns the codes of the column that names most nodes of the edges; of one column alone it need not."""
  if not tokens:
    return None
  found = {}
  for k, some in tokens.items():
    try:
      codes = ids.encode(path, some, lines)
    except InputError:
      if len(tokens) == 1:
        raise
      continue
    found[k] = (np.isin(met, codes).sum(), -k, codes)
  count, k, codes = max(found.values(), key=lambda entry: entry[:2], default=(0, 0, None))
  if count == 0 and len(met):
    raise InputError(
        f"{path}: none of its ids is one of the edges', such as {text.shown(next(iter(tokens.values()))[0])} "
        f"in line {lines[0]}; --id-column names the column")
  if len(tokens) > 1:
    plan.notes.append(f"ids of {path}: column {plan.name(-k)}")
  return codes


def once(table, lines):
  """Returns the table without rows that repeat an earlier one; rows of one id that differ are refused."""
  order = np.argsort(table.codes, kind="stable")
  again = np.flatnonzero(np.diff(table.codes[order]) == 0) + 1
  for later, earlier in zip(order[again], order[again - 1]):
    if not same(table, later, earlier):
      raise InputError(f"{table.path}, line {lines[later]}: the node has another row in line {lines[earlier]}, which "
                       "says something else")
  if not len(again):
    return table
  kept = np.sort(np.delete(order, again))
  table.notes.append(f"repeated rows of {table.path} dropped: {len(again)}")
  return Table(table.path, len(kept), table.codes[kept], None if table.features is None else table.features[kept],
               table.labels and dataclasses.replace(table.labels, values=table.labels.values[kept]), table.notes,
               table.warnings)


def same(table, one, two):
  if table.labels and table.labels.values[one] != table.labels.values[two]:
    return False
  if table.features is None:
    return True
  differs = table.features[one] != table.features[two]
  return differs.nnz == 0 if scipy.sparse.issparse(differs) else not differs.any()
