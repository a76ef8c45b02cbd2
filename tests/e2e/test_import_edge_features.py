#!/usr/bin/env python3
"""data/import.py --edge-features: features of edges, from each format that has them, edge by edge as a dictionary finds
them, and what is refused."""

import collections
import gzip
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from importer import Folder, main  # noqa: E402 # must precede the packages that it finds

import numpy as np  # noqa: E402

WISHES = ((), ("--directed",), ("--largest-component",), ("--largest-component", "--directed"))


def mean(rows):
  return np.mean(np.array(rows, np.float64), axis=0) if len(rows) > 1 else rows[0]


def found_by_hand(pairs, rows, directed, merge=mean):
  """Returns what is expected of each directed edge, by (target, source)."""
  listed = collections.defaultdict(list)
  for (source, target), row in zip(pairs, rows):
    if source != target:
      listed[target, source].append(row)
  merged = {edge: merge(some) for edge, some in listed.items()}
  if directed:
    return merged
  both = set(merged) | {(source, target) for target, source in merged}
  return {(t, s): mean([merged[edge] for edge in ((t, s), (s, t)) if edge in merged]) for t, s in both}


def component(edges):
  """Returns the nodes of the largest component; of equal ones that of the lowest node."""
  parts = []
  for edge in edges:
    touched = [part for part in parts if part & set(edge)]
    parts = [part for part in parts if part not in touched] + [set(edge).union(*touched)]
  return max(parts, key=lambda part: (len(part), -min(part)))


def listed_edges(seed=1):
  """Returns pairs and rows [M, 3] of two components, with self-loops, repeated edges and edges in both directions."""
  random = np.random.RandomState(seed)
  pairs = np.concatenate([random.randint(0, 12, (90, 2)), random.randint(12, 18, (20, 2)), [[3, 3], [0, 1], [0, 1], [1, 0]]])
  return pairs, random.randn(len(pairs), 3).astype(np.float32)


class Features(Folder):

  def file(self, name, content):
    os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
    with open(self.path(name), "wb") as file:
      file.write(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    return self.path(name)

  def text(self, pairs, rows, form="{} {} {}", **names):
    values = [" ".join(map(repr, row)) for row in np.asarray(rows).tolist()]
    lines = [form.format(names.get(f"n{a}", a), names.get(f"n{b}", b), row) for (a, b), row in zip(pairs, values)]
    return self.file("edges.txt", "\n".join(lines) + "\n")

  def ogb(self, pairs, rows, n_nodes=18, end=".csv.gz", **changes):
    """Writes a folder as OGB has them, of text, some of it given; returns it."""
    content = {"num-node-list": f"{n_nodes}\n", "num-edge-list": f"{len(pairs)}\n",
               "edge": "".join(f"{a},{b}\n" for a, b in pairs), "node-label": "0\n1\n" * (n_nodes // 2),
               "edge-feat": "".join(",".join(map(repr, row)) + "\n" for row in np.asarray(rows).tolist())}
    for name, text in content.items():
      text = changes.get(name.replace("-", "_"), text)
      if text is not None:
        self.file(f"ogbn_toy/raw/{name}{end}", text)
      elif os.path.exists(self.path(f"ogbn_toy/raw/{name}{end}")):
        os.unlink(self.path(f"ogbn_toy/raw/{name}{end}"))
    return self.path("ogbn_toy")

  def ogb_archive(self, pairs, rows, **changes):
    """The same as ogbn-papers100M has it."""
    arrays = {"num_nodes_list": [18], "num_edges_list": [len(pairs)], "edge_index": np.transpose(pairs), "edge_feat": rows, **changes}
    os.makedirs(self.path("ogbn_npz/raw"), exist_ok=True)
    np.savez(self.path("ogbn_npz/raw/data.npz"), **{name: values for name, values in arrays.items() if values is not None})
    np.savez(self.path("ogbn_npz/raw/node-label.npz"), node_label=[0, 1] * 9)
    return self.path("ogbn_npz")

  def npz(self, pairs, **arrays):
    np.savez(self.path("toy.npz"), labels=[0, 1] * 9, edge_index=np.transpose(pairs), **arrays)
    return self.path("toy.npz")

  def check(self, wanted, *arguments, told=()):
    """Compares each edge of a file, and nodes by their ids; returns the data sets."""
    if "--largest-component" in arguments:
      kept = component(wanted)
      wanted = {edge: value for edge, value in wanted.items() if edge[0] in kept}
    sets = self.imported(*arguments, "--edge-features", told=told)[1]
    ids = sets.get("nodes/id", np.arange(len(sets["labels"]))).tolist()
    ids = [int(node.decode().strip("n")) if isinstance(node, bytes) else node for node in ids]
    targets = np.repeat(np.arange(len(ids)), np.diff(sets["graph/indptr"]))
    edges = [(ids[i], ids[j]) for i, j in zip(targets, sets["graph/indices"])]
    self.assertEqual(sorted(edges), sorted(wanted))
    features = sets["edges/features"]
    self.assertEqual((features.dtype, len(features)), (np.float32, len(edges)))
    np.testing.assert_allclose(features, [wanted[edge] for edge in edges], rtol=1e-6, atol=1e-7)
    return sets


class EdgeByEdge(Features):

  def test_each_format(self):
    pairs, rows = listed_edges()
    names = {f"n{k}": f"n{k}" for k in range(18)}
    sources = {"ogb text": lambda: ("ogb", self.ogb(pairs, rows)), "ogb npz": lambda: ("ogb", self.ogb_archive(pairs, rows)),
               "npz": lambda: ("npz", self.npz(pairs, edge_attr=rows)),
               "integers": lambda: ("edgelist", self.text(pairs, rows)),
               "names": lambda: ("edgelist", self.text(pairs, rows, **names))}
    for what, write in sources.items():
      kind, path = write()
      for options in WISHES:
        with self.subTest(what, options=options):
          sets = self.check(found_by_hand(pairs, rows, "--directed" in options), kind, path, *options,
                            told=["3 features of each edge", "repeated edges merged, their features averaged: [0-9]+"])
          self.assertNotIn("edges/weight", sets)

  def test_weights_beside_them(self):
    """Weights of repeated edges are added, features are not; both have the mean of both directions."""
    pairs, rows = listed_edges(2)
    rows = np.abs(rows)
    weights, others = [[w] for w in rows[:, 0].tolist()], rows[:, 1:]
    header = self.file("named.csv", "weight,source,target,x,y\n" + "".join(
        f"{w},{a},{b},{x},{y}\n" for (a, b), (w, x, y) in zip(pairs, rows.tolist())))
    for kind, path, said in (("edgelist", self.text(pairs, rows), "weights: column 3; features of edges: 4, 5"),
                             ("edgelist", header, "weights: column weight; features of edges: x, y"),
                             ("npz", self.npz(pairs, edge_weight=rows[:, 0], edge_features=others), "18 nodes")):
      for options in WISHES:
        with self.subTest(path, options=options):
          directed = "--directed" in options
          sets = self.check(found_by_hand(pairs, others, directed), kind, path, "--weights", *options,
                            told=[said, "merged, their weights added, their features averaged"])
          wanted = found_by_hand(pairs, weights, directed, merge=lambda some: np.sum(some, axis=0))
          ids = sets.get("nodes/id", np.arange(len(sets["labels"])))
          targets = np.repeat(ids, np.diff(sets["graph/indptr"])).tolist()
          found = [wanted[i, j][0] for i, j in zip(targets, ids[sets["graph/indices"]].tolist())]
          np.testing.assert_allclose(sets["edges/weight"], found, rtol=1e-6)

  def test_pairs_that_differ_are_told(self):
    pairs, rows = [[0, 1], [1, 0], [1, 2], [2, 1], [2, 3], [3, 3]], [[1, 0], [3, 0], [5, 6], [5, 6], [7, 8], [9, 9]]
    told = ["self-loops dropped: 1", "pairs of other features in each direction, averaged: 1;", "made undirected: 1"]
    self.check(found_by_hand(pairs, rows, False), "ogb", self.ogb(pairs, rows, 4), told=told)

  def test_many_pieces(self):
    """Text of several pieces, and more edges than are averaged at once."""
    random = np.random.RandomState(3)
    pairs, rows = random.randint(0, 2000, (330_000, 2)), random.randint(0, 2**20, (330_000, 2)) / 2**16
    wanted = found_by_hand(pairs.tolist(), rows.tolist(), True)
    self.assertGreater(len(wanted), 2**18)
    self.check(wanted, "edgelist", self.text(pairs, rows), "--directed")
    changes = {"node_label": "0\n1\n" * 1000}
    self.check(wanted, "ogb", self.ogb(pairs, rows, 2000, ".csv", **changes), "--directed")

  def test_numbers_that_add_up_to_much(self):
    big = 3e38
    sets = self.check({(0, 1): [big], (1, 0): [big]}, "edgelist", self.text([[0, 1]] * 3 + [[1, 0]], [[big]] * 4))
    self.assertTrue(np.isfinite(sets["edges/features"]).all())


class NodesWithout(Features):

  def test_mean_of_edges_to_a_node(self):
    """As OGB's examples have it for ogbn-proteins; a node without such edges has zeros."""
    pairs, rows = listed_edges()
    pairs = np.concatenate([pairs, [[18, 0]]])
    rows = np.concatenate([rows, [[1, 2, 3]]]).astype(np.float32)
    for options in WISHES:
      with self.subTest(options=options):
        edges = found_by_hand(pairs, rows, "--directed" in options)
        sets = self.check(edges, "ogb", self.ogb(pairs, rows, 20), *options,
                          told=["3 features \\(dense\\)", "no features: means of those of the edges to a node"])
        ids = sets.get("nodes/id", np.arange(20)).tolist()
        wanted = [mean([value for edge, value in edges.items() if edge[0] == node] or [[0, 0, 0]]) for node in ids]
        np.testing.assert_allclose(sets["features/dense"], wanted, rtol=1e-5, atol=1e-6)

  def test_those_that_are_there_stay(self):
    pairs, rows = listed_edges()
    path = self.npz(pairs, x=np.arange(1, 37).reshape(18, 2), edge_feat=rows)
    self.assertEqual(self.check(found_by_hand(pairs, rows, False), "npz", path)["features/dense"].tolist(),
                     np.arange(1, 37).reshape(18, 2).tolist())

  def test_without_the_option(self):
    """Nodes have features of their own, and a note says how to keep those of edges."""
    pairs, rows = listed_edges()
    for path in (self.ogb(pairs, rows), self.ogb_archive(pairs, rows)):
      sets = self.imported("ogb", path, told=[r"features of edges not used \(--edge-features keeps them\)", "identity features"])[1]
      self.assertNotIn("edges/features", sets)
    sets = self.imported("npz", self.npz(pairs, edge_attr=rows), told=["not used: edge_attr"])[1]
    self.assertNotIn("edges/features", sets)


class Columns(Features):
  """Of edge lists."""

  def lines(self, content, wanted, *options, told=()):
    return self.check(wanted, "edgelist", self.file("edges.txt", content), "--directed", *options, told=told)

  def test_text_is_left_out_and_named(self):
    self.lines("source,kind,score,target,note,good\n1,a,0.5,2,x y,True\n2,b,1,3,,false\n", {(2, 1): [0.5, 1], (3, 2): [1, 0]},
               told=["features of edges: score, good; columns of text not used: kind, note(;|\n)"])
    self.lines("1 2 0.5 a\n2 3 1e-3 b\n", {(2, 1): [0.5], (3, 2): [1e-3]}, told=["columns of text not used: 4"])

  def test_a_weight_is_a_feature_unless_it_is_wanted(self):
    content = "source,target,weight,score\n1,2,4,0.5\n"
    self.lines(content, {(2, 1): [4, 0.5]}, told=["features of edges: weight, score"])
    sets = self.lines(content, {(2, 1): [0.5]}, "--weights", told=["weights: column weight; features of edges: score"])
    self.assertEqual(sets["edges/weight"].tolist(), [4])

  def test_arrows(self):
    self.lines("1 -> 2 0.5 7\n3 <- 2 1 8\n4 <-> 1 2 9\n",
               {(2, 1): [0.5, 7], (3, 2): [1, 8], (1, 4): [2, 9], (4, 1): [2, 9]}, told=["edges of both directions"])

  def test_many_columns(self):
    row = np.arange(30.0).tolist()
    self.lines(f"0 1 {' '.join(map(str, row))}\n1 2 {' '.join(map(str, row))}\n", {(1, 0): row, (2, 1): row})

  def test_headers_that_come_again(self):
    self.lines("source,target,x\n1,2,5\nsource,target,x\n2,3,6\n", {(2, 1): [5], (3, 2): [6]}, told=["again, skipped: 1"])


class OneNumber(Features):

  def test_vectors(self):
    """[E] and [E, 1] are one feature, whatever the name; with --weights too they are features, not weights."""
    pairs, rows = listed_edges()
    for name in ("edge_attr", "edge_features", "edge_feat"):
      for column in (rows[:, 0], rows[:, :1]):
        sets = self.check(found_by_hand(pairs, rows[:, :1], False), "npz", self.npz(pairs, **{name: column}))
        self.assertNotIn("edges/weight", sets)
    self.refused("npz", self.npz(pairs, edge_attr=rows[:, 0]), "--edge-features", "--weights", words=["--weights: its edges have no"])
    path = self.npz(pairs, edge_attr=rows[:, 0], edge_features=rows)
    self.check(found_by_hand(pairs, rows, False), "npz", path, "--weights")


class Refused(Features):

  def wrong(self, *arguments, words):
    self.refused(*arguments, "--edge-features", words=words)

  def test_ogb(self):
    pairs, rows = [[0, 1], [1, 2], [2, 3]], [[1, 2], [3, 4], [5, 6]]
    for text, *words in ((None, "edge-feat.csv.gz: is not there; --edge-features"), ("1,2\n3,4\n", "2 rows, 3 are expected, one for each edge"),
                         ("1,2\n3,4\n5,6\n7,8\n", "4 rows, 3 are expected, one for each edge"), ("1,2\n3\n5,6\n", "line 2: 1 numbers, expected are 2"),
                         ("1,2\n3,4\n5,nan\n", "line 3", "not finite in single precision"), ("1,2\n3,1e39\n5,6\n", "line 2", "not finite"),
                         ("1,2\n3,4\n5,\n", "line 3: '' is no number"), ("1,2\n3,x\n5,6\n", "line 2: 'x' is no number")):
      with self.subTest(text):
        self.wrong("ogb", self.ogb(pairs, rows, 4, edge_feat=text), words=["edge-feat.csv.gz", *words])
    for values, word in ((None, "edge_feat is not there; --edge-features"), (np.array(None, object), "edge_feat is not there"),
                         (rows[:2], "edge_feat has the shape (2, 2), [3, F] is expected"),
                         ([[1], [np.inf], [2]], "edge_feat holds a number that is not finite in single precision, in row 1")):
      with self.subTest(values):
        self.wrong("ogb", self.ogb_archive(pairs, values), words=["data.npz", word])

  def test_npz(self):
    pairs, rows = [[0, 1], [1, 2], [2, 3]], np.arange(6.0).reshape(3, 2)
    for arrays, *words in (({"edge_weight": [1, 2, 3]}, "no features of edges", "edge_features or edge_feat or edge_attr"),
                           ({"edge_attr": rows[:2]}, "edge_attr has the shape (2, 2), [3, F]"),
                           ({"edge_attr": rows.reshape(3, 2, 1)}, "edge_attr has the shape (3, 2, 1)"),
                           ({"edge_feat": rows * np.nan}, "edge_feat", "not finite in single precision, in row 0"),
                           ({"edge_feat": np.array([["a"]] * 3)}, "numbers are expected"),
                           ({"edge_feat": rows[:, :0]}, "--edge-features: 0 of an edge"),
                           ({"adj_matrix": np.eye(18), "edge_attr": rows}, "a matrix has one number for an edge")):
      with self.subTest(str(arrays)):
        self.wrong("npz", self.npz(pairs, **arrays), words=["toy.npz", *words])
    self.wrong("npz", self.npz([[0, 1]], edge_attr=np.zeros((1, 2**16 + 1))), words=["65537 of an edge, 1 to 65536 are possible"])

  def test_edge_lists(self):
    for content, *words in (("1 2\n2 3\n", "line 1: --edge-features: no column of numbers beside the two nodes"),
                            ("source,target,x\n1,2,a\n", "line 2: --edge-features: no column of numbers"),
                            ("source,target,x,y\n1,2,3,4\n2,3,,5\n", "line 3: '' is no number", "column 'x'"),
                            ("source,target,x,y\n1,2,NA,4\n2,3,6,5\n", "line 2: 'NA' is no number", "column 'x'"),
                            ("1 2 3 4\n2 3 4 x\n", "line 2: 'x' is no number", "column '4'"),
                            ("1 2 3 4\n2 3 1e39 4\n", "line 2: '1e39' is not finite in single precision", "column '3'"),
                            ("a b 3\nb c inf\n", "line 2: 'inf' is not finite in single precision", "column '3'"),
                            ("1 2 3 4\n2 3 4\n", "line 2: 3 fields, expected are 4")):
      with self.subTest(content):
        self.wrong("edgelist", self.file("edges.txt", content), words=["edges.txt", *words])
    self.wrong("edgelist", self.file("edges.txt", "1 2 3\n"), "--weights", words=["no column of numbers beside the two nodes and the weight"])

  def test_formats_without(self):
    self.wrong("mtx", self.file("a.mtx", "%%MatrixMarket matrix coordinate real general\n2 2 1\n1 2 0.5\n"),
               words=["a.mtx: --edge-features: its edges have no features"])
    self.wrong("metis", self.file("a.graph", "2 1 1\n2 7\n1 7\n"), words=["a.graph: --edge-features: its edges have no features"])


if __name__ == "__main__":
  main()
