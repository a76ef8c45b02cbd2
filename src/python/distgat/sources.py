"""Graphs of PyTorch Geometric, DGL and networkx. None of these is imported: an object brings its own."""

import warnings

import numpy as np

from . import graphs
from .graphfile import Csr

MASKS = ("train_mask", "val_mask", "test_mask")
PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


def from_pyg(data, path=None, **fields):
  """Returns the Graph of a `torch_geometric.data.Data`, and writes it where `path` is given: its `edge_index` or
  `adj_t`, `x`, `y`, masks, `edge_weight` and `edge_attr`; `fields` of `make_graph` are added, or win."""
  if hasattr(data, "node_types"):
    raise ValueError("the data has several kinds of nodes; data.to_homogeneous() makes one of them")
  if not hasattr(data, "num_nodes"):
    raise TypeError(f"a Data is expected, not {type(data).__name__}; dataset[0] is that of a data set of one graph")
  found = {name: getattr(data, name, None) for name in ("x", "y", "edge_weight", "edge_attr", *MASKS)}
  edge_index = getattr(data, "edge_index", None)
  if edge_index is None:
    edge_index, weight = edges_of_transposed(data)
    found["edge_weight"] = weight if found["edge_weight"] is None else found["edge_weight"]
  found["x"] = sparse_features(found["x"])
  return finish(path, {"edge_index": edge_index, "num_nodes": data.num_nodes, **found, **fields})


def from_dgl(graph, path=None, *, x="feat", y="label", weight="weight", edge_features="feat", **fields):
  """Returns the Graph of a `dgl.DGLGraph` of one kind of nodes and edges, and writes it where `path` is given. `x`,
  `y`, `weight` and `edge_features` name what is taken of `ndata` and `edata`; masks have DGL's names."""
  if not graph.is_homogeneous:
    raise ValueError("the graph has several kinds of nodes or edges; dgl.to_homogeneous makes one of them")
  refuse_missing({"nodes": graph.ndata, "edges": graph.edata}, ("nodes", x, "feat"), ("nodes", y, "label"),
                 ("edges", weight, "weight"), ("edges", edge_features, "feat"))
  nodes = {"x": x, "y": y, **{name: name for name in MASKS}}
  found = {field: graph.ndata.get(name) for field, name in nodes.items()}
  found.update(edge_weight=graph.edata.get(weight), edge_attr=graph.edata.get(edge_features))
  edge_index = np.stack([graphs.array(ends) for ends in graph.edges(order="eid")])
  return finish(path, {"edge_index": edge_index, "num_nodes": graph.num_nodes(), **found, **fields})


def from_networkx(graph, path=None, *, x="x", y="y", weight="weight", split="split", **fields):
  """Returns the Graph of a networkx graph, and writes it where `path` is given. Nodes keep their names, undirected
  edges count in both directions. `x`, `y` and `split` (train, val, test) name attributes of nodes, `weight`
  one of edges."""
  present = {"nodes": {name for _, attributes in graph.nodes(data=True) for name in attributes},
             "edges": {name for _, _, attributes in graph.edges(data=True) for name in attributes}}
  refuse_missing(present, ("nodes", x, "x"), ("nodes", y, "y"), ("nodes", split, "split"), ("edges", weight, "weight"))
  names = list(graph)
  number = {name: k for k, name in enumerate(names)}
  edges = np.array([(number[u], number[v]) for u, v in graph.edges()], np.int64).reshape(-1, 2).T
  values = {what: [attributes.get(what) for _, attributes in graph.nodes(data=True)] for what in (x, y, split)}
  weights = [attributes.get(weight) for _, _, attributes in graph.edges(data=True)]
  found = {"edge_index": edges, "num_nodes": len(names), "undirected": not graph.is_directed(),
           "node_ids": ids_of(names),
           "x": whole(values[x], x), "y": labels(values[y]), "name": graph.name or "graph",
           "edge_weight": weights_or_none(weights)}
  parts = [PARTS.get(one, one) for one in values[split]]
  odd = set(parts) - {None, *PARTS.values()}
  if odd:
    raise ValueError(f"the attribute {split!r} of a node is {odd.pop()!r}; train, val or test are expected")
  found.update({f"{part}_mask": np.array([one == part for one in parts]) for part in set(parts) - {None}})
  return finish(path, {**found, **fields})


def refuse_missing(present, *wanted):
  """Refuses names of attributes that are given and not there; `wanted` are (where, name, default), of which the default may be
  missing, and None is none."""
  for where, name, usual in wanted:
    if name not in (None, usual) and name not in present[where]:
      raise ValueError(f"no {where} have an attribute {name!r}; they have {', '.join(map(str, present[where])) or 'none'}")


def finish(path, fields):
  graph = graphs.make_graph(**fields)
  return graph if path is None else graphs.write_graph(path, graph)


def edges_of_transposed(data):
  """Returns edges and weights of `adj_t`, whose rows are targets: torch_sparse's, or torch's own."""
  matrix = getattr(data, "adj_t", None)
  if matrix is None:
    raise ValueError("the data has neither edge_index nor adj_t")
  if hasattr(matrix, "coo"):
    target, source, weight = matrix.coo()
  else:
    target, source, weight = graphs.entries_of(matrix)
  weight = None if weight is None or bool((weight == 1).all()) else weight
  return np.stack([graphs.array(source), graphs.array(target)]), weight


def sparse_features(x):
  """Returns a sparse tensor as CSR; all else as it is."""
  if x is None or "sparse" not in str(getattr(x, "layout", "")):
    return x
  rows, columns, values = graphs.entries_of(x)
  ends = np.cumsum(np.bincount(rows, minlength=x.shape[0]))
  return Csr(np.concatenate([[0], ends]), columns, values.astype(np.float32), tuple(x.shape))


def ids_of(names):
  """Returns what nodes are called: integers, or else strings."""
  if all(isinstance(name, (int, np.integer)) for name in names):
    return names
  texts = list(map(str, names))
  if len(set(texts)) < len(texts):
    warnings.warn("several nodes have the same name once names are strings", stacklevel=3)
  return texts


def whole(values, what):
  """Returns features [N, F], None where no node has any."""
  missing = sum(one is None for one in values)
  if missing == len(values):
    return None
  if missing:
    raise ValueError(f"{missing} of {len(values)} nodes have no attribute {what!r}; all or none are expected")
  return np.stack([graphs.array(one) for one in values])


def weights_or_none(values):
  """Returns weights, 1 where an edge has none; None where no edge has any."""
  return None if all(one is None for one in values) else [1 if one is None else one for one in values]


def labels(values):
  """Returns labels, unknown where a node has none; None where no node has any."""
  if all(one is None for one in values):
    return None
  if len({np.shape(one) for one in values}) > 1:
    raise ValueError("nodes have labels of several shapes, or none beside several at once; one shape is expected")
  if any(isinstance(one, str) for one in values):
    return np.array(values, object)
  return np.array([-1 if one is None else one for one in values])
