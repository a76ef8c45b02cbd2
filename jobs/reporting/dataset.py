"""The graph itself: its figures, its classes, and how many neighbours its nodes have."""
import numpy as np

from .canvas import BLUE, Picture, panel, percent

MANY_EDGES = 20_000_000  # beyond it what needs all of them is left out
LAST_BAR = 20
MOST_CLASSES = 60  # of a table


def card(graph, fingerprint=None):
  """The figures of the data set, [(name, value)]."""
  features = f"{graph.features:,}" + (f", {percent(graph.density)} filled" if graph.density is not None else ", dense")
  rows = [("nodes", f"{graph.nodes:,}"), ("edges", f"{graph.edges:,} directed"), ("features", features),
          ("classes", f"{graph.classes}"), ("mean degree", f"{graph.degree.mean():.2f}"),
          ("largest degree", f"{graph.degree.max(initial=0):,}"),
          ("nodes without neighbours", f"{(graph.degree == 0).sum():,}")]
  unknown = int((graph.labels < 0).sum())
  if graph.matrix is not None:
    rows.append(("labels per node", f"{graph.matrix.sum() / max(graph.nodes, 1):.2f}; what is shown by the class of a node "
                                    "is left out, and accuracy is micro-F1"))
  elif unknown:
    rows.append(("nodes without a label", f"{unknown:,}"))
  same = homophily(graph)
  if same is not None:
    rows.append(("edges within a class", percent(same)))
  for name, parts in graph.splits.items():
    sizes = (f"{len(parts.get(part, ())):,}" for part in ("train", "val", "test"))
    rows.append((f"split {name}", "{} to train, {} to validate, {} to test".format(*sizes)))
  return rows + ([("fingerprint", fingerprint)] if fingerprint else [])


def homophily(graph):
  """The share of edges whose ends have the same class, among those whose ends have one."""
  if not 0 < graph.edges <= MANY_EDGES:
    return None
  ends = graph.labels[graph.sources], np.repeat(graph.labels, graph.degree)
  known = (ends[0] >= 0) & (ends[1] >= 0)
  return float((ends[0] == ends[1])[known].mean()) if known.any() else None


def class_rows(graph, split):
  """Name, nodes and nodes of each part of the split, for each class."""
  parts = (slice(None), *split.values())
  if graph.matrix is not None:
    counts = [graph.matrix[ids].sum(axis=0, dtype=np.int64) for ids in parts]
  else:
    counts = [np.bincount(labels[labels >= 0], minlength=graph.classes) for labels in (graph.labels[ids] for ids in parts)]
  return [(graph.class_names[k], *(f"{count[k]:,}" for count in counts)) for k in largest(counts[0])]


def largest(counts, most=MOST_CLASSES):
  """The classes that a table lists, in their order: all, or those with the most nodes."""
  return np.sort(np.argsort(-counts, kind="stable")[:most])


def degree_picture(graph):
  counts = np.bincount(graph.degree, minlength=2)
  shown = counts if len(counts) <= LAST_BAR + 2 else np.append(counts[:LAST_BAR + 1], counts[LAST_BAR + 1:].sum())
  figure, axes = panel(3.0, xlabel="number of neighbours", ylabel="number of nodes")
  axes.bar(range(len(shown)), shown, width=0.85, color=BLUE)
  ticks = list(range(0, min(len(shown), LAST_BAR + 1), 1 if len(shown) < 12 else 5))
  names = list(map(str, ticks))
  if len(shown) < len(counts):
    ticks, names = ticks[:-1] + [len(shown) - 1], names[:-1] + [f"> {LAST_BAR}"]
  axes.set_xticks(ticks, names)
  axes.yaxis.get_major_locator().set_params(integer=True)
  axes.grid(axis="x", visible=False)
  panels = [("degrees", figure)]
  if len(shown) < len(counts):
    panels.append(("degrees, the tail", tail(counts)))
  return Picture("Node degrees", degree_words(graph, counts), panels)


def tail(counts):
  """The share of nodes with at least so many neighbours, both axes logarithmic."""
  figure, axes = panel(3.0, xlabel="number of neighbours, at least", ylabel="share of nodes (%)", xscale="log",
                       yscale="log")
  share = 100 * counts[::-1].cumsum()[::-1] / counts.sum()
  degrees = np.arange(1, len(counts))
  steps = degrees[(counts[1:] > 0) | (degrees == 1)]
  axes.step(steps, share[steps], where="pre", color=BLUE)
  for axis in (axes.xaxis, axes.yaxis):
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(lambda value, _: "")
  return figure


def degree_words(graph, counts):
  """What the picture shows, counted."""
  order = np.cumsum(counts) / graph.nodes
  most = int(np.searchsorted(order, 0.5))
  isolated = int(counts[0])
  few = counts[1:3].sum() / graph.nodes
  words = (f"Each bar counts the nodes with that many neighbours. {percent(few)} of the nodes have one or two of "
           f"them, and half have at most {most}; the most linked node has {graph.degree.max(initial=0):,}.")
  if few > 0.3:
    words += (" A layer of a graph network averages over these few, so a node's class must often be told from one or "
              "two others and from its own features.")
  if isolated:
    words += f" {isolated:,} nodes have no neighbour at all and are judged by their features alone."
  if len(counts) > LAST_BAR + 2:
    words += " The second picture follows the few nodes with many neighbours, on logarithmic axes."
  return words
