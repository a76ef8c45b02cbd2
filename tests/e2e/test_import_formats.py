#!/usr/bin/env python3
"""data/import.py mtx, metis and ogb: files of MatrixMarket and METIS, folders of OGB, and what is refused with its
line."""

import gzip
import os
import pickle
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from importer import CASES, DATA, Call, Folder, main  # noqa: E402 # must precede the packages that it finds

import numpy as np  # noqa: E402

PARTS = ("train", "val", "test")


def pairs_of(sets):
  """Returns the edges as (source, target), counted from 1."""
  targets = np.repeat(np.arange(len(sets["labels"])), np.diff(sets["graph/indptr"]))
  return sorted(zip((sets["graph/indices"] + 1).tolist(), (targets + 1).tolist()))


def both(*pairs):
  return sorted(set(pairs) | {(b, a) for a, b in pairs})


@unittest.skipUnless(os.path.isdir(CASES), f"no cases in {DATA}")
class Cases(Folder):

  def test_counts(self):
    for kind, name, nodes, edges in (("mtx", "formats/sym_pattern.mtx", 5, 6), ("mtx", "formats/general_real.mtx", 4,
                                                                                4),
                                     ("mtx", "real/nk_chesapeake.mtx", 39, 340), ("mtx", "real/nk_GD01_b.mtx", 18, 52),
                                     ("mtx", "real/nk_Ragusa16.mtx", 24, 116), ("metis", "formats/plain.graph", 5, 8),
                                     ("metis", "formats/fmt011_2con.graph", 4,
                                      6), ("metis", "formats/comment_inside.graph", 3,
                                           4), ("metis", "real/4elt.graph", 15606,
                                                91756), ("metis", "real/test.mgraph", 766,
                                                         2628), ("metis", "real/nk_polblogs.graph", 1490, 33430),
                                     ("metis", "real/nk_lesmis.graph", 77, 508), ("ogb", "formats/ogb_tiny", 6, 6)):
      with self.subTest(name):
        sets = self.imported(kind, os.path.join(CASES, name))[1]
        self.assertEqual((len(sets["labels"]), len(sets["graph/indices"])), (nodes, edges))
        self.assert_simple(sets["graph/indptr"], sets["graph/indices"])

  def test_refused(self):
    for kind, name, word in (("mtx", "rect.mtx", "line 2: a matrix of 3 rows and 4 columns"),
                             ("mtx", "short.mtx", "4 entries promised, 2 found"),
                             ("metis", "wrong_m.graph", "the header says 3 edges, the file has 2")):
      self.refused(kind, os.path.join(CASES, "formats", name), words=[name, word])

  def test_ogb(self):
    attributes, sets = self.imported("ogb", os.path.join(CASES, "formats/ogb_tiny"),
                                     told=["isolated nodes: 1", "nodes without a label: 1"])
    self.assertEqual((attributes["name"], attributes["num_classes"]), (b"ogb_tiny", 3))
    self.assertEqual(sets["labels"].tolist(), [0, 1, 2, 0, -1, 1])
    self.assertEqual([sets[f"splits/time/{part}"].tolist() for part in PARTS], [[0, 1, 2], [3], [5]])
    self.assertEqual(sets["features/dense"].tolist(), [[k / 2, -k] for k in range(6)])


class Text(Folder):

  def file(self, name, content):
    with open(self.path(name), "wb") as file:
      file.write(content if isinstance(content, bytes) else content.encode())
    return self.path(name)


class MatrixMarket(Text):

  def read(self, header, body, *options, **said):
    path = self.file("toy.mtx", f"%%MatrixMarket matrix coordinate {header}\n{body}")
    return self.imported("mtx", path, *options, **said)[1]

  def test_kinds(self):
    wanted = both((1, 3), (2, 3))
    for header, body in (("pattern general", "3 3 2\n1 3\n3 2\n"), ("pattern symmetric", "3 3 2\n3 1\n3 2\n"),
                         ("real general", "% a\n\n3 3 3\n1 3 1e-3\n3 2 -2\n1 1 1\n"), ("integer skew-symmetric",
                                                                                       "3 3 2\n3 1 5\n3 2 -1\n"),
                         ("complex hermitian", "3 3 3\n3 1 0 1\n3 2 1 0\n2 1 0 0\n"), ("real symmetric",
                                                                                       "3 3 2\r\n3 1 1\r\n3 2 2"),
                         ("Integer General", "3 3 4\n1 3 1\n 3   2\t1\n% b\n3 1 1\n1 3 1\n")):
      with self.subTest(header):
        sets = self.read(header, body)
        self.assertEqual(pairs_of(sets), wanted)
        self.assertEqual(sets["nodes/id"].tolist(), [1, 2, 3])

  def test_wishes(self):
    body = "3 3 3\n1 2 0.5\n2 1 1.5\n2 3 2\n"
    self.assertEqual(pairs_of(self.read("real general", body, "--directed")), [(1, 2), (2, 1), (2, 3)])
    self.assertEqual(self.read("real general", body, "--weights")["edges/weight"].tolist(), [1, 1, 2, 2])
    self.assertEqual(
        self.read("real symmetric", "2 2 1\n2 1 3\n", "--weights", "--directed")["edges/weight"].tolist(), [3, 3])
    labels = self.file("y.txt", "a\nb\na\n")
    self.assertEqual(self.read("real general", body, "--labels", labels)["labels"].tolist(), [0, 1, 0])
    by_id = self.file("y.csv", "id,label\n3,1\n1,0\n")
    self.assertEqual(self.read("real general", body, "--labels", by_id)["labels"].tolist(), [0, -1, 1])
    packed = gzip.compress(b"%%MatrixMarket matrix coordinate pattern general\n2 2 1\n1 2\n")
    self.assertEqual(pairs_of(self.imported("mtx", self.file("toy.mtx.gz", packed))[1]), both((1, 2)))

  def test_wrong(self):
    head = "%%MatrixMarket matrix coordinate "
    for content, *words in ((head + "real general\n3 3 1\n1 4 1\n",
                             "line 3: row 1 and column 4"), (head + "pattern general\n3 3 1\n0 1\n", "line 3: row 0"),
                            (head + "pattern general\n3 3 1\n1 2\n2 3\n3 1\n",
                             "line 4: 1 entries are promised"), (head + "real general\n3 3 1\n1 2\n",
                                                                 "line 3: expected are 3 numbers"),
                            (head + "real general\n3 3 2\n1 2 1\n2 x 1\n",
                             "line 4: expected are 3 numbers"), (head + "real general\n3 3 1\n1 2 inf\n", "line 3",
                                                                 "not finite"), (head + "real general\n3 3\n",
                                                                                 "line 2: expected are three sizes"),
                            (head + "real general\n0 0 0\n", "line 2: 0 nodes"), (head + "real weird\n", "line 1"),
                            ("1 2\n", "line 1: expected is the header"), ("", "line 1"),
                            ("%%MatrixMarket matrix list real general\n2 2\n1\n1\n1\n1\n", "line 1", "'list'")):
      with self.subTest(content):
        self.refused("mtx", self.file("toy.mtx", content), words=["toy.mtx", *words])
    path = self.file("toy.mtx", head + "pattern general\n3 3 1\n1 2\n")
    self.refused("mtx", path, "--labels", self.file("y.txt", "1\n0\n"), words=["y.txt: 2 rows, 3 are expected"])
    self.refused("mtx", path, "--labels", self.file("y.csv", "1 0\n4 1\n"), words=["there is a node 4"])
    self.refused("mtx", path, "--labels", self.file("y.csv", "1 0\nx 1\n"), words=["y.csv, line 2: the id 'x'"])
    self.refused("mtx", path, "--weights", words=["--weights"])


class Metis(Text):

  def read(self, content, *options, **said):
    return self.imported("metis", self.file("toy.graph", content), *options, **said)[1]

  def test_kinds(self):
    """Of each fmt: node 3 - 1 - 2, node 4 alone; weights of edges 7 and 8."""
    wanted = both((1, 2), (1, 3))
    for content in ("4 2\n2 3\n1\n1\n\n", "4 2\n2 3\n1\n1", "% a\n4 2 0\r\n2 3\r\n1\r\n% b\r\n1\r\n\r\n\r\n",
                    "4 2 1\n2 7 3 8\n1 7\n1 8\n\n", "4 2 001\n2 7 3 8\n1 7\n1 8\n", "4 2 10\n5 2 3\n5 1\n5 1\n5\n",
                    "4 2 010 2\n5 5 2 3\n5 5 1\n5 5 1\n5 5\n", "4 2 100\n9 2 3\n9 1\n9 1\n9\n",
                    "4 2 111 1\n9 5 2 7 3 8\n9 5 1 7\n9 5 1 8\n9 5\n", "4 2 0 1\n2 3\n1\n1\n\n",
                    "  4   2\n3 2 \n 1\n1\t\n\n", "4 2\n2 3 2\n1 1\n1\n\n".replace("2 3 2", "2 3").replace("1 1", "1")):
      with self.subTest(content):
        self.assertEqual(pairs_of(self.read(content)), wanted)
    self.assertEqual(self.read("4 2 1\n2 7 3 8\n1 7\n1 8\n\n", "--weights")["edges/weight"].tolist(), [7, 8, 7, 8])
    self.assertEqual(self.read("2 1 1\n2 0.5\n1 0.5\n", "--weights")["edges/weight"].tolist(), [0.5, 0.5])
    self.assertEqual(pairs_of(self.read("2 2\n2 2 2\n1\n")), both((1, 2)))
    self.assertEqual(pairs_of(self.read("2 2\n1 2\n1\n")), both((1, 2)), "a loop may stand once")

  def test_many_pieces(self):
    random = np.random.RandomState(1)
    pairs = np.unique(np.sort(random.randint(1, 60_001, (500_000, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    ends = np.concatenate([pairs, pairs[:, ::-1]])
    ends = ends[np.lexsort((ends[:, 1], ends[:, 0]))]
    rows = np.split(ends[:, 1], np.searchsorted(ends[:, 0], np.arange(2, 60_001)))
    content = f"60000 {len(pairs)}\n" + "\n".join(" ".join(map(str, row)) for row in rows)
    sets = self.read(content)
    self.assertTrue(np.array_equal(sets["graph/indices"], ends[:, 1] - 1))
    self.assertTrue(np.array_equal(np.diff(sets["graph/indptr"]), list(map(len, rows))))

  def test_fractions(self):
    self.refused("metis", self.file("toy.graph", "2 1 1\n1.5 1\n1 1\n"), words=["line 2: a neighbour 1.5"])

  def test_wrong(self):
    for content, *words in (("3 2\n2\n1 4\n2\n", "line 3: a neighbour 4"), ("3 2\n2\n1 0\n2\n",
                                                                            "line 3: a neighbour 0"),
                            ("2 1\n2\n1\n1\n", "line 4: 2 nodes are promised"), ("2 1\n2\nx\n", "line 3: 'x'"),
                            ("2 1\n2\n-1\n", "line 3: '-1'"), ("2 1 1\n2 5\n1\n", "line 3: 1 numbers"),
                            ("2 1 10\n\n1 1\n", "the file has 0.5"), ("3 2\n2\n3\n1\n1\n", "line 5"),
                            ("3 1\n2\n3\n\n",
                             "line of node 1: it names 2"), ("2\n", "line 1: expected is the header"),
                            ("2 1 5\n2\n1\n", "line 1: fmt 5"), ("2 1 0 2\n", "line 1: fmt 0 and ncon 2"),
                            ("", "line 1"), ("0 0\n", "line 1: 0 nodes"), ("4 3\n2\n1\n",
                                                                           "line 1: the header says 3 edges"),
                            ("2 1\n2\n" + "9" * 30 + "\n", "line 3: a neighbour"), ("2 1\n2 2\n1\n",
                                                                                    "line 1: the header says 1")):
      with self.subTest(content):
        self.refused("metis", self.file("toy.graph", content), words=["toy.graph", *words])


class Ogb(Text):

  FILES = {
      "raw/num-node-list.csv.gz": "4\n", "raw/num-edge-list.csv.gz": "3\n", "raw/edge.csv.gz": "0,1\n1,2\n2,2\n",
      "raw/node-feat.csv.gz": "0.5,1e-3\n1,2\n3,4\n-5,0\n", "raw/node-label.csv.gz": "0\n1\nnan\n1\n",
      "split/time/train.csv.gz": "0\n3\n", "split/time/valid.csv.gz": "1\n", "split/time/test.csv.gz": "",
      "mapping/labelidx2arxivcategeory.csv.gz": "label idx,arxiv category\n0,arxiv cs na\n1,arxiv cs mm\n",
      "mapping/nodeidx2paperid.csv.gz": "node idx,paper id\n0,90\n1,80\n2,70\n3,60\n", "RELEASE_v1.txt": ""
  }

  def folder_of(self, **changes):
    """Writes the files, changed by their names' first words; returns the folder."""
    top = self.path("ogbn_toy")
    for name, content in self.FILES.items():
      content = changes.get(os.path.basename(name).split(".")[0].replace("-", "_"), content)
      os.makedirs(os.path.dirname(os.path.join(top, name)), exist_ok=True)
      if content is not None:
        with open(os.path.join(top, name), "wb") as file:
          file.write(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
      elif os.path.exists(os.path.join(top, name)):
        os.unlink(os.path.join(top, name))
    return top

  def check(self, sets):
    self.assertEqual(pairs_of(sets), both((1, 2), (2, 3)))
    self.assertTrue(np.allclose(sets["features/dense"], [[0.5, 1e-3], [1, 2], [3, 4], [-5, 0]]))
    self.assertEqual(sets["labels"].tolist(), [0, 1, -1, 1])
    self.assertEqual([sets[f"splits/time/{part}"].tolist() for part in PARTS], [[0, 3], [1], []])
    self.assertEqual((sets["nodes/id"].tolist(), sets["classes/name"].tolist()),
                     ([90, 80, 70, 60], [b"arxiv cs na", b"arxiv cs mm"]))

  def test_text(self):
    self.check(self.imported("ogb", self.folder_of())[1])
    self.check(self.imported("ogb", os.path.join(self.folder_of(), "raw"))[1])
    self.assertEqual(pairs_of(self.imported("ogb", self.folder_of(), "--directed")[1]), [(1, 2), (2, 3)])
    for edges in ("0, 1\r\n1, 2\r\n2, 2\r\n", "0 ,1\n1\t,2\n2,2", "# from, to\n0,1\n\n1,2\n2,2\n", "0.0,1.0\n1.0,2\n2,2\n"):
      with self.subTest(edges):
        self.check(self.imported("ogb", self.folder_of(edge=edges))[1])

  def test_archive(self):
    """The form of ogbn-papers100M."""
    top = self.folder_of(edge=None, num_node_list=None, num_edge_list=None, node_feat=None, node_label=None)
    arrays = {
        "edge_index": [[0, 1, 2], [1, 2, 2]], "node_feat": np.array([[0.5, 1e-3], [1, 2], [3, 4], [-5, 0]], "f2"),
        "num_nodes_list": [4], "num_edges_list": [3], "node_year": np.zeros((4, 1))
    }
    np.savez(os.path.join(top, "raw/data.npz"), **arrays)
    np.savez(os.path.join(top, "raw/node-label.npz"), node_label=np.array([[0], [1], [np.nan], [1]], np.float32))
    sets = self.imported("ogb", top, told=["not used: node_year"])[1]
    sets["features/dense"] = sets["features/dense"].round(3)
    self.check(sets)
    np.savez(os.path.join(top, "raw/data.npz"), **{**arrays, "edge_index": [[0], [4]]})
    self.refused("ogb", top, words=["data.npz", "node 4"])
    np.savez(os.path.join(top, "raw/data.npz"), **{**arrays, "node_feat": np.array([Call(os.system, "true")], object)})
    self.refused("ogb", top, words=["data.npz", "node_feat", "refuses to load"])

  def test_several_labels(self):
    """As ogbn-proteins has them."""
    told = ["several labels a node, 1.25 of a node", "classes without a node: 1"]
    attributes, sets = self.imported("ogb", self.folder_of(node_label="0,1,0\n1,1,0\n0,0,0\n1,1,0\n"), told=told)
    self.assertEqual((attributes["task"], attributes["num_classes"]), (b"multilabel", 3))
    self.assertEqual(sets["labels"].tolist(), [[0, 1, 0], [1, 1, 0], [0, 0, 0], [1, 1, 0]])
    self.assertEqual([sets[f"splits/time/{part}"].tolist() for part in PARTS], [[0, 3], [1], []])
    self.assertEqual(self.imported("ogb", self.folder_of(node_label="0,1\n1,0\n0,0\n0,1\n"))[1]["labels"].tolist(), [1, 0, -1, 1])

  def test_classes_without_a_node(self):
    """Those at the end are told by their table alone, where it is whole."""
    for table, told, classes, names in (
        ("0,a\n1,b\n2,c\n", "classes without a node: 1", 3, [b"a", b"b", b"c"]), ("0,a\n1,b\n3,d\n", "2 classes", 2, [b"a", b"b"]),
        ("0,0\n1,1\n2,2\n3,3\n", "classes without a node: 2", 4, None), ("0,a\n2,c\n", "which lacks 1 of 2 classes", 2, None)):
      with self.subTest(table):
        attributes, sets = self.imported("ogb", self.folder_of(labelidx2arxivcategeory=table), told=[told])
        self.assertEqual(attributes["num_classes"], classes)
        self.assertEqual(sets["classes/name"].tolist() if "classes/name" in sets else None, names)

  def test_less(self):
    top = self.folder_of(node_feat=None, node_label=None, train=None, valid=None, test=None)
    sets = self.imported("ogb", top, told=["no features", "no labels"])[1]
    self.assertEqual(sets["features/indices"].tolist(), [0, 1, 2, 3])

  def test_wrong(self):
    for changes, *words in (({"edge": "0,1\n1,4\n1,2\n"}, "edge.csv.gz", "node 4"), ({"edge": "0,1\n"},
                                                                                     "1 edges, 3 are expected"),
                            ({"edge": "0,1\n1\n2,2\n"}, "edge.csv.gz, line 2: expected are 2 integers"),
                            ({"edge": "0, 1\n1, 99999999999999999999\n2, 2\n"}, "edge.csv.gz, line 2: expected are 2 integers of 64 bits"),
                            ({"edge": "0, 1\n1, 9223372036854775807\n2, 2\n"}, "names node 9223372036854775807"),
                            ({"node_feat": "1\n2\n3\n"}, "node-feat.csv.gz: 3 rows, 4 are expected"),
                            ({"node_feat": "1\n2\n3\n4\n5\n"}, "5 rows"), ({"node_feat": "1,1\n2\n3,1\n4,1\n"},
                                                                           "line 2: 1 numbers"),
                            ({"node_feat": "1\n2\nx\n4\n"}, "line 3: 'x'"), ({"node_feat": "1\n2\n3\nnan\n"}, "line 4",
                                                                             "finite"), ({"node_label": "0\n1\n"},
                                                                                         "node-label.csv.gz: 2 rows"),
                            ({"node_label": "0,1\n1,2\n1,0\n1,1\n"}, "line 2: several labels at once"),
                            ({"node_label": "0,1\n1\n1,0\n1,1\n"}, "line 2: 1 labels, expected are 2"), ({"num_node_list": "2\n2\n"}, "2 sizes"),
                            ({"train": "9\n"}, "train.csv.gz", "node 9"), ({"edge": None}, "edge.csv.gz: is not there"),
                            ({"valid": None}, "time", "valid.csv.gz"), ({"train": "0\n0\n"}, "node 0 twice")):
      with self.subTest(str(changes)):
        self.refused("ogb", self.folder_of(**changes), words=words)
    self.refused("ogb", self.path("none"), words=["none: has no folder raw"])

  def test_pickled(self):
    """Nothing that is pickled is opened."""
    top = self.folder_of(train=None, valid=None, test=None)
    with open(os.path.join(top, "split/time/split_dict.pt"), "wb") as file:
      pickle.dump(Call(os.system, f"touch {self.path('pwned')}"), file)
    self.refused("ogb", top, words=["split/time", "pickled files are not opened"])
    self.assertFalse(os.path.exists(self.path("pwned")))


if __name__ == "__main__":
  main()
