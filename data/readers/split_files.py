"""Splits that stand in files of their own: lists of nodes for each part, masks, or tables of a node and its part."""

import json
import os

import numpy as np

from . import splits, text
from .archive import Archive
from .graph import InputError, open_input
from .text import shown

PART_OF = {word: part for part, words in splits.WORDS.items() for word in words}


def read(paths, numbering, listed):
  """Returns name -> part -> ids, ascending: `public` of one split, else the splits are counted from 0."""
  found = {}
  for path in paths or ():
    for name, split in read_file(path, numbering, listed).items():
      found[name if name not in found and name != "public" else str(len(found))] = split
  if len(found) == 1:
    return {"public": split for split in found.values()}
  return found


def read_file(path, numbering, listed):
  if os.path.isdir(path):
    return {"public": of_folder(path, numbering, listed)}
  with open_input(path) as file:
    start = file.read(512).lstrip()
  if start.startswith(b"PK"):
    return of_archive(path, numbering, listed)
  if start.startswith(b"{"):
    return {"public": of_json(path, numbering, listed)}
  return {"public": of_table(path, numbering, listed)}


def of_archive(path, numbering, listed):
  """Masks, or ids that stand for places, of nodes whose ids count from first_id without gaps."""
  archive = Archive(path)
  if listed.ids.strings or not np.array_equal(numbering.ids, np.arange(len(numbering)) + listed.first_id):
    raise InputError(
        f"{path}: its entries are those of nodes {listed.first_id}, {listed.first_id + 1}, …, but the ids of "
        "the nodes have gaps, or are strings; expected is text, an id and its part (train, val, test) in each "
        "line")
  found = splits.read(archive, len(numbering))
  if not found:
    raise InputError(f"{path}: holds no split: arrays such as train_mask, val_mask and test_mask")
  return found


def of_json(path, numbering, listed):
  try:
    with open_input(path) as file:
      content = json.loads(file.read().decode("utf-8-sig"))
    parts = {PART_OF[name.casefold()]: nodes for name, nodes in content.items() if name.casefold() in PART_OF}
    if not all(isinstance(nodes, list) for nodes in parts.values()):
      raise ValueError
    lists = {part: [str(node) for node in nodes] for part, nodes in parts.items()}
  except (ValueError, AttributeError, TypeError, RecursionError) as error:
    raise InputError(f"{path}: is no JSON object of lists train, val and test") from error
  return complete(
      path, {part: number(path, tokens, [None] * len(tokens), numbering, listed) for part, tokens in lists.items()})


def of_table(path, numbering, listed):
  """A node and its part in each line, in this order or the other."""
  tokens, lines = {part: [] for part in splits.PARTS}, {part: [] for part in splits.PARTS}
  for k, (line, fields) in enumerate(text.table_rows(path)):
    words = [PART_OF.get(field.casefold()) for field in fields]
    if len(fields) == 2 and sum(word is not None for word in words) == 1:
      part = words[0] or words[1]
      tokens[part].append(fields[0] if words[1] else fields[1])
      lines[part].append(line)
    elif k > 0 or len(fields) != 2 or any(is_node(field, numbering, listed) for field in fields):  # the first may be a header
      raise InputError(f"{path}, line {line}: expected are a node and its part, train, val or test")
  return complete(path, {part: number(path, tokens[part], lines[part], numbering, listed) for part in splits.PARTS})


def is_node(token, numbering, listed):
  code = listed.ids.find(token)
  return code is not None and bool(numbering.holds(np.array([code]))[0])


def of_folder(path, numbering, listed):
  """Files train, valid and test, with a node in each line."""
  found = {}
  for name in sorted(os.listdir(path)):
    part = PART_OF.get(name.split(".")[0].casefold())
    if part and part not in found and not name.endswith((".pt", ".pkl")):
      rows = list(text.table_rows(os.path.join(path, name)))
      found[part] = number(os.path.join(path, name), [fields[0] for _, fields in rows], [line for line, _ in rows],
                           numbering, listed)
  return complete(path, found)


def number(path, tokens, lines, numbering, listed):
  """Returns the nodes of ids, ascending; each must be one of the graph, and stand there once."""
  codes = listed.ids.encode(path, tokens, lines)
  where = [f"{path}, line {line}" if line else path for line in lines]
  wrong = np.flatnonzero(~numbering.holds(codes))
  if len(wrong):
    raise InputError(f"{where[wrong[0]]}: {shown(tokens[wrong[0]])} is no node of the edges and tables")
  found = numbering.numbers(codes)
  _, first = np.unique(found, return_index=True)
  if len(first) < len(found):
    again = np.setdiff1d(np.arange(len(found)), first)[0]
    raise InputError(f"{where[again]}: node {shown(tokens[again])} is there twice, each is expected once")
  return np.sort(found).astype(np.int64)


def complete(path, found):
  missing = [part for part in splits.PARTS if part not in found]
  if missing:
    raise InputError(f"{path}: has no nodes for {missing[0]}; expected are lists train, val and test, even empty")
  return {part: found[part] for part in splits.PARTS}
