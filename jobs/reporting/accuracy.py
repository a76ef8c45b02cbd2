"""Which nodes a model is right about: by their degree, and by their class."""
import numpy as np

from .canvas import BLUE, INK, Picture, distinct, grid_of, panel, percent
from .dataset import largest

MOST_DEGREE = 5  # the tutorial's groups: 0 to 5, and more
MOST_DRAWN, MOST_NAMED, MOST_COUNTED = 200, 20, 12  # classes that have room in a picture, names and counts too


def by_degree(graph, prediction, test):
  """`test`: the ids that test, apart from all; none where there are none."""
  groups = ("test nodes", test), ("all labelled nodes", np.flatnonzero(graph.labels >= 0))
  panels = [(f"{title}, by degree", degree_bars(*degree_shares(graph, prediction, ids), title))
            for title, ids in groups if len(ids)]
  if not panels:
    return None
  return Picture("Accuracy by node degree", degree_words(graph, prediction, test), panels)


def degree_shares(graph, prediction, ids):
  """Nodes, and the share of right predictions, of each group of degrees among the labelled nodes of ids. [7], [7]"""
  ids = ids[graph.labels[ids] >= 0]
  group = np.minimum(graph.degree[ids], MOST_DEGREE + 1)
  nodes = np.bincount(group, minlength=MOST_DEGREE + 2)
  right = np.bincount(group, weights=prediction[ids] == graph.labels[ids], minlength=MOST_DEGREE + 2)
  return nodes, right / np.maximum(nodes, 1)


def degree_bars(nodes, shares, title):
  figure, axes = panel(3.1, title=title, xlabel="node degree", ylabel="accuracy (%)", ylim=(0, 108),
                       yticks=range(0, 101, 20))
  axes.bar(range(len(nodes)), 100 * shares, width=0.88, color=BLUE)
  many = nodes.max() >= 1000  # whose numbers alone have room in a bar
  for place, (count, share) in enumerate(zip(nodes, shares)):
    number = f"{count:,}" if many else f"n={count}"
    words = f"{100 * share:.1f}\n{number}" if count else number
    inside = share > 0.25
    axes.text(place, 50 * share if inside else 100 * share + 2, words, ha="center", va="center" if inside else "bottom",
              fontsize=6 if nodes.max() >= 100_000 else 7.5, color="white" if inside else INK)
  axes.set_xticks(range(len(nodes)), [*map(str, range(MOST_DEGREE + 1)), f"> {MOST_DEGREE}"])
  axes.grid(axis="x", visible=False)
  return figure


def degree_words(graph, prediction, test):
  said = "Each bar holds the accuracy in percent of the nodes with that many neighbours, and their number."
  if len(test):
    said += (" Test nodes stand apart: all nodes together, as the tutorial counts, hold those that the model was "
             "trained on.")
  nodes, shares = degree_shares(graph, prediction, test if len(test) else np.flatnonzero(graph.labels >= 0))
  few, many = nodes[:2].sum(), nodes[5:].sum()
  if few and many:
    low, high = (nodes * shares)[:2].sum() / few, (nodes * shares)[5:].sum() / many
    said += (f" With at most one neighbour {percent(low)} are right, with five or more {percent(high)}: " +
             ("well linked nodes are the easier ones." if high > low + 0.02 else
              "here the well linked ones are not easier." if high < low - 0.02 else "the number of neighbours matters "
                                                                                   "little here."))
  return said + " Bars of few nodes say little: of ten nodes one alone is ten points."


# Classes

def confusion_matrix(graph, prediction, ids):
  """Nodes of each true class (row) that were taken for each class (column). [C, C]"""
  ids = ids[(graph.labels[ids] >= 0) & (prediction[ids] >= 0)]
  pairs = graph.labels[ids].astype(np.int64) * graph.classes + prediction[ids]
  return np.bincount(pairs, minlength=graph.classes**2).reshape(graph.classes, graph.classes)


def confusion(graph, prediction, ids, which):
  matrix = confusion_matrix(graph, prediction, ids) if graph.classes <= MOST_DRAWN else np.zeros(0)
  if not matrix.sum():
    return None
  names = distinct(graph.class_names, 14)
  figure, axes = panel(3.9, xlabel="predicted", ylabel="true class")
  shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
  grid_of(axes, shares, [[f"{count:,}" if count else "" for count in row] for row in matrix]
          if graph.classes <= MOST_COUNTED else None)
  if graph.classes > MOST_NAMED:
    ticks = range(0, graph.classes, -(-graph.classes // 10))
    axes.set(xticks=ticks, yticks=ticks, xlabel="predicted class, by number", ylabel="true class, by number")
  else:
    axes.set_xticks(range(graph.classes), names, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(range(graph.classes), names, fontsize=8)
  return Picture("Confusion matrix", confusion_words(graph, matrix, which), [("confusion", figure)])


def confusion_words(graph, matrix, which):
  which = which if matrix.sum() > 1 else which.removesuffix("s")
  said = (f"Of {matrix.sum():,} {which}, each row is a true class and each column what the model took it for; the "
          "darker a square, the larger its share of the row. What is right lies on the diagonal.")
  wrong = matrix - np.diag(np.diag(matrix))
  if not wrong.any():
    return said + " Nothing is wrong here."
  true, taken = np.unravel_index(np.argmax(wrong), wrong.shape)
  return said + (f" The most frequent mistake is to take {graph.class_names[true]} for {graph.class_names[taken]}: "
                 f"{wrong[true, taken]:,} of {matrix[true].sum():,} nodes.")


def class_rows(graph, prediction, ids):
  """Name, nodes, precision, recall and F1 of each class, and their mean over classes that are there."""
  ids = ids[(graph.labels[ids] >= 0) & (prediction[ids] >= 0)]
  hits = ids[graph.labels[ids] == prediction[ids]]
  right, true, taken = (np.bincount(found, minlength=graph.classes)
                        for found in (graph.labels[hits], graph.labels[ids], prediction[ids]))
  precision, recall = right / np.maximum(taken, 1), right / np.maximum(true, 1)
  f1 = 2 * right / np.maximum(true + taken, 1)
  rows = [(graph.class_names[k], f"{true[k]:,}", *(f"{100 * value[k]:.1f}" for value in (precision, recall, f1)))
          for k in largest(true)]
  there = true > 0
  means = (f"{100 * value[there].mean():.1f}" if there.any() else "–" for value in (precision, recall, f1))
  return [*rows, ("mean of classes", f"{true.sum():,}", *means)]
