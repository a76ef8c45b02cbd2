"""What models say of a graph before and after training."""
import dataclasses

import numpy as np

from . import attention, embedding, training, tsne
from .files import PARTS, Model, say


@dataclasses.dataclass
class Seen:
  """A model, its predictions, and how good it was at the start: (loss, accuracy) of each part of the split, or None. A loss
  is nan where training had another than cross-entropy."""
  model: Model
  after: dict
  before: dict
  start: dict
  split: dict

  @property
  def predictions(self):
    return {state: found for state, found in (("before", self.before), ("after", self.after)) if found}

  @property
  def test(self):
    return self.split["test"]


def look(graph, models, program):
  """Asks the program for the predictions of each model."""
  seen = []
  for number, model in enumerate(models, 1):
    say(f"predictions of {model.path.name} ({number} of {len(models)})")
    hidden = ["--embeddings"] * (model.layers > 1)
    with_attention = ["--attention"] * (model.has_attention and graph.edges <= attention.MOST_EDGES)
    after = program.predict(graph, model, *hidden, *with_attention)
    before = program.predict(graph, model, "--weights", "initial", *hidden) if model.has_initial else None
    split = graph.split(model.split)
    start = begin(graph, model, before, after, split) if before and graph.matrix is None else None
    seen.append(Seen(model, after, before, start, split))
  return seen


def begin(graph, model, before, after, split):
  """Loss and accuracy of the initial weights on each part."""
  start = {part: training.evaluate(before["logits"], graph.labels, split[part]) for part in PARTS}
  if is_cross_entropy(model, {part: training.evaluate(after["logits"], graph.labels, split[part]) for part in PARTS}):
    return start
  return {part: found and (np.nan, found[1]) for part, found in start.items()}


def is_cross_entropy(model, end):
  """Whether the losses that the run told are those of its predictions. `end`: (loss, accuracy) of each part, or None."""
  told = [(model.result.get(f"{part}_loss"), end[part][0]) for part in ("val", "test") if end[part]]
  return all(loss is None or abs(loss - found) <= 0.01 * max(found, 0.01) for loss, found in told)


def place(graph, seen, limit, spaces=("logits", "embedding")):
  """The nodes that are drawn, and their places by t-SNE."""
  chosen = embedding.sample(graph, limit)
  matrices = {}
  for one in seen:
    found = embedding.matrices(one.model.name, one.predictions, chosen)
    matrices.update({name: matrix for name, matrix in found.items() if name[2] in spaces})
  return chosen, tsne.project_all(matrices, say)


def tested(one, graph):
  """The ids to judge a model by, and what they are: test nodes, else all with a label."""
  if len(one.test):
    return one.test, "test nodes"
  return np.flatnonzero(graph.labels >= 0), "labelled nodes"
