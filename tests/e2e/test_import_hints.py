#!/usr/bin/env python3
"""data/import.py says what helps on: empty parts of a split, nodes that only one file names, words it lacks."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from importer import Folder, main  # noqa: E402 # must precede the packages that it finds


class Hints(Folder):

  def file(self, name, content):
    with open(self.path(name), "w", encoding="utf-8") as file:
      file.write(content)
    return self.path(name)

  def ring(self, n_nodes, n_classes):
    """Returns the arguments of an import of a ring of labelled nodes."""
    edges = self.file("ring.txt", "".join(f"{k} {(k + 1) % n_nodes}\n" for k in range(n_nodes)))
    labels = self.file("labels.txt", "".join(f"{k % n_classes}\n" for k in range(n_nodes)))
    return ["edgelist", edges, "--labels", labels]


class Drawn(Hints):

  def sizes(self, source, wish, **said):
    sets = self.imported(*source, "--split", wish, **said)[1]
    return [len(sets[f"splits/random/{part}"]) for part in ("train", "val", "test")]

  def test_empty_parts(self):
    source = self.ring(42, 2)
    fit = "classes have 21 to 21 nodes; random:12,4 or random:0.6,0.2 gives all parts some"
    for wish, words in (("random:100,100", "val and test are"), ("random:15,6", "test is")):
      self.refused(*source, "--split", wish, words=[f"--split {wish}: {words} empty: {fit}"])
    self.assertEqual(self.sizes(source, "random", warning=f"--split random: test is empty: {fit}"), [40, 2, 0])
    for wish, wanted in (("random:12,4", [24, 8, 10]), ("random:0.6,0.2", [26, 8, 8])):
      self.assertEqual(self.sizes(source, wish), wanted)

  def test_parts_that_are_to_be_empty(self):
    source = self.ring(40, 2)
    for wish, wanted in (("random:5,0", [10, 0, 30]), ("random:0.5,0.5", [20, 20, 0]), ("random:1.0,0.0", [40, 0, 0])):
      self.assertEqual(self.sizes(source, wish), wanted)

  def test_classes_of_one_node(self):
    self.refused(*self.ring(6, 6), "--split", "random:0.6,0.2", words=["1 to 1 nodes; they are too small for three parts"])

  def test_no_labels_are_left(self):
    edges, labels = self.file("e.txt", "1 2\n2 3\n8 9\n"), self.file("y.csv", "id,label\n8,0\n")
    self.refused("edgelist", edges, "--labels", labels, "--largest-component", "--split", "random:1,1",
                 words=["nodes with labels are drawn, and none is left"])

  def test_fewer_nodes_than_are_wanted(self):
    """Of the three classes one has four nodes, the others eighteen."""
    source = self.ring(40, 2)
    self.file("labels.txt", "".join(f"{k % 2 if k > 3 else 2}\n" for k in range(40)))
    for wish, wanted, told in (("random:5,5", [14, 10, 16], "train has 14 of 15, val has 10 of 15 nodes"),
                               ("random:3,5", [9, 11, 20], "val has 11 of 15 nodes"),
                               ("random:2,10,40", [6, 10, 24], "test has 24 of 40 nodes")):
      told = f"--split {wish}: {told}: classes have 4 to 18 nodes"
      self.assertEqual(self.sizes(source, wish, told=[told]), wanted)
    done = self.run_import(*source, "--split", "random:2,2,9", "--out", self.out)
    self.assertNotIn("classes have", done.stdout)
    self.refused(*source, "--split", "random:5,30,30", words=["test is empty"])


class Examples(Hints):

  def test_of_names(self):
    edges = self.file("edges.csv", "anna,bob\nbob,carl\ncarl,anna\n")
    labels = self.file("labels.csv", "id,label\nanna,x\nbbo,y\ncral,x\n")
    features = self.file("features.csv", "id,a\nbob,1\ncarl,2\nanna,3\n")
    self.imported("edgelist", edges, "--labels", labels, "--features", features, told=[
        "no edge names, from other files: 2, such as 'bbo'", "isolated nodes: 2, such as 'bbo'",
        "without a label: 2, such as 'bob'", "without features: 2, such as 'bbo'"])

  def test_of_numbers(self):
    edges = self.file("edges.csv", "10 20\n20 40\n")
    labels = self.file("labels.csv", "10 1\n30 0\n40 0\n")
    self.imported("edgelist", edges, "--labels", labels, told=["no edge names.*: 1, such as 30$",
                                                               "without a label: 1, such as 20;"])
    self.imported("mtx", self.file("a.mtx", "%%MatrixMarket matrix coordinate pattern general\n3 3 1\n1 3\n"),
                  told=["isolated nodes: 1, such as 2;"])


class Words(Hints):

  def test_nearest(self):
    edges = self.file("edges.txt", "1 2\n")
    for arguments, words in ((("edgelst", edges), "no format 'edgelst'; the nearest is edgelist; see"),
                             (("zzz", edges), "no format 'zzz'; see"),
                             (("edgelist", edges, "--label", edges), "no option --label; the nearest is --labels; see"),
                             (("edgelist", edges, "--lables=x"), "no option --lables; the nearest is --labels; see"),
                             (("npz", edges, "--zzz"), "npz has no option --zzz; see")):
      with self.subTest(arguments):
        self.refused(*arguments, words=[words])

  def test_splits(self):
    source = self.ring(6, 2)
    for option, value, words in (("--split", "random:0.8,0.5", "are 1.3 together, more than the whole"),
                                 ("--split", "random:20,0.5", "a number of nodes beside a share"),
                                 ("--split", "random:20", "expected is random:20,30"),
                                 ("--splits", "random:0.6,0.2", "is no file; --split draws"),
                                 ("--splits", "random", "is no file; --split draws")):
      with self.subTest(value):
        self.refused(*source, option, value, words=[f"{option}: {value}", words])


if __name__ == "__main__":
  main()
