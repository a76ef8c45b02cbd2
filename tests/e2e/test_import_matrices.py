#!/usr/bin/env python3
"""data/import.py knows a graph's matrix from a list of its edges, and reads whole matrices of MatrixMarket."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from importer import Folder, main  # noqa: E402 # must precede the packages that it finds

import numpy as np  # noqa: E402
import scipy.io  # noqa: E402
import scipy.sparse  # noqa: E402


class Matrices(Folder):

  def file(self, name, content):
    with open(self.path(name), "w", encoding="utf-8") as file:
      file.write(content)
    return self.path(name)

  def draw(self, n, seed=1, weighted=False, symmetric=True):
    """Returns a random matrix [n, n] without self-loops."""
    draws = np.random.default_rng(seed)
    matrix = (draws.random((n, n)) < 0.5) * (np.round(draws.uniform(0.1, 3, (n, n)), 2) if weighted else 1)
    matrix = np.triu(matrix, 1) if symmetric else matrix - np.diag(np.diag(matrix))
    return matrix + matrix.T if symmetric else matrix


class Lists(Matrices):
  """Given as an edge list."""

  def text(self, matrix, delimiter, names=None, rows=None):
    lines = [[f"{value:g}" for value in row] for row in matrix]
    lines = [[name, *line] for name, line in zip(rows, lines)] if rows else lines
    return "".join(delimiter.join(line) + "\n" for line in ([names] if names else []) + lines)

  def test_are_refused(self):
    """With names of rows and columns or none, whatever separates the numbers."""
    for n in (3, 4, 8, 20, 30):
      names = [f"n{k}" for k in range(n)]
      matrices = {"0 and 1": self.draw(n), "weights": self.draw(n, weighted=True),
                  "far": np.abs(np.subtract.outer(np.arange(n), np.arange(n))), "alike": self.draw(n, weighted=True) + np.eye(n)}
      if n > 3:
        matrices.update({"directed": self.draw(n, weighted=True, symmetric=False), "arcs": np.triu(np.ones((n, n)))})
      for kind, matrix in matrices.items():
        for delimiter in (" ", "\t", ",", ";"):
          if (matrix == self.draw(n)).all() and (matrix == 0).all():
            continue
          for form in ((), (names,), (["", *names], names), (names, names), (["x", *map(str, range(n))], list(map(str, range(n))))):
            with self.subTest(n=n, kind=kind, delimiter=delimiter, form=form):
              self.refused("edgelist", self.file("m.txt", "# a\n\n" + self.text(matrix, delimiter, *form)),
                           words=[f"m.txt: is a matrix, a row and a column for each of {n} nodes", "import.py mtx", "source and target"])

  def test_a_last_delimiter(self):
    self.refused("edgelist", self.file("m.csv", "0,1,1,\n1,0,0,\n1,0,0,\n"), words=["is a matrix", "of 3 nodes"])

  def test_edges_are_none(self):
    """As many edges as an edge has columns."""
    for content in ("1 2 3\n2 3 1\n3 1 2\n", "0 1 1\n1 2 1\n2 0 1\n", "0 1 5\n1 2 6\n2 3 7\n", "0 1\n1 0\n", "a,b,c\n1,2,1\n2,3,1\n3,1,1\n",
                    "1 2 1 100\n2 3 1 101\n3 4 2 102\n4 1 5 103\n", "1 2 0 0\n2 3 0 1\n3 4 0 0\n1 4 0 1\n",
                    "source,target,w\n0,1,1\n1,0,1\n0,1,0\n", "1 2 5 6 7\n2 1 5 6 7\n5 3 1 9 9\n6 6 9 1 0\n8 8 9 0 2\n",
                    "0 1 1\n1 0 1\n1 1 0\n0 1 1\n", "x y 1\ny z 1\nz x 1\n"):
      with self.subTest(content):
        self.imported("edgelist", self.file("e.txt", content))

  def test_matrix_market(self):
    """Which three numbers a line make no list of edges of."""
    self.refused("edgelist", self.file("m.txt", "%%MatrixMarket matrix coordinate real general\n3 3 2\n1 2 1\n2 3 1\n"),
                 words=["m.txt, line 1: is MatrixMarket", "import.py mtx"])


class MatrixMarket(Matrices):
  """As scipy.io.mmwrite saves what is not sparse, and other kinds of numbers."""

  def read(self, matrix, symmetry="general", field=None, directed=True):
    """Returns the matrix that has been read of what scipy wrote, but for its diagonal."""
    scipy.io.mmwrite(self.path("m.mtx"), matrix, symmetry=symmetry, field=field)
    options = ["--directed"] if directed else []
    sets = self.imported("mtx", self.path("m.mtx"), "--weights", *options)[1]
    back = scipy.sparse.csr_matrix((sets["edges/weight"], sets["graph/indices"], sets["graph/indptr"]), shape=matrix.shape)
    return back.toarray().T

  def test_whole(self):
    for n in (1, 2, 3, 7, 40):
      one = self.draw(n, n, weighted=True, symmetric=False)
      two = self.draw(n, n, weighted=True)
      three = np.triu(one) - np.triu(one).T
      for matrix, symmetry in ((one, "general"), (two, "symmetric"), (three, "skew-symmetric"), (two + np.eye(n), "symmetric")):
        with self.subTest(n=n, symmetry=symmetry):
          wanted = matrix - np.diag(np.diag(matrix))
          np.testing.assert_array_equal(self.read(matrix, symmetry), wanted.astype(np.float32))

  def test_many_pieces(self):
    """Of more than four million bytes."""
    matrix = self.draw(700, weighted=True)
    np.testing.assert_array_equal(self.read(matrix, "general"), matrix.astype(np.float32))
    np.testing.assert_array_equal(self.read(matrix, "symmetric"), matrix.astype(np.float32))

  def test_fields(self):
    matrix = self.draw(5, weighted=True) * 100 // 1
    for field in ("unsigned-integer", "double", "integer"):
      entries = "".join(f"{i + 1} {j + 1} {matrix[i, j]:g}\n" for i, j in zip(*matrix.nonzero()))
      path = self.file("m.mtx", f"%%MatrixMarket matrix coordinate {field} general\n5 5 {np.count_nonzero(matrix)}\n" + entries)
      self.assertEqual(sorted(self.imported("mtx", path, "--weights")[1]["edges/weight"]), sorted(matrix[matrix > 0]))
    path = self.file("m.mtx", "%%MatrixMarket matrix array complex general\n2 2\n0 0\n0 1\n0 1\n0 0\n")
    self.assertEqual(self.imported("mtx", path, told=["2 nodes, 2 directed edges"])[1]["graph/indices"].tolist(), [1, 0])

  def test_wrong(self):
    head = "%%MatrixMarket matrix array "
    for content, *words in ((head + "real general\n2 2\n1\n1\n1\n", "line 2: 4 entries promised, 3 found"),
                            (head + "real symmetric\n2 2\n1\n1\n1\n1\n", "line 6: 3 entries are promised"),
                            (head + "real skew-symmetric\n2 2\n1\n1\n", "line 4: 1 entries are promised"),
                            (head + "real general\n2 2\n1\n1 2\n1\n1\n", "line 4: expected is 1 number: value"),
                            (head + "complex general\n1 1\n1\n", "line 3: expected are 2 numbers: value"),
                            (head + "real general\n2 2\n0\n0\nnan\n0\n", "line 5", "not finite"),
                            (head + "real general\n2 2 4\n1\n", "line 2: expected are two sizes"),
                            (head + "real general\n2 3\n1\n", "line 2: a matrix of 2 rows and 3 columns"),
                            (head + "pattern general\n2 2\n1\n", "line 1: a matrix 'array' 'pattern'")):
      with self.subTest(content):
        self.refused("mtx", self.file("m.mtx", content), words=["m.mtx, " + words[0], *words[1:]])


if __name__ == "__main__":
  main()
