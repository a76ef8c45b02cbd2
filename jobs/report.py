#!/usr/bin/env python3
"""Makes one self-contained HTML page from a graph and the models trained on it.

It holds the data-set summary, the degree histogram, the table of results, and for each model its training curves,
t-SNE of the embeddings before and after training, accuracy by node degree and attention coefficients."""
import argparse
import html
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # idle threads of t-SNE leave the cores to others
PACKAGES = "python3-h5py python3-matplotlib python3-sklearn"

try:
  import h5py
  import matplotlib
  import numpy as np
  from matplotlib.figure import Figure
  from sklearn.manifold import TSNE
except ImportError as missing:
  # The first python3 on the path need not be the one that the distribution's packages belong to.
  system_python = shutil.which("python3", path=os.defpath)
  if system_python and system_python != sys.executable:
    os.execv(system_python, [system_python, *sys.argv])
  print(f"report.py: {missing}; install the packages {PACKAGES}", file=sys.stderr)
  sys.exit(2)

from page import INK, Failure, Page

ATTENTION_EDGES = 5_000_000  # beyond it the coefficients are left out: they would fill the disk
matplotlib.rcParams.update({
  "svg.fonttype": "none", "svg.hashsalt": "distgat", "font.family": "sans-serif", "font.size": 10,
  "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
  "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": INK, "grid.alpha": 0.12,
  "axes.axisbelow": True, "legend.frameon": False, "figure.constrained_layout.use": True,
})
BLUE, ORANGE = "#3b82c4", "#d9822b"


class Parser(argparse.ArgumentParser):
  """Reports bad usage in one line."""

  def error(self, message):
    self.exit(2, f"report.py: {message}; see report.py --help\n")


# Reading

class Graph:
  """What the report needs of a graph file."""

  def __init__(self, path):
    with open_h5(path) as file:
      if text(file.attrs.get("format")) != "distgat-graph":
        raise Failure(f"{path}: not a distgat graph (root attribute format is not distgat-graph)")
      self.name = text(file.attrs.get("name")) or path.stem
      self.classes, self.features = int(file.attrs["num_classes"]), int(file.attrs["num_features"])
      indptr = file["graph/indptr"][:]
      self.degree, self.edges = np.diff(indptr), int(indptr[-1])
      self.labels = file["labels"][:]
      self.splits = {name: {part: len(ids) for part, ids in split.items()}
                     for name, split in file.get("splits", {}).items()}
    self.nodes = len(self.degree)


class Model:
  """A saved model: its results, its history, and what it can be asked for."""

  def __init__(self, path):
    self.path, self.name = path, path.stem
    with open_h5(path) as file:
      if "weights" not in file:
        raise Failure(f"{path}: not a saved model (no group /weights); distgat train --save writes one")
      self.result = json.loads(text(file.attrs.get("result")) or "{}")
      self.kind = self.result.get("model") or text(file.attrs.get("model")) or "model"
      self.has_initial = "initial_weights" in file
      self.has_hidden = int(file.attrs.get("layers", 2)) > 1
      self.history = {name: values[:] for name, values in file.get("history", {}).items()}


def open_h5(path):
  try:
    return h5py.File(path, "r")
  except OSError as error:
    reason = "no such file" if not path.exists() else f"not a readable HDF5 file ({error})"
    raise Failure(f"{path}: {reason}") from error


def text(value):
  return value.decode() if isinstance(value, bytes) else value


def find_program(given):
  here = Path(__file__).resolve().parent
  built, installed = here.parent / "build" / "release" / "distgat", here.parents[2] / "bin" / "distgat"
  for candidate in (given, os.environ.get("DISTGAT"), built, installed, "distgat"):
    found = candidate and shutil.which(candidate)
    if found:
      return found
    if candidate and candidate == given:
      break
  raise Failure(f"{given or 'distgat'}: program not found; name it with --distgat or build it first")


def predict(program, graph_path, model, out, *options):
  command = [program, "predict", graph_path, "--model-file", model.path, "--out", out, "--quiet", *options]
  done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                        check=False)
  if done.returncode != 0:
    lines = done.stderr.strip().splitlines() or [f"{program} predict gave no reason"]
    raise Failure(lines[-1], done.returncode if done.returncode in (2, 3) else 3)
  return h5py.File(out, "r")


# Pictures: each returns (title, remark, figure), or None where there is nothing to show

def degree_histogram(graph):
  figure = Figure(figsize=(8, 3.2))
  axes = figure.subplots()
  top = int(graph.degree.max(initial=0))
  if top <= 200:
    counts = np.bincount(graph.degree)
    axes.bar(np.arange(len(counts)), counts, width=0.9, color=BLUE)
  else:
    edges = np.unique(np.geomspace(1, top + 1, 60).astype(np.int64))
    axes.hist(graph.degree, bins=np.concatenate(([0], edges)), color=BLUE)
    axes.set_xscale("symlog", linthresh=1)
  axes.set(xlabel="node degree (in-neighbours)", ylabel="number of nodes", yscale="log")
  remark = f"Mean {graph.degree.mean():.2f}, largest {top}, {(graph.degree == 0).sum()} isolated nodes."
  return "Degree histogram", remark, figure


def training_curves(model):
  history = model.history
  if len(history.get("epoch", ())) == 0:
    return None
  figure = Figure(figsize=(9, 3.2))
  panels = figure.subplots(1, 2)
  for axes, quantity, label in zip(panels, ("loss", "acc"), ("cross-entropy", "accuracy (%)")):
    for part, colour, name in (("train", BLUE, "training"), ("val", ORANGE, "validation")):
      values = np.asarray(history.get(f"{part}_{quantity}", ()), float) * (100 if quantity == "acc" else 1)
      known = np.isfinite(values)
      marker = "." if known.sum() < 50 else None
      axes.plot(history["epoch"][:len(values)][known], values[known], color=colour, label=name, marker=marker)
    axes.set(xlabel="epoch", ylabel=label)
    axes.set_ylim(bottom=0)
    axes.legend()
  return "Training curves", "Training: the step's own forward pass, dropout on; validation: without dropout.", figure


def project(embedding):
  """Two dimensions by t-SNE, the same each time."""
  constant = np.ptp(embedding, axis=0).max(initial=0) == 0
  tsne = TSNE(init="random" if constant else "pca", learning_rate="auto", random_state=0,
        perplexity=min(30, (len(embedding) - 1) / 3))
  return tsne.fit_transform(embedding)


def class_colours(classes):
  if classes <= 10:
    return matplotlib.colormaps["tab10"].colors[:classes]
  return matplotlib.colormaps["turbo"](np.linspace(0, 1, classes))


def tsne_picture(graph, before, after, limit):
  chosen = np.arange(graph.nodes)
  if graph.nodes > limit:
    chosen = np.sort(np.random.default_rng(0).choice(graph.nodes, limit, replace=False))
  files = {"before training": before, "after training": after}
  states = [(title, file["embedding"][:][chosen]) for title, file in files.items() if file]
  if len(chosen) < 5 or not all(np.isfinite(embedding).all() for _, embedding in states):
    return None
  figure = Figure(figsize=(4.6 * len(states) + 1, 4.4))
  panels = figure.subplots(1, len(states), squeeze=False)
  labels, colours = graph.labels[chosen], class_colours(graph.classes)
  for axes, (title, embedding) in zip(panels[0], states):
    place = project(embedding)
    for label in np.unique(labels):
      of = labels == label
      name, colour = (f"class {label}", colours[label]) if label >= 0 else ("unknown", "#888888")
      axes.scatter(*place[of].T, s=5, linewidths=0, rasterized=True, label=name, color=colour)
    axes.set(title=title, xlabel="t-SNE dimension 1", ylabel="t-SNE dimension 2", xticks=[], yticks=[])
  if graph.classes <= 20:
    panels[0][-1].legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=3)
  which = f"A random sample of {limit} of {graph.nodes} nodes" if graph.nodes > limit else f"All {graph.nodes} nodes"
  remark = f"{which}, coloured by class: the input of the last layer in two dimensions."
  if before is None:
    remark += " The file has no initial weights, so the state before training is not shown."
  return "Embeddings by t-SNE", remark, figure


def accuracy_by_degree(graph, prediction):
  names = ["0", "1", "2", "3", "4", "5", "> 5"]
  known = graph.labels >= 0
  group = np.minimum(graph.degree, 6)[known]
  hit = (prediction == graph.labels)[known]
  nodes = np.bincount(group, minlength=7)
  right = np.bincount(group, weights=hit, minlength=7)
  share = 100 * right / np.maximum(nodes, 1)
  figure = Figure(figsize=(8, 3.4))
  axes = figure.subplots()
  axes.bar(names, share, color=BLUE)
  for place, (height, count) in enumerate(zip(share, nodes)):
    axes.annotate(f"{count:,}", (place, height), ha="center", va="bottom", fontsize=9)
  axes.set(xlabel="node degree", ylabel="accuracy (%)", ylim=(0, 110), yticks=range(0, 101, 20))
  remark = (f"Over all {known.sum():,} labelled nodes, those of the training split included; the figure on each bar is "
            "its number of nodes.")
  return "Accuracy by node degree", remark, figure


def attention_picture(prediction):
  if "attention/conv1/alpha" not in prediction:
    return None
  layer = prediction["attention/conv1"]
  target, alpha = layer["dst"][:], layer["alpha"][:].astype(float)
  fan_in = np.bincount(target)
  several = fan_in > 1  # with one incoming edge the coefficient is 1, whatever the weights
  if alpha.size == 0 or not np.isfinite(alpha).all() or not several.any():
    return None
  figure = Figure(figsize=(9, 3.4))
  left, right = figure.subplots(1, 2)
  wide = several[target]
  relative = alpha[wide] * fan_in[target[wide], None]
  plogp = -alpha * np.log(np.maximum(alpha, 1e-30))
  for head in range(alpha.shape[1]):
    entropy = np.bincount(target, weights=plogp[:, head])[several] / np.log(fan_in[several])
    left.hist(np.minimum(relative[:, head], 3), bins=np.linspace(0, 3, 61), histtype="step", label=f"head {head + 1}")
    right.hist(entropy, bins=np.linspace(0, 1, 51), histtype="step", label=f"head {head + 1}")
  left.set(xlabel="coefficient × number of incoming edges (1: uniform)", ylabel="number of edges", yscale="log")
  right.set(xlabel="entropy / entropy of uniform attention", ylabel="number of nodes", yscale="log")
  right.legend(*left.get_legend_handles_labels(), fontsize=8, loc="upper left", ncols=2)
  remark = ("First layer, self-loops included, nodes with at least two incoming edges. At 1 a head does no more than "
            "average; what is above 3 on the left is counted at 3.")
  return "Attention coefficients", remark, figure


# The page

def add_summary(page, graph):
  rows = [("nodes", f"{graph.nodes:,}"), ("directed edges", f"{graph.edges:,}"), ("features", f"{graph.features:,}"),
      ("classes", graph.classes), ("mean degree", f"{graph.degree.mean():.2f}"),
      ("isolated nodes", f"{(graph.degree == 0).sum():,}")]
  for name, sizes in graph.splits.items():
    rows.append((f"split {name}: training / validation / test",
                 " / ".join(f"{sizes.get(part, 0):,}" for part in ("train", "val", "test"))))
  page.table("Data set", ("", graph.name), rows)


RESULT_COLUMNS = (  # key, title, scale, format
  ("test_acc", "test %", 100, ".1f"), ("val_acc", "validation %", 100, ".1f"), ("train_acc", "training %", 100, ".1f"),
  ("test_loss", "test loss", 1, ".3f"), ("epochs", "epochs", 1, "d"), ("best_epoch", "best epoch", 1, "d"),
  ("stop_reason", "stopped by", 1, ""), ("seconds", "seconds", 1, ".2f"), ("step_ms_median", "ms per step", 1, ".2f"),
  ("ranks", "ranks", 1, "d"), ("threads", "threads", 1, "d"), ("seed", "seed", 1, "d"),
  ("peak_rss_bytes", "peak memory MB", 1e-6, ".0f"))


def add_results(page, models):
  def show(value, scale, form):
    return format(value * scale, form) if isinstance(value, (int, float)) else value or "–"

  page.table("Results", ("file", "model", *(title for _, title, _, _ in RESULT_COLUMNS)),
             [(model.name, model.kind, *(show(model.result.get(key), scale, form)
                                         for key, _, scale, form in RESULT_COLUMNS)) for model in models])


def add_model(page, graph, model, arguments, program, folder):
  page.heading(f"{model.name} ({model.kind})")
  page.picture(training_curves(model), model.name)
  attention = model.kind in ("gat", "gatv2") and graph.edges <= ATTENTION_EDGES
  wanted = ["--attention"] * attention + ["--embeddings"] * model.has_hidden
  after = predict(program, arguments.graph, model, Path(folder, "after.h5"), *wanted)
  before = None
  if model.has_hidden:
    if model.has_initial:
      before = predict(program, arguments.graph, model, Path(folder, "before.h5"), "--weights", "initial",
                       "--embeddings")
    embeddings = tsne_picture(graph, before, after, arguments.tsne_nodes)
    page.picture(embeddings, model.name)
    if embeddings is None:
      page.note("No t-SNE: fewer than five nodes, or embeddings that are not finite.")
  else:
    page.note("No t-SNE: a model of one layer has no embeddings.")
  page.picture(accuracy_by_degree(graph, after["prediction"][:]), model.name)
  page.picture(attention_picture(after), model.name)
  if model.kind in ("gat", "gatv2") and not attention:
    page.note(f"Attention is left out: the graph has more than {ATTENTION_EDGES:,} edges.")
  for file in (after, before):
    if file:
      file.close()


def make_report(arguments):
  if not arguments.out.absolute().parent.is_dir():
    raise Failure(f"{arguments.out}: its folder does not exist")
  if arguments.pictures:
    arguments.pictures.mkdir(parents=True, exist_ok=True)
  graph = Graph(arguments.graph)
  models = [Model(path) for path in arguments.models]
  program = find_program(arguments.distgat)
  page = Page(f"{graph.name}: distgat report", arguments.pictures)
  page.add(f"<h1>{html.escape(graph.name)}</h1>")
  page.note(f"Graph {arguments.graph.name}; models: {', '.join(model.path.name for model in models)}.")
  add_summary(page, graph)
  page.picture(degree_histogram(graph), graph.name)
  page.heading("Results")
  add_results(page, models)
  for number, model in enumerate(models, 1):
    print(f"report.py: {model.path.name} ({number} of {len(models)})", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="distgat-report-") as folder:
      add_model(page, graph, model, arguments, program, folder)
  page.write(arguments.out)


def main():
  parser = Parser(prog="report.py", description=__doc__, allow_abbrev=False)
  parser.add_argument("graph", type=Path, metavar="G.h5", help="the graph file")
  parser.add_argument("models", type=Path, nargs="+", metavar="M.h5", help="models saved by distgat train --save")
  parser.add_argument("--out", type=Path, required=True, metavar="report.html", help="the page to write")
  parser.add_argument("--pictures", type=Path, metavar="DIR", help="write every figure as a PNG file there, too")
  parser.add_argument("--distgat", metavar="PROGRAM", help="the program (else $DISTGAT, the release build, the installed one)")
  parser.add_argument("--tsne-nodes", type=int, default=5000, metavar="N", help="at most N nodes in t-SNE (5000)")
  try:
    make_report(parser.parse_args())
  except Failure as failure:
    print(f"report.py: {failure}", file=sys.stderr)
    return failure.code
  except KeyError as error:  # h5py names the data set or attribute that is not there
    print(f"report.py: {error.args[0]}", file=sys.stderr)
    return 2
  except OSError as error:
    print(f"report.py: {error}", file=sys.stderr)
    return 3
  return 0


if __name__ == "__main__":
  sys.exit(main())
