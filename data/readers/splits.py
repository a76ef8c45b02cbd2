"""Splits of the nodes: as archives name and write them, ids or masks, and as they are drawn."""

import re

import numpy as np

from .graph import InputError

PARTS = ("train", "val", "test")
WORDS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
PATTERNS = ("idx_{}", "{}_mask", "{}_masks", "{}_idx", "{}_index", "{}_indices", "{}_id", "{}_ids", "{}_nodes",
            "mask_{}", "ids_{}", "{}")
DRAWN = (20, 30)  # nodes of each class to train and validate, if nothing else is said
SHARES = (0.6, 0.2)  # of all nodes, where they have several labels
RANDOM = re.compile(r"random(?::(\d+|\d*\.\d+),(\d+|\d*\.\d+)(?:,(\d+))?)?")


def read(archive, n_nodes):
  """Returns name -> part -> int64 ids, ascending: `public`, of masks of k splits `0` to `k-1`; empty without any."""
  names = {part: find(archive, part) for part in PARTS}
  given = [name for part in PARTS for name in names[part]]
  if not given:
    return {}
  parts = {}
  for part in PARTS:
    if not names[part]:
      archive.refuse(given[0], f"is part of a split, but no array is named for {part}; add idx_{part}, even empty")
    parts[part] = read_part(archive, names[part], n_nodes)
  count = max(len(lists) for lists in parts.values())
  for part in PARTS:
    if len(parts[part]) == 1:  # one list for all, as PyTorch Geometric's WikiCS has it
      parts[part] = parts[part] * count
    if len(parts[part]) != count:
      archive.refuse(names[part][0], f"has masks of {len(parts[part])} splits, others have {count}")
  return {"public" if count == 1 else str(k): {part: parts[part][k] for part in PARTS} for k in range(count)}


def find(archive, part):
  """Returns the names that the archive's arrays have for this part."""
  wanted = {pattern.format(word) for pattern in PATTERNS for word in WORDS[part]}
  return [name for name in archive.members if name.lower() in wanted]


def read_part(archive, names, n_nodes):
  """Returns one list of ids per split; arrays that stand for the same part must agree."""
  lists = read_lists(archive, names[0], n_nodes)
  for name in names[1:]:
    other = read_lists(archive, name, n_nodes)
    if len(lists) != len(other) or not all(map(np.array_equal, lists, other)):
      archive.refuse(names[0], f"and {name} differ, though both stand for the same part of the split; keep one")
  return lists


def read_lists(archive, name, n_nodes):
  """Whatever holds 0 and 1 for every node is a mask, whatever its name and type."""
  shape = archive.shape(name)
  if len(shape) not in (1, 2) or (len(shape) == 1 and shape[0] > n_nodes):
    archive.refuse(name, f"has the shape {shape}; expected is a mask of {n_nodes} entries, or node ids, each once")
  boolean = archive.header(name)[1].kind == "b"
  values = archive.whole(name)
  covers = shape == (n_nodes,) or (len(shape) == 2 and n_nodes in shape)
  if covers and values.size and ((values == 0) | (values == 1)).all():
    return [np.flatnonzero(mask) for mask in mask_rows(archive, name, values, n_nodes)]
  if boolean or "mask" in name.lower() or len(shape) == 2:
    archive.refuse(
        name, f"is no mask: {n_nodes} entries, all 0 or 1, are expected, or [k, {n_nodes}] for k splits; "
        "node ids belong into idx_train, idx_val and idx_test")
  return [node_ids(archive, name, values, n_nodes)]


def mask_rows(archive, name, values, n_nodes):
  """Returns [k, N] of a mask [N], [k, N] or [N, k]."""
  if values.ndim == 1:
    return values[None, :]
  if values.shape == (n_nodes, n_nodes) and n_nodes > 1:
    archive.refuse(name, f"has as many splits as nodes, {n_nodes}: rows and columns cannot be told apart")
  return values if values.shape[1] == n_nodes else values.T


def node_ids(archive, name, ids, n_nodes):
  ids = np.sort(ids)
  if ids.size and not 0 <= ids[0] <= ids[-1] < n_nodes:
    archive.refuse(name, f"names node {ids[-1] if ids[0] >= 0 else ids[0]}, but the nodes are 0 to {n_nodes - 1}")
  twice = ids[1:][ids[1:] == ids[:-1]]
  if twice.size:
    archive.refuse(name, f"names node {twice[0]} twice; each node is expected once, or a mask of {n_nodes} entries")
  return ids


def choose(source, graph, options):
  """Returns the splits to write: those of the source, the one that is asked for, or one that is drawn."""
  wanted, given = options.split, graph.splits
  if wanted is None and not given and source.labels is not None:
    graph.notes.append(f"no split given, random drawn with --split-seed {options.split_seed}")
    drawn = draw_all(classes(graph), options, *usual(graph))
    if not all(map(len, next(iter(drawn.values())).values())):
      graph.notes.append("classes too small for all of its parts, --split random:0.6,0.2 draws shares of them")
    return drawn
  if options.split_count > 1 and not (wanted and RANDOM.fullmatch(wanted)):
    raise InputError(f"{source.path}: --split-count {options.split_count}: splits are drawn by --split random, "
                     "random:20,30 or random:0.6,0.2")
  if wanted is None or wanted == "all" and given:
    return given
  if RANDOM.fullmatch(wanted):
    if source.labels is None:
      raise InputError(f"{source.path}: --split {wanted}: nodes with labels are drawn, and it has none")
    drawn = draw_all(classes(graph), options, *(amounts(wanted) or usual(graph)))
    check_amounts(source.path, graph, wanted, next(iter(drawn.values())))
    return drawn
  if wanted not in given:
    raise InputError(f"{source.path}: --split {wanted}: it has {named(given)}; random, random:20,30 and random:0.6,0.2 "
                     "are drawn")
  return {wanted: given[wanted]}


def classes(graph):
  """Returns of what each node is drawn: its class, -1 where unknown; of several labels all are alike."""
  return np.zeros(len(graph.labels.values), np.int32) if graph.labels.several else graph.labels.values


def usual(graph):
  """Returns the amounts that are drawn if nothing else is said."""
  return SHARES if graph.labels.several else DRAWN


def named(given):
  return f"the split{'s' if len(given) > 1 else ''} {', '.join(given)}" if given else "no split"


def check_amounts(path, graph, wanted, drawn):
  """Refuses a split of amounts whose parts should have nodes, and have none, and names what would give them some; tells
  of parts that have fewer than is wanted."""
  values = classes(graph)
  sizes = np.bincount(values[values >= 0])
  sizes = sizes[sizes > 0]
  if not len(sizes):
    raise InputError(f"{path}: --split {wanted}: nodes with labels are drawn, and none is left")
  least = {part: count for part, count in zip(PARTS, asked(amounts(wanted) or usual(graph), len(sizes))) if count}
  range_ = f"classes have {sizes.min()} to {sizes.max()} nodes"
  empty = [part for part in least if not len(drawn[part])]
  if empty:
    said = (f"{path}: --split {wanted}: {' and '.join(empty)} {'are' if len(empty) > 1 else 'is'} empty: {range_}; " +
            fitting(values, sizes))
    if amounts(wanted):
      raise InputError(said)
    graph.warnings.append(said)
  fewer = [f"{part} has {len(drawn[part])} of {count}" for part, count in least.items() if 0 < len(drawn[part]) < count]
  if fewer:
    graph.notes.append(f"--split {wanted}: {', '.join(fewer)} nodes: {range_}")


def asked(numbers, n_classes):
  """Returns how many nodes at least train, validate and test should have."""
  n_train, n_val, *n_test = numbers
  if isinstance(n_train, float):
    return n_train > 0, n_val > 0, n_train + n_val < 1
  return n_train * n_classes, n_val if n_test else n_val * n_classes, n_test[0] if n_test else 1


def fitting(values, sizes):
  """Returns the words that name splits whose parts all have nodes."""
  wishes = (f"random:{max(1, sizes.min() * 6 // 10)},{max(1, sizes.min() * 2 // 10)}", "random:0.6,0.2")
  fit = [wish for wish in wishes if all(map(len, draw(values, 0, *amounts(wish)).values()))]
  return f"{' or '.join(fit)} gives all parts some" if fit else "they are too small for three parts"


def amounts(text):
  """Returns how many nodes of each class train and validate, or which share; or how many of each class train, and how
  many of all the others validate and test. ValueError says what is wrong."""
  match = RANDOM.fullmatch(text)
  if not match:
    raise ValueError(f"{text}: expected is random:20,30, nodes of each class, random:0.6,0.2, shares of each, or "
                     "random:20,500,1000, nodes of each class and then of all")
  values = [float(value) if "." in value else int(value) for value in match.groups() if value]
  shares = [value for value in values if isinstance(value, float)]
  if shares and len(shares) < len(values):
    raise ValueError(f"{text}: a number of nodes beside a share; expected are two of one kind")
  if sum(shares) > 1:
    raise ValueError(f"{text}: the shares to train and validate are {sum(shares):g} together, more than the whole, 1")
  return values


def draw_all(labels, options, *numbers):
  """Returns as many splits as are asked for, with seeds that follow each other: `random`, or `random-0`, `random-1`, ..."""
  count, seed = options.split_count, options.split_seed
  return {"random" if count == 1 else f"random-{k}": draw(labels, (seed + k) % 2**32, *numbers) for k in range(count)}


def draw(labels, seed, n_train=DRAWN[0], n_val=DRAWN[1], n_test=None):
  """Returns a split with n_train training and n_val validation nodes of each class, or those shares of it, and the
  other labelled nodes for test; with n_test, n_val and n_test nodes of all classes together, and the others in none."""
  draws = np.random.RandomState(seed)  # frozen: the same numbers in every version of numpy
  if n_test is not None:
    split = draw(labels, seed, n_train, 0)
    val, test, _ = np.split(draws.permutation(split["test"]), [n_val, n_val + n_test])
    return {"train": split["train"], "val": np.sort(val), "test": np.sort(test)}
  chosen = {part: [] for part in PARTS}
  for label in np.unique(labels[labels >= 0]):
    nodes = draws.permutation(np.flatnonzero(labels == label))
    ends = [n_train, n_train + n_val]
    if isinstance(n_train, float):
      ends = [max(1, round(end * len(nodes))) for end in ends]
    for part, ids in zip(PARTS, np.split(nodes, ends)):
      chosen[part].append(ids)
  return {part: np.sort(np.concatenate(ids)) if ids else np.zeros(0, np.int64) for part, ids in chosen.items()}
