#!/usr/bin/env python3
"""data/import.py edgelist: edges as people write them, what files of the nodes add by id, and what is refused with its
line."""

import gzip
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from importer import CASES, DATA, Folder, load, main  # noqa: E402 # must precede the packages that it finds

import numpy as np  # noqa: E402
import scipy.sparse  # noqa: E402

PARTS = ("train", "val", "test")


def pairs_of(sets):
  """Returns the edges as (source, target), by the ids that nodes had."""
  ids = sets.get("nodes/id", np.arange(len(sets["labels"])))
  ids = [node.decode() if isinstance(node, bytes) else int(node) for node in ids]
  targets = np.repeat(np.arange(len(ids)), np.diff(sets["graph/indptr"]))
  return sorted((ids[j], ids[i]) for j, i in zip(sets["graph/indices"], targets))


def features_of(sets):
  if "features/dense" in sets:
    return sets["features/dense"]
  parts = (sets[f"features/{part}"] for part in ("values", "indices", "indptr"))
  return scipy.sparse.csr_matrix(tuple(parts)).toarray()


def both(*pairs):
  return sorted(set(pairs) | {(b, a) for a, b in pairs})


class Edges(Folder):

  def file(self, name, content):
    with open(self.path(name), "wb") as file:
      file.write(content if isinstance(content, bytes) else content.encode())
    return self.path(name)

  def edges(self, content, *options, name="toy.txt", **said):
    return self.imported("edgelist", self.file(name, content), *options, **said)[1]

  def wrong(self, content, *options, words):
    self.refused("edgelist", self.file("toy.txt", content), *options, words=["toy.txt", *words])


@unittest.skipUnless(os.path.isdir(CASES), f"no cases in {DATA}")
class Cases(Edges):

  def case(self, name, *options, **said):
    return self.imported("edgelist", os.path.join(CASES, name), *options, **said)[1]

  def test_counts(self):
    for name, nodes, edges in (("formats/ids_gaps_crlf.tsv", 4, 6), ("formats/strings.txt", 4, 8),
                               ("formats/onebased.csv", 4, 6), ("formats/ids.txt.gz", 3, 6),
                               ("real/cora.cites", 2708, 10556), ("real/geom_texas_edges.txt", 183, 558),
                               ("real/musae_PTBR_edges.csv", 1912, 62598), ("real/hartford_drug.edgelist", 212, 568)):
      with self.subTest(name):
        sets = self.case(name)
        self.assertEqual((len(sets["labels"]), len(sets["graph/indices"])), (nodes, edges))
        self.assert_simple(sets["graph/indptr"], sets["graph/indices"])

  def test_ids_are_kept(self):
    self.assertEqual(self.case("formats/ids_gaps_crlf.tsv")["nodes/id"].tolist(), [3, 7, 30, 100])
    sets = self.case("formats/strings.txt", "--weights", told=["their weights added: 1"])
    self.assertEqual(sets["nodes/id"].tolist(), [b"B", b"a", b"b", b"c"])
    self.assertEqual(sets["edges/weight"].tolist(), [1, 1, 9.5, 2, 9.5, 1, 2, 1])

  def test_rows_by_place(self):
    for n in (5, 6):
      np.save(self.path(f"{n}.npy"), np.arange(2 * n).reshape(n, 2))
    sets = self.case("formats/onebased.csv", "--features", self.path("6.npy"), told=["isolated nodes: 3"])
    self.assertEqual((len(sets["labels"]), "nodes/id" in sets), (6, False))
    self.refused("edgelist", os.path.join(CASES, "formats/onebased.csv"), "--features", self.path("5.npy"),
                 words=["5.npy: 5 rows are those of nodes 0 to 4, but there is a node 5", "--first-id 1"])

  def test_geom_gcn(self):
    """Its texts and masks give what the archive of the same data gives."""
    nodes = os.path.join(CASES, "real/geom_texas_nodes.txt")
    texts = self.case("real/geom_texas_edges.txt", "--features", nodes, "--labels", nodes, "--splits",
                      os.path.join(CASES, "real/geom_texas_split0.npz"), told=["self-loops dropped: 16"])
    self.out = self.path("other.h5")
    archive = self.imported("npz", os.path.join(CASES, "real/het_texas.npz"))[1]
    for name in ("graph/indptr", "graph/indices", "labels", "features/indptr", "features/indices", "features/values"):
      self.assertTrue(np.array_equal(texts[name], archive[name]), name)
    self.assertEqual([len(texts[f"splits/public/{part}"]) for part in PARTS], [87, 59, 37])

  def test_musae(self):
    """Rows are joined by the column that names nodes of the edges, not by their place."""
    target = os.path.join(CASES, "real/musae_PTBR_target.csv")
    sets = self.case("real/musae_PTBR_edges.csv", "--labels", target, told=["column 'new_id'"])
    self.assertEqual(sets["classes/name"].tolist(), [b"False", b"True"])
    self.assertEqual(np.bincount(sets["labels"]).tolist(), [1251, 661])
    with open(target, encoding="utf-8") as file:
      wanted = {int(row[5]): row[2] == "True" for row in (line.strip().split(",") for line in list(file)[1:])}
    self.assertEqual(sets["labels"].tolist(), [wanted[node] for node in range(1912)])


class Spellings(Edges):

  def test_one_graph_in_many_ways(self):
    wanted = both((1, 2), (2, 5), (5, 1))
    packed = gzip.compress(b"1 2\n2 5\n") + gzip.compress(b"5 1\n")
    for content in ("1 2\n2 5\n5 1\n", "1 2\r\n2 5\r\n5 1\r\n", "1 2\r2 5\r5 1\r", "1\t2\n2\t5\n5\t1",
                    "1,2\n2,5\n5,1\n", "1, 2\n2 ,5\n 5,1 \n", "1;2\n2;5\n5;1\n", "1|2\n2|5\n5|1\n",
                    "  1   2  \n\n2 \t 5\n \n5 1\n\n", "# from to\n1 2\n% more\n2 5\n  # and\n5 1\n",
                    "\ufeff1 2\n2 5\n5 1\n", "\ufeffsource,target\n1,2\n2,5\n5,1\n", "source,target\n1,2\n2,5\n5,1\n",
                    "Source;Target\n1;2\n2;5\n5;1\n", "a b\n1 2\n2 5\n5 1\n", "\"1\",\"2\"\n\"2\",\"5\"\n\"5\",\"1\"\n",
                    "1.0 2.0\n2.0 5.0\n5.0 1.0\n", "1,2,\n2,5,\n5,1,\n", "1,2\n2 5\n5\t1\n", "1 2\n2,5\n5;1\n",
                    "1 2 {}\n2 5 {'weight': 2}\n5 1 {'a': 1, 'b': 2}\n", "1 2 # a remark\n2 5\n5 1\n",
                    "1\t\t2\n2\t 5\n5\t\t1\n", "1 2\n2 5\n5 1\n1 2\n5 5\n2 1\n",
                    ",source,target\n0,1,2\n1,2,5\n2,5,1\n", "Id,Weight,Target,Source\n9,1,2,1\n8,1,5,2\n7,1,1,5\n",
                    "1 -> 2\n2 -> 5\n5 -> 1\n", "1 -- 2\n2 -- 5\n5 -- 1\n", "from -> to\n1 -> 2\n2 -> 5\n5 -> 1\n",
                    "source,target\n1,2\nsource,target\n2,5\n5,1\nsource,target\n", "source,target,,\n1,2,,\n2,5\n5,1,,\n",
                    packed):
      with self.subTest(content):
        sets = self.edges(content)
        self.assertEqual(pairs_of(sets), wanted)
        self.assertEqual(sets["nodes/id"].tolist(), [1, 2, 5])

  def test_headers_that_come_again(self):
    """Where tables were put one behind the other; a node may still be called as a column is."""
    sets = self.edges("source,target\na,b\nsource,target\nb,c\nsource,a\nsource,target\n", told=["again, skipped: 2"])
    self.assertEqual(sets["nodes/id"].tolist(), [b"a", b"b", b"c", b"source"])
    self.assertEqual(len(sets["graph/indices"]), 6)
    sets = self.edges("source,target\na,source\nsource,target\n", "--header", "no")
    self.assertEqual(sets["nodes/id"].tolist(), [b"a", b"source", b"target"])

  def test_headers_that_come_again_in_other_forms(self):
    for first, again in (("source\ttarget\t", "source\ttarget\t"), ("source,target", "SOURCE,TARGET"),
                         ("source,target", "\ufeffsource,target"), ('"source","target"', "source,target"),
                         ("source, target", "source,target"), ("source target", "source   target ")):
      with self.subTest(again):
        mark = "\t" if "\t" in first else "," if "," in first else " "
        sets = self.edges(f"{first}\na{mark}b\n{again}\nb{mark}c\n", told=["again, skipped: 1"])
        self.assertEqual(sets["nodes/id"].tolist(), [b"a", b"b", b"c"])
    sets = self.edges("x,y\na,b\nX,Y\n", "--header", "yes")  # no known words: perhaps names of nodes
    self.assertEqual(sets["nodes/id"].tolist(), [b"X", b"Y", b"a", b"b"])

  def test_arrows(self):
    for arrow, wanted in (("-->", [("a", "b"), ("b", "c")]), ("<-", [("b", "a"), ("c", "b")]), ("<--", [("b", "a"), ("c", "b")])):
      with self.subTest(arrow):
        sets = self.edges(f"a {arrow} b\nb {arrow} c\n", "--directed")
        self.assertEqual(pairs_of(sets), wanted)

  def test_columns_without_anything(self):
    """An empty last column, as spreadsheets leave it, is none: the weight is the one that is left."""
    for content in ("von;nach;gewicht;\r\n1;2;0.5;\r\n2;3;2;\r\n", "1,2,0.5,,\n2,3,2,,\n"):
      done = self.run_import("edgelist", self.file("toy.txt", content), "--weights", "--out", self.out)
      self.assertEqual(done.returncode, 0, done.stderr)
      self.assertNotIn("not used", done.stdout)
      self.assertEqual(load(self.out)[1]["edges/weight"].tolist(), [0.5, 0.5, 2, 2])

  def test_names(self):
    """Strings stand as they are written: case, zeros, blanks between tabs, quotes and letters of any script."""
    for content, wanted in (("a b\nB a\n", [("a", "b"), ("B", "a")]), ("007 7\n7 70\n", [
        ("007", "7"), ("7", "70")
    ]), ("New York\tParis\nParis\tKöln\n", [("New York", "Paris"),
                                            ("Paris", "Köln")]), ('"Doe, J.",b\nb,"say ""c"""\n', [("Doe, J.", "b"),
                                                                                                   ("b", 'say "c"')]),
                            ("0704.0001 0704.0002\n0704.0002 0704.0003\n", [
                                ("0704.0001", "0704.0002"), ("0704.0002", "0704.0003")
                            ]), ("1 2\n2 x\n", [("1", "2"), ("2", "x")]), ("+1 1\n1 1e0\n", [
                                ("+1", "1"), ("1", "1e0")
                            ]), ("source target\na b\nb c\n", [("a", "b"),
                                                               ("b", "c")]), ("9223372036854775808 1\n1 2\n", [
                                                                   ("9223372036854775808", "1"), ("1", "2")
                                                               ]), ("\u00a0a \u3042\n", [("a", "\u3042")])):
      with self.subTest(content):
        sets = self.edges(content, told=["ids are strings"])
        self.assertEqual(pairs_of(sets), both(*wanted))
        names = [name.decode() for name in sets["nodes/id"]]
        self.assertEqual(names, sorted(names))

  def test_integers_of_any_size(self):
    big = 2**63 - 1
    sets = self.edges(f"-5 {big}\n{big} 0\n{-2**63} 0\n1e3 0\n".replace("1e3", "1000"))
    self.assertEqual(sets["nodes/id"].tolist(), [-2**63, -5, 0, 1000, big])
    self.assertEqual(pairs_of(sets), both((-5, big), (big, 0), (-2**63, 0), (1000, 0)))

  def test_many_pieces(self):
    """The file is read in pieces that end where lines end."""
    random = np.random.RandomState(1)
    pairs = random.randint(0, 1000, (800_000, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    lines = [f"{a} {b}" for a, b in pairs]
    lines[400_000] = "# a comment\r"
    sets = self.edges("\n".join(lines))
    pairs = np.delete(pairs, 400_000, axis=0)
    keys = np.unique(np.concatenate([pairs @ [1000, 1], pairs @ [1, 1000]]))
    targets = np.repeat(np.arange(1000), np.diff(sets["graph/indptr"]))
    self.assertTrue(np.array_equal(targets * 1000 + sets["graph/indices"], keys))

  def test_wrong_line_of_a_late_piece(self):
    lines = ["123456 654321"] * 700_000
    self.wrong("\n".join(lines + ["123456"]), words=["line 700001: 1 field"])

  def test_damaged_texts(self):
    """Whatever is wrong, the answer is a graph or one line."""
    random, taken = np.random.RandomState(1), 0
    texts = (b'source,target,w\n1,2,0.5\n"2",3,1\n5,5,1\n', b"# a\n1 2\n2\t3\n\n3 1\n",
             b"id,label,x\n1,a,0\n2,b,1\n3,a,0.5\n")
    for trial in range(100):
      damaged = [bytearray(content) for content in texts]
      for content in damaged:
        for at in random.randint(0, len(content), random.randint(3)):
          content[at] = random.choice(bytearray(b'019 ,;\t\n\r"#%.eax\xff{+'))
      options = ["--labels", self.file("t.csv", bytes(damaged[2])), "--features", self.path("t.csv")]
      with self.subTest(trial=trial):
        done = self.run_import("edgelist", self.file("toy.txt", bytes(damaged[trial % 2])), *options, "--out", self.out)
        taken += done.returncode == 0
        if done.returncode != 0:
          self.assertEqual(done.returncode, 2)
          self.assertRegex(done.stderr, r"\Aimport\.py: [^\n]+\n\Z")
    self.assertTrue(20 < taken < 80, f"{taken} of 100 taken: both kinds are to be tried")

  def test_wrong_lines(self):
    for content, *words in (("1 2\n\n3\n", "line 3: 1 field, expected are 2"), ("1 2\n1 2 3\n", "line 2: 3 fields"),
                            ("a,b\nb,c,d\n", "line 2: 3 fields"), ("a b\nb\n", "line 2: 1 field"),
                            ("1,2\n1,,2\n", "line 2: 3 fields"), ("a,b\nb,\n", "line 2: an id of 0 characters"),
                            ("", "no edges"), ("# nothing\n\n", "no edges"), ("source target\n", "line 1: a header"),
                            ("1\n2\n", "line 1: 1 field"), (b"1 2\n\xff 3\n", "line 2: is no text of UTF-8"),
                            ("1 2\n".encode("utf-16"),
                             "UTF-16"), (b"1 2\0\n", "no text"), (gzip.compress(b"1 2\n" * 999)[:-9],
                                                                  "truncated"), ('a,b\n"c,d\n', "line 2: a quote"),
                            ("a " + "b" * 1001 + "\n",
                             "line 1: an id of 1001 characters"), ("version https://git-lfs.github.com/spec/v1\n",
                                                                   "Git LFS pointer")):
      with self.subTest(content):
        self.wrong(content, words=words)
    self.refused("edgelist", self.path("none.txt"), words=["none.txt", "No such file"])
    self.refused("edgelist", self.folder, words=["cannot read it"])


class Wishes(Edges):

  def test_directed(self):
    sets = self.edges("1 2\n2 1\n2 3\n2 3\n3 3\n", "--directed",
                      told=["self-loops dropped: 1; repeated edges dropped: 1"])
    self.assertEqual(pairs_of(sets), [(1, 2), (2, 1), (2, 3)])

  def test_weights(self):
    content = "a b 1\nb a 3\nb c 0.5\nb c 0.25\nc c 9\n"
    sets = self.edges(content, "--weights", told=["weights added: 1", "other weight in each direction, averaged: 1"])
    self.assertEqual((sets["graph/indices"].tolist(), sets["edges/weight"].tolist()),
                     ([1, 0, 2, 1], [2, 2, 0.75, 0.75]))
    sets = self.edges(content, "--weights", "--directed")
    self.assertEqual((sets["graph/indices"].tolist(), sets["edges/weight"].tolist()), ([1, 0, 1], [3, 1, 0.75]))
    self.assertNotIn("edges/weight", self.edges(content, told=["columns not used: 3"]))
    sets = self.edges("source,kind,target,weight\n1,x,2,0.5\n", "--weights",
                      told=["weights: column weight; columns not used: kind"])
    self.assertEqual(sets["edges/weight"].tolist(), [0.5, 0.5])
    sets = self.edges("1,2,+1e-3\n2,3,2E0\n", "--weights")
    self.assertEqual(sets["edges/weight"].tolist(), [np.float32(1e-3)] * 2 + [2, 2])
    sets = self.edges("1 2 {'weight': 2.5}\n2 3 {}\n", "--weights")
    self.assertEqual(sets["edges/weight"].tolist(), [2.5, 2.5, 1, 1])
    for wrong, word in (("1 2 x\n", "line 1: the weight 'x' is no number"), ("1 2 1\n2 3 nan\n",
                                                                             "line 2: the weight nan"),
                        ("1 2 1\n2 3 1e39\n", "line 2: the weight 1e+39"), ("1 2\n", "line 1: --weights")):
      self.wrong(wrong, "--weights", words=[word])

  def test_largest_component(self):
    content = "9 8\n1 2\n2 3\n4 5\n"
    labels = self.file("labels.csv", "id,label\n1,a\n3,b\n4,b\n7,a\n")
    sets = self.edges(content, "--largest-component", "--labels", labels, told=["largest component: 3 of 8 nodes"])
    self.assertEqual((sets["nodes/id"].tolist(), sets["labels"].tolist()), ([1, 2, 3], [0, -1, 1]))
    self.assertEqual(pairs_of(sets), both((1, 2), (2, 3)))
    self.assertEqual(sets["splits/random/train"].tolist(), [0, 2])
    self.assertEqual(pairs_of(self.edges("1 2\n3 2\n", "--largest-component", "--directed")), [(1, 2), (3, 2)])
    sets = self.edges("0 1\n2 3\n", "--largest-component")
    self.assertEqual(pairs_of(sets), both((0, 1)), "of equal ones the first")

  def test_splits_of_a_component(self):
    labels = self.file("labels.csv", "id,label\n1,a\n3,b\n4,b\n5,a\n6,a\n")
    split = self.file("split.txt", "1 train\n4 train\n5 val\n6 test\n")
    sets = self.edges("1 3\n4 5\n5 6\n", "--largest-component", "--labels", labels, "--splits", split)
    self.assertEqual([sets[f"splits/public/{part}"].tolist() for part in PARTS], [[0], [1], [2]])

  def test_drawn_splits(self):
    edges = "\n".join(f"{k} {k + 1}" for k in range(39))
    labels = self.file("labels.txt", "\n".join(str(k % 2) for k in range(40)))
    for wish, sizes in (("random", (40, 0, 0)), ("random:5,3", (10, 6, 24)), ("random:0.6,0.2", (24, 8, 8))):
      warning = "" if wish != "random" else "val and test are empty"
      sets = self.edges(edges, "--labels", labels, "--split", wish, warning=warning)
      lists = [sets[f"splits/random/{part}"] for part in PARTS]
      self.assertEqual(tuple(map(len, lists)), sizes)
      self.assertEqual(sorted(np.concatenate(lists).tolist()), list(range(40)))
      self.assertEqual(len(set(np.bincount(sets["labels"][lists[0]]).tolist())), 1, "as many of each class")
    first = self.edges(edges, "--labels", labels, "--split", "random:5,3")["splits/random/train"].tolist()
    again = self.edges(edges, "--labels", labels, "--split", "random:5,3", "--split-seed", "1")["splits/random/train"]
    self.assertNotEqual(first, again.tolist())
    for wish, sizes in (("random:5,8,12", (10, 8, 12)), ("random:5,20,20", (10, 20, 10)), ("random:5,0,0", (10, 0, 0))):
      told = ["--split random:5,20,20: test has 10 of 20 nodes"] if wish == "random:5,20,20" else []
      sets = self.edges(edges, "--labels", labels, "--split", wish, told=told)
      lists = [sets[f"splits/random/{part}"].tolist() for part in PARTS]
      self.assertEqual(tuple(map(len, lists)), sizes)
      self.assertEqual(lists[0], first, "those that train are drawn as ever")
      self.assertEqual(len(set(sum(lists, []))), sum(sizes))
      self.assertTrue(not lists[2] or max(lists[1]) > min(lists[2]), "drawn, not the first ones")
      self.assertTrue(all(ids == sorted(ids) for ids in lists))
    classes = [np.bincount(np.array(ids) % 2).tolist() for ids in lists_of_all(self, edges, labels)]
    self.assertIn([5, 5], classes)
    self.assertGreater(len({tuple(sizes) for sizes in classes}), 1, "of all classes together")
    for wish, word in (("random:0.6,0.6", "--split"), ("random:0.5,0.2,5", "beside a share"),
                       ("public", "--split public: it has no split"), ("all", "--split all: it has no split")):
      self.refused("edgelist", self.path("toy.txt"), "--labels", labels, "--split", wish, words=[word])
    self.wrong(edges, "--split", "random", words=["nodes with labels are drawn, and it has none"])


def lists_of_all(case, edges, labels):
  """Training and validation nodes of some splits."""
  for seed in range(4):
    sets = case.edges(edges, "--labels", labels, "--split", "random:5,10,20", "--split-seed", str(seed))
    yield sets["splits/random/train"]
    yield sets["splits/random/val"]


class Nodes(Edges):
  """Nodes 10, 20, 30, 40 of two edges, and of what is said of them."""

  CONTENT = "10 20\n30 40\n"

  def toy(self, *options, **said):
    return self.edges(self.CONTENT, *options, **said)

  def table(self, content, name="nodes.csv"):
    return self.file(name, content)

  def test_labels(self):
    """By id, in any order; classes by name or number; unknown in all its spellings."""
    for content, wanted, names in (("40 b\n10 a\n30 b\n20 a\n", [0, 0, 1, 1],
                                    [b"a", b"b"]), ("id,label\n40,1\n10,0\n30,-1\n", [0, -1, -1, 1], None),
                                   ("\ufefflabel;id\n1;40\n0;10\nnan;30\n;20\n", [0, -1, -1, 1],
                                    None), ("node\tgroup\r\n10\tx y\r\n20\tz\r\n", [0, 1, -1, -1], [b"x y", b"z"]),
                                   ("10 True\n20 False\n30 False\n40 True\n", [1, 0, 0, 1],
                                    [b"False",
                                     b"True"]), ("10.0 1.0\n20.0 0.0\n", [1, 0, -1, -1],
                                                 None), ('id,title,label\n10,"a\nb, c",1\n20,x,0\n', [1, 0, -1, -1],
                                                         None), ("10 1\n20 0\n10 1\n", [1, 0, -1, -1], None)):
      with self.subTest(content):
        sets = self.toy("--labels", self.table(content))
        self.assertEqual(sets["labels"].tolist(), wanted)
        self.assertEqual(sets["classes/name"].tolist() if names else None, names)

  def test_what_tables_hold_is_told(self):
    """What may have been meant otherwise: lists, numbers as names of classes, text, and a header that comes again."""
    table = self.table('id,city,income,label,\n10,,"1,5",a,\n20,Rome,"3,0",b,\nid,city,income,label,\n30,,"2,1",a,\n'
                       '40,Oslo,"0,0",b,\n')
    sets = self.toy("--features", table, "--labels", table,
                    told=["lists of features: column 'income'", "columns of text not used: 'city'(;|$)", "again, skipped: 1"])
    self.assertEqual(features_of(sets).tolist(), [[1, 5], [3, 0], [2, 1], [0, 0]])
    self.assertEqual(sets["nodes/id"].tolist(), [10, 20, 30, 40])
    self.toy("--labels", self.table("id,label\n10,1\n20,2.5\n30,1\n40,nan\n"),
             told=[r"labels are names \(.*nodes.csv, line 3: '2.5'\)"])

  def test_a_first_value_that_is_missing_makes_no_text(self):
    for missing in ("NA", "nan", "null", "?"):
      table = self.table(f"id,income,label\n10,{missing},a\n20,3,b\n30,4,a\n40,5,b\n")
      done = self.run_import("edgelist", self.file("toy.txt", "10,20\n20,30\n30,40\n"), "--features", table, "--labels", table,
                             "--out", self.out)
      self.assertEqual(done.returncode, 2, done.stdout)
      self.assertRegex(done.stderr, "line 2")

  def test_nodes_without_edges(self):
    """Nodes of the tables alone are there, isolated; nodes without a row have no features and no label."""
    sets = self.toy(
        "--labels", self.table("20 1\n15 0\n"), "--features", self.table("id,x,y\n99,1,2\n10,3,4\n", "x.csv"),
        told=["isolated nodes: 2", "nodes without a label: 4", "nodes without features: 4", "from other files: 2"])
    self.assertEqual(sets["nodes/id"].tolist(), [10, 15, 20, 30, 40, 99])
    self.assertEqual(sets["labels"].tolist(), [-1, 0, 1, -1, -1, -1])
    self.assertEqual(features_of(sets).tolist(), [[3, 4], [0, 0], [0, 0], [0, 0], [0, 0], [1, 2]])

  def test_content_of_cora(self):
    """An id, features and a label in each row, as cora.content has them, serve as both."""
    table = self.table("30\t1\t0\t0.5\tNeural\n10\t0\t1\t2\tTheory\n20\t1\t1\t1\tTheory\n40\t1\t1\t1\tNeural\n")
    sets = self.toy("--features", table, "--labels", table)
    self.assertEqual(sets["features/dense"].tolist(), [[0, 1, 2], [1, 1, 1], [1, 0, 0.5], [1, 1, 1]])
    self.assertEqual((sets["labels"].tolist(), sets["classes/name"].tolist()), ([1, 1, 0, 0], [b"Neural", b"Theory"]))

  def test_json(self):
    """MUSAE's features: a list of the columns that are 1 for each id."""
    sets = self.toy("--features", self.table('{"30": [2, 0, 2], "10": [], "40": [1]}', "x.json"))
    self.assertEqual(features_of(sets).tolist(), [[0, 0, 0], [0, 0, 0], [1, 0, 1], [0, 1, 0]])
    for content, word in (("{", "no JSON object"), ('{"10": 1}', "no JSON object"), ('{"10": [-1]}', "columns from 0"),
                          ('{"x": [1]}', "the id 'x' is no integer"), ('{"10": ["a"]}', "no JSON object"),
                          ('{"10": [0.5]}', "no JSON object"), ('{"10": ' + "[" * 100000, "no JSON object")):
      self.refused("edgelist", self.path("toy.txt"), "--features", self.table(content, "x.json"),
                   words=["x.json", word])

  def test_lists(self):
    """geom-gcn's rows hold a list: of all features, or, where lengths differ, of the columns that are 1."""
    for content, wanted in (("node_id\tfeature\tlabel\n20\t0,1\t0\n10\t2,3\t1\n", [[2, 3], [0, 1]]),
                            ("node_id\tfeature\tlabel\n20\t2\t0\n10\t0,1\t1\n", [[1, 1, 0], [0, 0, 1]])):
      table = self.table(content)
      sets = self.edges("10 20\n", "--features", table, "--labels", table)
      self.assertEqual(features_of(sets).tolist(), wanted)

  def test_id_columns(self):
    """Of several columns that are called ids, that one counts which holds the nodes of the edges."""
    table = self.table("id,label,new_id\n30,a,10\n77,b,20\n78,a,30\nx,b,40\n")
    for ids, wanted in ((["--id-column", "new_id"], [0, 1, 0, 1]), ([], [0, 1, 0, 1])):
      self.assertEqual(self.toy("--labels", table, *ids)["labels"].tolist(), wanted)
    table = self.table("id,label,new_id\n30,a,10\n77,b,20\n78,a,30\n79,b,40\n")
    self.assertEqual(self.toy("--labels", table)["labels"].tolist(), [0, 1, 0, 1])

  def test_columns(self):
    table = self.table("key,a,b,c\n10,1,x,7\n20,0,y,8\n30,0,x,9\n40,1,x,6\n")
    self.refused("edgelist", self.file("toy.txt", self.CONTENT), "--labels", table, words=["--label-column", "a, b, c"])
    sets = self.toy("--labels", table, "--label-column", "b")
    self.assertEqual(sets["labels"].tolist(), [0, 1, 0, 0])
    sets = self.toy("--labels", table, "--features", table, "--label-column", "2", told=["text not used: 'b'"])
    self.assertEqual((sets["labels"].tolist(), sets["features/dense"].tolist()), ([1, 0, 0, 1], [[7], [8], [9], [6]]))
    sets = self.edges("6 7\n", "--labels", table, "--id-column", "c", "--label-column", "a")
    self.assertEqual(sets["nodes/id"].tolist(), [6, 7, 8, 9])

  def test_rows_by_place(self):
    csr = scipy.sparse.csr_matrix([[1, 0, 0], [0, 0, 2], [0, 0, 0], [0, 3, 0]], dtype=np.float32)
    scipy.sparse.save_npz(self.path("x.npz"), csr)
    np.save(self.path("x.npy"), csr.toarray().astype(">f8"))
    np.save(self.path("y.npy"), [1, 0, -1, 1])
    svm = self.file("x.svm", "1 1:1\n0 3:2 # two\n-1\n1 2:3\n")
    plain = self.file("y.txt", "label\n1\n0\nnan\n1\n")
    for features, labels in (("x.npz", "y.npy"), ("x.npy", plain), (svm, svm)):
      sets = self.edges("0 1\n2 3\n", "--features", self.path(features), "--labels", self.path(labels))
      self.assertEqual(features_of(sets).tolist(), csr.toarray().tolist())
      self.assertEqual(sets["labels"].tolist(), [1, 0, -1, 1])
    sets = self.edges("1 2\n3 4\n", "--features", svm, "--first-id", "1")
    self.assertEqual(sets["nodes/id"].tolist(), [1, 2, 3, 4])
    for content, word in (("1 2\n3 4\n", "there is a node 4"), ("-1 0\n", "there is a node -1"), ("a b\n", "no ids")):
      self.refused("edgelist", self.file("toy.txt", content), "--features", svm, words=["x.svm", word])
    self.refused("edgelist", self.file("toy.txt", "0 1\n"), "--features", self.path("x.npy"), "--labels",
                 self.file("y.txt", "1\n0\n"), words=["y.txt: 2 rows, 4 are expected"])

  def test_wrong_tables(self):
    for content, *words in (("10 a\n20\n", "line 2: 1 columns"), ("10 a\n\n20 b\n10 b\n", "line 4", "line 1"),
                            ("id,label\n10,1\nx,0\n", "line 3: the id 'x' is no integer"), ("11 1\n21 0\n", "'11'"),
                            ("10 0\n20 1048576\n", "line 2: the label '1048576'"),
                            ("10 0\n20 -2\n", "line 2: the label '-2'"), ("", "no rows"), ("id,label\n", "no rows"),
                            (";\n", "no rows"), ("10 nan\n20 -1\n", "0 nodes with a label")):
      with self.subTest(content):
        self.refused("edgelist", self.file("toy.txt", self.CONTENT), "--labels", self.table(content), words=words)
    for content, *words in (("10 1 2\n20 1 x\n", "line 2: 'x' is no number"), ("10 1 2\n20 1\n", "line 2: 2 columns"),
                            ("10 1 2\n20 1 nan\n", "line 2", "not finite"),
                            ("10 1 2\n20 1 1e39\n", "line 2", "not finite"), ("10 a\n20 b\n", "no columns of numbers"),
                            ("id,x\n10,1\n20,\n", "line 3: '' is no number"),
                            ("id,x,z\n10,1,\n20,1,2\n", "line 2: '' is no number", "column 'z'"),
                            ("id,x,z\n10,1,2\n20,1,-inf\n", "line 3: '-inf' is not finite", "column 'z'"),
                            ("id,x,z\n10,1,2\n20,1,NA\n", "line 3: 'NA' is no number", "column 'z'")):
      with self.subTest(content):
        self.refused("edgelist", self.file("toy.txt", self.CONTENT), "--features", self.table(content),
                     words=["nodes.csv", *words])
    np.save(self.path("o.npy"), np.array([{}, 1], object), allow_pickle=True)
    self.refused("edgelist", self.path("toy.txt"), "--labels", self.path("o.npy"), words=["o.npy", "pickled"])

  def test_splits(self):
    labels = ["--labels", self.table("10 0\n20 1\n30 0\n40 1\n")]
    lists = {"train": [40, 10], "valid": [20], "test": [30]}
    os.mkdir(self.path("folder"))
    for part, ids in lists.items():
      self.file(f"folder/{part}.csv", "\n".join(map(str, ids)))
    table = "".join(f"{node} {part}\n" for part, ids in lists.items() for node in ids)
    for path in (self.file("s.txt", table), self.file("s.csv", "part,id\n40,train\n10,train\n20,val\n30,test\n"),
                 self.file("s.json", json.dumps(lists)), self.path("folder")):
      sets = self.toy(*labels, "--splits", path)
      self.assertEqual([sets[f"splits/public/{part}"].tolist() for part in PARTS], [[0, 3], [1], [2]])
    sets = self.toy(*labels, "--splits", self.path("s.txt"), self.path("s.json"))
    self.assertEqual([sets[f"splits/{k}/test"].tolist() for k in (0, 1)], [[2], [2]])
    sets = self.toy(*labels, "--splits", self.path("s.txt"), self.path("s.json"), "--split", "1")
    self.assertNotIn("splits/0/test", sets)
    for content, *words in ((table + "50 test\n", "line 5: '50' is no node"), (table + "10 test\n", "more than one"),
                            (table + "30 test\n", "line 5: node '30' is there twice"),
                            ("10 a\n20 train\n30 b\n", "line 1"), ("id part\n10 train\n30 b\n", "line 3"), ('{"train": [10]}', "no nodes for val"), ("{",
                                                                                                            "no JSON")):
      with self.subTest(content):
        path = self.file("s.txt", content)
        if words == ["more than one"]:
          self.toy(*labels, "--splits", path, warning="in more than one part: 1")
        else:
          self.refused("edgelist", self.path("toy.txt"), *labels, "--splits", path, words=["s.txt", *words])
    np.savez(self.path("s.npz"), train_mask=[1, 0, 0, 0], val_mask=[0, 1, 0, 0], test_mask=[0, 0, 1, 0])
    self.refused("edgelist", self.path("toy.txt"), *labels, "--splits", self.path("s.npz"), words=["s.npz", "gaps"])


if __name__ == "__main__":
  main()
