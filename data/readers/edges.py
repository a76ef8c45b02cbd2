"""Edges as a reader lists them become those of a graph: each once, no self-loops, both directions unless directed."""

import numpy as np
import scipy.sparse

from .graph import InputError


def check_range(path, sources, targets, n_nodes):
  """Refuses edges of nodes other than 0 to n_nodes - 1."""
  if n_nodes == 0:
    raise InputError(f"{path}: the graph has no nodes")
  for ids in (sources, targets):
    wrong = ids[(ids < 0) | (ids >= n_nodes)]
    if wrong.size:
      raise InputError(f"{path}: an edge names node {wrong[0]}, but the nodes are 0 to {n_nodes - 1}")


def simple(source, directed, weighted):
  """Returns (indptr, indices, weights or None) of the simple graph, and notes on what that has changed. The edges of
  the source are used up."""
  n_nodes = source.n_nodes
  proper = source.sources != source.targets
  keys = source.targets[proper].astype(np.int64)
  keys *= n_nodes
  keys += source.sources[proper]
  notes, weights = [], source.weights[proper] if weighted else None
  source.sources = source.targets = source.weights = None
  n_listed = len(keys)
  keys, weights = merge(keys, weights)
  note(notes, "self-loops dropped", len(proper) - n_listed)
  note(notes, "repeated edges merged, their weights added" if weighted else "repeated edges dropped",
       n_listed - len(keys))
  if not directed:
    keys, weights = mirror(keys, weights, n_nodes, notes)
  if weights is not None and not (np.abs(weights) <= np.finfo(np.float32).max).all():
    raise InputError(f"{source.path}: the weights of an edge that is listed several times add up to more than single "
                     "precision holds")
  rows, columns = np.divmod(keys, n_nodes)
  indptr = np.zeros(n_nodes + 1, np.int64)
  np.cumsum(np.bincount(rows, minlength=n_nodes), out=indptr[1:])
  return indptr, columns.astype(np.int32), weights, notes


def note(notes, what, count):
  if count:
    notes.append(f"{what}: {count}")


def merge(keys, weights):
  """Returns the keys, each once, ascending, and the sum of the weights of each."""
  if weights is None:
    return np.unique(keys), None
  keys, weights, first = group(keys, weights)
  return keys, np.add.reduceat(weights, first) if len(first) else weights


def group(keys, weights):
  """Returns the keys, each once, the weights in their order, and where those of each key begin. There may be several
  keys for each weight, in turns."""
  order = np.argsort(keys, kind="stable")
  keys = keys[order]
  order %= max(1, len(weights))
  weights = weights[order]
  del order
  first = np.flatnonzero(np.diff(keys, prepend=-1))
  return keys[first], weights, first


def mirror(keys, weights, n_nodes, notes):
  """Returns the edges with their opposites; where both are listed, the weight of both is the mean."""
  n_given = len(keys)
  targets, sources = np.divmod(keys, n_nodes)
  sources *= n_nodes
  sources += targets
  keys = np.concatenate([keys, sources])
  del sources, targets
  if weights is None or not len(weights):
    keys = np.unique(keys)
  else:
    keys, weights, first = group(keys, weights)
    uneven = np.minimum.reduceat(weights, first) != np.maximum.reduceat(weights, first)
    note(notes, "pairs of other weight in each direction, averaged", np.count_nonzero(uneven) // 2)
    weights = np.add.reduceat(weights, first)
    weights /= np.diff(first, append=2 * n_given)
  note(notes, "edges listed in one direction, made undirected", len(keys) - n_given)
  return keys, weights


def largest_component(indptr, indices):
  """Returns the nodes of the largest weakly connected component, ascending; of equal ones that of the lowest node."""
  n_nodes = len(indptr) - 1
  matrix = scipy.sparse.csr_matrix((np.ones(len(indices), np.int8), indices, indptr), shape=(n_nodes, n_nodes))
  _, component = scipy.sparse.csgraph.connected_components(matrix, directed=True, connection="weak")
  sizes = np.bincount(component)
  first = component[np.argmax(sizes[component])]
  return np.flatnonzero(component == first)
