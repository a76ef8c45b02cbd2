"""Folders of the Open Graph Benchmark's node data sets: raw/ as csv.gz or npz, split/NAME/, and mapping/."""

import os

import numpy as np

from . import columns, labels, nodes, splits, text
from .archive import Archive
from .edges import check_range
from .graph import MAX_CLASSES, MAX_NODES, InputError, Source

ENDS = (".csv.gz", ".csv")
PICKLED = (".pt", ".pkl", ".pickle")
LEFT = "features of edges not used (--edge-features keeps them)"


def read(options):
  """Returns the graph of a folder such as ogbn_arxiv; nothing that is pickled in it is opened."""
  folder = base(options.source)
  archive = os.path.join(folder, "raw", "data.npz")
  kept = options.edge_features
  source = from_archive(folder, archive, kept) if os.path.exists(archive) else from_text(folder, kept)
  source.name = os.path.basename(os.path.abspath(folder))
  source.splits = read_splits(folder, source.n_nodes)
  add_names(folder, source)
  return source


def base(folder):
  """Returns the folder that holds raw/."""
  if not os.path.isdir(os.path.join(folder, "raw")):
    if os.path.basename(os.path.abspath(folder)) == "raw":
      return os.path.dirname(os.path.abspath(folder))
    raise InputError(f"{folder}: has no folder raw; expected is an unpacked data set, such as ogbn_arxiv")
  return folder


def find(folder, *name):
  """Returns the path of a file, packed or not, or None."""
  paths = [os.path.join(folder, *name) + end for end in ENDS]
  return next((path for path in paths if os.path.exists(path)), None)


def need(folder, *name):
  path = find(folder, *name)
  if path is None:
    raise InputError(
        f"{os.path.join(folder, *name)}.csv.gz: is not there; the folder holds neither OGB's text nor its npz")
  return path


# ---- raw/ as text ----


def from_text(folder, kept):
  n_nodes = one_size(need(folder, "raw", "num-node-list"))
  check_size(find(folder, "raw", "num-node-list"), n_nodes)
  edges_path = need(folder, "raw", "edge")
  pairs = integers(edges_path, 2)
  sizes = find(folder, "raw", "num-edge-list")
  if sizes and one_size(sizes) != len(pairs):
    raise InputError(f"{edges_path}: {len(pairs)} edges, {one_size(sizes)} are expected by {sizes}")
  check_range(edges_path, pairs[:, 0], pairs[:, 1], n_nodes)
  source = Source(edges_path, "", n_nodes, pairs[:, 0], pairs[:, 1])
  features, marks = find(folder, "raw", "node-feat"), find(folder, "raw", "node-label")
  source.features = features and read_features(features, n_nodes, "node")
  source.labels = marks and read_labels(marks, n_nodes)
  if source.labels:
    source.path = marks
  if kept:
    source.edge_features = read_features(need_edge_features(folder), len(pairs), "edge")
  elif find(folder, "raw", "edge-feat"):
    source.notes.append(LEFT)
  return source


def need_edge_features(folder):
  path = find(folder, "raw", "edge-feat")
  if path is None:
    raise InputError(f"{os.path.join(folder, 'raw', 'edge-feat')}.csv.gz: is not there; --edge-features needs it")
  return path


def one_size(path):
  values = integers(path, 1)
  if values.shape != (1, 1) or not 0 <= values[0, 0] <= 2**53:
    raise InputError(f"{path}: {len(values)} sizes; expected is one, of one graph")
  return int(values[0, 0])


def check_size(path, n_nodes):
  if not 1 <= n_nodes <= MAX_NODES:
    raise InputError(f"{path}: {n_nodes} nodes, 1 to {MAX_NODES} are possible")


def integers(path, n_columns):
  """Returns int64 [rows, n_columns] of a file of integers."""
  found = [np.zeros((0, n_columns), np.int64)]
  for number, content in text.pieces(path):
    plain = text.plain_rows(number, content, n_columns, ",", list(range(n_columns)))
    found.append(integer_rows(path, number, content, n_columns) if plain is None else plain[0].astype(np.int64))
  return np.concatenate(found)


def integer_rows(path, number, content, n_columns):
  """Returns the same of a piece of text, line by line."""
  rows = []
  for line, fields in text.rows(path, number, content, ","):
    rows.append([nodes.whole(field) for field in fields])
    if len(fields) != n_columns or not all(value is not None and abs(value) < 2**63 for value in rows[-1]):
      raise InputError(f"{path}, line {line}: expected {'are' if n_columns > 1 else 'is'} {n_columns} integer"
                       f"{'s' * (n_columns > 1)} of 64 bits, found {text.shown(','.join(fields))}")
  return np.array(rows, np.int64).reshape(-1, n_columns)


def read_features(path, n_expected, what):
  """Returns float32 [n_expected, F], a row for each node or edge, read in pieces; None of nothing."""
  features, n_rows = None, 0
  for number, content in text.pieces(path):
    if features is None:
      features = np.empty((n_expected, content.partition(b"\n")[0].count(b",") + 1), np.float32)
    block, lines = feature_rows(path, number, content, features.shape[1])
    if n_rows + len(block) <= n_expected:
      features[n_rows:n_rows + len(block)] = block
    n_rows += len(block)
    check_block(path, block, lines)
  check_rows(path, n_rows, n_expected, what)
  return features


def feature_rows(path, number, content, n_columns):
  plain = text.plain_rows(number, content, n_columns, ",", [])
  with np.errstate(over="ignore"):
    if plain is not None:
      return plain[0].astype(np.float32), plain[1]
    block, lines = [], []
    for line, fields in text.rows(path, number, content, ","):
      if len(fields) != n_columns:
        raise InputError(f"{path}, line {line}: {len(fields)} numbers, expected are {n_columns} as in the first line")
      block.append(columns.to_floats(path, line, fields))
      lines.append(line)
    return np.array(block, np.float32).reshape(-1, n_columns), lines


def check_block(path, block, lines):
  wrong = ~np.isfinite(block).all(axis=1)
  if wrong.any():
    raise InputError(f"{path}, line {lines[int(np.argmax(wrong))]}: a feature that is not finite in single precision")


def check_rows(path, n_rows, n_expected, what="node"):
  if n_rows != n_expected:
    raise InputError(f"{path}: {n_rows} rows, {n_expected} are expected, one for each {what}")


def read_labels(path, n_nodes):
  marks, lines = [], []
  for number, content in text.pieces(path):
    for line, fields in text.rows(path, number, content, ","):
      if marks and len(fields) != len(marks[0]):
        raise InputError(f"{path}, line {line}: {len(fields)} labels, expected are {len(marks[0])} as in the first line")
      marks.append(fields)
      lines.append(line)
  check_rows(path, len(marks), n_nodes)
  if len(marks[0]) == 1:
    return columns.classes(path, [fields[0] for fields in marks], lines)
  for line, fields in zip(lines, marks):
    if not {"0", "1"}.issuperset(fields):
      raise InputError(f"{path}, line {line}: several labels at once, which are 0 or 1 each; found {text.shown(','.join(fields))}")
  return labels.from_array(columns.Named(path), "a row", np.array(marks).astype(np.uint8))


# ---- raw/ as archives ----


def from_archive(folder, path, kept):
  archive = Archive(path)
  n_nodes = archive.whole("num_nodes_list").reshape(-1)
  if n_nodes.shape != (1,) or not 1 <= n_nodes[0] <= MAX_NODES:
    archive.refuse("num_nodes_list",
                   f"holds {len(n_nodes)} sizes; expected is one, of one graph with up to {MAX_NODES} nodes")
  n_nodes, pairs = int(n_nodes[0]), archive.whole("edge_index")
  if pairs.ndim != 2 or pairs.shape[0] != 2:
    archive.refuse("edge_index", f"has the shape {pairs.shape}, [2, E] is expected")
  check_range(path, pairs[0], pairs[1], n_nodes)
  source = Source(path, "", n_nodes, pairs[0], pairs[1])
  if has_rows(archive, "node_feat"):
    source.features = archive.rows("node_feat", n_nodes)
  if kept and not has_rows(archive, "edge_feat"):
    archive.refuse("edge_feat", "is not there; --edge-features needs it")
  if kept:
    source.edge_features = archive.rows("edge_feat", len(pairs[0]))
  source.labels, source.path = archive_labels(os.path.join(folder, "raw", "node-label.npz"), n_nodes)
  unused = [name for name in archive.unused() if name not in ("num_edges_list", "edge_feat")]
  source.notes = ["not used: " + ", ".join(unused)] if unused else []
  if not kept and has_rows(archive, "edge_feat"):
    source.notes.append(LEFT)
  return source


def has_rows(archive, name):
  """Whether an array is there, and no mere None."""
  return name in archive.members and archive.shape(name) != ()


def archive_labels(path, n_nodes):
  archive = Archive(path)
  name = archive.need_one("labels", ("node_label", "labels"))
  known = labels.read(archive, name)
  if len(known.values) != n_nodes:
    archive.refuse(name, f"has {len(known.values)} rows, {n_nodes} are expected, one for each node")
  return known, path


# ---- split/ and mapping/ ----


def read_splits(folder, n_nodes):
  """Returns the splits by the names of their folders."""
  top = os.path.join(folder, "split")
  found = {}
  names = sorted(os.listdir(top)) if os.path.isdir(top) else ()
  for name in (name for name in names if os.path.isdir(os.path.join(top, name))):
    lists = {
        part: next(filter(None, (find(top, name, word) for word in splits.WORDS[part])), None) for part in splits.PARTS
    }
    if all(lists.values()):
      found[name] = {part: split_ids(path, n_nodes) for part, path in lists.items()}
    elif any(lists.values()) or any(file.endswith(PICKLED) for file in os.listdir(os.path.join(top, name))):
      raise InputError(
          f"{os.path.join(top, name)}: expected are train.csv.gz, valid.csv.gz and test.csv.gz; pickled files "
          "are not opened")
  return found


def split_ids(path, n_nodes):
  ids = integers(path, 1)[:, 0]
  return splits.node_ids(columns.Named(path), "its list", ids, n_nodes)


def add_names(folder, source):
  """Names of classes and ids of nodes from tables of a number and what it stands for, where there are such."""
  top = os.path.join(folder, "mapping")
  for file in sorted(os.listdir(top)) if os.path.isdir(top) else ():
    path = os.path.join(top, file)
    if file.startswith("labelidx2") and source.labels and not source.labels.names:
      name_classes(path, source.labels, source.notes)
    elif file.startswith("nodeidx2"):
      ids = listed(path, table(path), source.n_nodes, "nodes", source.notes)
      whole = ids and all(str(nodes.whole(name)) == name and abs(int(name)) < 2**63 for name in ids)
      source.notes += nodes.shared(ids or [])
      source.node_ids = ids and np.array(ids, np.int64 if whole else object)


def name_classes(path, known, notes):
  """Names of the classes, where these are more than their numbers; classes at the end may have no node, and only here
  tell of themselves."""
  names = table(path)
  if not known.several and known.n_classes < len(names) <= MAX_CLASSES and set(names) == set(range(len(names))):
    known.n_classes = len(names)
  found = listed(path, names, known.n_classes, "classes", notes)
  known.names = None if found == [str(k) for k in range(known.n_classes)] else found


def table(path):
  """Returns what numbers stand for."""
  return {int(fields[0]): fields[1] for _, fields in text.table_rows(path) if len(fields) > 1 and fields[0].isdecimal()}


def listed(path, names, count, what, notes):
  """Returns what the numbers 0 to count - 1 stand for; None, and a note, where the table does not say it of all."""
  lacking = sum(k not in names for k in range(count))
  if lacking:
    notes.append(f"not used: {path}, which lacks {lacking} of {count} {what}")
  return None if lacking else [names[k] for k in range(count)]
