#!/usr/bin/env python3
"""data/import.py edgelist: first lines that name columns, above names of nodes, are told from edges and rows."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from importer import Folder, main  # noqa: E402 # must precede the packages that it finds

FRIENDS = "anna,bob\nbob,carl\ncarl,dora\ndora,anna\n"
NODES = [b"anna", b"bob", b"carl", b"dora"]


class Headers(Folder):

  def file(self, name, content):
    with open(self.path(name), "w", encoding="utf-8") as file:
      file.write(content)
    return self.path(name)

  def nodes(self, content, *options, **said):
    """Returns the ids of the nodes of edges."""
    return self.imported("edgelist", self.file("edges.csv", content), *options, **said)[1]["nodes/id"].tolist()

  def labels(self, content, *options, **said):
    """Returns the data sets of the friends, with labels."""
    table = self.file("labels.csv", content)
    return self.imported("edgelist", self.file("edges.csv", FRIENDS), "--labels", table, *options, **said)[1]


class OfEdges(Headers):

  def test_names_that_are_nowhere_else(self):
    for header in ("person,friend", "a,b", "person1,person2", "name_a,name_b"):
      with self.subTest(header):
        told = f"header skipped: {header.replace(',', ' ')}"
        self.assertEqual(self.nodes(f"{header}\n{FRIENDS}", told=[told, r"ids are strings, .*line 2: 'anna'"]), NODES)

  def test_edges_that_look_like_headers(self):
    """Some nodes of the first line are met again, or it is one of many such pairs, or there is little else."""
    self.assertEqual(self.nodes("eve,bob\n" + FRIENDS), [*NODES, b"eve"])
    self.assertEqual(self.nodes("eve,fred\nfred,bob\n" + FRIENDS), [*NODES, b"eve", b"fred"])
    self.assertEqual(self.nodes("eve,12\n" + FRIENDS), [b"12", *NODES, b"eve"])
    for content in ("a,b\nc,d\ne,f\ng,h\ni,j\n", "eve,fred\nanna,bob\nbob,anna\n", "eve,eve\n" + FRIENDS,
                    "eve,fred\ngus,hal\n" + FRIENDS):
      with self.subTest(content):
        kept = self.nodes(content, warning="line 1: '[a-z]+,[a-z]+' is read as an edge.*--header yes or no decides")
        self.assertEqual(kept, sorted({name.encode() for name in content.replace("\n", ",").split(",") if name}))

  def test_the_option_decides(self):
    self.assertEqual(self.nodes("a,b\n" + FRIENDS, "--header", "no"), [b"a", *NODES[:1], b"b", *NODES[1:]])
    self.assertEqual(self.nodes("eve,bob\n" + FRIENDS, "--header", "yes", told=["header skipped: eve bob"]), NODES)
    self.assertEqual(self.nodes("# friends\n1,2\n2,3\n3,1\n", "--header", "yes"), [1, 2, 3])
    self.assertEqual(self.nodes("target,source\n" + FRIENDS, "--header", "no")[-2:], [b"source", b"target"])

  def test_text_above_ids(self):
    for header in ("a,b", "person,friend"):
      self.assertEqual(self.nodes(f"{header}\n1,2\n3,4\n"), [1, 2, 3, 4])
    indexed = "".join(f"{k},{line}\n" for k, line in enumerate(FRIENDS.split()))
    self.assertEqual(self.nodes(",person,friend\n" + indexed), NODES)

  def test_text_above_weights(self):
    weighted = "".join(f"{line},{k}.5\n" for k, line in enumerate(FRIENDS.split()))
    for last in ("weight", "times"):
      self.assertEqual(self.nodes(f"person,friend,{last}\n{weighted}", "--weights", told=[f"column {last}"]), NODES)
      self.assertEqual(self.nodes(f"person,bob,{last}\n{weighted}", told=[f"not used: {last}"]), NODES)


class OfTables(Headers):
  TABLE = "anna,math\nbob,art\ncarl,math\ndora,art\n"

  def assert_two_classes(self, sets):
    self.assertEqual(sets["nodes/id"].tolist(), NODES)
    self.assertEqual(sets["classes/name"].tolist(), [b"art", b"math"])
    self.assertEqual(sets["labels"].tolist(), [1, 0, 1, 0])

  def test_an_id_and_a_label_that_are_nowhere_else(self):
    self.assert_two_classes(self.labels("person,field\n" + self.TABLE, told=["header line of .*: person,field"]))
    many = "".join(f"n{k},math\n" for k in range(9))
    self.assertEqual(len(self.labels("person,field\n" + self.TABLE + many + "bbo,music\n")["nodes/id"]), 14)

  def test_naming_a_column_makes_a_header(self):
    for options in (("--label-column", "field"), ("--id-column", "person"),
                    ("--label-column", "field", "--id-column", "person")):
      self.assert_two_classes(self.labels("person,field\n" + self.TABLE, *options))
    self.assert_two_classes(self.labels("anna,field\n" + self.TABLE, "--label-column", "field"))
    table, edges = self.path("labels.csv"), self.path("edges.csv")
    self.refused("edgelist", edges, "--labels", table, "--label-column", "y", words=["it has 2: anna, field"])

  def test_a_column_of_the_other_table(self):
    """The features have no column of that name, and all of theirs stay."""
    numbers = self.file("numbers.csv", "anna,1,2\nbob,3,4\ncarl,5,6\ndora,7,8\n")
    for name in ("field", "2"):
      sets = self.labels("person,field\n" + self.TABLE, "--features", numbers, "--label-column", name)
      self.assert_two_classes(sets)
      self.assertEqual(sets["features/dense"].tolist(), [[1, 2], [3, 4], [5, 6], [7, 8]])

  def test_rows_that_look_like_headers(self):
    """An isolated node of a class that others have is a row, as is the node of an edge; of several nodes that are alone
    in their class, and isolated, the first may be either."""
    self.assertEqual(self.labels("eve,art\n" + self.TABLE)["labels"].tolist(), [1, 0, 1, 0, 0])
    self.assertEqual(self.labels("bob,music\n" + self.TABLE.replace("bob,art\n", ""))["labels"].tolist(), [1, 2, 1, 0])
    self.assertEqual(self.labels("anna,group\nbob,group\ncarl,b\n")["labels"].tolist(), [1, 1, 0, -1])
    sets = self.labels("eve,music\n" + self.TABLE + "fred,sport\n",
                       warning="line 1: 'eve,music' is read as a row.*--table-header yes or no decides")
    self.assertEqual(len(sets["nodes/id"]), 6)

  def test_the_option_decides(self):
    sets = self.labels("person,field\n" + self.TABLE, "--table-header", "no", told=["no edge names.*: 1"])
    self.assertEqual(sets["classes/name"].tolist(), [b"art", b"field", b"math"])
    self.assert_two_classes(self.labels("eve,art\n" + self.TABLE, "--table-header", "yes"))

  def test_labels_by_place(self):
    """A name that is met once may be either: it is a row, and warned of."""
    edges = self.file("edges.csv", "0 1\n1 2\n2 0\n")
    table = self.file("labels.txt", "field\nart\nart\nart\n")
    told = "line 1: 'field' is read as a row"
    self.assertEqual(self.imported("edgelist", edges, "--labels", table, warning=told)[1]["labels"].tolist(),
                     [1, 0, 0, 0])
    sets = self.imported("edgelist", edges, "--labels", table, "--table-header", "yes")[1]
    self.assertEqual(sets["labels"].tolist(), [0, 0, 0])


if __name__ == "__main__":
  main()
