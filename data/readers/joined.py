"""Edges of one file and what other files say of their nodes, joined by the ids of the nodes."""

import dataclasses
import os
from typing import List, Optional

import numpy as np
import scipy.sparse

from . import columns, nodes, split_files, tables
from .graph import InputError, Labels, Source
from .nodes import Numbering, such_as


@dataclasses.dataclass
class Listed:
  """The edges of a file. Where it says how many nodes it has, their ids are first_id, first_id + 1, …"""
  path: str
  ids: object  # nodes.Integers or nodes.Strings
  sources: np.ndarray  # codes
  targets: np.ndarray
  weights: Optional[np.ndarray] = None
  edge_features: Optional[np.ndarray] = None
  n_nodes: Optional[int] = None
  first_id: int = 0
  notes: List[str] = dataclasses.field(default_factory=list)
  reason: Optional[str] = None  # why ids are strings
  warnings: List[str] = dataclasses.field(default_factory=list)


def assemble(listed, options):
  """Returns the Source of edges and of the files that the options name."""
  listed.ids.settled = True
  met = Numbering(nodes.Integers(), [listed.sources, listed.targets]).codes
  given = read_tables(options, listed.ids, met)
  numbering = number_nodes(listed, given, met)
  source = Source(listed.path, stem(listed.path), len(numbering), numbering.numbers(listed.sources),
                  numbering.numbers(listed.targets), listed.weights, listed.edge_features)
  listed.sources = listed.targets = listed.weights = listed.edge_features = None
  if numbering.changed():
    source.node_ids = numbering.ids
  for table in given:
    place(source, table, numbering)
  source.splits = split_files.read(options.splits, numbering, listed)
  said = [note for table in given for note in table.notes]
  extra = len(numbering) - len(met)
  if extra and listed.n_nodes is None:
    alone = np.ones(len(numbering), bool)
    alone[numbering.numbers(met)] = False
    said.insert(0, f"nodes that no edge names, from other files: {extra}{such_as(numbering.ids, alone)}")
  source.warnings = listed.warnings + [warning for table in given for warning in table.warnings]
  source.notes = tell_ids(listed, numbering) + listed.notes + said + source.notes
  return source


def stem(path):
  name = os.path.basename(path)
  for packed in (".gz", ".bz2", ".xz"):
    name = name[:-len(packed)] if name.endswith(packed) else name
  return os.path.splitext(name)[0]


def read_tables(options, ids, met):
  """Returns the tables of features and of labels: one, where the same file holds both."""

  def wanted(**what):
    return columns.Wanted(**what, id_column=options.id_column, label_column=options.label_column,
                          header=options.table_header)

  if options.features and options.features == options.labels:
    return [tables.read(options.features, wanted(features=True, labels=True), ids, met)]
  given = []
  if options.features:
    given.append(tables.read(options.features, wanted(features=True, labels=False), ids, met))
  if options.labels:
    given.append(tables.read(options.labels, wanted(features=False, labels=True), ids, met))
  return given


def number_nodes(listed, given, met):
  """Returns the Numbering of all nodes: those that the file counts, those of rows by their place, or those that are
  named."""
  by_place = [table for table in given if table.codes is None]
  named = [met] + [table.codes for table in given if table.codes is not None]
  n_nodes = listed.n_nodes
  for table in by_place:
    if listed.ids.strings:
      raise InputError(
          f"{table.path}: its rows have no ids, and the nodes are strings ({listed.reason}); expected is a "
          "table with an id in each row")
    if n_nodes is not None and table.n_rows != n_nodes:
      raise InputError(f"{table.path}: {table.n_rows} rows, {n_nodes} are expected, one for each node")
    n_nodes = table.n_rows
  if n_nodes is None:
    numbering = Numbering(listed.ids, named)
  else:
    numbering = Numbering(listed.ids, [np.arange(listed.first_id, listed.first_id + n_nodes)])
    for codes in named:
      check_covered(listed, by_place, codes, n_nodes)
  numbering.check_size(listed.path)
  return numbering


def check_covered(listed, by_place, codes, n_nodes):
  """Refuses ids beyond the rows that stand for nodes by their place."""
  first = listed.first_id
  wrong = codes[(codes < first) | (codes >= first + n_nodes)]
  if not len(wrong):
    return
  path = by_place[0].path if by_place else listed.path
  raise InputError(f"{path}: {n_nodes} rows are those of nodes {first} to {first + n_nodes - 1}, but there is a node "
                   f"{wrong[0]}; give a row for each node, a table with an id in each row, or --first-id "
                   f"{1 - first if first in (0, 1) else 0} if that is the id of the first row")


def place(source, table, numbering):
  """Brings the rows of a table to their nodes; nodes without a row have no features and no label."""
  rows = np.arange(source.n_nodes) if table.codes is None else numbering.numbers(table.codes)
  missing = source.n_nodes - len(rows)
  if table.features is not None:
    source.features = spread(table.features, rows, source.n_nodes)
    if missing:
      bare = np.ones(source.n_nodes, bool)
      bare[rows] = False
      source.notes.append(f"nodes without features: {missing}{such_as(numbering.ids, bare)}")
  if table.labels is not None:
    values = np.full(source.n_nodes, -1, np.int32)
    values = np.zeros((source.n_nodes, table.labels.n_classes), np.uint8) if table.labels.several else values
    values[rows] = table.labels.values
    source.labels = Labels(values, table.labels.n_classes, table.labels.names)


def spread(features, rows, n_nodes):
  if len(rows) == n_nodes and np.array_equal(rows, np.arange(n_nodes)):
    return features
  if scipy.sparse.issparse(features):
    wide = features.tocoo()
    return scipy.sparse.csr_matrix((wide.data, (rows[wide.row], wide.col)), shape=(n_nodes, features.shape[1]))
  placed = np.zeros((n_nodes, features.shape[1]), np.float32)
  placed[rows] = features
  return placed


def tell_ids(listed, numbering):
  """What has become of the ids."""
  if listed.ids.strings:
    return [f"ids are strings, numbered in their order ({listed.reason})"]
  if numbering.changed():
    return [f"ids {numbering.ids[0]} to {numbering.ids[-1]} numbered from 0, kept as /nodes/id"]
  return []
