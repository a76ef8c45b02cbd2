"""Graphs, saved models and logs as pages need them, and the program that is asked for the rest."""
import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

PARTS = ("train", "val", "test")


class Failure(Exception):
  """An expected failure: one line for the user, and the exit code."""

  def __init__(self, message, code=2):
    super().__init__(message)
    self.code = code


def say(words):
  """Progress, on standard error."""
  print(f"{Path(sys.argv[0]).name}: {words}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def open_h5(path):
  """Whatever the file holds in the place of what distgat writes there ends in one line."""
  try:
    file = h5py.File(path, "r")
  except OSError as error:
    reason = "no such file" if not path.exists() else f"not a readable HDF5 file ({error})"
    raise Failure(f"{path}: {reason}") from error
  with file:
    try:
      yield file
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
      raise Failure(f"{path}: lacks what distgat writes there, or holds something else ({error})") from error


def text(value):
  return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


class Graph:
  """A graph file; its edges are read when they are asked for."""

  def __init__(self, path):
    self.path = path
    with open_h5(path) as file:
      if text(file.attrs.get("format")) != "distgat-graph":
        raise Failure(f"{path}: not a distgat graph (root attribute format is not distgat-graph)")
      self.name = text(file.attrs.get("name")) or path.stem
      self.classes, self.features = int(file.attrs["num_classes"]), int(file.attrs["num_features"])
      self.indptr = file["graph/indptr"][:]
      labels = file["labels"][:]
      self.splits = {name: {part: ids[:] for part, ids in split.items()}
                     for name, split in file.get("splits", {}).items()}
      self.ids = file["nodes/id"][:] if "nodes/id" in file else None
      names = [text(name) for name in file["classes/name"][:]] if "classes/name" in file else []
      filled = file["features/values"].shape[0] if "features/values" in file else None
    self.class_names = [" ".join(name.replace("_", " ").split()) for name in names] or [f"class {k}" for k in range(self.classes)]
    self.matrix = labels if labels.ndim == 2 else None  # of several labels a node: no node has the class
    self.labels = labels if labels.ndim == 1 else np.full(len(labels), -1)
    self.degree = np.diff(self.indptr)
    self.nodes, self.edges = len(self.degree), int(self.indptr[-1])
    self.density = filled / max(self.nodes * self.features, 1) if filled is not None else None

  @functools.cached_property
  def sources(self):
    """The in-neighbours of all nodes, node by node. [edges]"""
    with open_h5(self.path) as file:
      return file["graph/indices"][:]

  @functools.cached_property
  def targets(self):
    """The node that each of `sources` is a neighbour of. [edges]"""
    return np.repeat(np.arange(self.nodes), self.degree)

  def node_name(self, node):
    return str(text(self.ids[node])) if self.ids is not None else str(node)

  def find_node(self, name):
    """The row of the node that is called so."""
    for node in range(self.nodes) if self.ids is not None else ():
      if self.node_name(node) == name:
        return node
    if self.ids is None and name.isdecimal() and int(name) < self.nodes:
      return int(name)
    raise Failure(f"{self.path}: no node is called {name}")

  def split(self, name):
    """The ids of each part of a split; of the only one where there is none of the name."""
    found = self.splits.get(name) or (next(iter(self.splits.values())) if len(self.splits) == 1 else {})
    return {part: np.asarray(found.get(part, ()), np.int64) for part in PARTS}


class Runs:
  """Results of a model, one for each seed that it was trained with."""

  def __init__(self, name, kind, runs):
    self.name, self.kind, self.runs = name, kind, runs

  @property
  def title(self):
    return self.name if self.name.lower() == self.kind else f"{self.name} ({self.kind})"

  def values(self, key):
    """That figure of each run, where it has one."""
    found = (run.get(key) for run in self.runs)
    return np.array([value for value in found if isinstance(value, (int, float))], float)


class Model(Runs):
  """A saved model: its options, result, history and the shapes of its weights."""

  def __init__(self, path):
    self.path = path
    with open_h5(path) as file:
      if "weights" not in file:
        raise Failure(f"{path}: not a saved model (no group /weights); distgat train --save writes one")
      attributes = {name: text(value) for name, value in file.attrs.items()}
      self.shapes = {name: weight.shape for name, weight in file["weights"].items()}
      self.has_initial = "initial_weights" in file
      self.history = {name: values[:] for name, values in file.get("history", {}).items()}
      self.result = json.loads(attributes.pop("result", None) or "{}")
      super().__init__(path.stem, self.result.get("model") or attributes.get("model") or "model", [self.result])
      self.layers = int(attributes.get("layers", 2))
    self.options = {name: value for name, value in attributes.items() if name not in ("format", "version")}
    self.has_attention = self.kind in ("gat", "gatv2")

  @property
  def split(self):
    return self.options.get("split", self.result.get("split", "public"))

  @property
  def parameters(self):
    return sum(int(np.prod(shape)) for name, shape in self.shapes.items() if ".running_" not in name)


def read_log(path):
  """The results that a log of --log holds, each once."""
  try:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
  except (OSError, ValueError) as error:
    raise Failure(f"{path}: not a log of distgat train --log ({error})") from error
  return [line for line in lines if isinstance(line, dict) and line.get("event") == "result"]


class Program:
  """The program distgat."""

  def __init__(self, given=None):
    self.path = find_program(given)

  def ask(self, *words):
    """What the program prints; its line of failure is this one's."""
    done = subprocess.run([self.path, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
      lines = done.stderr.strip().splitlines() or [f"{self.path} {words[0]} gave no reason"]
      raise Failure(lines[-1], done.returncode if done.returncode in (2, 3) else 3)
    return done.stdout

  def version(self):
    return self.ask("--version").splitlines()

  def predict(self, graph, model, *options):
    """The arrays of a prediction, by their names."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="distgat-report-") as folder:
      out = Path(folder, "out.h5")
      self.ask("predict", graph.path, "--model-file", model.path, "--out", out, "--quiet", *options)
      with h5py.File(out, "r") as file:
        file.visititems(lambda name, item: found.update({name: item[:]}) if isinstance(item, h5py.Dataset) else None)
    return found

  def divide(self, graph, parts, *options):
    """The owner of each node in so many parts, and the quality of that partition."""
    with tempfile.TemporaryDirectory(prefix="distgat-report-") as folder:
      out = Path(folder, "parts.h5")
      told = self.ask("partition", graph.path, "--parts", parts, "--out", out, "--json", "--quiet", *options)
      with h5py.File(out, "r") as file:
        return file["part"][:], json.loads(told)


def find_program(given):
  here = Path(__file__).resolve().parents[1]
  built, installed = here.parent / "build" / "release" / "distgat", here.parents[2] / "bin" / "distgat"
  for candidate in (given, os.environ.get("DISTGAT"), built, installed, "distgat"):
    found = candidate and shutil.which(candidate)
    if found:
      return found
    if candidate and candidate == given:
      break
  raise Failure(f"{given or 'distgat'}: program not found; name it with --distgat or build it first")
