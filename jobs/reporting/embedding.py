"""Nodes as a model sees them before and after training, by t-SNE."""
import numpy as np
from scipy.spatial import cKDTree

from .canvas import GREY, Picture, class_colours, panel, percent, short
from .dataset import homophily

NEAR = 10  # neighbours in the plane
WHOLE, SAMPLE = 3500, 2500  # nodes: graphs up to the first are drawn whole, of larger ones so many
STATES = (("before", "before training"), ("after", "after training"))
SPACES = (("logits", "output"), ("embedding", "last hidden layer"))


def sample(graph, limit):
  """The nodes that are drawn: all of a graph within the limit, else so many at random; None: as WHOLE and SAMPLE say."""
  whole, count = (WHOLE, SAMPLE) if limit is None else (limit, limit)
  if graph.nodes <= whole:
    return np.arange(graph.nodes)
  return np.sort(np.random.default_rng(0).choice(graph.nodes, count, replace=False))


def matrices(name, predictions, chosen):
  """What t-SNE is to place, by (model's name, state, space). `predictions`: by state; a state may be missing."""
  return {(name, state, space): predictions[state][space][chosen] for state, _ in STATES for space, _ in SPACES
          if space in predictions.get(state, ())}


def picture(graph, model, places, chosen, space):
  """`places`: what t-SNE has made of `matrices`. None where there is nothing to draw."""
  words_of_space = dict(SPACES)[space]
  panels, near = [], {}
  for state, title in STATES:
    place = places.get((model.name, state, space))
    if place is not None:
      panels.append((f"{words_of_space}, {title}", scatter(graph, place, graph.labels[chosen], title)))
      near[state] = agreement(place, graph.labels[chosen])
  if not panels:
    return None
  return Picture(f"Embeddings by t-SNE: {words_of_space}", words(graph, model, len(chosen), space, near), panels)


def scatter(graph, place, labels, title):
  columns = 2 if max(map(len, graph.class_names)) > 12 else 3
  rows = -(-graph.classes // columns) if graph.classes <= 18 else 0
  figure, axes = panel(3.9 + 0.2 * rows, title=title, xticks=[], yticks=[])
  colours = class_colours(graph.classes)
  for label in np.unique(labels):
    of = labels == label
    name, colour = (short(graph.class_names[label], 26), colours[label]) if label >= 0 else ("unknown", GREY)
    axes.scatter(*place[of].T, s=np.clip(3000 / len(labels), 5, 40), linewidths=0, rasterized=True, label=name, color=colour)
  axes.grid(False)
  axes.spines[["left", "bottom"]].set_visible(False)
  if rows and graph.matrix is None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=columns, fontsize=8, markerscale=2.5,
                handletextpad=0.1, columnspacing=0.8)
  return figure


def agreement(place, labels):
  """How many of the nearest in the plane have a node's own class, of the nodes that have one."""
  known = labels >= 0
  if known.sum() <= NEAR:
    return None
  place, labels = place[known], labels[known]
  _, found = cKDTree(place).query(place, k=NEAR + 1)
  return float((labels[found[:, 1:]] == labels[:, None]).mean())


def words(graph, model, count, space, near):
  which = f"all {count:,} nodes" if count == graph.nodes else f"a random sample of {count:,} of {graph.nodes:,} nodes"
  what = "the model's output, a score for each class," if space == "logits" else "the input of the last layer"
  colour = "in the colour of its true class" if graph.matrix is None else "and all are grey, as each has any number of classes"
  said = (f"Each dot is a node, {which}, {colour}: {what} brought to two dimensions by t-SNE, which keeps near what is near. ")
  said += before_words(graph, model, near)
  if near.get("after") is not None:
    said += f"After training {percent(near['after'])} of a node's {NEAR} nearest in the picture share its class. "
  return said + "Distances between far groups, and their sizes, mean little in such a picture."


def before_words(graph, model, near):
  if "before" not in near:
    return "The file has no initial weights, so the state before training is not shown. "
  source = ("of the features alone, for this model sees no edges" if model.kind == "mlp" else
            "of features and edges: a node is averaged with its neighbours" +
            (", which mostly have its class, so that groups are seen before anything is learned"
             if (homophily(graph) or 0) > 0.5 else ""))
  share = "" if near["before"] is None else f" ({percent(near['before'])} of a node's {NEAR} nearest share its class)"
  return f"Before training the weights are random, and what order there is{share} is that {source}. "
