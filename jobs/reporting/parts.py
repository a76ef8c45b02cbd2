"""The graph in parts, and what ranks exchange."""
import numpy as np

from .canvas import BLUE, ORANGE, Picture, grid_of, panel, percent
from .dataset import MANY_EDGES

EXAMPLE = 4  # parts that are shown of what was trained on one rank
MOST_LISTED = 16


def count(graph, models):
  """How many parts to show: those of the largest run, or an example; 0 where the graph is too small or too large."""
  ranks = max((int(model.result.get("ranks") or 1) for model in models), default=1)
  parts = ranks if ranks > 1 else EXAMPLE
  return parts if parts <= graph.nodes and 0 < graph.edges <= MANY_EDGES else 0


def halo(graph, owner, parts):
  """Rows of each part (row) that each other part (column) needs for all its nodes. [parts, parts]"""
  sources, takers = graph.sources, owner[graph.targets]
  crossing = owner[sources] != takers
  pairs = np.unique(sources[crossing].astype(np.int64) * parts + takers[crossing])
  return np.bincount(owner[pairs // parts] * parts + pairs % parts, minlength=parts**2).reshape(parts, parts)


def options(graph, seen):
  """Whose training step is divided: the models', or that of the first split where theirs is not known."""
  name = seen[0].model.split
  return ["--split", name if name in graph.splits else next(iter(graph.splits))] if graph.splits else []


def picture(graph, owner, quality, trained):
  """`trained`: whether a model was trained on so many ranks."""
  parts = quality["parts"]
  matrix = halo(graph, owner, parts)
  panels = [("nodes and edges of parts", sizes(graph, owner, parts))]
  if parts <= 64:
    panels.append(("rows between parts", between(matrix)))
  return Picture("Partition", words(graph, quality, matrix, trained), panels)


def sizes(graph, owner, parts):
  figure, axes = panel(3.2, title="share of each part, over the mean", xlabel="part", ylabel="over the mean")
  nodes, edges = np.bincount(owner, minlength=parts), np.bincount(owner, weights=graph.degree, minlength=parts)
  for shift, values, colour, name in ((-0.2, nodes, BLUE, "nodes"), (0.2, edges, ORANGE, "edges")):
    axes.bar(np.arange(parts) + shift, values / max(values.mean(), 1e-9), width=0.38, color=colour, label=name)
  axes.axhline(1, color="#8a94a0", linestyle=":")
  axes.set_xticks(np.arange(0, parts, max(1, parts // 12)))
  axes.grid(axis="x", visible=False)
  axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
  return figure


def between(matrix):
  parts = len(matrix)
  figure, axes = panel(3.2, title="halo rows, from part to part", xlabel="to part", ylabel="from part")
  texts = [[f"{rows:,}" if rows else "" for rows in line] for line in matrix] if parts <= 8 else None
  grid_of(axes, matrix / max(matrix.max(), 1), texts)
  for axis in (axes.set_xticks, axes.set_yticks):
    axis(range(0, parts, max(1, parts // 12)))
  return figure


def words(graph, quality, matrix, trained):
  parts, step = quality["parts"], quality.get("step") or {}
  how = (f"The graph as {parts} ranks divide it" if trained else
         f"All models here were trained on one rank, where nothing is exchanged; this is how {parts} ranks would "
         "divide the graph")
  said = (f"{how}: every part gets about as much of the work, not of the nodes, and few edges are cut "
          f"({percent(quality['edge_cut'] / max(quality['edge_pairs'], 1))} of the pairs). Rows of neighbours in "
          f"other parts, the halo, must travel: {quality['halo_nodes']:,} of them for a pass over the whole graph, "
          f"{percent(matrix.sum() / graph.nodes)} of its nodes.")
  if "halo_nodes" in step:
    said += (f" A training step touches only what its loss can see: {step['halo_nodes']:,} rows over its "
             f"{step['layers']} layers, those of the first being constant and fetched once.")
  return said


def communication_rows(models):
  """What each model's run exchanged."""
  def show(model, key, scale=1.0, form=",.2f"):
    value = model.result.get(key)
    return "–" if value is None else format(scale * value, form)

  return [(model.name, show(model, "ranks", form=".0f"), show(model, "threads", form=".0f"),
           show(model, "halo_bytes_per_epoch", 1e-6, ",.3f"), show(model, "step_ms_median"),
           show(model, "peak_rss_bytes", 1e-6, ",.0f")) for model in models]
