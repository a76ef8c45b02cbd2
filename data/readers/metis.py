"""METIS's files of graphs: `nodes edges [fmt [ncon]]`, then a line for each node: its neighbours, from 1 up, with the
node's size and weights before them and the edge's weight behind each, where fmt has them."""

import dataclasses

import numpy as np

from . import joined, nodes, text
from .graph import MAX_NODES, InputError


@dataclasses.dataclass
class Header:
  path: str
  n_nodes: int
  n_edges: int
  weighted: bool  # edges have weights
  skip: int  # numbers of a node before its neighbours
  first_line: int  # behind the header


def read(options):
  """Returns the graph; its ids are those of the file, 1, 2, …"""
  header = read_header(options.source)
  sources, targets, weights, notes = read_nodes(header)
  listed = joined.Listed(header.path, nodes.Integers(), sources, targets, weights, n_nodes=header.n_nodes, first_id=1,
                         notes=notes)
  return joined.assemble(listed, options)


def read_header(path):
  line, content = next(text.numbered(path, 1), (1, ""))
  sizes = content.split()
  if not 2 <= len(sizes) <= 4 or not all(size.isdecimal() for size in sizes):
    raise InputError(f"{path}, line {line}: expected is the header NODES EDGES [FMT [NCON]]")
  n_nodes, n_edges = int(sizes[0]), int(sizes[1])
  fmt = sizes[2].zfill(3) if len(sizes) > 2 else "000"
  n_weights = int(sizes[3]) if len(sizes) > 3 else int(fmt[1] == "1")
  if len(fmt) != 3 or set(fmt) - {"0", "1"} or n_weights > 64 or n_weights and fmt[1] == "0" and n_weights > 1:
    raise InputError(
        f"{path}, line {line}: fmt {sizes[2]}{' and ncon ' + sizes[3] if len(sizes) > 3 else ''}; expected are "
        "three digits 0 or 1, for sizes of nodes, their weights, and those of edges, and the number of weights")
  if not 1 <= n_nodes <= MAX_NODES:
    raise InputError(f"{path}, line {line}: {n_nodes} nodes, 1 to {MAX_NODES} are possible")
  n_weights = n_weights if fmt[1] == "1" else 0
  return Header(path, n_nodes, n_edges, fmt[2] == "1", int(fmt[0]) + n_weights, line + 1)


def read_nodes(header):
  """Returns sources, targets and weights (or None) of all entries, and notes; the line of a node has its targets."""
  parts, node = [(np.zeros(0, np.int32),) * 2 + (np.zeros(0),)], 0
  for number, content in text.pieces(header.path):
    number, content = text.after(number, content, header.first_line)
    content, lines = without_comments(number, content)
    parts.append(read_piece(header, content, lines, node))
    node += content.count(b"\n")
  sources, targets, weights = (np.concatenate(some) for some in zip(*parts))
  del parts
  check_edges(header, sources, targets)
  notes = [f"nodes without a line, isolated: {header.n_nodes - node}"] if node < header.n_nodes else []
  return sources, targets, weights if header.weighted else None, notes


def without_comments(number, content):
  """Returns the text without lines of comments, and the numbers of those that are left."""
  if b"%" not in content:
    return content, np.arange(number, number + content.count(b"\n"))
  kept = [
      (line, part) for line, part in enumerate(content.split(b"\n")[:-1], number) if not part.lstrip().startswith(b"%")
  ]
  return b"".join(part + b"\n" for _, part in kept), np.array([line for line, _ in kept], np.int64)


def read_piece(header, content, lines, node):
  """Returns sources, targets and weights of the nodes from `node` (0 is the first) that the lines are of."""
  tokens = text.Tokens(content)
  kind = np.float64 if header.weighted else np.int64
  values = text.parse(content, kind) if len(tokens.starts) else np.zeros(0, kind)
  if values is None or len(values) != len(tokens.starts) or content.translate(None, b"0123456789. \t\n"):
    refuse_token(header, content, lines)
  count = tokens.per_line
  behind = max(0, header.n_nodes - node)
  over = np.flatnonzero(count[behind:])  # behind the last node, lines must be empty
  if len(over):
    raise InputError(f"{header.path}, line {lines[behind + over[0]]}: {header.n_nodes} nodes are promised, this is one more")
  place = np.arange(len(values)) - np.repeat(np.cumsum(count) - count, count) - header.skip
  step = 1 + header.weighted
  torn = np.flatnonzero(((count < header.skip) & (count > 0)) | ((count - header.skip) % step != 0) & (count > 0))
  if len(torn):
    raise InputError(
        f"{header.path}, line {lines[torn[0]]}: {count[torn[0]]} numbers, expected are {header.skip} of the "
        f"node and {step} for each neighbour")
  of_line = np.repeat(np.arange(len(count)), count)
  first = (place >= 0) & (place % step == 0)
  neighbours, whose = values[first], of_line[first]
  wrong = np.flatnonzero((neighbours < 1) | (neighbours > header.n_nodes) | (neighbours != np.floor(neighbours)))
  if len(wrong):
    raise InputError(
        f"{header.path}, line {lines[whose[wrong[0]]]}: a neighbour {neighbours[wrong[0]]}; nodes count from 1 "
        f"to {header.n_nodes}")
  weights = values[np.flatnonzero(first) + 1] if header.weighted else np.zeros(0)
  return (whose + node + 1).astype(np.int32), neighbours.astype(np.int32), weights


def refuse_token(header, content, lines):
  for line, part in zip(lines, content.split(b"\n")):
    for token in part.split():
      if not token.isdigit():
        raise InputError(
            f"{header.path}, line {line}: {text.shown(token.decode('utf-8', 'replace'))} is no number of a node "
            "or weight")
  raise InputError(f"{header.path}, line {lines[0]}: expected are numbers of nodes and weights alone")


def check_edges(header, sources, targets):
  """Each edge must stand in the lines of both of its nodes: a loop, which METIS does not know, may stand once."""
  loops = sources == targets
  n_found = (len(sources) + loops.sum()) / 2
  if header.n_edges not in (n_found, len(sources) / 2):
    raise InputError(
        f"{header.path}, line {header.first_line - 1}: the header says {header.n_edges} edges, the file has {n_found:g}"
    )
  forth, back = keys(sources, targets, header.n_nodes), keys(targets, sources, header.n_nodes)
  single = [] if np.array_equal(forth, back) else np.setdiff1d(forth, back)
  if not len(single):
    return
  one, other = divmod(int(single[0]), header.n_nodes + 1)
  raise InputError(f"{header.path}, line of node {one}: it names {other}, whose line does not name {one}; each edge is "
                   "expected in the lines of both")


def keys(sources, targets, n_nodes):
  """Returns the edges as one ascending number each."""
  found = sources.astype(np.int64)
  found *= n_nodes + 1
  found += targets
  found.sort()
  return found
