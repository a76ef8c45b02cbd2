"""Edges as a reader lists them become those of a graph: each once, no self-loops, both directions unless directed."""

from typing import NamedTuple

import numpy as np
import scipy.sparse

from .graph import InputError

BLOCK = 2**18  # groups at a time


class Kind(NamedTuple):
  """An attribute of edges, and what becomes of it where they are listed several times."""
  field: str  # of the options, of Source and of Graph
  name: str
  merged: str
  mean: bool  # else the sum


KINDS = (Kind("weights", "weight", "their weights added", False),
         Kind("edge_features", "features", "their features averaged", True))  # a type or a score is no amount


def check_range(path, sources, targets, n_nodes):
  """Refuses edges of nodes other than 0 to n_nodes - 1."""
  if n_nodes == 0:
    raise InputError(f"{path}: the graph has no nodes")
  for ids in (sources, targets):
    wrong = ids[(ids < 0) | (ids >= n_nodes)]
    if wrong.size:
      raise InputError(f"{path}: an edge names node {wrong[0]}, but the nodes are 0 to {n_nodes - 1}")


def simple(source, directed):
  """Returns (indptr, indices, attributes) of the simple graph, and notes on what that has changed. The edges of the
  source are used up, and what it says of them."""
  n_nodes = source.n_nodes
  proper = source.sources != source.targets
  keys = source.targets[proper].astype(np.int64)
  keys *= n_nodes
  keys += source.sources[proper]
  source.sources = source.targets = None
  notes, attributes = [], take(source, proper)
  n_listed = len(keys)
  keys, attributes = merge(keys, attributes)
  note(notes, "self-loops dropped", len(proper) - n_listed)
  note(notes, ", ".join(["repeated edges merged", *(kind.merged for kind in attributes)]) if attributes else
       "repeated edges dropped", n_listed - len(keys))
  if not directed:
    keys, attributes = mirror(keys, attributes, n_nodes, notes)
  attributes = {kind.field: values for kind, values in attributes.items()}
  weights = attributes.get("weights")
  if weights is not None and not (np.abs(weights) <= np.finfo(np.float32).max).all():
    raise InputError(f"{source.path}: the weights of an edge that is listed several times add up to more than single "
                     "precision holds")
  rows, columns = np.divmod(keys, n_nodes)
  indptr = np.zeros(n_nodes + 1, np.int64)
  np.cumsum(np.bincount(rows, minlength=n_nodes), out=indptr[1:])
  return indptr, columns.astype(np.int32), attributes, notes


def take(source, mask):
  """Returns what the source says of some of its edges, by kind, and leaves none of it there."""
  found = {}
  for kind in KINDS:
    values = getattr(source, kind.field)
    setattr(source, kind.field, None)
    if values is not None:
      found[kind] = values if mask.all() else values[mask]
  return found


def note(notes, what, count):
  if count:
    notes.append(f"{what}: {count}")


def merge(keys, attributes):
  """Returns the keys, each once, ascending, and the attributes of each."""
  if not attributes:
    return np.unique(keys), {}
  keys, order, bounds = group(keys)
  return keys, {kind: combine(values, order, bounds, kind.mean) for kind, values in attributes.items()}


def group(keys):
  """Returns the keys, each once, ascending; the order that sorts them all; and where those of each begin in it, with the
  end."""
  order = np.argsort(keys, kind="stable")
  keys = keys[order]
  bounds = np.append(np.flatnonzero(np.diff(keys, prepend=-1)), len(keys))
  return keys[bounds[:-1]], order, bounds


def combine(values, order, bounds, mean):
  """Returns the sum, or the mean, of the values of each group, added in double precision; without an order groups lie as
  they are."""
  combined = np.empty((len(bounds) - 1, *values.shape[1:]), values.dtype)
  for groups, some, begins in blocks(values, order, bounds):
    sums = np.add.reduceat(some, begins[:-1], axis=0, dtype=np.float64)
    combined[groups] = (sums.T / np.diff(begins)).T if mean else sums
  return combined


def count_uneven(values, order, bounds):
  """Returns how many groups have values that differ."""
  count = 0
  for _, some, begins in blocks(values, order, bounds):
    differ = np.minimum.reduceat(some, begins[:-1], axis=0) != np.maximum.reduceat(some, begins[:-1], axis=0)
    count += np.count_nonzero(differ if values.ndim == 1 else differ.any(axis=1))
  return count


def blocks(values, order, bounds):
  """Yields some groups at a time, as a slice, with their values, and where those of each begin in these, with the end."""
  for low in range(0, len(bounds) - 1, BLOCK):
    begins = bounds[low:low + BLOCK + 1]
    places = slice(begins[0], begins[-1])
    yield slice(low, low + len(begins) - 1), values[places if order is None else order[places]], begins - begins[0]


def mirror(keys, attributes, n_nodes, notes):
  """Returns the edges with their opposites; where both are listed, both get the mean of their attributes."""
  n_given = len(keys)
  targets, sources = np.divmod(keys, n_nodes)
  sources *= n_nodes
  sources += targets
  keys = np.concatenate([keys, sources])
  del sources, targets
  if not attributes:
    keys = np.unique(keys)
  else:
    keys, order, bounds = group(keys)
    order %= max(1, n_given)
    for kind, values in attributes.items():
      uneven = count_uneven(values, order, bounds) // 2
      note(notes, f"pairs of other {kind.name} in each direction, averaged", uneven)
      attributes[kind] = combine(values, order, bounds, True)
  note(notes, "edges listed in one direction, made undirected", len(keys) - n_given)
  return keys, attributes


def largest_component(indptr, indices):
  """Returns the nodes of the largest weakly connected component, ascending; of equal ones that of the lowest node."""
  n_nodes = len(indptr) - 1
  matrix = scipy.sparse.csr_matrix((np.ones(len(indices), np.int8), indices, indptr), shape=(n_nodes, n_nodes))
  _, component = scipy.sparse.csgraph.connected_components(matrix, directed=True, connection="weak")
  sizes = np.bincount(component)
  first = component[np.argmax(sizes[component])]
  return np.flatnonzero(component == first)
