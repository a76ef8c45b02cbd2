"""Writes an imported graph, and the line that tells what is in it."""

from distgat import graphfile

from .graph import OutputError, printable

SPLITS_TOLD = 3


def write(path, graph):
  """Writes the graph file, complete or not at all; the same graph gives the same bytes."""
  labels = graph.labels
  try:
    graphfile.write(path, graphfile.Contents(
      name=graph.name, num_classes=labels.n_classes, indptr=graph.indptr, indices=graph.indices,
      features=graph.features, labels=labels.values, splits=graph.splits, node_ids=graph.node_ids,
      class_names=labels.names or None, edge_weight=graph.weights, edge_features=graph.edge_features))
  except OSError as error:
    raise OutputError(f"{path}: cannot write it: {error.strerror or error}") from error


def describe(graph):
  form = "sparse" if graphfile.stored_sparse(graph.features) else "dense"
  facts = [f"{graph.name}, {len(graph.indptr) - 1} nodes, {len(graph.indices)} directed edges, "
           f"{graph.features.shape[1]} features ({form}), {graph.labels.n_classes} classes"]
  if graph.edge_features is not None:
    facts[0] += f", {graph.edge_features.shape[1]} features of each edge"
  told = list(graph.splits.items())[:SPLITS_TOLD]
  facts += [f"split {name}: " + " / ".join(str(len(split[part])) for part in ("train", "val", "test"))
            for name, split in told]
  facts[-1] += " train/val/test" if told else ""
  if len(graph.splits) > len(told):
    facts.append(f"{len(graph.splits)} splits in all, chosen with --split")
  return printable("; ".join(facts + graph.notes))
