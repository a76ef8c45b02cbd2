#!/usr/bin/env python3
"""What a graph file calls its nodes and classes is in the predictions too."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from importer import Folder, load, main  # noqa: E402 # must precede the packages that it finds

import h5py  # noqa: E402
import numpy as np  # noqa: E402

import program  # noqa: E402

NAMES = [b"x\xc3\xa4", b"yy"]


class Names(Folder):

  def setUp(self):
    super().setUp()
    with open(self.path("edges.txt"), "w", encoding="utf-8") as file:
      file.write("Zoë b\nb c\nc d\nd e\ne f\n")
    with open(self.path("labels.txt"), "w", encoding="utf-8") as file:
      file.write("Zoë xä\nb yy\nc xä\nd yy\n")
    self.imported("edgelist", self.path("edges.txt"), "--labels", self.path("labels.txt"))
    program.distgat("train", self.out, "--epochs", 1, "--hidden", 2, "--heads", 1, "--save", self.path("m.h5"))

  def change(self, name, values, **options):
    with h5py.File(self.out, "r+") as file:
      del file[name]
      if values is not None:
        file.create_dataset(name, data=values, **options)

  def predict(self, ranks=None):
    return program.run("predict", self.out, "--model-file", self.path("m.h5"), "--out", self.path("o.h5"), ranks=ranks)

  def predicted(self, ranks=None, warned=""):
    done = self.predict(ranks)
    self.assertEqual(done.returncode, 0, done.stderr)
    self.assertIn(warned, done.stderr)
    return load(self.path("o.h5"))[1]

  def test_names_are_carried(self):
    for ranks in (None, 1, 3):
      sets = self.predicted(ranks)
      self.assertEqual(sets["nodes/id"].tolist(), ["Zoë".encode(), *(c.encode() for c in "bcdef")])
      self.assertEqual(sets["classes/name"].tolist(), NAMES)
      self.assertEqual(len(sets["prediction"]), 6)

  def test_integers_are_carried(self):
    self.change("classes/name", None)
    for kind in ("i8", ">i8", "i4"):
      self.change("nodes/id", np.array([7, -5, 2**31 - 1, 0, 1, 2], kind), chunks=(3,), compression="gzip")
      sets = self.predicted()
      self.assertEqual(sets["nodes/id"].tolist(), [7, -5, 2**31 - 1, 0, 1, 2])
      self.assertNotIn("classes/name", sets)

  def test_many_pieces(self):
    """Names are copied in pieces of some MiB."""
    names = np.array([b"%d" % k + b"_" * 800_000 for k in range(6)], "S900000")
    self.change("nodes/id", names)
    self.assertEqual(self.predicted()["nodes/id"].tolist(), names.tolist())
    names = np.array([b"%d" % k + b"_" * 2_500_000 for k in range(6)])
    self.change("nodes/id", names)
    self.assertIn("nodes/id must hold integers or strings", self.predict().stderr)

  def test_strings_of_variable_length(self):
    """The library does not check where they lie: they are left out, and that is said."""
    self.change("nodes/id", list("abcdef"), dtype=h5py.string_dtype())
    sets = self.predicted(warned="nodes/id holds strings of variable length")
    self.assertNotIn("nodes/id", sets)
    self.assertIn("classes/name", sets)

  def test_refused(self):
    for name, values, word in (("nodes/id", [1, 2, 3], "nodes/id must be a list of 6 entries"),
                               ("nodes/id", [[1]] * 6, "nodes/id must be a list of 6 entries"),
                               ("nodes/id", [0.5] * 6, "nodes/id must hold integers or strings"),
                               ("classes/name", np.array([b"a"] * 3), "classes/name must be a list of 2 entries")):
      for ranks in (None, 3):
        self.imported("edgelist", self.path("edges.txt"), "--labels", self.path("labels.txt"))
        self.change(name, values)
        done = self.predict(ranks)
        self.assertEqual(done.returncode, 2)
        self.assertEqual((done.stderr.count("\n"), word in done.stderr), (1, True), done.stderr)
        self.assertFalse(os.path.exists(self.path("o.h5")))


if __name__ == "__main__":
  main()
