"""From what a reader has found to what is written: the same for all formats."""

import dataclasses
import itertools
from typing import Optional

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph  # noqa: F401

from . import edges, nodes, splits
from .graph import MAX_CLASSES, MAX_EDGE_FEATURES, Graph, InputError, Labels


@dataclasses.dataclass
class Options:
  directed: bool = False
  weights: bool = False
  edge_features: bool = False
  largest_component: bool = False
  split: Optional[str] = None  # None: those of the source, or one that is drawn
  split_seed: int = 0
  split_count: int = 1


def complete(source, options):
  """Returns the graph as the program takes it: with features, at least one class, and labels in all splits."""
  dropped = choose_attributes(source, options)
  check_labels(source)
  indptr, indices, attributes, changes = edges.simple(source, options.directed)
  notes = changes + dropped
  labels = source.labels or Labels(np.full(source.n_nodes, -1, np.int32), 1)
  graph = Graph(source.name, indptr, indices, source.features, labels, dict(source.splits), source.node_ids, notes,
                list(source.warnings), **attributes)
  if options.largest_component:
    keep_component(graph)
  mend_features(graph)
  note_lonely(graph, source.labels)
  graph.splits = splits.choose(source, graph, options)
  check_splits(source.path, graph)
  graph.notes += source.notes
  return graph


def choose_attributes(source, options):
  """Leaves the source those attributes of edges that are wanted, and returns notes on others."""
  if options.weights and source.weights is None:
    raise InputError(f"{source.path}: --weights: its edges have no weights")
  if options.edge_features and source.edge_features is None:
    raise InputError(f"{source.path}: --edge-features: its edges have no features")
  width = source.edge_features.shape[1] if options.edge_features else 1
  if not 1 <= width <= MAX_EDGE_FEATURES:
    raise InputError(f"{source.path}: --edge-features: {width} of an edge, 1 to {MAX_EDGE_FEATURES} are possible")
  notes = []
  if not options.weights and source.weights is not None:
    notes += [] if (source.weights == 1).all() else ["edge weights dropped"]
    source.weights = None
  return notes


def check_labels(source):
  """A source may have no labels at all: such a graph can be looked at and divided. Those that it has must be of use."""
  labels = source.labels
  if labels and not (1 <= labels.n_classes <= MAX_CLASSES and labels.known.any()):
    raise InputError(f"{source.path}: {labels.n_classes} classes, and {labels.known.sum()} nodes with a label; "
                     f"expected are 1 to {MAX_CLASSES} classes and at least one such node")


def keep_component(graph):
  """Keeps the nodes of the largest component, and what belongs to them."""
  n_nodes = len(graph.indptr) - 1
  kept = edges.largest_component(graph.indptr, graph.indices)
  if len(kept) == n_nodes:
    return
  mask = np.zeros(n_nodes, bool)
  mask[kept] = True
  number = np.cumsum(mask) - 1
  degrees = np.diff(graph.indptr)
  of_kept = np.repeat(mask, degrees)
  graph.indices = number[graph.indices[of_kept]].astype(np.int32)
  for kind in edges.KINDS:
    values = getattr(graph, kind.field)
    setattr(graph, kind.field, None if values is None else values[of_kept])
  graph.indptr = np.concatenate([[0], np.cumsum(degrees[kept])])
  graph.features = None if graph.features is None else graph.features[kept]
  graph.labels = dataclasses.replace(graph.labels, values=graph.labels.values[kept])
  graph.splits = {
      name: {part: number[ids[mask[ids]]] for part, ids in split.items()} for name, split in graph.splits.items()
  }
  graph.node_ids = kept if graph.node_ids is None else graph.node_ids[kept]
  graph.notes.append(f"largest component: {len(kept)} of {n_nodes} nodes")


def mend_features(graph):
  """Nodes without features get those of their edges, else each one of its own."""
  if graph.features is not None and graph.features.shape[1]:
    return
  if graph.edge_features is None:
    graph.features = scipy.sparse.identity(len(graph.indptr) - 1, np.float32, "csr")
    graph.notes.insert(0, "no features: identity features")
  else:
    graph.features = mean_of_edges(graph)
    graph.notes.insert(0, "no features: means of those of the edges to a node")


def mean_of_edges(graph):
  """Returns the mean of the features of each node's edges from in-neighbours, 0 where it has none."""
  features = np.zeros((len(graph.indptr) - 1, graph.edge_features.shape[1]), np.float32)
  features[np.diff(graph.indptr) > 0] = edges.combine(graph.edge_features, None, np.unique(graph.indptr), True)
  return features


def check_splits(path, graph):
  for name, split in graph.splits.items():
    leave_out_unlabelled(path, graph, name, split)
    if len(split["train"]) == 0 and not graph.labels.known.any():
      raise InputError(f"{path}: a split {name}, and no labels; expected are labels, at least of a training node")
    if len(split["train"]) == 0:
      raise InputError(f"{path}: the training part of split {name} has no node with a label; it needs at least one")
    warn_overlap(path, graph, name, split)


def leave_out_unlabelled(path, graph, name, split):
  for part, ids in split.items():
    known = graph.labels.known[ids]
    if not known.all():
      graph.warnings.append(f"{path}: split {name}: nodes of {part} without a label are left out: {(~known).sum()}")
      split[part] = ids[known]


def warn_overlap(path, graph, name, split):
  times = np.zeros(len(graph.labels.values), np.int8)
  for ids in split.values():
    times[ids] += 1
  if (times > 1).any():
    pairs = [(a, b, len(np.intersect1d(split[a], split[b]))) for a, b in itertools.combinations(split, 2)]
    counts = ", ".join(f"{a} and {b} share {count}" for a, b, count in pairs if count)
    graph.warnings.append(f"{path}: split {name}: nodes in more than one part: {(times > 1).sum()} ({counts})")


def note_lonely(graph, labels):
  """What is easily overlooked: nodes without edges, nodes without a label, classes without nodes."""
  touched = np.diff(graph.indptr) > 0
  touched[graph.indices] = True
  lacking = {"isolated nodes": ~touched}
  if labels is None:
    graph.notes.append("no labels: for info and partition alone")
  else:
    lacking["nodes without a label"] = ~graph.labels.known
  graph.notes += [f"{what}: {mask.sum()}{nodes.such_as(graph.node_ids, mask)}" for what, mask in lacking.items()
                  if mask.any()]
  values = graph.labels.values
  n_empty = graph.labels.n_classes - (values.any(axis=0).sum() if values.ndim == 2 else len(np.unique(values[values >= 0])))
  if values.ndim == 2:
    graph.notes.append(f"several labels a node, {values.sum() / len(values):.2f} of a node")
  if labels is not None and n_empty:
    graph.notes.append(f"classes without a node: {n_empty}")
