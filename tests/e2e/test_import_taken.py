#!/usr/bin/env python3
"""Whatever data/import.py writes, `distgat info` and `distgat train` take; whatever it does not write is refused in one
line. Archives and Planetoid files are drawn at random, well-formed and not."""

import os
import pickle
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from importer import Folder, main  # noqa: E402 # must precede the packages that it finds

import numpy as np  # noqa: E402
import scipy.sparse  # noqa: E402

import program  # noqa: E402

TRIALS = 40
INTEGERS = ("i1", "u1", "i4", ">i8", "u8", "f4", ">f8", "O")


class Draw:
  """Random arrays of a graph of a few nodes."""

  def __init__(self, seed):
    self.random = np.random.RandomState(seed)
    self.n = self.random.choice([1, 2, 3, 7, 40])

  def pick(self, *choices):
    return choices[self.random.randint(len(choices))]

  def rarely(self):
    return self.random.rand() < 0.07

  def integers(self, low, high, *shape):
    return self.random.randint(low, high, shape).astype(self.pick(*INTEGERS))

  def adjacency(self):
    n = self.n + self.rarely()
    matrix = scipy.sparse.random(n, n, self.pick(0, 0.1, 0.5), "csr", self.pick("f4", "f8"), self.random)
    csr = {f"adj_{part}": getattr(matrix, part) for part in ("data", "indices", "indptr", "shape")}
    return self.pick(csr, {"adj_matrix": matrix.toarray()}, {"edge_index": np.stack(matrix.nonzero())})

  def attributes(self):
    columns = self.pick(0, 1, 5)
    values = self.random.standard_normal((self.n, columns)) * (self.random.rand(self.n, columns) < self.pick(0, 0.3, 1))
    if self.rarely() and columns:
      values[-1, -1] = self.pick(np.nan, np.inf, 1e39)
    csr = scipy.sparse.csr_matrix(values)
    sparse = {f"attr_{part}": getattr(csr, part) for part in ("data", "indices", "indptr", "shape")}
    return self.pick({}, sparse, {"x": np.asfortranarray(values)}, {"attr_matrix": values})

  def labels(self):
    classes = self.random.randint(0, self.pick(1, 3, 300), self.n)
    unknown = self.random.rand(self.n) < self.pick(0, 0, 0.5, 1)
    names = np.array(["", "a", "ü", "a longer name"])
    wrong = np.where(self.random.rand(self.n) < 0.1, self.pick(-2, 2**20, 2**40), classes)
    return self.pick(np.where(unknown, -1, classes), np.where(unknown, np.nan, classes), names[classes % 4],
                     np.char.encode(names, "utf-8")[classes % 4], names.astype(object)[classes % 4],
                     classes.astype(self.pick("u1", "i1", "f2")), np.eye(max(classes) + 1)[classes] * ~unknown[:, None],
                     wrong, classes[:, None], classes.astype(bool))

  def split(self):
    if self.random.rand() < 0.3:
      return {}
    pattern = self.pick("idx_{}", "{}_mask", "{}_idx")
    parts = self.random.randint(0, self.pick(3, 4), self.n)
    wanted = [parts == k if not self.rarely() else self.random.rand(self.n) < 0.5 for k in range(3)]
    form = self.pick(lambda mask: mask, lambda mask: mask.astype(self.pick(*INTEGERS)),
                     lambda mask: self.random.permutation(np.flatnonzero(mask)).astype(self.pick(*INTEGERS)),
                     lambda mask: np.stack([mask, np.roll(mask, 1)]), lambda mask: np.stack([mask] * 3, axis=1),
                     lambda mask: self.integers(-1, self.n + 1, 2))
    arrays = {pattern.format(part): form(mask) for part, mask in zip(("train", "val", "test"), wanted)}
    if self.rarely():
      arrays.popitem()
    return arrays

  def archive(self):
    extra = {"class_names": np.array(["a", "b"]), "other": np.array([{}])} if self.rarely() else {}
    return {**self.adjacency(), **self.attributes(), "labels": self.labels(), **self.split(), **extra}

  def planetoid(self):
    """The eight files as content; test.index as a list."""
    known, tested, gap = self.n, self.pick(0, 1, 3), self.pick(0, 0, 2)
    total, columns, n_classes = known + tested + gap, self.pick(0, 1, 4), self.pick(1, 3)
    rows = scipy.sparse.random(known + tested, columns, 0.5, "csr", random_state=self.random)
    hot = np.eye(n_classes, dtype="i4")[self.random.randint(0, n_classes, known + tested)]
    hot[self.random.rand(known + tested) < self.pick(0, 0, 0.5)] = 0
    train = self.pick(slice(0, max(1, known // 2)), self.random.permutation(known)[:max(1, known // 2)])
    graph = {i: self.random.randint(0, total + self.rarely(), self.pick(0, 1, 3)).tolist() for i in range(total)}
    ids = known + self.random.permutation(tested + gap)[:tested]
    return {"x": rows[train], "y": hot[train], "allx": rows[:known], "ally": hot[:known], "tx": rows[known:],
            "ty": hot[known:], "graph": graph, "test.index": ids.tolist()}


class Taken(Folder):

  def check(self, *source):
    """Imports; returns whether a file was written, having seen the program take it."""
    done = self.run_import(*source, "--out", self.out)
    if done.returncode != 0:
      self.assertEqual(done.returncode, 2, done.stderr)
      self.assertRegex(done.stderr, r"\Aimport\.py: [^\n]*%s[^\n]*: [^\n]+\n\Z" % self.folder)
      self.assertFalse(os.path.exists(self.out))
      return False
    split = ["--split", "0"] if "split 0:" in done.stdout else []
    program.distgat("info", self.out)
    program.distgat("train", self.out, "--epochs", 1, "--hidden", 2, "--heads", 1, "--quiet", *split)
    os.unlink(self.out)
    return True

  def run_trials(self, trial, share):
    taken = 0
    for seed in range(TRIALS):
      with self.subTest(seed=seed):
        taken += trial(Draw(seed))
    self.assertTrue(share * TRIALS < taken < TRIALS, f"{taken} of {TRIALS} taken: both kinds are to be tried")

  def test_npz(self):

    def trial(draw):
      np.savez(self.path("toy.npz"), **draw.archive())
      return self.check("npz", self.path("toy.npz"))

    self.run_trials(trial, 0.3)

  def test_planetoid(self):

    def trial(draw):
      for part, content in draw.planetoid().items():
        with open(self.path(f"ind.toy.{part}"), "wb") as file:
          file.write("\n".join(map(str, content)).encode() if part == "test.index" else pickle.dumps(content))
      return self.check("planetoid", self.folder, "toy")

    self.run_trials(trial, 0.3)

  def test_damaged_archives(self):
    """Whatever bytes are wrong, the answer is a graph that the program takes, or one line."""
    np.savez_compressed(self.path("good.npz"), **{**Draw(9).archive(), "labels": np.arange(40) % 3})
    with open(self.path("good.npz"), "rb") as file:
      good = file.read()
    draw = np.random.RandomState(1)
    for trial in range(100):
      damaged = bytearray(good)
      for at in draw.randint(0, len(damaged), 3):
        damaged[at] = draw.randint(256)
      with self.subTest(trial=trial), open(self.path("toy.npz"), "wb") as file:
        file.write(damaged[:draw.choice([len(damaged), draw.randint(len(damaged))], p=[0.9, 0.1])])
        file.flush()
        self.check("npz", self.path("toy.npz"))


if __name__ == "__main__":
  main()
