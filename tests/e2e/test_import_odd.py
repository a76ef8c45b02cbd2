#!/usr/bin/env python3
"""data/import.py reads right, or refuses by its line, what people have that no format foresees: arrows, comments, numbers as
programs save them, other formats under a wrong name, tables and folders that are not whole."""

import gzip
import io
import os
import shutil
import sys
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from importer import Folder, main  # noqa: E402 # must precede the packages that it finds

import numpy as np  # noqa: E402
import scipy.sparse  # noqa: E402


class Odd(Folder):

  def file(self, name, content):
    os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
    with open(self.path(name), "wb") as file:
      file.write(content if isinstance(content, bytes) else content.encode())
    return self.path(name)

  def edges(self, content, *options, **said):
    """Returns (source, target) of the edges, and all data sets."""
    sets = self.imported("edgelist", self.file("e.txt", content), *options, **said)[1]
    return self.pairs(sets), sets

  def pairs(self, sets):
    ids = sets.get("nodes/id", np.arange(len(sets["labels"]))).tolist()
    ids = [node.decode() if isinstance(node, bytes) else node for node in ids]
    targets = np.repeat(np.arange(len(ids)), np.diff(sets["graph/indptr"]))
    return [(ids[j], ids[i]) for j, i in zip(sets["graph/indices"], targets)]

  def wrong(self, content, *words, options=()):
    with self.subTest(content):
      self.refused("edgelist", self.file("e.txt", content), *options, words=["e.txt", *words])


class Arrows(Odd):

  def test_directions(self):
    """Of every arrow, among blanks or none, with semicolons or none."""
    there, back = [("a", "b"), ("b", "c")], [("b", "a"), ("c", "b")]
    for arrow, wanted in (("->", there), ("=>", there), ("→", there), ("<-", back), ("<--", back), ("<->", there + back),
                          ("<=>", there + back), ("--", there + back), ("↔", there + back)):
      for line in ("{} {} {}\n", "{}{}{}\n", "{} {}{};\n", "{}{} {} ;\r\n"):
        with self.subTest(line.format("a", arrow, "b")):
          content = line.format("a", arrow, "b") + line.format("b", arrow, "c")
          told = ["edges of both directions, as <-> and -- are: 2"] if len(wanted) > 2 else []
          self.assertEqual(sorted(self.edges(content, "--directed", told=told)[0]), sorted(wanted))
    self.assertEqual(self.edges("1->2;\n2->3;\n", "--directed")[0], [(1, 2), (2, 3)])

  def test_each_line_has_its_own(self):
    pairs, sets = self.edges("a -> b 1\nb<-c 2\nc <-> d 3\n", "--directed", "--weights")
    self.assertEqual(sorted(zip(pairs, sets["edges/weight"].tolist())),
                     [(("a", "b"), 1), (("c", "b"), 2), (("c", "d"), 3), (("d", "c"), 3)])
    self.assertEqual(self.edges("a -> b [weight=2];\nb -> c [weight=3];\n", "--weights")[1]["edges/weight"].tolist(),
                     [2, 2, 3, 3])
    self.wrong("a -> b\nb x c\n", "line 2: 'x' stands where line 1 has an arrow")
    self.wrong("a -> b -> c\n", "line 1: a chain of arrows")
    self.wrong("a -> b\nb -> c -> d\n", "line 2: 5 fields")
    self.wrong("a->b,3\n", "line 1: 'a->b,3' is an edge with an arrow", "a -> b 3")

  def test_dashes_in_names(self):
    for content, names in (("n-1 n-2\nn-2 n-3\n", "n-1 n-2 n-3"), ("x--1 x--2\nx--2 x--3\n", "x--1 x--2 x--3"),
                           ("a-b->c-d\nc-d->e\n", "a-b c-d e"), ("A->B,C->D\nC->D,E->F\n", "A->B C->D E->F")):
      with self.subTest(content):
        self.assertEqual(self.edges(content)[1]["nodes/id"].tolist(), [name.encode() for name in names.split()])


class Texts(Odd):

  def test_comments(self):
    for content in ("// a\n1 2\n//\n2 3\n", "1,2 # a\n2,3 % b\n", "1 2\n2 3\n//a b\n", "1,2\n//,\n2,3\n", "1 2\n  //a\n2 3\n"):
      with self.subTest(content):
        self.assertEqual(self.edges(content)[1]["nodes/id"].tolist(), [1, 2, 3])
    self.assertEqual(len(self.edges("a b\n //\n//c d\nb c\n")[1]["nodes/id"]), 3)
    names = self.edges("http://a,#b\nhttp://c,#b\n")[1]["nodes/id"].tolist()
    self.assertEqual(names, [b"#b", b"http://a", b"http://c"])

  def test_numbers_as_numpy_saves_them(self):
    text = io.StringIO()
    np.savetxt(text, [[1, 20], [20, 300], [300, -4]])
    pairs, sets = self.edges(text.getvalue())
    self.assertEqual(sets["nodes/id"].tolist(), [-4, 1, 20, 300])
    self.assertIn((1, 20), pairs)
    np.savetxt(self.path("y.txt"), [3, 0, 1, 0])
    sets = self.edges("0 1\n2 3\n", "--labels", self.path("y.txt"))[1]
    self.assertEqual(sets["labels"].tolist(), [3, 0, 1, 0])
    for odd in ("1.50000e+00", "1.0000e+05", "1e5"):
      self.assertEqual(self.edges(f"{odd} 2\n", told=["ids are strings"])[1]["nodes/id"].tolist(), [odd.encode(), b"2"])

  def test_other_formats(self):
    for content, word in (("digraph G {\n  a -> b;\n}\n", "is DOT"), ("strict graph {\n", "is DOT"), ("graph [\n", "is GML"),
                          ('<?xml version="1.0"?>\n<graphml>\n', "is XML"), ("[[1, 2], [2, 3]]\n", "is JSON"),
                          ('{"nodes": []}\n', "is JSON"), ("*Vertices 3\n", "is Pajek"), ("(1, 2)\n(2, 3)\n", "is a list of pairs")):
      self.wrong(content, f"line 1: {word}", "expected is one edge in a line")
    for content, word in ((b"PK\x03\x04abc", "zip"), (b"%PDF-1.4\n1 0 obj\n", "PDF"), (b"\x89HDF\r\n\x1a\n", "HDF5"),
                          (b"\x28\xb5\x2f\xfd\x04", "zstd")):
      self.wrong(content, word, "expected is text")
    self.wrong("0 1 " * 11 + "\n", "line 1: 22 fields", "A matrix is")
    self.wrong("1:2\n", "separated by blanks, tabs, commas")

  def test_headers_alone(self):
    for options in ((), ("--largest-component",)):
      self.wrong("source,target\nsource,target\n", "has no edges", options=options)

  def test_headers_longer_than_lines(self):
    for content in ("source,x,target\n1,2\n", ",source,target\n1,2\n", ",a,b\n1,2\n"):
      self.wrong(content, "line 2: 2 fields, 3 are expected as the header in line 1", options=["--header", "yes"])

  def test_sums_beyond_single_precision(self):
    self.wrong("1 2 3e38\n1 2 3e38\n", "add up to more than single precision", options=["--weights"])


class Tables(Odd):

  def joined(self, option, content, *options, **said):
    self.file("e.txt", "a,b\nb,c\nc,d\n")
    return self.imported("edgelist", self.path("e.txt"), option, self.file("t.csv", content), *options, **said)[1]

  def refuse(self, option, content, *words, edges="a,b\nb,c\nc,d\n"):
    with self.subTest(content):
      self.refused("edgelist", self.file("e.txt", edges), option, self.file("t.csv", content), words=["t.csv", *words])

  def test_quotes(self):
    self.assertEqual(self.joined("--labels", 'id,label\na,"x\ny"\nb,"z"\n')["classes/name"].tolist(), [b"x\ny", b"z"])
    self.refuse("--labels", 'id,label\na,"0\nb,1\n', "line 2: a quote that is not closed")
    self.refuse("--labels", 'id,label\na,"x\ny"\nb,"0"1\nc,1\n', "line 4: a quote that is not closed, or text behind one")

  def test_headers_alone(self):
    self.refuse("--labels", "id,label,x\nid,label,x\n", "a header, and no rows")
    self.refused("edgelist", self.file("e.txt", "0 1\n"), "--features", self.file("t.csv", "0\n\n0\n"), "--table-header", "yes",
                 words=["a header, and no rows"])

  def test_lists(self):
    told = ["lists of .*t.csv: of the columns that are 1, as they have several lengths"]
    sets = self.joined("--features", "id\tx\na\t2,0\nb\t1\n", told=told)
    self.assertEqual(sets["features/indices"].tolist(), [0, 2, 1])
    self.refuse("--features", "id\tx\na\t1,0,1\nb\t0,1\n", "line 3: 2 features, 3 before")
    for one, two in (("[1.0, 2]", "[3,4]"), ("[1 2]", "[3. 4.]"), ("[ 1. 2. ]", "[3\t4]"), ("1,2", "[3, 4]")):
      with self.subTest(one):
        sets = self.joined("--features", f'id,x\nb,"{one}"\na,"{two}"\nc,"{one}"\nd,"{one}"\n', told=["lists of features: column 'x'"])
        self.assertEqual(sets["features/dense"].tolist(), [[3, 4], [1, 2], [1, 2], [1, 2]])
    self.assertEqual(self.joined("--features", "id;x\na;[7]\nb;[8]\n")["features/values"].tolist(), [7, 8])
    self.refuse("--features", "id;x\na;[1, 2]\nb;[1, x]\n", "line 3: 'x' is no number")
    self.refuse("--features", 'id;x\na;[1, 2]\nb;"[3, 4"\n', "line 3: '[3' is no number")
    self.refuse("--features", "id;f\na;1,5\nb;2,5\n", "line 2: '1,5' is a number with a comma, or a list of two")
    self.refuse("--features", "id;f;g\na;1,5;2\nb;2,5;3\n", "'f' is a column of lists", "decimal numbers with points")

  def test_json(self):
    self.refuse("--features", '{"a": [0], "a": [1]}', "'a' is there twice")
    self.refuse("--labels", '{"a": 0}', "is JSON, which is read for features alone")

  def test_sparse_matrices(self):
    """Those of scipy are stored by rows or by columns."""
    matrix = scipy.sparse.csr_matrix(np.arange(8).reshape(4, 2))
    for form in ("csr", "csc"):
      scipy.sparse.save_npz(self.path("x.npz"), matrix.asformat(form))
      sets = self.edges("0 1\n2 3\n", "--features", self.path("x.npz"))[1]
      self.assertEqual(sets["features/dense"].tolist(), matrix.toarray().tolist())
    for form in ("coo", "dia", "bsr"):
      scipy.sparse.save_npz(self.path("x.npz"), matrix.asformat(form))
      self.refused("edgelist", self.path("e.txt"), "--features", self.path("x.npz"), words=[f"of the form '{form}'", "tocsr"])
    np.savez(self.path("x.npz"), a=np.ones((4, 2)))
    for option, word in (("--features", "is no sparse matrix"), ("--labels", "holds no labels that are read here")):
      self.refused("edgelist", self.path("e.txt"), option, self.path("x.npz"), words=[word])

  def test_splits(self):
    labels = self.file("y.csv", "id,label\na,0\nb,1\nc,0\nd,1\n")
    for content, word in (("a,dev\nb,val\nc,train\n", "line 1: expected are a node and its part"),
                          ("a,\nb,val\nc,train\n", "line 1"), ('{"train": "ab", "val": ["c"], "test": ["d"]}', "is no JSON object")):
      with self.subTest(content):
        self.refused("edgelist", self.file("e.txt", "a,b\nb,c\nc,d\n"), "--labels", labels, "--splits",
                     self.file("s.txt", content), words=["s.txt", word])


class Matrices(Odd):

  def test_skew_symmetric(self):
    path = self.file("m.mtx", "%%MatrixMarket matrix coordinate real skew-symmetric\n3 3 2\n2 1 5\n3 2 -6\n")
    sets = self.imported("mtx", path, "--weights", "--directed")[1]
    self.assertEqual(dict(zip(self.pairs(sets), sets["edges/weight"].tolist())), {(2, 1): 5, (1, 2): -5, (3, 2): -6, (2, 3): 6})
    self.assertEqual(len(self.imported("mtx", path, told=["edge weights dropped"])[1]["graph/indices"]), 4)
    self.refused("mtx", path, "--weights", words=["line 1: --weights", "--directed"])

  def test_complex(self):
    path = self.file("m.mtx", "%%MatrixMarket matrix coordinate complex hermitian\n2 2 1\n2 1 0 5\n")
    self.assertEqual(self.pairs(self.imported("mtx", path)[1]), [(2, 1), (1, 2)])
    self.refused("mtx", path, "--weights", words=["line 1: --weights: complex values"])

  def test_lines_behind_the_last_node(self):
    """The last one has no end, and is read by itself."""
    self.refused("metis", self.file("g.graph", "2 1\n2\n1\n\n\n1"), words=["line 6: 2 nodes are promised, this is one more"])
    self.assertEqual(len(self.imported("metis", self.file("g.graph", "2 1\n2\n1\n\n\n "))[1]["labels"]), 2)

  def test_nodes_without_edges(self):
    for content, count in (("1 0\n\n", 1), ("3 0\n\n\n\n", 3), ("2 0 10\n", 2)):
      sets = self.imported("metis", self.file("g.graph", content), told=[f"isolated nodes: {count}"])[1]
      self.assertEqual(len(sets["labels"]), count)


class Archives(Odd):
  ARRAYS = {"edge_index": [[0, 1, 2], [1, 2, 3]], "y": [0, 1, 0, 1]}

  def archive(self, **arrays):
    np.savez(self.path("n.npz"), **{**self.ARRAYS, **arrays})
    return self.path("n.npz")

  def test_weights_of_other_lengths(self):
    for options in ((), ("--weights",)):
      self.refused("npz", self.archive(edge_weight=np.ones(2)), *options,
                   words=["edge_weight has the shape (2,); expected is one weight for each of 3 edges"])
    self.imported("npz", self.archive(edge_attr=np.ones((3, 2))), told=["not used: edge_attr"])

  def test_words_for_nothing(self):
    """As pandas writes what is missing, they name no class."""
    sets = self.imported("npz", self.archive(y=np.array(["a", "nan", "", "None"])), told=["without a label: 3"])[1]
    self.assertEqual((sets["labels"].tolist(), sets["classes/name"].tolist()), ([0, -1, -1, -1], [b"a"]))

  def test_names_of_several_nodes(self):
    self.imported("npz", self.archive(node_names=np.array(["a", "b", "a", "c"])), told=["several nodes have: 1, such as 'a'"])

  def test_other_packing(self):
    with zipfile.ZipFile(self.path("z.npz"), "w", zipfile.ZIP_BZIP2) as packed, zipfile.ZipFile(self.archive()) as plain:
      for name in plain.namelist():
        packed.writestr(name, plain.read(name))
    self.refused("npz", self.path("z.npz"), words=["is packed otherwise than numpy.savez"])


class Ogb(Odd):
  FILES = {"raw/num-node-list": "4\n", "raw/edge": "0,1\n1,2\n", "raw/node-label": "0\n1\n0\n1\n", "split/time/train": "0\n3\n",
           "split/time/valid": "1\n", "split/time/test": "2\n", "mapping/nodeidx2paperid": "node,paper\n0,9\n1,8\n2,7\n3,6\n"}

  def folder_of(self, **changes):
    shutil.rmtree(self.path("ogbn"), ignore_errors=True)
    for name, content in self.FILES.items():
      content = changes.get(os.path.basename(name).replace("-", "_"), content)
      if content is not None:
        self.file(f"ogbn/{name}.csv.gz", gzip.compress(content.encode()))
    return self.path("ogbn")

  def test_sizes(self):
    for size in ("0", "99999999999"):
      self.refused("ogb", self.folder_of(num_node_list=f"{size}\n"), words=["num-node-list", f"{size} nodes, 1 to"])

  def test_a_file_among_the_splits(self):
    top = self.folder_of()
    self.file("ogbn/split/readme.txt", "x")
    self.assertEqual(self.imported("ogb", top)[1]["splits/time/val"].tolist(), [1])

  def test_splits_without_labels(self):
    self.refused("ogb", self.folder_of(node_label=None), words=["split time", "no labels"])

  def test_mappings(self):
    sets = self.imported("ogb", self.folder_of(nodeidx2paperid=f"node,paper\n0,{2**63}\n1,8\n2,7\n3,6\n"))[1]
    self.assertEqual(sets["nodes/id"].tolist(), [str(2**63).encode(), b"8", b"7", b"6"])
    sets = self.imported("ogb", self.folder_of(nodeidx2paperid="node,paper\n0,9.0\n1,8\n2,7\n3,6\n"))[1]
    self.assertEqual(sets["nodes/id"].tolist(), [b"9.0", b"8", b"7", b"6"])
    self.imported("ogb", self.folder_of(nodeidx2paperid="node,paper\n0,9\n"), told=["nodeidx2paperid.*lacks 3 of 4 nodes"])


if __name__ == "__main__":
  main()
