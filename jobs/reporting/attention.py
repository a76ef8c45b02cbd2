"""What attention does with a node's neighbours: how even it is, head by head, and one neighbourhood in full."""
import numpy as np

from .canvas import BLUE, GREY, Picture, class_colours, grid_of, panel, short

MOST_EDGES = 5_000_000  # beyond it the coefficients are left out: they would fill the disk
MOST_DRAWN = 10  # of a node's neighbours
SOME = (4, 7)  # neighbours of a node that makes a good example


def layers(after):
  """(name, sources, targets, coefficients) of each layer that has them."""
  names = sorted({name.split("/")[1] for name in after if name.startswith("attention/")})
  return [(name, *(after[f"attention/{name}/{part}"] for part in ("src", "dst", "alpha"))) for name in names]


def evenness(targets, alpha, nodes):
  """Entropy of each node's coefficients over that of even ones, NaN where a node has one edge alone. [nodes, heads]"""
  fan_in = np.bincount(targets, minlength=nodes)
  alpha = alpha.astype(float)
  terms = -alpha * np.log(np.maximum(alpha, 1e-30))
  sums = np.stack([np.bincount(targets, weights=of_head, minlength=nodes) for of_head in terms.T], axis=1)
  return np.where(fan_in[:, None] > 1, sums / np.log(np.maximum(fan_in, 2))[:, None], np.nan)


def entropy(graph, after):
  """None where no coefficient could be other than one, or they are not finite."""
  panels, medians = [], []
  for name, _, targets, alpha in layers(after):
    even = evenness(targets, alpha, graph.nodes)
    even = even[np.isfinite(even).all(axis=1)]
    if not len(even) or not np.isfinite(alpha).all():
      continue
    panels.append((f"entropy, {name}", boxes(even, f"layer {name.removeprefix('conv')}")))
    medians.append((name, np.median(even, axis=0)))
  return Picture("Attention: entropy per head", entropy_words(medians), panels) if panels else None


def boxes(even, title):
  figure, axes = panel(2.9, title=title, xlabel="head", ylabel="entropy / that of even attention")
  look = {"color": BLUE, "linewidth": 1.2}
  axes.boxplot([*even.T], whis=(5, 95), showfliers=False, widths=0.6, boxprops=look, whiskerprops=look, capprops=look,
               medianprops={"color": "#d9822b", "linewidth": 1.8})
  axes.set_ylim(min(0.9, np.percentile(even, 5, axis=0).min() - 0.03), 1.02)
  axes.axhline(1, color=GREY, linestyle=":")
  axes.grid(axis="x", visible=False)
  return figure


def entropy_words(medians):
  said = ("How evenly a node spreads its attention over itself and its neighbours, for nodes that have some: 1 is the "
          "plain average, 0 is one neighbour alone. A box holds the middle half of the nodes, its line the median, "
          "and the whiskers 5 to 95 %.")
  for name, values in medians:
    head = int(np.argmin(values))
    said += (f" In layer {name.removeprefix('conv')} " +
             (f"the median is {values[0]:.2f}." if len(values) == 1 else
              f"head {head + 1} chooses most (median {values[head]:.2f}), head {int(np.argmax(values)) + 1} least "
              f"({values.max():.2f})."))
  flat = [values.min() > 0.97 for _, values in medians]
  if all(flat):
    said += " All heads are close to the plain average: on such graphs attention differs little from a GCN."
  return said


# One node

def choose_node(graph, after, test):
  """A test node with some neighbours whose attention is the least even."""
  _, _, targets, alpha = layers(after)[0]
  even = evenness(targets, alpha, graph.nodes).mean(axis=1)
  fits = np.isfinite(even) & (graph.degree >= SOME[0]) & (graph.degree <= SOME[1])
  among = fits & np.isin(np.arange(graph.nodes), test)
  for found in (among, fits, np.isfinite(even)):
    if found.any():
      return int(np.flatnonzero(found)[np.argmin(even[found])])
  return None


def neighbourhood(graph, after, node):
  """The node with its neighbours, and the coefficients of all heads."""
  fields, first = [], None
  for name, sources, targets, alpha in layers(after):
    incoming = targets == node
    order = np.lexsort((sources[incoming], sources[incoming] != node))  # itself first
    near, values = sources[incoming][order], alpha[incoming][order].astype(float)
    if len(near) > MOST_DRAWN + 1:
      kept = np.sort(np.append(0, 1 + np.argsort(-values[1:].mean(axis=1), kind="stable")[:MOST_DRAWN]))
      near, values = near[kept], values[kept]
    if first is None:
      first = near, values
    fields.append((f"coefficients, {name}", field(graph, (near, values), node, f"layer {name.removeprefix('conv')}")))
  panels = [("a neighbourhood", star(graph, first, node)), *fields]
  return Picture("Attention: one node's neighbourhood", node_words(graph, first, node), panels)


def star(graph, first, node):
  """Neighbours around the node; a line is as thick as its coefficient, the mean of the heads of the first layer."""
  near, values = first[0], first[1].mean(axis=1)
  figure, axes = panel(3.9, title=f"node {short(graph.node_name(node))}, layer 1, mean of heads", xticks=[], yticks=[])
  angles = np.pi / 2 - 2 * np.pi * np.arange(len(near) - 1) / max(len(near) - 1, 1)
  places = np.vstack([[0, 0], np.stack([np.cos(angles), np.sin(angles)], axis=1)])
  colours = class_colours(graph.classes)
  for (x, y), other, value in zip(places[1:], near[1:], values[1:]):
    axes.plot([0, x], [0, y], color=GREY, linewidth=0.6 + 14 * value, solid_capstyle="butt", zorder=1)
    axes.text(0.6 * x, 0.6 * y, f"{value:.2f}", ha="center", va="center", fontsize=8.5, zorder=4,
              bbox={"boxstyle": "round,pad=0.15", "facecolor": "#f2f4f7", "edgecolor": "none"}, color="#1c2733")
    axes.text(1.24 * x, 1.2 * y, short(graph.node_name(other), 10), ha="center", va="center", fontsize=8.5)
  for label in np.unique(graph.labels[near]):
    of = graph.labels[near] == label
    name, colour = (short(graph.class_names[label], 26), colours[label]) if label >= 0 else ("unknown", GREY)
    axes.scatter(*places[of].T, s=np.where(near[of] == node, 190, 110), color=colour, label=name, zorder=3)
  axes.text(0, -0.2, f"itself {values[0]:.2f}", ha="center", va="top", fontsize=8.5, zorder=4,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "#f2f4f7", "edgecolor": "none"}, color="#1c2733")
  axes.set(xlim=(-1.5, 1.5), ylim=(-1.42, 1.42), aspect="equal")
  axes.set_axis_off()
  axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=2, fontsize=8, markerscale=0.6)
  return figure


def field(graph, found, node, title):
  """Heads by neighbours."""
  near, values = found
  figure, axes = panel(1.3 + 0.26 * values.shape[1], title=title, xlabel="neighbour", ylabel="head")
  grid_of(axes, values.T / max(values.max(), 1e-9), [[f"{100 * value:.0f}" for value in row] for row in values.T], 7.5)
  names = ["itself" if other == node else short(graph.node_name(other), 9) for other in near]
  axes.set_xticks(range(len(near)), names, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
  axes.set_yticks(range(values.shape[1]), range(1, values.shape[1] + 1))
  return figure


def node_words(graph, first, node):
  near, values = first[0], first[1].mean(axis=1)
  label = graph.labels[node]
  name = graph.class_names[label] if label >= 0 else ""
  of = f", of {name if name.startswith('class ') else 'class ' + name}," if name else ""
  said = (f"Node {graph.node_name(node)}{of} and the neighbours that it takes from, coloured by their true classes; a "
          "line is as thick as the neighbour's coefficient, the mean over heads. Even shares would be "
          f"{1 / (graph.degree[node] + 1):.2f} each.")
  strong = int(np.argmax(values))
  who = "itself" if near[strong] == node else f"node {graph.node_name(near[strong])}"
  said += f" It attends most to {who} ({values[strong]:.2f})"
  if who != "itself" and label >= 0 and graph.labels[near[strong]] >= 0:
    said += ", a neighbour of its own class" if graph.labels[near[strong]] == label else ", though its class is another"
  said += ". The fields show every head, in percent of the node's attention."
  if graph.degree[node] > MOST_DRAWN:
    said += f" Of its {graph.degree[node]:,} neighbours the {MOST_DRAWN} with the largest coefficients are drawn."
  return said
