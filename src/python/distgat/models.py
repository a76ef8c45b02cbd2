"""Training, trained models and what they predict."""

import json
import os
import shutil
import tempfile
import weakref
from typing import NamedTuple

import h5py
import numpy as np

from . import graphs, h5, modules, weights
from .program import run

EPOCHS_BETWEEN_LINES = 10
# Options, beside sizes, of what layers compute from weights.
COMPUTE = ("activation", "negative_slope", "attention_target", "symmetric_norm", "edge_attributes", "use_labels", "label_iterations",
           "normalize")
SWITCHES = {"symmetric_norm"}
ON_OFF = {"attention_target", "prune"}  # options whose values these are


def train(graph, *, save=None, log=None, init=None, progress=True, ranks=None, launcher=None, program=None, **options):
  """Trains a model and returns it: `distgat train graph --name value ...` for `options` name=value.

  graph      a graph file's path, or a Graph
  save       where the trained model goes (a temporary file, removed with what is returned)
  init       start from these weights: a path, what `train` returned, a torch module, a state dict, or arrays by name;
             sizes are taken from it, and of a saved model all that its layers compute
  progress   prints a line every ten epochs; or a function that gets each epoch's line of the log as a dict; or False
  ranks      under `mpirun -np ranks`, or under `launcher`, a command that the number of ranks follows
  options    as `distgat train --help` lists them, e.g. recipe="tutorial-gat", weight_decay=5e-4, resume=True, prune=False

  Raises Error with the program's own line."""
  folder = Folder()
  path = graph_path(graph, folder)
  save, log = save or folder.path("model.h5"), log or folder.path("log.jsonl")
  if init is not None:
    init, options = initial(init, folder, options)
  told = words({"save": save, "log": log, "init": init, "json": True, "quiet": progress is False, **options})
  said = run(["train", path, *told], ranks=ranks, launcher=launcher, program=program, watch=Watcher(log, progress))
  model = Model(save, path, json.loads(said[said.index("{"):]))
  model.folder, model.start = folder, {"ranks": ranks, "launcher": launcher, "program": program}
  return model


def predict(graph, model, *, out=None, ranks=None, launcher=None, program=None, **options):
  """Applies a model, or its file, to a graph, or its file, and returns the Prediction: `distgat predict ...`, options
  as its --help lists them: embeddings=True, attention=True, nodes=[3, 17], weights="initial"."""
  folder = Folder()
  path, out = graph_path(graph, folder), out or folder.path("prediction.h5")
  told = words({"model_file": getattr(model, "path", model), "out": out, "json": True, "quiet": True, **options})
  said = run(["predict", path, *told], ranks=ranks, launcher=launcher, program=program)
  prediction = read_prediction(out, path)
  prediction.folder, prediction.summary = folder, json.loads(said[said.index("{"):])
  return prediction


class Folder:
  """A temporary folder, removed with the last that refers to it."""

  def __init__(self):
    self.name = tempfile.mkdtemp(prefix="distgat-")
    weakref.finalize(self, shutil.rmtree, self.name, ignore_errors=True)

  def path(self, name):
    return os.path.join(self.name, name)


def graph_path(graph, folder):
  if isinstance(graph, (str, os.PathLike)):
    return os.fspath(graph)
  if not isinstance(graph, graphs.Graph):
    raise TypeError(f"a graph file's path or a Graph is expected, not {type(graph).__name__}; from_pyg, from_dgl, "
                    "from_networkx and make_graph make a Graph")
  path = folder.path("graph.h5")
  graphs.write_graph(path, graph)
  return path


def initial(init, folder, options):
  """Returns the path of initial weights, and the options that they speak of, where none are given."""
  found = weights.weights_of(init)
  path = getattr(init, "path", init)
  if isinstance(path, (str, os.PathLike)):
    return os.fspath(path), {**weights.sizes(found), **saved_options(path), **options}
  path = folder.path("init.h5")
  weights.save_weights(path, found)
  return path, {**weights.sizes(found), **modules.options(init), **options}


def saved_options(path):
  """Returns the options of a saved model that say what its layers compute; none of weights alone."""
  with h5py.File(path, "r") as file:
    saved = attributes(file)
  return {name: bool(saved[name]) if name in SWITCHES else saved[name] for name in COMPUTE if name in saved}


def attributes(file):
  """Returns those of an HDF5 file, as text and numbers of Python."""
  return {name: h5.text(value) if isinstance(value, (bytes, str)) else value.item() for name, value in file.attrs.items()}


def words(options):
  """Returns options as they are typed: True is an option without a value, False its opposite, None none at all; but for
  ON_OFF."""
  for name, value in options.items():
    if getattr(value, "ndim", 0) or isinstance(value, np.bool_):
      value = value.tolist()
    if name in ON_OFF and isinstance(value, bool):
      value = "on" if value else "off"
    if value is None:
      continue
    text = ",".join(map(str, value)) if isinstance(value, (list, tuple, range)) else str(value)
    no = "no-" if value is False else ""
    yield f"--{no}{name.replace('_', '-')}" + ("" if isinstance(value, bool) else f"={text}")


class Watcher:
  """Follows the log while the program writes it."""

  def __init__(self, log, progress):
    self.log, self.read = log, 0
    self.tell = progress if callable(progress) else print_epoch if progress else None

  def __call__(self):
    if self.tell is None or not os.path.exists(self.log):
      return
    with open(self.log, "rb") as file:
      file.seek(self.read)
      content = file.read()
    content = content[:content.rfind(b"\n") + 1]
    self.read += len(content)
    for line in map(json.loads, content.splitlines()):
      if line["event"] == "epoch":
        self.tell(line)


def print_epoch(line):
  """As the program's console does."""
  if line["epoch"] % EPOCHS_BETWEEN_LINES:
    return
  parts = [f"Epoch {line['epoch']:4}"]
  for part in ("train", "val"):
    loss, acc = line[f"{part}_loss"], line[f"{part}_acc"]
    parts += [f"{part.title()} Loss: {'-' if loss is None else format(loss, '6.3f')}",
              f"{part.title()} Acc: {'-' if acc is None else format(100 * acc, '6.2f')}%"]
  print(" | ".join(parts), flush=True)


class Model:
  """A trained model's file: `result` and `history` are of the run that it keeps, `summary` is all that `train` said."""

  def __init__(self, path, graph=None, summary=None):
    self.path, self.graph, self.start = os.fspath(path), graph, {}
    with h5py.File(self.path, "r") as file:
      self.options = attributes(file)
      self.history = {name: values[:] for name, values in file.get("history", {}).items()}
    self.result = json.loads(self.options.pop("result", "{}"))
    self.summary = summary or self.result

  @property
  def runs(self):
    """The results of all runs."""
    return self.summary.get("results", [self.result])

  @property
  def test_acc(self):
    return self.result.get("test_acc")

  @property
  def val_acc(self):
    return self.result.get("val_acc")

  def predict(self, graph=None, **options):
    """As the function `predict`, on the graph that it was trained on unless another is given."""
    return predict(self.graph if graph is None else graph, self, **{**self.start, **options})

  def state_dict(self, like=None, group="weights"):
    return weights.state_dict(self, like, group)

  def history_frame(self):
    """A pandas DataFrame of the history, a row for each epoch."""
    return frame(self.history).set_index("epoch")

  def __repr__(self):
    shown = {name: self.result.get(name) for name in ("model", "dataset", "epochs", "val_acc", "test_acc", "seconds")}
    return "Model(" + ", ".join(f"{name}={value}" for name, value in shown.items()) + ")"


class Attention(NamedTuple):
  """As PyTorch Geometric returns it: messages flow from the first row of edge_index to the second, self-loops too."""
  edge_index: np.ndarray  # [2, E']
  alpha: np.ndarray  # [E', heads]


class Prediction:
  """What a model says of every node, in the order of the graph's nodes; `summary` has the accuracies."""

  def __init__(self, path, node_ids=None, class_names=None):
    self.path, self.node_ids, self.class_names, self.summary = os.fspath(path), node_ids, class_names, {}
    with h5py.File(self.path, "r") as file:
      self.logits, self.prediction = file["logits"][:], file["prediction"][:]
      self.embedding = file["embedding"][:] if "embedding" in file else None
      self.attention = {name: Attention(np.stack([layer["src"][:], layer["dst"][:]]), layer["alpha"][:])
                        for name, layer in file.get("attention", {}).items()}

  @property
  def several(self):
    """Whether nodes have any number of classes: prediction is then 0 and 1, [N, C]."""
    return self.prediction.ndim == 2

  @property
  def probabilities(self):
    """Softmax of the logits, or where nodes have several labels their sigmoid, [N, C]."""
    if self.several:
      return 1 / (1 + np.exp(-self.logits.astype(np.float64))).astype(np.float32)
    shares = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)

  @property
  def classes(self):
    """Names of the classes, or their numbers."""
    return self.class_names or list(range(self.logits.shape[1]))

  def frame(self):
    """A pandas DataFrame, a row for each node: its predicted class, or the list of several, and the probability of each."""
    table = frame({name: column for name, column in zip(self.classes, self.probabilities.T)}, self.node_ids)
    named = ([[self.classes[k] for k in np.flatnonzero(row)] for row in self.prediction] if self.several else
             [self.classes[k] for k in self.prediction])
    table.insert(0, "prediction", named)
    return table

  def embedding_frame(self):
    """A pandas DataFrame, a row for each node, of the embeddings."""
    if self.embedding is None:
      raise ValueError(f"{self.path}: has no embeddings; predict with embeddings=True")
    return frame(dict(enumerate(self.embedding.T)), self.node_ids)

  def attention_frame(self, layer="conv1"):
    """A pandas DataFrame, a row for each edge: source, target, and the coefficient of each head."""
    if layer not in self.attention:
      raise ValueError(f"{self.path}: has no attention of {layer}; predict with attention=True")
    edge_index, alpha = self.attention[layer]
    ids = np.arange(len(self.logits)) if self.node_ids is None else np.asarray(self.node_ids)
    return frame({"src": ids[edge_index[0]], "dst": ids[edge_index[1]],
                  **{f"head{k}": column for k, column in enumerate(alpha.T)}})


def read_prediction(path, graph=None):
  """Returns the Prediction of a file of `distgat predict`; nodes and classes have the names that it, or `graph`, a
  Graph or its file, gives them."""
  names = {}
  for source in (path, graph):
    if isinstance(source, (str, os.PathLike)):
      with h5py.File(source, "r") as file:
        source = {"node_ids": h5.names(file.get("nodes/id")), "class_names": h5.names(file.get("classes/name"))}
    elif source is not None:
      source = {"node_ids": source.node_ids, "class_names": source.class_names}
    names.update({what: found for what, found in (source or {}).items() if found is not None and what not in names})
  return Prediction(path, **names)


def frame(columns, index=None):
  try:
    import pandas
  except ImportError:
    raise ImportError("DataFrames need pandas (python3-pandas, or pip install pandas); logits, prediction, probabilities, "
                      "embedding, attention and history are numpy arrays without it") from None
  return pandas.DataFrame(columns, index=None if index is None else pandas.Index(index, name="node"))
