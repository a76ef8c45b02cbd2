#!/usr/bin/env python3
"""jobs/report.py on small trained models: the pictures are there, nothing is fetched, bad input ends with one line."""
import os
import re
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pages  # noqa: E402
import program  # noqa: E402
from pages import PageReader, distgat  # noqa: E402
import h5py  # noqa: E402
import numpy as np  # noqa: E402

EVERYWHERE = ["Node degrees", "Accuracy and time", "Partition"]
EACH = ["Training curves", "Embeddings by t-SNE: output", "Accuracy by node degree", "Confusion matrix"]
HIDDEN = "Embeddings by t-SNE: last hidden layer"
ATTENTION = ["Attention: entropy per head", "Attention: one node's neighbourhood"]


class Report(unittest.TestCase):
  @classmethod
  def setUpClass(cls):
    cls.folder = Path(tempfile.mkdtemp(prefix="distgat-test-"))
    cls.addClassCleanup(shutil.rmtree, cls.folder)
    cls.graph, cls.page = cls.folder / "graph.h5", cls.folder / "report.html"
    distgat("generate", "--nodes", 300, "--avg-degree", 2, "--features", 40, "--classes", 3, "--out", cls.graph)
    cls.models = {kind: cls.folder / f"{name}.h5" for kind, name in
                  (("gatv2", "attention"), ("gcn", "convolution"), ("mlp", "perceptron"))}
    for kind, path in cls.models.items():
      distgat("train", cls.graph, "--model", kind, "--epochs", 12, "--save", path)

  def report(self, *words, expected=0, cache="cache"):
    code, told = pages.report(*words, "--out", self.page, cache=self.folder / cache)
    self.assertEqual(code, expected, told)
    return told

  def read(self):
    page = self.page.read_text()
    reader = PageReader(page)
    self.assertEqual(reader.fetched, [])
    self.assertNotRegex(page, r"://|@import|url\((?!#)", "fetches something")
    self.assertEqual(len(reader.ids), len(set(reader.ids)), "ids occur twice")
    self.assertNotRegex(page, r">(nan|None)<")
    return page, reader

  def assert_pictures(self, reader, kinds, each=(*EACH, HIDDEN)):
    wanted = {title: 1 for title in EVERYWHERE} | {title: len(kinds) for title in each}
    attentive = sum(kind in ("gat", "gatv2") for kind in kinds)
    wanted |= {title: attentive for title in ATTENTION if attentive}
    self.assertEqual({title: len(found) for title, found in reader.pictures.items()}, wanted)
    self.assertTrue(all(min(found) > 0 for found in reader.pictures.values()), f"no drawings: {reader.pictures}")

  def test_three_models_on_one_page(self):
    told = self.report(self.graph, *self.models.values(), cache="new")
    page, reader = self.read()
    self.assert_pictures(reader, self.models)
    self.assertEqual(reader.sections, ["Data set", "Models side by side", "attention (gatv2)", "convolution (gcn)",
                                       "perceptron (mlp)", "Partition and communication", "About this page"])
    self.assertRegex(reader.terms["version"], r"^distgat \d")
    self.assertRegex(reader.terms["made"], r"^\d{4}-\d\d-\d\d$")
    self.assertIn("(conv1): GATv2Conv(40, 8, heads=8)\n  (conv2): GATv2Conv(64, 3, heads=1)\n)", page)
    self.assertIn("t-SNE 12 of 12", told)

  def test_each_picture_as_svg_and_png_and_the_same_page_again(self):
    pictures = self.folder / "pictures"
    self.report(self.graph, self.models["gatv2"], "--pictures", pictures)
    first, reader = self.read()
    drawn = sum(map(sum, reader.pictures.values()))
    for suffix, magic in ((".png", b"\x89PNG"), (".svg", b"<?xm")):
      files = [path.read_bytes()[:4] for path in pictures.glob(f"*{suffix}")]
      self.assertEqual((len(files), set(files)), (drawn, {magic}))
    told = self.report(self.graph, self.models["gatv2"])
    self.assertEqual(self.page.read_text(), first, "not the same page twice")
    self.assertIn("all known from before", told)

  def test_a_file_without_initial_weights_has_no_state_before_training(self):
    model = self.folder / "plain.h5"
    shutil.copy(self.models["gatv2"], model)
    with h5py.File(model, "r+") as file:
      del file["initial_weights"]
    self.report(self.graph, model)
    page, reader = self.read()
    self.assert_pictures(reader, ["gatv2"])
    self.assertEqual(reader.pictures[HIDDEN], [1])
    self.assertIn("no initial weights", page)

  def test_a_model_of_one_layer_and_a_graph_of_several_splits(self):
    shallow, splits = self.folder / "shallow.h5", self.folder / "splits.h5"
    shutil.copy(self.graph, splits)
    with h5py.File(splits, "r+") as file:
      file.move("splits/public", "splits/a")
      file.copy("splits/a", "splits/b")
    distgat("train", splits, "--split", "a", "--layers", 1, "--epochs", 3, "--save", shallow)
    self.report(splits, shallow)
    _, reader = self.read()
    self.assert_pictures(reader, ["gatv2"], EACH)

  def test_seeds_are_summed_up_from_a_log_and_from_several_models(self):
    best, log = self.folder / "best.h5", self.folder / "best.jsonl"
    distgat("train", self.graph, "--model", "mlp", "--epochs", 5, "--runs", 4, "--save", best, "--log", log)
    seeds = [self.folder / f"seed-{seed}.h5" for seed in range(3)]
    for seed, path in enumerate(seeds):
      distgat("train", self.graph, "--model", "gcn", "--epochs", 5, "--seed", seed, "--save", path)
    self.report(self.graph, best, *seeds, "--logs", log)
    page, reader = self.read()
    self.assert_pictures(reader, ["mlp", "gcn"])
    for seeds in (4, 3):
      self.assertRegex(page, rf'<td data-label="runs">{seeds}</td><td data-label="test %">[\d.]+ ± [\d.]+</td>')

  def test_names_of_classes_and_nodes_are_used(self):
    named = self.folder / "named.h5"
    shutil.copy(self.graph, named)
    with h5py.File(named, "r+") as file:
      file["classes/name"] = ["Neural_Networks", "<b>&", "$x$ and $y"]
      file["nodes/id"] = [f"paper{row}" for row in range(300)]
    self.report(named, self.models["gatv2"], "--node", "paper17")
    page, reader = self.read()
    self.assertIn("Neural Networks", page)
    self.assertIn("&lt;b&gt;&amp;", page)
    self.assertNotIn("<b>", page)
    self.assertIn("Node paper17, of class", page)
    told = self.report(named, self.models["gatv2"], "--node", "paper300", expected=2)
    self.assertIn("no node is called paper300", told)

  def test_a_graph_without_edges_has_a_page(self):
    lonely, model = self.folder / "lonely.h5", self.folder / "alone.h5"
    shutil.copy(self.graph, lonely)
    with h5py.File(lonely, "r+") as file:
      file["graph/indptr"][...] = 0
      del file["graph/indices"]
      file.create_dataset("graph/indices", (0,), "i4")
    distgat("train", lonely, "--epochs", 3, "--save", model)
    self.report(lonely, model)
    page, reader = self.read()
    self.assertIn("No attention", page)
    self.assertEqual(reader.terms["nodes without neighbours"], "300")

  def test_a_graph_of_several_labels_a_node_says_what_is_left_out(self):
    several, model = self.folder / "several.h5", self.folder / "several-model.h5"
    shutil.copy(self.graph, several)
    with h5py.File(several, "r+") as file:
      labels = (file["labels"][:][:, None] == range(3)) | (np.arange(300)[:, None] % 3 == range(3))
      del file["labels"]
      file["labels"] = labels.astype("u1")
      file.attrs["task"] = "multilabel"
    distgat("train", several, "--model", "gat", "--epochs", 3, "--save", model)
    self.report(several, model, "--node", "17")
    page, reader = self.read()
    self.assertIn("what is shown by the class of a node is left out", page)
    self.assertNotIn("Accuracy by node degree", page)
    self.assertRegex(page, rf">class 1</th><td[^>]*>{labels[:, 1].sum()}<")

  def test_bad_input_ends_with_one_line_and_no_page(self):
    missing, foreign, other = self.folder / "missing.h5", self.folder / "foreign.h5", self.folder / "other.h5"
    foreign.write_text("no HDF5")
    distgat("generate", "--nodes", 50, "--avg-degree", 2, "--features", 7, "--classes", 2, "--out", other)
    gcn, out = self.models["gcn"], self.folder / "none.html"
    odd = [shutil.copy(path, self.folder / f"odd-{k}.h5") for k, path in enumerate((gcn, gcn, self.graph), 1)]
    for path, name, value in zip(odd, ("result", "layers", "num_classes"), ("[1]", "two", "many")):
      with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    for words, *command in (("required", self.graph, gcn), ("missing.h5", missing, gcn, "--out", out),
                            ("foreign.h5", self.graph, foreign, "--out", out),
                            ("weights", self.graph, other, "--out", out),
                            ("graph", gcn, gcn, "--out", out), ("conv", other, gcn, "--out", out),
                            ("log of a model", self.graph, gcn, "--out", out, "--logs", os.devnull),
                            ("odd-1.h5: lacks", self.graph, odd[0], "--out", out),
                            ("odd-2.h5: lacks", self.graph, odd[1], "--out", out),
                            ("odd-3.h5: lacks", odd[2], gcn, "--out", out),
                            ("folder", self.graph, gcn, "--out", self.folder / "nowhere" / "page.html")):
      with self.subTest(words):
        code, told = pages.report(*command, cache=self.folder / "cache")
        line = told.strip().splitlines()[-1] if told.strip() else ""
        self.assertEqual(code, 2, told)
        self.assertTrue("Traceback" not in told and words in line, told)
        self.assertFalse(out.exists(), "a failed report left a page")


if __name__ == "__main__":
  program.main()
