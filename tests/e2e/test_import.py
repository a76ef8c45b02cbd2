#!/usr/bin/env python3
"""data/import.py planetoid: counts of the real data sets, small sets by hand, and refusal of what is no plain data."""

import os
import pickle
import shutil
import signal
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from importer import CASES, DATA, IMPORT, ROOT, Call, Folder, main  # noqa: E402 # must precede the packages that it finds

import numpy as np  # noqa: E402
import scipy.sparse  # noqa: E402

HAVE_DATA = os.path.isdir(os.path.join(DATA, "planetoid")) and os.path.isdir(os.path.join(DATA, "gnnbench"))

# nodes, directed edges, features, classes, non-zero features, isolated nodes, nodes without label, training nodes
EXPECTED = {"cora": (2708, 10556, 1433, 7, 49216, 0, 0, 140),
            "citeseer": (3327, 9104, 3703, 6, 105165, 48, 15, 120),
            "pubmed": (19717, 88648, 500, 3, 988031, 0, 0, 60)}
LAST_CLASS = {"cora": "Rule_Learning", "citeseer": "HCI", "pubmed": "Diabetes Mellitus Type 2"}


@unittest.skipUnless(HAVE_DATA, f"no real data in {DATA}")
class RealData(Folder):

  def test_planetoid(self):
    for name, expected in EXPECTED.items():
      with self.subTest(name):
        nodes, edges, features, classes, nonzeros, isolated, unknown, train = expected
        attributes, sets = self.imported("planetoid", os.path.join(DATA, "planetoid"), name)
        self.assertEqual(attributes, {"format": b"distgat-graph", "version": 1, "name": name.encode(),
                                      "num_classes": classes, "num_features": features})
        names = [name.decode() for name in sets.pop("classes/name")]
        self.assertEqual((len(names), names[-1]), (classes, LAST_CLASS[name]))
        types = {key: value.dtype.name for key, value in sets.items()}
        self.assertEqual(types, {"graph/indptr": "int64", "graph/indices": "int32", "features/indptr": "int64",
                                 "features/indices": "int32", "features/values": "float32", "labels": "int32",
                                 "splits/public/train": "int64", "splits/public/val": "int64",
                                 "splits/public/test": "int64"})
        indptr, indices, labels = sets["graph/indptr"], sets["graph/indices"], sets["labels"]
        self.assertEqual((len(indptr) - 1, len(indices), len(labels)), (nodes, edges, nodes))
        self.assert_simple(indptr, indices)
        self.assertEqual((np.diff(indptr) == 0).sum(), isolated)
        self.assertEqual((len(sets["features/indptr"]), len(sets["features/values"])), (nodes + 1, nonzeros))
        self.assertTrue((sets["features/values"] != 0).all())
        self.assertEqual((labels.min(), labels.max()), (-1 if unknown else 0, classes - 1))
        self.assertEqual((labels < 0).sum(), unknown)
        self.assertEqual(np.diff(sets["features/indptr"])[labels < 0].sum(), 0)
        split = [sets[f"splits/public/{part}"] for part in ("train", "val", "test")]
        self.assertTrue(np.array_equal(split[0], np.arange(train)))
        self.assertTrue(np.array_equal(split[1], np.arange(train, train + 500)))
        self.assertEqual(len(split[2]), 1000)
        self.assertTrue((np.diff(split[2]) > 0).all())
        self.assertTrue((np.bincount(labels[:train]) == 20).all())

  def test_same_bytes(self):
    contents = []
    for name in ("one.h5", "two.h5"):
      self.out = self.path(name)
      self.imported("planetoid", os.path.join(DATA, "planetoid"), "cora")
      with open(self.out, "rb") as file:
        contents.append(file.read())
    self.assertEqual(contents[0], contents[1])

  def test_npz(self):
    for name, expected in (("cora", (2708, 10556, 1433, 7)), ("citeseer", (3312, 9072, 3703, 6))):
      with self.subTest(name):
        attributes, sets = self.imported("npz", os.path.join(DATA, "gnnbench", f"{name}.npz"))
        counts = (len(sets["labels"]), len(sets["graph/indices"]), *(attributes[f"num_{what}"] for what in
                                                                     ("features", "classes")))
        self.assertEqual(counts, expected)
        self.assert_simple(sets["graph/indptr"], sets["graph/indices"])
        split = [sets[f"splits/random/{part}"] for part in ("train", "val", "test")]
        self.assertTrue((np.bincount(sets["labels"][split[0]]) == 20).all())
        self.assertTrue((np.bincount(sets["labels"][split[1]]) == 30).all())
        self.assertTrue(np.array_equal(np.sort(np.concatenate(split)), np.arange(expected[0])))

  def test_two_sources_agree(self):
    """Both archives hold the same Cora, under other ids."""
    one = self.imported("planetoid", os.path.join(DATA, "planetoid"), "cora")[1]
    two = self.imported("npz", os.path.join(DATA, "gnnbench", "cora.npz"))[1]
    for values in (lambda s: np.bincount(s["labels"]), lambda s: np.diff(s["graph/indptr"]),
                   lambda s: np.bincount(s["features/indices"]), lambda s: np.diff(s["features/indptr"])):
      self.assertTrue(np.array_equal(np.sort(values(one)), np.sort(values(two))))


@unittest.skipUnless(os.path.isdir(CASES), f"no cases in {DATA}")
class Cases(Folder):

  def case(self, name):
    return os.path.join(CASES, "planetoid", name)

  def test_superset(self):
    sets = self.imported("planetoid", self.case("superset"), "own", told=["found by their rows"])[1]
    self.assertEqual(sets["splits/public/train"].tolist(), [2, 7, 9])
    self.assertEqual(sets["splits/public/val"].tolist(), [0, 1, 3, 4, 5, 6, 8, 10, 11])
    self.assertEqual(sets["labels"][[2, 7, 9]].tolist(), [0, 1, 0])

  def test_nell(self):
    """Nodes between and behind the test nodes have neither data nor a label."""
    sets = self.imported("planetoid", self.case("nell"), "nell.tiny", told=["16 nodes"])[1]
    empty = [6, 7, 9, 11, 13, 14, 15]
    self.assertEqual(np.flatnonzero(sets["labels"] < 0).tolist(), empty)
    self.assertEqual(np.flatnonzero(np.diff(sets["features/indptr"]) == 0).tolist(), empty)
    self.assertEqual(sets["splits/public/test"].tolist(), [8, 10, 12])
    self.assertEqual(sets["labels"][[8, 10, 12]].tolist(), [1, 1, 0])
    self.assertEqual(len(sets["graph/indices"]), 64)

  def test_pointer(self):
    self.refused("planetoid", self.case(""), "pointer", words=["ind.pointer.x", "Git LFS pointer"])


def toy_parts():
  """Six known nodes, of them two for training; nodes 8 and 6 for testing, 7 is missing."""
  allx = np.array([[1, 0, 0], [0, 2, 0], [0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 3]], np.float32)
  tx = np.array([[0, 8, 0], [6, 0, 0]], np.float32)
  ally = np.array([[1, 0], [0, 1], [0, 0], [1, 0], [0, 1], [0, 1]])
  ty = np.array([[0, 1], [1, 0]])
  csr = scipy.sparse.csr_matrix
  return {"x": csr(allx[:2]), "allx": csr(allx), "tx": csr(tx), "y": ally[:2], "ally": ally, "ty": ty,
          "graph": {0: [1, 1, 0], 1: [0], 2: [8], 3: [], 4: [5, 0], 5: [4], 6: [], 7: [], 8: [2]}}


class ToyFolder(Folder):

  def write(self, protocol=4, **changes):
    for part, value in {**toy_parts(), **changes}.items():
      with open(self.path(f"ind.toy.{part}"), "wb") as file:
        file.write(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
    with open(self.path("ind.toy.test.index"), "w", encoding="ascii") as file:
      file.write("8\n6\n")


class Toy(ToyFolder):

  def test_by_hand(self):
    for protocol in (2, 3, 4, 5):
      with self.subTest(protocol):
        self.write(protocol)
        attributes, sets = self.imported("planetoid", self.folder, "toy", warning="val without a label .*: 1")
        self.assertEqual(attributes["name"], b"toy")
        self.assertEqual(sets["graph/indptr"].tolist(), [0, 2, 3, 4, 4, 6, 7, 7, 7, 8])
        self.assertEqual(sets["graph/indices"].tolist(), [1, 4, 0, 8, 0, 5, 4, 2])
        self.assertEqual(sets["features/indptr"].tolist(), [0, 1, 2, 2, 3, 4, 5, 6, 6, 7])
        self.assertEqual(sets["features/indices"].tolist(), [0, 1, 2, 1, 2, 0, 1])
        self.assertEqual(sets["features/values"].tolist(), [1, 2, 1, 1, 3, 6, 8])
        self.assertEqual(sets["labels"].tolist(), [0, 1, -1, 0, 1, 1, 0, -1, 1])
        split = [sets[f"splits/public/{part}"].tolist() for part in ("train", "val", "test")]
        self.assertEqual(split, [[0, 1], [3, 4, 5], [6, 8]])

  def test_bad_content(self):
    parts = toy_parts()
    graph = parts["graph"]
    nan = parts["allx"].copy()
    nan.data[1] = np.nan
    torn = pickle.dumps(parts["allx"])[:-40]
    cases = {"edge": ({"graph": {**graph, 0: [9]}}, "ind.toy.graph", "node 9"),
             "key": ({"graph": {**graph, -1: [0]}}, "ind.toy.graph", "node -1"),
             "neighbour": ({"graph": {**graph, 0: ["1"]}}, "ind.toy.graph", "integer"),
             "list": ({"graph": [1]}, "ind.toy.graph", "dict"),
             "nan": ({"allx": nan}, "ind.toy.allx", "row 1"),
             "test id": ({"graph": {0: [1]}}, "ind.toy.test.index", "6 to 8"),
             "class": ({"ty": np.array([[0, np.nan], [1, 0]])}, "ind.toy.ty", "finite"),
             "labels": ({"ally": parts["ally"][:5]}, "ind.toy.ally", "(5, 2)"),
             "two classes": ({"ty": np.ones((2, 2))}, "ind.toy.ty", "2 classes"),
             "test": ({"tx": parts["tx"][:1], "ty": parts["ty"][:1]}, "ind.toy.test.index", "1 rows"),
             "torn": ({"allx": torn}, "ind.toy.allx", "truncated"),
             "empty": ({"allx": b""}, "ind.toy.allx", "truncated"),
             "no pickle": ({"allx": b"<html>"}, "ind.toy.allx", "no pickle")}
    for name, (changes, *words) in cases.items():
      with self.subTest(name):
        self.write(**changes)
        self.refused("planetoid", self.folder, "toy", words=words)

  def test_training_rows_elsewhere(self):
    """The rows of x are looked up in allx; where that is not clear, nothing is written."""
    parts = toy_parts()
    picked = {"x": parts["allx"][[4, 1]], "y": parts["ally"][[4, 1]]}
    self.write(**picked)
    sets = self.imported("planetoid", self.folder, "toy", warning="val", told=["found by their rows"])[1]
    split = [sets[f"splits/public/{part}"].tolist() for part in ("train", "val", "test")]
    self.assertEqual(split, [[1, 4], [0, 3, 5], [6, 8]])
    twice = {"allx": parts["allx"][[0, 1, 2, 3, 4, 4]], "ally": parts["ally"][[0, 1, 2, 3, 4, 4]]}
    for changes, words in (({**picked, "y": parts["y"]}, "row 0 with its label stands there 0 times"),
                           ({**picked, **twice}, "row 0 with its label stands there 2 times"),
                           ({"x": parts["allx"][[4, 4]], "y": parts["ally"][[4, 4]]}, "twice")):
      with self.subTest(words):
        self.write(**changes)
        self.refused("planetoid", self.folder, "toy", words=["ind.toy.x", words])

  def test_no_use(self):
    """What no training could use is not written."""
    parts = toy_parts()
    none = {part: parts[part][:, :0] for part in ("x", "allx", "tx")}
    self.write(**none)
    sets = self.imported("planetoid", self.folder, "toy", warning="val", told=["identity features"])[1]
    self.assertEqual(sets["features/indices"].tolist(), list(range(9)))
    for option, what in (("--weights", "weights"), ("--edge-features", "features")):
      self.refused("planetoid", self.folder, "toy", option, words=[f"{option}: its edges have no {what}"])
    for changes in ({part: parts[part][:, :0] for part in ("y", "ally", "ty")},
                    {"y": 0 * parts["y"], "ally": 0 * parts["ally"]}, {"x": parts["x"][:0], "y": parts["y"][:0]}):
      self.write(**changes)
      self.refused("planetoid", self.folder, "toy", words=["ind.toy.y"])

  def test_pointer(self):
    """Of a Git LFS pointer the line says what it is, in every file."""
    for part in ("allx", "graph", "test.index"):
      self.write()
      with open(self.path(f"ind.toy.{part}"), "w", encoding="ascii") as file:
        file.write("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 31104\n")
      self.refused("planetoid", self.folder, "toy", words=[f"ind.toy.{part}", "Git LFS pointer"])

  def test_missing_file(self):
    self.write()
    os.unlink(self.path("ind.toy.ty"))
    self.refused("planetoid", self.folder, "toy", words=["ind.toy.ty"])

  def test_output(self):
    self.write()
    self.refused("planetoid", self.folder, "toy", code=3, out=self.path("none/graph.h5"), words=["none/graph.h5"])
    self.refused("planetoid", self.folder, "toy", code=3, out=self.folder, words=["regular file"])

  def test_stopped(self):
    """No signal leaves a part of a file behind, and SIGHUP that nohup ignores stops nothing."""
    self.write()
    code = ("import os, runpy, signal, sys; number = int(sys.argv.pop(1))\n"
            "os.fsync = lambda _: os.kill(os.getpid(), number)\n"
            "if sys.argv.pop(1) == 'nohup': signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
            "sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')")
    for number, how, wanted in ((signal.SIGUSR1, "", 138), (signal.SIGABRT, "", 134), (signal.SIGXCPU, "", 152),
                                (signal.SIGHUP, "", 129), (signal.SIGHUP, "nohup", 0)):
      with self.subTest(f"{number} {how}"):
        command = [sys.executable, "-c", code, str(int(number)), how, IMPORT, "planetoid", self.folder, "toy"]
        done = subprocess.run(command + ["--out", self.out], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, wanted, done.stderr)
        self.assertEqual([name for name in os.listdir(self.folder) if "graph.h5" in name], ["graph.h5"] if how else [])

  def test_installed(self):
    """The scripts work wherever they are installed, whatever the current folder holds, and by a link."""
    self.write()
    for source, place in ((os.path.join(os.path.dirname(IMPORT), "readers"), "installed/data/readers"),
                          (os.path.join(ROOT, "src", "python"), "installed/python")):
      # where Python compiles what other tests import, files come and go
      shutil.copytree(source, self.path(place), ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(IMPORT, self.path("installed/data"))
    os.symlink(self.path("installed/data/import.py"), self.path("link"))
    with open(self.path("readers.py"), "w", encoding="ascii") as file:
      file.write("raise SystemExit('not this one')")
    done = subprocess.run([sys.executable, self.path("link"), "planetoid", ".", "toy", "--out", "graph.h5"],
                          cwd=self.folder, env={**os.environ, "PYTHONSAFEPATH": "1", "LC_ALL": "C"}, check=False,
                          capture_output=True, text=True)
    self.assertEqual(done.returncode, 0, done.stderr)
    self.assertIn("graph.h5: toy, 9 nodes", done.stdout)

  def test_full_disk(self):
    self.write()
    command = f'ulimit -f 1; "{sys.executable}" "{IMPORT}" planetoid "{self.folder}" toy --out "{self.out}"'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    self.assertEqual(done.returncode, 3, done.stderr)
    self.assertRegex(done.stderr, r"\Aimport\.py: [^\n]+\n\Z")
    self.assertEqual([name for name in os.listdir(self.folder) if "graph.h5" in name], [])


def text(value):
  return b"X" + struct.pack("<I", len(value)) + value


class Malicious(ToyFolder):

  def payloads(self):
    touch = f"touch {self.path('pwned')}"
    command = touch.encode()
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0" + b"\x85" + text(b"b") + b"tR"
    dtype = b"cnumpy\ndtype\n(" + text(b"O8") + b"K\0K\1tR"
    yield "system", pickle.dumps(Call(os.system, touch), 2), "system"
    yield "eval", pickle.dumps(Call(eval, f"__import__('os').system({touch!r})"), 2), "builtins.eval"
    yield "popen", pickle.dumps(Call(subprocess.getoutput, touch), 5), "subprocess.getoutput"
    yield "python 2", b"c__builtin__\neval\n" + text(b"1") + b"\x85R.", "builtins.eval"
    yield "instance", b"(" + text(command) + b"ios\nsystem\n.", "os.system"
    yield "dotted", b"\x80\x04" + text(b"builtins") + text(b"list.__class__") + b"\x93.", "builtins.list.__class__"
    yield "newlines", b"\x80\x04" + text(b"a\nb") + text(b"c") + b"\x93.", r"a\nb.c"
    yield "getattr", b"c__builtin__\ngetattr\n(cnumpy\ndtype\n" + text(b"x") + b"tR.", "builtins.getattr"
    yield "numpy", b"cnumpy\nload\n.", "numpy.load"
    yield "factory", b"ccollections\ndefaultdict\ncos\nsystem\n\x85R.", "os.system"
    yield "nested", pickle.dumps({0: [1], 1: [Call(os.system, touch)]}, 4), "system"
    yield "persistent", b"Pos.system\n.", "damaged"
    yield "objects", pickle.dumps(np.array([1, None])), "type 'O"
    yield "object dtype", array + b"(K\1K\1\x85" + dtype + b"\x89]" + text(b"a") + b"atb.", "type 'O8'"
    yield "huge", b"\x80\x05\x96" + struct.pack("<Q", 2**36) + b".", "truncated"
    yield "class state", b"cnumpy\nndarray\n}" + text(b"__init__") + b"cos\nsystem\nsb.", "os.system"
    yield "list state", b"c__builtin__\nlist\n}" + text(b"append") + b"K\1sb.", "damaged"

  def test_refused_by_name(self):
    for count, (name, payload, word) in enumerate(self.payloads()):
      part = ("x", "graph", "ty")[count % 3]
      with self.subTest(f"{name} in {part}"):
        self.write(**{part: payload})
        self.refused("planetoid", self.folder, "toy", words=[f"ind.toy.{part}: ", word])
        self.assertFalse(os.path.exists(self.path("pwned")))

  def test_damaged_bytes(self):
    """Whatever byte is wrong, the answer is a graph or one line."""
    draw = np.random.RandomState(1)
    good = {part: pickle.dumps(value, 2) for part, value in toy_parts().items()}
    for trial in range(9):
      part = ("allx", "graph", "ally")[trial % 3]
      damaged = bytearray(good[part])
      for at in draw.randint(0, len(damaged), 2):
        damaged[at] = draw.randint(256)
      self.write(2, **{part: bytes(damaged)})
      done = self.run_import("planetoid", self.folder, "toy", "--out", self.out)
      self.assertIn(done.returncode, (0, 2))
      self.assertRegex(done.stderr, r"\A(import\.py: [^\n]+\n)?\Z")


if __name__ == "__main__":
  main()
