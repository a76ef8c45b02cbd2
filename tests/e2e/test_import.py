#!/usr/bin/env python3
"""data/import.py: counts of the real data sets, a small set by hand, and refusal of what is no plain data."""

import os
import pickle
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

try:
  import h5py
  import numpy as np
  import scipy.sparse
except ImportError:
  system_python = shutil.which("python3", path=os.defpath)
  if system_python and os.path.realpath(system_python) != os.path.realpath(sys.executable):
    os.execv(system_python, [system_python] + sys.argv)
  print("skipped: needs the packages python3-numpy python3-scipy python3-h5py")
  sys.exit(77)

ROOT = os.environ.get("DISTGAT_SOURCE") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.environ.get("DISTGAT_DATA") or os.path.join(os.path.dirname(ROOT), "shared")
IMPORT = os.path.join(ROOT, "data", "import.py")
HAVE_DATA = os.path.isdir(os.path.join(DATA, "planetoid")) and os.path.isdir(os.path.join(DATA, "gnnbench"))

# nodes, directed edges, features, classes, non-zero features, isolated nodes, nodes without label, training nodes
EXPECTED = {"cora": (2708, 10556, 1433, 7, 49216, 0, 0, 140),
            "citeseer": (3327, 9104, 3703, 6, 105165, 48, 15, 120),
            "pubmed": (19717, 88648, 500, 3, 988031, 0, 0, 60)}


def load(path):
  """Returns attributes and data sets of a graph file."""
  with h5py.File(path, "r") as file:
    sets = {}
    file.visititems(lambda name, item: sets.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return dict(file.attrs), sets


class Folder(unittest.TestCase):
  """A test in a folder of its own."""

  def setUp(self):
    self.folder = tempfile.mkdtemp()
    self.addCleanup(shutil.rmtree, self.folder)
    self.out = self.path("graph.h5")

  def path(self, name):
    return os.path.join(self.folder, name)

  def run_import(self, *arguments):
    return subprocess.run([sys.executable, IMPORT, *arguments], capture_output=True, text=True, check=False)

  def imported(self, *arguments):
    done = self.run_import(*arguments, "--out", self.out)
    self.assertEqual((done.returncode, done.stderr), (0, ""))
    return load(self.out)

  def refused(self, *arguments, code=2, words=(), out=None):
    before = sorted(os.listdir(self.folder))
    done = self.run_import(*arguments, "--out", out or self.out)
    self.assertEqual(done.returncode, code, done.stderr)
    self.assertEqual(done.stdout, "")
    self.assertRegex(done.stderr, r"\Aimport\.py: [^\n]+\n\Z")
    for word in words:
      self.assertIn(word, done.stderr)
    self.assertEqual(sorted(os.listdir(self.folder)), before, "leaves nothing behind")

  def assert_simple(self, indptr, indices):
    """Both directions, ascending, each once, no self-loops."""
    targets = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    pairs = targets * (len(indptr) - 1) + indices
    self.assertTrue((np.diff(pairs) > 0).all())
    self.assertTrue((targets != indices).all())
    self.assertTrue(np.array_equal(np.sort(indices * np.int64(len(indptr) - 1) + targets), pairs))


@unittest.skipUnless(HAVE_DATA, f"no real data in {DATA}")
class RealData(Folder):

  def test_planetoid(self):
    for name, expected in EXPECTED.items():
      with self.subTest(name):
        nodes, edges, features, classes, nonzeros, isolated, unknown, train = expected
        attributes, sets = self.imported("planetoid", os.path.join(DATA, "planetoid"), name)
        self.assertEqual(attributes, {"format": "distgat-graph", "version": 1, "name": name, "num_classes": classes,
                                      "num_features": features})
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
        attributes, sets = self.imported("planetoid", self.folder, "toy")
        self.assertEqual(attributes["name"], "toy")
        self.assertEqual(sets["graph/indptr"].tolist(), [0, 2, 3, 4, 4, 6, 7, 7, 7, 8])
        self.assertEqual(sets["graph/indices"].tolist(), [1, 4, 0, 8, 0, 5, 4, 2])
        self.assertEqual(sets["features/indptr"].tolist(), [0, 1, 2, 2, 3, 4, 5, 6, 6, 7])
        self.assertEqual(sets["features/indices"].tolist(), [0, 1, 2, 1, 2, 0, 1])
        self.assertEqual(sets["features/values"].tolist(), [1, 2, 1, 1, 3, 6, 8])
        self.assertEqual(sets["labels"].tolist(), [0, 1, -1, 0, 1, 1, 0, -1, 1])
        split = [sets[f"splits/public/{part}"].tolist() for part in ("train", "val", "test")]
        self.assertEqual(split, [[0, 1], [2, 3, 4, 5], [6, 8]])

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

  def test_missing_file(self):
    self.write()
    os.unlink(self.path("ind.toy.ty"))
    self.refused("planetoid", self.folder, "toy", words=["ind.toy.ty"])

  def test_output(self):
    self.write()
    self.refused("planetoid", self.folder, "toy", code=3, out=self.path("none/graph.h5"), words=["none/graph.h5"])
    self.refused("planetoid", self.folder, "toy", code=3, out=self.folder, words=["regular file"])

  def test_full_disk(self):
    self.write()
    command = f'ulimit -f 1; "{sys.executable}" "{IMPORT}" planetoid "{self.folder}" toy --out "{self.out}"'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    self.assertEqual(done.returncode, 3, done.stderr)
    self.assertRegex(done.stderr, r"\Aimport\.py: [^\n]+\n\Z")
    self.assertEqual([name for name in os.listdir(self.folder) if "graph.h5" in name], [])


class Call:
  """Pickles as a call of `function` on `arguments`."""

  def __init__(self, function, *arguments):
    self.call = function, arguments

  def __reduce__(self):
    return self.call


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


class Npz(Folder):

  def write(self, **changes):
    adjacency = scipy.sparse.csr_matrix(([1, 1, 1, 0], ([0, 2, 1, 3], [1, 0, 1, 0])), shape=(4, 4), dtype=np.float32)
    arrays = {"adj_data": adjacency.data, "adj_indices": adjacency.indices, "adj_indptr": adjacency.indptr,
              "adj_shape": adjacency.shape, "attr_matrix": np.arange(8.0, dtype=np.float16).reshape(4, 2),
              "labels": np.array([0, 1, 1, -1], np.int8), **changes}
    np.savez(self.path("toy.npz"), **{name: value for name, value in arrays.items() if value is not None})
    return self.path("toy.npz")

  def test_by_hand(self):
    path = self.write(idx_train=[1, 0], idx_val=[2], idx_test=[3], class_names=np.array(["a", "b"]))
    attributes, sets = self.imported("npz", path)
    self.assertEqual((attributes["name"], attributes["num_classes"], attributes["num_features"]), ("toy", 2, 2))
    self.assertEqual(sets["graph/indptr"].tolist(), [0, 2, 3, 4, 4])
    self.assertEqual(sets["graph/indices"].tolist(), [1, 2, 0, 0])
    self.assertEqual(sets["features/dense"].tolist(), [[0, 1], [2, 3], [4, 5], [6, 7]])
    self.assertEqual(sets["labels"].tolist(), [0, 1, 1, -1])
    split = [sets[f"splits/public/{part}"].tolist() for part in ("train", "val", "test")]
    self.assertEqual(split, [[0, 1], [2], [3]])

  def test_split_seed(self):
    path = self.write(labels=np.repeat([0, 1], [2, 2]))
    self.assertEqual(self.imported("npz", path)[1]["splits/random/train"].tolist(), [0, 1, 2, 3])
    self.assertEqual(self.run_import("npz", path, "--split-seed", "-1", "--out", self.out).returncode, 2)

  def test_refused(self):
    cases = {"pickled labels": ({"labels": np.array([0, 1, 1, Call(os.system, f"touch {self.path('pwned')}")], object)},
                                "pickled", "labels"),
             "pickled and unused": ({"class_names": np.array(["a", "b"], object)}, "pickled", "class_names"),
             "class": ({"labels": [0, 1, 1, 2**20]}, "label 1048576"),
             "edge": ({"adj_indices": [1, 0, 1, 4]}, "columns from 0 to 3"),
             "indptr": ({"adj_indptr": [0, 1, 2, 9, 4]}, "indptr"),
             "no labels": ({"labels": None}, "labels"),
             "short labels": ({"labels": [0]}, "1 labels"),
             "text": ({"attr_matrix": np.full((4, 2), "a")}, "numbers"),
             "infinite": ({"attr_matrix": np.full((4, 2), 1e300)}, "finite"),
             "half a split": ({"idx_train": [0]}, "idx_val"),
             "split": ({"idx_train": [4], "idx_val": [], "idx_test": []}, "node 4")}
    for name, (changes, *words) in cases.items():
      with self.subTest(name):
        self.refused("npz", self.write(**changes), words=["toy.npz", *words])
        self.assertFalse(os.path.exists(self.path("pwned")))

  def test_no_archive(self):
    with open(self.write(), "rb") as file:
      content = file.read()
    for name, part in (("truncated", content[:-100]), ("empty", b""), ("pickle", pickle.dumps([1]))):
      with self.subTest(name):
        with open(self.path("toy.npz"), "wb") as file:
          file.write(part)
        self.refused("npz", self.path("toy.npz"), words=["toy.npz"])
    self.refused("npz", self.path("none.npz"), words=["none.npz"])


if __name__ == "__main__":
  result = unittest.main(exit=False, verbosity=1).result
  sys.exit(1 if not result.wasSuccessful() else 77 if result.skipped else 0)
