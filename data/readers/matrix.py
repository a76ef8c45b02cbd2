"""Matrices of a graph that are given as an edge list: a row and a column for each node, with their names or without."""

import numpy as np

from . import text
from .graph import InputError

LEAST = 3  # nodes: fewer are told from edges by nothing
CLEAR = 5  # nodes: columns of so many edges are not symmetric by chance
LARGEST = 2000  # columns that are looked at


def refuse(path, delimiter, n_columns):
  """Refuses a file of so many columns, if all of it is one matrix."""
  if not LEAST <= n_columns <= LARGEST:
    return
  rows = [row_of(path, delimiter, *numbered) for numbered in text.numbered(path, n_columns + 2)]
  body = next((body for body in (rows, rows[1:]) if is_square(body)), None)
  if is_named(rows) or body and (body is rows or is_above(rows[0])):
    raise InputError(f"{path}: is a matrix, a row and a column for each of {len(body or rows[1:])} nodes, no list of edges; "
                     "expected is one edge in a line, or the matrix by import.py mtx, as scipy.io.mmwrite saves it. If they are "
                     "edges, a first line that names columns, such as source and target, says so")


def row_of(path, delimiter, line, content):
  fields = text.fields(path, line, content, delimiter)
  return fields[:-1] if fields and not fields[-1] else fields


def is_named(rows):
  """Whether the first row names columns as the first column names rows: above it is nothing, or something else."""
  names = [row[0] for row in rows[1:] if row]
  return (len(names) >= LEAST and len(rows[0]) - len(names) in (0, 1) and rows[0][-len(names):] == names
          and numbers([row[1:] for row in rows[1:]], len(names)) is not None)


def is_above(row):
  """Whether a row may name the columns: by text, or by counting them."""
  counted = numbers([row], len(row))
  return counted is None or any(np.array_equal(counted[0], np.arange(len(row)) + first) for first in (0, 1))


def is_square(rows):
  """Whether rows are as many numbers as they are, and together what hardly a list of edges is: zeros and ones alone,
  symmetric, or nothing on the diagonal."""
  n = len(rows)
  matrix = numbers(rows, n) if n >= LEAST else None
  if matrix is None:
    return False
  diagonal = np.diag(matrix)
  symmetric = np.array_equal(matrix, matrix.T) and (n >= CLEAR or (diagonal == diagonal[0]).all())
  return symmetric or bool(np.isin(matrix, (0, 1)).all()) or n > LEAST and not diagonal.any()


def numbers(rows, n):
  """Returns [rows, n], or None where there is something else."""
  if any(len(row) != n for row in rows):
    return None
  try:
    return np.array(rows).astype(float)
  except ValueError:
    return None
