#!/usr/bin/env python3
"""data/import.py npz: what archives hold, in all the ways it is written, and what is refused."""

import io
import os
import pickle
import resource
import subprocess
import sys
import unittest
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from importer import CASES, DATA, IMPORT, Call, Folder, main  # noqa: E402 # must precede the packages that it finds

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import scipy.sparse  # noqa: E402

PARTS = ("train", "val", "test")


def split_of(sets, name="public"):
  return [sets[f"splits/{name}/{part}"].tolist() for part in PARTS]


@unittest.skipUnless(os.path.isdir(CASES), f"no cases in {DATA}")
class Cases(Folder):

  def npz(self, name, **options):
    return self.imported("npz", os.path.join(CASES, name), **options)

  def test_masks(self):
    for name in ("npz/uint8_masks.npz", "npz/train_mask_names.npz"):
      self.assertEqual(split_of(self.npz(name)[1]), [[0, 1, 2], [3, 4], [5, 6, 7]])

  def test_overlap(self):
    sets = self.npz("npz/overlap_idx.npz", warning="part: 3 .train and val share 1, train and test share 3, val")[1]
    self.assertEqual(split_of(sets), [[0, 1, 2], [2, 3], [0, 1, 2, 5]])

  def test_labels(self):
    self.assertEqual(self.npz("npz/onehot_labels.npz")[1]["labels"].tolist(), [0, 1] * 4)
    sets = self.npz("npz/string_labels.npz")[1]
    self.assertEqual((sets["labels"].tolist(), sets["classes/name"].tolist()), ([1, 0] * 4, [b"Neural", b"Theory"]))

  def test_objects_that_nobody_needs(self):
    self.npz("npz/object_extra.npz", told=["not used: idx_to_class"])

  def test_weights(self):
    self.npz("npz/weighted.npz", told=["8 nodes, 14 directed edges", "edge weights dropped"])

  def test_identity_features(self):
    for name, nodes in (("noattr", 8), ("nofeat", 40)):
      sets = self.npz(f"npz/{name}.npz", told=[f"{nodes} features .sparse", "no features: identity features"])[1]
      self.assertEqual(sets["features/indices"].tolist(), list(range(nodes)))
      self.assertEqual(sets["features/values"].tolist(), [1] * nodes)

  def test_wishes(self):
    sets = self.npz("npz/weighted.npz", told=["edge weights dropped"])[1]
    self.assertNotIn("edges/weight", sets)
    sets = self.imported("npz", os.path.join(CASES, "npz/weighted.npz"), "--weights")[1]
    self.assertEqual(len(sets["edges/weight"]), len(sets["graph/indices"]))
    sets = self.imported("npz", os.path.join(CASES, "real/het_chameleon_directed.npz"), "--directed", "--split", "3")[1]
    self.assertEqual(len(sets["graph/indices"]), 36051)
    self.assertEqual({name.split("/")[1] for name in sets if name.startswith("splits")}, {"3"})
    sets = self.imported("npz", os.path.join(CASES, "real/meta_polblogs.npz"), "--largest-component", "--weights",
                         told=["largest component: [0-9]+ of 1490"])[1]
    self.assertEqual(sets["nodes/id"].tolist(), np.unique(sets["nodes/id"]).tolist())
    self.assertEqual((np.diff(sets["graph/indptr"]) == 0).sum(), 0)

  def test_refused(self):
    for name, *words in (("npz/labels_u64", "18446744073709551615", "-1 alone means unknown"),
                         ("npz/scipy_saved", "scipy.sparse.save_npz", "adj_data=A.data"),
                         ("npz/allneg", "0 nodes with a label"),
                         ("real/geom_texas_split0", "has no labels", "it has train_mask, val_mask, test_mask")):
      with self.subTest(name):
        self.refused("npz", os.path.join(CASES, name + ".npz"), words=[name + ".npz", *words])

  def test_real(self):
    for name, nodes, edges, sizes in (("het_texas", 183, 558, (87, 59, 37)),
                                      ("het_chameleon_directed", 2277, 62742, (1092, 729, 456))):
      with self.subTest(name):
        sets = self.npz(f"real/{name}.npz", told=["10 splits in all"])[1]
        self.assertEqual((len(sets["labels"]), len(sets["graph/indices"])), (nodes, edges))
        self.assert_simple(sets["graph/indptr"], sets["graph/indices"])
        for k in range(10):
          self.assertEqual(tuple(map(len, split_of(sets, k))), sizes)
    sets = self.npz("real/meta_polblogs.npz", told=["edge weights dropped", "identity features"])[1]
    self.assertEqual((len(sets["labels"]), len(sets["graph/indices"])), (1490, 33430))
    self.assertEqual((np.diff(sets["graph/indptr"]) == 0).sum(), 266)


class Npz(Folder):

  def write(self, **changes):
    """Four nodes: 0 - 1, 0 - 2, a self-loop, and an entry 0."""
    adjacency = scipy.sparse.csr_matrix(([1, 1, 1, 0], ([0, 2, 1, 3], [1, 0, 1, 0])), shape=(4, 4), dtype=np.float32)
    arrays = {"adj_data": adjacency.data, "adj_indices": adjacency.indices, "adj_indptr": adjacency.indptr,
              "adj_shape": adjacency.shape, "attr_matrix": np.arange(8.0, dtype=np.float16).reshape(4, 2),
              "labels": np.array([0, 1, 1, -1], np.int8), **changes}
    np.savez(self.path("toy.npz"), **{name: value for name, value in arrays.items() if value is not None})
    return self.path("toy.npz")

  def toy(self, warning="", told=(), **changes):
    return self.imported("npz", self.write(**changes), warning=warning, told=told)[1]


class Layouts(Npz):

  def test_by_hand(self):
    path = self.write(idx_train=[1, 0], idx_val=[2], idx_test=[], class_names=np.array(["ä", "b"]), other=[1])
    attributes, sets = self.imported("npz", path, told=["not used: other\n"])
    self.assertEqual((attributes["name"], attributes["num_classes"], attributes["num_features"]), (b"toy", 2, 2))
    self.assertEqual(sets["graph/indptr"].tolist(), [0, 2, 3, 4, 4])
    self.assertEqual(sets["graph/indices"].tolist(), [1, 2, 0, 0])
    self.assertEqual(sets["features/dense"].tolist(), [[0, 1], [2, 3], [4, 5], [6, 7]])
    self.assertEqual(sets["labels"].tolist(), [0, 1, 1, -1])
    self.assertEqual(split_of(sets), [[0, 1], [2], []])
    self.assertEqual([name.decode() for name in sets["classes/name"]], ["ä", "b"])

  def test_strings_of_fixed_length(self):
    """HDF5 reads those of variable length past its heap when a file is damaged."""
    os.rename(self.write(labels=np.array(["x", "yy", "x", "x"])), self.path("Köln.npz"))
    self.imported("npz", self.path("Köln.npz"))
    with h5py.File(self.out, "r") as file:
      types = [file.attrs.get_id("name").dtype, file.attrs.get_id("format").dtype, file["classes/name"].dtype]
      self.assertEqual([(t.itemsize, h5py.check_string_dtype(t)) for t in types],
                       [(n, ("utf-8", n)) for n in (5, 13, 2)])
      self.assertEqual(file.attrs["name"].decode(), "Köln")

  def test_split_seed(self):
    path = self.write(labels=np.repeat([0, 1], [2, 2]))
    sets = self.imported("npz", path, told=["no split given, random drawn", "classes too small"])[1]
    self.assertEqual(sets["splits/random/train"].tolist(), [0, 1, 2, 3])
    self.assertEqual(self.run_import("npz", path, "--split-seed", "-1", "--out", self.out).returncode, 2)

  def test_several_splits_are_drawn(self):
    """Each as it is drawn alone with its seed."""
    path = self.write(labels=np.zeros(4, int))
    alone = [self.imported("npz", path, "--split", "random:1,1", "--split-seed", str(7 + k))[1] for k in range(3)]
    sets = self.imported("npz", path, "--split", "random:1,1", "--split-seed", "7", "--split-count", "3")[1]
    for k in range(3):
      for part in ("train", "val", "test"):
        self.assertEqual(sets[f"splits/random-{k}/{part}"].tolist(), alone[k][f"splits/random/{part}"].tolist())
    self.assertGreater(len({tuple(split["splits/random/train"]) for split in alone}), 1)
    done = self.run_import("npz", path, "--split", "all", "--split-count", "3", "--out", self.out)
    self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
    self.assertIn("splits are drawn by --split random", done.stderr)

  def test_edges(self):
    """The same graph as edges, in both orders, and as dense and sparse matrices under other names."""
    none = {f"adj_{part}": None for part in ("data", "indices", "indptr", "shape")}
    pairs = np.array([[1, 0], [2, 0], [1, 1]])
    dense = np.zeros((4, 4), ">i2")
    dense[pairs[:, 0], pairs[:, 1]] = 1
    csr = scipy.sparse.csr_matrix(dense.astype(int))
    for changes in ({"edges": pairs}, {"edges": pairs.T.astype(np.float32)}, {"edge_index": np.asfortranarray(pairs.T)},
                    {"edge_index": pairs.astype(">u8")}, {"edges": pairs[:2]}, {"edge_index": pairs[:2].T},
                    {"adj_matrix": dense}, {"adj": dense != 0},
                    {f"adj_matrix.{part}": getattr(csr, part) for part in ("data", "indices", "indptr", "shape")}):
      with self.subTest(str(changes)):
        sets = self.toy(**none, **changes)
        self.assertEqual(sets["graph/indptr"].tolist(), [0, 2, 3, 4, 4])
        self.assertEqual(sets["graph/indices"].tolist(), [1, 2, 0, 0])

  def test_weights(self):
    """Of a matrix by row and column, and of listed edges; both directions without --directed."""
    pairs = {"adj_data": None, "edge_index": [[0, 0, 1], [1, 2, 1]], "edge_weight": [0.5, 2, 7]}
    dense = {"adj_data": None, "adj": [[0, 0.5, 2, 0], [0, 7, 0, 0], [0] * 4, [0] * 4]}
    column = {**pairs, "edge_weight": None, "edge_attr": [[0.5], [2], [7]]}
    for changes in (pairs, dense, column):
      path = self.write(**changes)
      sets = self.imported("npz", path, "--weights")[1]
      self.assertEqual(sets["graph/indices"].tolist(), [1, 2, 0, 0])
      self.assertEqual(sets["edges/weight"].tolist(), [0.5, 2, 0.5, 2])
      sets = self.imported("npz", path, "--weights", "--directed")[1]
      self.assertEqual((sets["graph/indptr"].tolist(), sets["edges/weight"].tolist()), ([0, 0, 1, 2, 2], [0.5, 2]))
      self.assertNotIn("edges/weight", self.imported("npz", path, told=["edge weights dropped"])[1])
    self.refused("npz", self.write(**{**pairs, "edge_weight": [1, np.nan, 1]}), words=["edge_weight", "not finite"])
    self.refused("npz", self.write(adj_data=None, edge_index=[[0], [1]]), "--weights", words=["--weights"])

  def test_names(self):
    """ppnp's node_names, as strings or Python objects, are the ids of nodes."""
    for names in (np.array(["d", "c", "b", "ä"]), np.array(["d", "c", "b", "ä"], object)):
      sets = self.toy(node_names=names)
      self.assertEqual([name.decode() for name in sets["nodes/id"]], ["d", "c", "b", "ä"])
    sets = self.toy(labels=np.array([0, 1, 1, 0]), class_names=np.array(["x", "y"], object))
    self.assertEqual(sets["classes/name"].tolist(), [b"x", b"y"])
    self.assertNotIn("nodes/id", self.toy(node_names=["a"], told=["not used: node_names"]))

  def test_features(self):
    for name, features in (("x", np.arange(8, dtype=">f8").reshape(4, 2)), ("features", np.arange(8).reshape(4, 2)),
                           ("node_features", np.asfortranarray(np.arange(8, dtype=np.uint8).reshape(4, 2)))):
      sets = self.toy(attr_matrix=None, **{name: features})
      self.assertEqual(sets["features/dense"].tolist(), [[0, 1], [2, 3], [4, 5], [6, 7]])


class Splits(Npz):

  def check(self, wanted, train, val, test, labels=(0, 1, 1, 0), pattern="idx_{}", **options):
    names = {pattern.format(part): array for part, array in zip(PARTS, (train, val, test)) if array is not None}
    sets = self.toy(labels=np.array(labels), **names, **options)
    self.assertEqual(split_of(sets), wanted)
    return sets

  def test_masks_of_any_type(self):
    masks = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]])
    for kind in ("u1", "i8", ">i4", "f4", ">f8", "f2", "?", "O"):
      for pattern in ("idx_{}", "{}_mask", "{}"):
        with self.subTest(f"{kind} {pattern}"):
          self.check([[0, 3], [1], [2]], *masks.astype(kind), pattern=pattern)

  def test_ids_of_any_type(self):
    for kind in ("u1", "i8", ">u8", "f4", "O"):
      for pattern in ("idx_{}", "{}_idx", "{}_index", "{}_Indices", "ids_{}"):
        with self.subTest(f"{kind} {pattern}"):
          self.check([[0, 3], [1], []], *(np.array(ids, kind) for ids in ([3, 0], [1], [])), pattern=pattern)

  def test_names(self):
    sets = self.toy(labels=[0, 1, 1, 0], training_mask=[1, 0, 0, 0], valid_mask=[0, 1, 0, 0], testing_idx=[3])
    self.assertEqual(split_of(sets), [[0], [1], [3]])
    both = {"train_mask": [1, 0, 0, 0], "idx_train": [0], "val_mask": [0, 1, 0, 0], "test_mask": [0, 0, 0, 0]}
    self.assertEqual(split_of(self.toy(**both)), [[0], [1], []])

  def test_several_splits(self):
    masks = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]], bool)
    rolled = np.roll(masks, 1, axis=1)
    for turn in (np.asarray, np.transpose):
      train, val = (turn(np.stack([masks[k], rolled[k]])) for k in range(2))
      sets = self.toy(labels=[0, 1, 1, 0], train_mask=train, val_mask=val, test_mask=masks[2],
                      warning="split 1: nodes in more than one part: 1 .val and test share 1")
      self.assertEqual(split_of(sets, "0"), [[0, 3], [1], [2]])
      self.assertEqual(split_of(sets, "1"), [[0, 1], [2], [2]])
    self.check([[0, 3], [1], [2]], *masks[:, None, :])

  def test_unlabelled(self):
    self.check([[0], [1], [2]], [0], [1], [2, 3], labels=[0, 1, 1, -1], warning="test without a label are left out: 1")
    self.refused("npz", self.write(idx_train=[3], idx_val=[], idx_test=[]), words=["split public", "at least one"])

  def test_refused(self):
    mask = np.array([0, 1, 0, 0])
    cases = {"id twice": ({"idx_train": [1, 1]}, "node 1 twice"),
             "id too large": ({"idx_train": [4]}, "node 4"),
             "negative id": ({"idx_train": [-1]}, "node -1"),
             "huge id": ({"idx_train": np.array([2**64 - 1], np.uint64)}, "18446744073709551615"),
             "no integer": ({"idx_train": [0.5]}, "no integers"),
             "no number": ({"idx_train": [np.nan]}, "no integers"),
             "text": ({"idx_train": ["0"]}, "<U1"),
             "scalar": ({"idx_train": 1}, "shape ()"),
             "empty": ({"idx_train": []}, "training part of split public"),
             "short mask": ({"train_mask": np.array([True])}, "no mask", "idx_train"),
             "mask of ids": ({"train_mask": [2, 3]}, "no mask"),
             "short boolean": ({"idx_train": np.array([True, False])}, "no mask"),
             "long": ({"idx_train": np.arange(5)}, "shape (5,)"),
             "cube": ({"train_mask": np.zeros((1, 1, 4))}, "shape (1, 1, 4)"),
             "square": ({"train_mask": np.eye(4)}, "cannot be told apart"),
             "no splits": ({"train_mask": np.zeros((0, 4))}, "no mask"),
             "ids in rows": ({"idx_train": [[2, 3]]}, "no mask"),
             "counts differ": ({"train_mask": [mask] * 2, "val_mask": [mask] * 3}, "2 splits", "3"),
             "two that differ": ({"train_mask": mask, "idx_train": [0]}, "differ"),
             "without test": ({"test_mask": None, "train_mask": mask}, "no array is named for test"),
             "without train": ({}, "no array is named for train")}
    rest = {"val_mask": 0 * mask, "test_mask": 0 * mask}
    for name, (changes, *words) in cases.items():
      with self.subTest(name):
        self.refused("npz", self.write(**{**rest, **changes}), words=["toy.npz", *words])


class Labels(Npz):

  def test_taken(self):
    for labels, wanted in ((np.array([0, 1, 1, 255], np.uint8), [0, 1, 1, 255]),
                           (np.array([2, 0, -1, 1], ">i8"), [2, 0, -1, 1]),
                           (np.array([[2], [0], [-1], [1]]), [2, 0, -1, 1]),
                           ([2.0, np.nan, -1, 1], [2, -1, -1, 1]),
                           (np.array([0, 2, 1, 0], ">f2"), [0, 2, 1, 0]),
                           ([True, False, False, True], [1, 0, 0, 1]),
                           (np.asfortranarray(np.eye(4)[[3, 1, 1, 0]]), [3, 1, 1, 0]),
                           ([[0, 0], [0, 1], [1, 0], [0, 1]], [-1, 1, 0, 1]),
                           (["b", "", "a", "b"], [1, -1, 0, 1]),
                           (np.array(["10", "9", "9", "10"], ">U2"), [0, 1, 1, 0]),
                           (np.char.encode(["ü", "a", "a", "ü"], "utf-8"), [1, 0, 0, 1]),
                           (np.array(["b", None, "a", np.str_("b")], object), [1, -1, 0, 1]),
                           (np.array(["b", np.nan, b"a", ""], object), [1, -1, 0, -1]),
                           (np.array([1, None, np.int64(0), 1.0], object), [1, -1, 0, 1])):
      with self.subTest(str(labels)):
        self.assertEqual(self.toy(labels=labels)["labels"].tolist(), wanted)

  def test_classes(self):
    """Columns of one-hot rows are classes, used or not; names are written with their classes."""
    attributes, sets = self.imported("npz", self.write(labels=np.eye(3)[[0, 1, 1, 0]], class_names=["x", "y", "z"]))
    self.assertEqual((attributes["num_classes"], sets["classes/name"].tolist()), (3, [b"x", b"y", b"z"]))
    sets = self.toy(labels=np.array([0, 1, 1, 0]), class_names=["x", "y", "z"], told=["not used: class_names"])
    self.assertNotIn("classes/name", sets)

  def test_several(self):
    """Rows that have more than one 1 are those of several labels a node, which need none."""
    rows = np.array([[1, 0, 1], [0, 0, 0], [0, 0, 1], [1, 0, 1]])
    for kind in (np.uint8, bool, float, ">i8"):
      attributes, sets = self.imported("npz", self.write(labels=rows.astype(kind)),
                                       told=["several labels a node, 1.25 of a node", "classes without a node: 1", "2 / 1 / 1 train/val/test"])
      self.assertEqual((attributes["task"], attributes["num_classes"], sets["labels"].dtype), (b"multilabel", 3, np.uint8))
      self.assertEqual(sets["labels"].tolist(), rows.tolist())
    draws = [self.imported("npz", self.write(labels=rows), "--split", wish)[1] for wish in ("random", "random:0.5,0.25", "random:1,2")]
    self.assertEqual([[len(sets[f"splits/random/{part}"]) for part in ("train", "val", "test")] for sets in draws],
                     [[2, 1, 1], [2, 1, 1], [1, 2, 1]])
    sets = self.toy(labels=rows, idx_train=[1], idx_val=[0], idx_test=[2, 3])
    self.assertEqual([sets[f"splits/public/{part}"].tolist() for part in ("train", "val", "test")], [[1], [0], [2, 3]])

  def test_several_of_a_component(self):
    labels = np.array([[1, 1], [0, 0], [0, 1], [1, 1], [1, 0]])
    path = self.path("y.npy")
    np.save(path, labels)
    with open(self.path("e.txt"), "w", encoding="utf-8") as file:
      file.write("4 3\n3 2\n0 1\n")
    sets = self.imported("edgelist", self.path("e.txt"), "--labels", path, "--largest-component")[1]
    self.assertEqual((sets["labels"].tolist(), sets["nodes/id"].tolist()), (labels[2:].tolist(), [2, 3, 4]))

  def test_refused(self):
    for labels, word in (([0, 1, 1, -2], "label -2 at node 3"), ([0, 1, 1, 2**31], "label 2147483648"),
                         ([0, 1, 1, 2**20], "label 1048576 at node 3"),
                         (np.array([0, 1, 1, 2**63], np.uint64), "label 9223372036854775808"),
                         (np.array([0, 1, 1, 2**64 - 1], np.uint64), "label 18446744073709551615"),
                         ([0, 1, 1, 0.5], "label 0.5"), ([0, 1, 1, np.inf], "label inf"), ([-1] * 4, "0 nodes"),
                         ([np.nan] * 4, "0 nodes"), ([""] * 4, "0 nodes"), (np.zeros((4, 0)), "0 classes"),
                         (np.zeros((4, 2)), "0 nodes"), (np.ones((4, 2)) - 2 * np.eye(4)[:, :2], "row 0"), (2 * np.eye(4), "row 0"),
                         (np.full((4, 2), np.nan), "row 0"), (np.zeros((4, 2, 2)), "3 dimensions"),
                         (1, "0 rows in labels"),
                         (np.array([b"\xff"] * 4), "UTF-8"), (np.array(["\ud800"] * 4), "UTF-8"),
                         ([1j] * 4, "complex128"), (np.zeros(4, "M8[s]"), "datetime64"),
                         (np.zeros(4, "i4,i4"), "labels"),
                         (np.array(["a", 1, "b", None], object), "strings beside numbers"),
                         (np.array([1, 2, 3, []], object), "a list in it"), (np.array([{}] * 4), "a dict in it"),
                         (np.array(["a" * 1001, None, "", "b"], object), "a string of more than 1000"),
                         (np.array([2**70] * 4), "beyond 2^53")):
      with self.subTest(str(labels)):
        self.refused("npz", self.write(labels=np.asarray(labels)), words=["toy.npz: ", word])


class Refused(Npz):

  def test_content(self):
    touch = Call(os.system, f"touch {self.path('pwned')}")
    cases = {"pickled labels": ({"labels": np.array([0, 1, 1, touch], object)}, "pickled", "labels", "system"),
             "class": ({"labels": [0, 1, 1, 2**20]}, "label 1048576"),
             "edge": ({"adj_indices": [1, 0, 1, 4]}, "columns from 0 to 3"),
             "indptr": ({"adj_indptr": [0, 1, 2, 9, 4]}, "indptr"),
             "oblong": ({"adj_shape": [4, 5]}, "square"),
             "three sizes": ({"adj_shape": [4, 4, 4]}, "two sizes"),
             "no shape": ({"adj_shape": None}, "adj_shape"),
             "weight": ({"adj_data": [1, np.nan, 1, 1]}, "not finite"),
             "no graph": ({"adj_data": None}, "no edges"),
             "pair": ({"adj_data": None, "edge_index": [[0, 4], [1, 1]]}, "node 4"),
             "pairs": ({"adj_data": None, "edge_index": np.zeros((3, 3))}, "[2, E]"),
             "pickled matrix": ({"adj_data": None, "adj": np.array(scipy.sparse.identity(4, format="csr"))}, "adj is"),
             "no labels": ({"labels": None}, "labels"),
             "short labels": ({"labels": [0]}, "1 rows in labels"),
             "short features": ({"attr_matrix": np.zeros((3, 2))}, "3 rows in the features"),
             "text": ({"attr_matrix": np.full((4, 2), "a")}, "numbers"),
             "short values": ({"adj_data": [1, 1]}, "2 values for 4 indices"),
             "flat": ({"attr_matrix": np.zeros(4)}, "a matrix is expected"),
             "infinite": ({"attr_matrix": np.full((4, 2), 1e300)}, "finite")}
    for name, (changes, *words) in cases.items():
      with self.subTest(name):
        self.refused("npz", self.write(**changes), words=["toy.npz", *words])
        self.assertFalse(os.path.exists(self.path("pwned")))

  def test_unread(self):
    """What is not needed may hold anything; its name is told on one line."""
    path = self.write(class_names=np.array([Call(os.system, f"touch {self.path('pwned')}")], object))
    with zipfile.ZipFile(path, "a") as archive:
      archive.writestr("no\narray", b"text")
      archive.writestr("torn.npy", b"\x93NUMPY")
    self.imported("npz", path, told=[r"not used: class_names, no\?array, torn\n"])
    self.assertFalse(os.path.exists(self.path("pwned")))

  def test_no_archive(self):
    with open(self.write(), "rb") as file:
      content = file.read()
    damaged = content.replace(np.arange(8, dtype=np.float16).tobytes(), bytes(16))
    with open(self.path("toy.npz"), "wb") as file:
      file.write(damaged)
    self.refused("npz", self.path("toy.npz"), words=["attr_matrix is", "truncated or damaged"])
    buffer = io.BytesIO()
    np.save(buffer, [1])
    for name, part in (("truncated", content[:-100]), ("empty", b""), ("pickle", pickle.dumps([1])),
                       ("one array", buffer.getvalue()),
                       ("Git LFS pointer", b"version https://git-lfs.github.com/spec/v1")):
      with self.subTest(name):
        with open(self.path("toy.npz"), "wb") as file:
          file.write(part)
        self.refused("npz", self.path("toy.npz"), words=["toy.npz", name if " " in name else "npz archive"])
    os.mkfifo(self.path("pipe"))
    for name, word in (("none.npz", "No such file"), ("", "directory"), ("pipe", "no regular file")):
      self.refused("npz", self.path(name), words=[word])

  def write_claim(self, name, shape, size, claimed_size=None):
    """Puts an array of int8 beside the toy's others whose header, or whose archive, claims more than there is."""
    path = self.write(**{name: None})
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|i1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
      with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        member.write(header.getvalue())
        for _ in range(0, size, 2**20):
          member.write(bytes(min(size, 2**20)))
      if claimed_size:
        archive.infolist()[-1].file_size = claimed_size
    return path

  def test_claims(self):
    """A small file that promises much is refused before memory is asked for."""
    huge = 2**45
    for name, arguments, word in (("header", ("labels", (huge,), 4), "claims the shape"),
                                  ("header of a matrix", ("attr_matrix", (4, huge), 8), "claims the shape"),
                                  ("negative", ("labels", (-2, -2), 4), "claims the shape"),
                                  ("archive", ("labels", (huge,), 4, huge + 128), "claims to unpack"),
                                  ("bomb of labels", ("labels", (2**29,), 2**29), "536870912 rows in labels"),
                                  ("bomb of a mask", ("idx_train", (2**29,), 2**29), "shape (536870912,)"),
                                  ("bomb of nothing", ("other", (2**29,), 2**29), None)):
      with self.subTest(name):
        path = self.write_claim(*arguments)
        limit = 3 * 2**28
        done = subprocess.run([sys.executable, IMPORT, "npz", path, "--out", self.out], capture_output=True, text=True,
                              env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}, check=False,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        self.assertEqual(done.returncode, 2 if word else 0, done.stderr)
        self.assertEqual(os.path.exists(self.out), not word)
        self.assertIn(word or "", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1 if word else 0)


if __name__ == "__main__":
  main()
