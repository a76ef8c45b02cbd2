#!/usr/bin/env python3
"""jobs/report.py on small trained models: the pictures are there, nothing is fetched, bad input ends with one line."""
import html.parser
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import types
from pathlib import Path

try:
  import h5py
  import matplotlib  # noqa: F401
  import numpy as np
  import sklearn  # noqa: F401
except ImportError as missing:
  system_python = shutil.which("python3", path=os.defpath)
  if system_python and system_python != sys.executable:
    os.execv(system_python, [system_python, *sys.argv])
  print(f"skipped: {missing}; the report needs python3-h5py, python3-matplotlib and python3-sklearn")
  sys.exit(77)

DISTGAT = os.environ["DISTGAT"]
REPORT = Path(os.environ["DISTGAT_SOURCE"], "jobs", "report.py")


class PageReader(html.parser.HTMLParser):
  """Collects what a browser would show or fetch."""

  def __init__(self):
    super().__init__()
    self.titles, self.svgs, self.ids, self.fetched, self.open_title = [], 0, [], [], False

  def handle_starttag(self, tag, attrs):
    attrs = dict(attrs)
    self.svgs += tag == "svg"
    self.open_title = tag == "b"
    if "id" in attrs:
      self.ids.append(attrs["id"])
    for name in ("src", "href", "xlink:href", "srcset", "data"):
      if not attrs.get(name, "#").startswith(("#", "data:image/")):
        self.fetched.append(attrs[name])
    if tag in ("script", "link", "iframe", "object"):
      self.fetched.append(tag)

  def handle_data(self, data):
    if self.open_title:
      self.titles.append(data)
    self.open_title = False


def distgat(*words):
  subprocess.run([DISTGAT, *map(str, words), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def report(*words):
  done = subprocess.run([REPORT, *map(str, words), "--distgat", DISTGAT, "--tsne-nodes", "200"], capture_output=True,
                        text=True, check=False)
  return done.returncode, done.stderr


def check_page(page, models, embeddings=True):
  reader = PageReader()
  reader.feed(page)
  assert "://" not in page and "@import" not in page and not reader.fetched, f"fetches {reader.fetched}"
  assert not re.search(r"url\((?!#)", page), "style sheet fetches something"
  assert len(reader.ids) == len(set(reader.ids)), "ids occur twice"
  wanted = ["Degree histogram"]
  for kind in models:
    wanted += ["Training curves"] + ["Embeddings by t-SNE"] * embeddings + ["Accuracy by node degree"]
    wanted += ["Attention coefficients"] if kind in ("gat", "gatv2") else []
  assert reader.titles == wanted, f"pictures {reader.titles}"
  assert reader.svgs == len(wanted), f"{reader.svgs} pictures drawn"


def check_failure(expected, words, *command):
  code, message = report(*command)
  line = message.strip().splitlines()[-1] if message.strip() else ""
  assert code == expected and "Traceback" not in message and words in line, f"{command}: {code} {message}"


def check_bars():
  """Each bar is the share of right predictions among the labelled nodes of its degree, those above 5 together."""
  sys.dont_write_bytecode = True
  sys.path.insert(0, str(REPORT.parent))
  degree, labels, prediction = np.array([0, 1, 5, 6, 7, 5]), np.array([0, 1, 1, 1, -1, 0]), np.array([0, 0, 1, 1, 0, 1])
  graph = types.SimpleNamespace(degree=degree, labels=labels)
  _, _, figure = importlib.import_module("report").accuracy_by_degree(graph, prediction)
  axes = figure.axes[0]
  assert [bar.get_height() for bar in axes.patches] == [100, 0, 0, 0, 0, 50, 100]
  assert [text.get_text() for text in axes.texts] == ["1", "1", "0", "0", "0", "2", "1"]


def run(folder):
  graph, page = folder / "graph.h5", folder / "report.html"
  distgat("generate", "--nodes", 300, "--avg-degree", 2, "--features", 40, "--classes", 3, "--out", graph)
  models = {"gatv2": folder / "attention.h5", "gcn": folder / "convolution.h5", "mlp": folder / "perceptron.h5"}
  for kind, path in models.items():
    distgat("train", graph, "--model", kind, "--epochs", 12, "--save", path)

  pictures = page.parent / "pictures"
  code, message = report(graph, *models.values(), "--out", page, "--pictures", pictures)
  assert code == 0, message
  check_page(page.read_text(), models)
  first = page.read_text()
  files = [path.read_bytes()[:4] for path in pictures.iterdir()]
  assert len(files) == first.count("<figure>") and set(files) == {b"\x89PNG"}, f"{len(files)} pictures"
  assert report(graph, *models.values(), "--out", page)[0] == 0 and page.read_text() == first, "not the same page twice"

  with h5py.File(models["gatv2"], "r+") as file:
    del file["initial_weights"]
  code, message = report(graph, models["gatv2"], "--out", page)
  assert code == 0, message
  check_page(page.read_text(), ["gatv2"])
  assert "no initial weights" in page.read_text()

  shallow, splits = folder / "shallow.h5", folder / "splits.h5"
  shutil.copy(graph, splits)
  with h5py.File(splits, "r+") as file:
    file.move("splits/public", "splits/a")
    file.copy("splits/a", "splits/b")
  distgat("train", splits, "--split", "a", "--layers", 1, "--epochs", 3, "--save", shallow)
  code, message = report(splits, shallow, "--out", page)
  assert code == 0, message
  check_page(page.read_text(), ["gatv2"], embeddings=False)

  missing, foreign = folder / "missing.h5", folder / "foreign.h5"
  foreign.write_text("no HDF5")
  other = folder / "other.h5"
  distgat("generate", "--nodes", 50, "--avg-degree", 2, "--features", 7, "--classes", 2, "--out", other)
  out = folder / "none.html"
  check_failure(2, "required", graph, models["gcn"])
  check_failure(2, "missing.h5", missing, models["gcn"], "--out", out)
  check_failure(2, "foreign.h5", graph, foreign, "--out", out)
  check_failure(2, "weights", graph, other, "--out", out)
  check_failure(2, "graph", models["gcn"], models["gcn"], "--out", out)
  check_failure(2, "conv", other, models["gcn"], "--out", out)
  check_failure(2, "folder", graph, models["gcn"], "--out", folder / "nowhere" / "page.html")
  assert not out.exists(), "a failed report left a page"


check_bars()
with tempfile.TemporaryDirectory(prefix="distgat-test-") as name:
  run(Path(name))
