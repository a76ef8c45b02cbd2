#!/usr/bin/env python3
"""Imports public graph data as a distgat graph file (layout: data/README.md)."""

import argparse
import dataclasses
import difflib
import itertools
import os
import shutil
import signal
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
# Itself, as PYTHONSAFEPATH leaves it out, and the Python module: in the sources, and where it is installed.
sys.path[:0] = [HERE, os.path.join(HERE, "..", "src", "python"), os.path.join(HERE, "..", "python")]
PACKAGES = "python3-numpy python3-scipy python3-h5py"

try:
  from readers import edgelist, finish, graph, metis, mtx, npz, ogb, planetoid, splits, writer
except ImportError as missing:
  # The first python3 on the path need not be the one that the distribution's packages belong to.
  system_python = shutil.which("python3", path=os.defpath)
  if system_python and os.path.realpath(system_python) != os.path.realpath(sys.executable):
    os.execv(system_python, [system_python] + sys.argv)
  sys.stderr.write(f"import.py: {missing}; install the packages {PACKAGES}\n")
  sys.exit(3)


class Parser(argparse.ArgumentParser):
  """Reports bad usage in one line, and knows the words of its options."""

  def __init__(self, **settings):
    self.words = []
    super().__init__(**settings)

  def add_argument(self, *names, **settings):
    self.words += names
    return super().add_argument(*names, **settings)

  def error(self, message):
    self.exit(2, graph.printable(f"import.py: {message}; see {self.prog} --help") + "\n")


def seed(text):
  value = int(text)
  if not 0 <= value < 2**32:
    raise ValueError
  return value


def count(text):
  value = int(text)
  if not 1 <= value <= 10000:
    raise ValueError
  return value


def split(text):
  try:
    if text.startswith("random:"):
      splits.amounts(text)
  except ValueError as wrong:
    raise argparse.ArgumentTypeError(str(wrong)) from wrong
  return text


def split_file(text):
  if (text == "random" or text.startswith("random:")) and not os.path.exists(text):
    raise argparse.ArgumentTypeError(f"{text} is no file; --split draws a split, --splits reads one")
  return text


def check_words(parser, commands, arguments):
  """Refuses formats and options that are not there, naming the nearest."""
  if not arguments or arguments[0].startswith("-"):
    return
  if arguments[0] not in commands:
    parser.error(f"no format '{arguments[0]}'" + nearest(arguments[0], commands))
  command = commands[arguments[0]]
  for argument in itertools.takewhile(lambda argument: argument != "--", arguments[1:]):
    name = argument.partition("=")[0]
    if name.startswith("--") and name not in command.words:
      command.error(f"{arguments[0]} has no option {name}" + nearest(name, command.words))


def nearest(word, words):
  near = difflib.get_close_matches(word, words, 1)
  return f"; the nearest is {near[0]}" if near else ""


def parse(arguments):
  parser = Parser(prog="import.py", description=__doc__, allow_abbrev=False)
  formats = parser.add_subparsers(dest="format", metavar="FORMAT", required=True)

  def add(name, read, summary):
    command = formats.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    command.set_defaults(read=read)
    command.add_argument("--out", required=True, metavar="G.h5", help="the graph file to write")
    command.add_argument("--directed", action="store_true", help="keep directions; else each edge goes both ways")
    command.add_argument("--weights", action="store_true", help="keep the weights of edges; else they are dropped")
    command.add_argument("--edge-features", action="store_true",
                         help="keep the numbers of each edge, such as its type or score; else they are dropped")
    command.add_argument("--largest-component", action="store_true", help="leave out what is not connected to it")
    command.add_argument(
        "--split", type=split, metavar="NAME",
        help="the one of the source's splits to write, or all (default); or one that is drawn: random, "
        "random:20,30 (nodes of each class to train and validate), random:0.6,0.2 (shares of each), "
        "random:20,500,1000 (of each class to train, of all the others to validate and test)")
    command.add_argument("--split-seed", type=seed, default=0, metavar="S", help="of a split that is drawn (default 0)")
    command.add_argument(
        "--split-count", type=count, default=1, metavar="N",
        help="draw N splits, random-0, random-1, ..., with seeds S, S+1, ...; train --split all runs on each (default 1)")
    return command

  def add_joined(name, read, summary, example):
    """A format of edges alone: other files tell of the nodes."""
    command = add(name, read, summary)
    command.epilog = f"example: {example}"
    command.add_argument("source", metavar="FILE", help="the edges, packed by gzip, bzip2 or xz or not")
    command.add_argument("--features", metavar="FILE",
                         help="of nodes: a table or JSON with ids, .npy, LIBSVM's text, or a sparse "
                         ".npz of scipy")
    command.add_argument("--labels", metavar="FILE",
                         help="a table with ids, one label a line, or .npy; it may be the same "
                         "file")
    command.add_argument(
        "--splits", nargs="+", type=split_file, metavar="FILE",
        help="ids and their parts (train, val, test), JSON, masks as .npz, or a folder of lists; several files are "
        "several splits")
    command.add_argument("--id-column", metavar="NAME",
                         help="of tables, or its number from 1; none: row i is of node i")
    command.add_argument("--label-column", metavar="NAME", help="of the table, or its number from 1")
    add_header(command, "--table-header", "the tables have")
    return command

  def add_header(command, name, who):
    command.add_argument(name, choices=("yes", "no", "auto"), default="auto",
                         help=f"whether {who} a first line that names columns (default auto: as it looks)")

  command = add_joined("edgelist", edgelist.read, "text with an edge in each line: ids or names of its two nodes",
                       "import.py edgelist cora.cites --features cora.content --labels cora.content --out cora.h5")
  command.add_argument("--first-id", type=int, default=0, metavar="N",
                       help="the id of the first row of files without ids (0)")
  add_header(command, "--header", "the edges have")
  add_joined("mtx", mtx.read, "a sparse matrix of MatrixMarket",
             "import.py mtx graph.mtx --labels labels.txt --out graph.h5")
  add_joined("metis", metis.read, "a graph of METIS, KaHIP or Chaco", "import.py metis 4elt.graph --out 4elt.h5")

  command = add("ogb", ogb.read, "a folder of the Open Graph Benchmark, such as ogbn_arxiv, with its split")
  command.add_argument("source", metavar="DIR", help="the folder that holds raw and split")

  command = add("planetoid", lambda o: planetoid.read(o.source, o.name),
                "the raw files ind.NAME.* of the Planetoid repository, with the public split")
  command.add_argument("source", metavar="DIR", help="folder of the files")
  command.add_argument("name", metavar="NAME", help="cora, citeseer, pubmed")

  command = add("npz", npz.read, "an archive of arrays: graph, features, labels, split")
  command.add_argument("source", metavar="FILE", help="the archive")
  check_words(parser, formats.choices, arguments)
  return parser.parse_args(arguments)


def tell(text, stream=None):
  """Prints one line, whatever names and messages hold."""
  stream = stream or sys.stderr
  encoding = stream.encoding or "utf-8"
  stream.write(graph.printable(text).encode(encoding, "replace").decode(encoding) + "\n")


def leave(number, frame):
  """As an exception, so that the unfinished file is removed on the way out."""
  sys.exit(128 + number)


def main():
  for name in ("TERM", "HUP", "QUIT", "USR1", "USR2", "XCPU", "ALRM", "ABRT"):
    number = getattr(signal, f"SIG{name}")
    if signal.getsignal(number) != signal.SIG_IGN:  # as nohup leaves it
      signal.signal(number, leave)
  options = parse(sys.argv[1:])
  try:
    wishes = {field.name: getattr(options, field.name) for field in dataclasses.fields(finish.Options)}
    data = finish.complete(options.read(options), finish.Options(**wishes))
    writer.write(options.out, data)
  except graph.InputError as error:
    tell(f"import.py: {error}")
    return 2
  except graph.OutputError as error:
    tell(f"import.py: {error}")
    return 3
  except MemoryError:
    tell(f"import.py: {options.source}: out of memory")
    return 3
  except KeyboardInterrupt:
    return 128 + signal.SIGINT
  for warning in data.warnings:
    tell(f"import.py: warning: {warning}")
  tell(f"{options.out}: {writer.describe(data)}", sys.stdout)
  return 0


if __name__ == "__main__":
  sys.exit(main())
