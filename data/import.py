#!/usr/bin/env python3
"""Imports public graph data as a distgat graph file (layout: data/README.md)."""

import argparse
import os
import shutil
import signal
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
# Itself, as PYTHONSAFEPATH leaves it out, and the Python module: in the sources, and where it is installed.
sys.path[:0] = [HERE, os.path.join(HERE, "..", "src", "python"), os.path.join(HERE, "..", "python")]
PACKAGES = "python3-numpy python3-scipy python3-h5py"

try:
  from readers import graph, npz, planetoid, writer
except ImportError as missing:
  # The first python3 on the path need not be the one that the distribution's packages belong to.
  system_python = shutil.which("python3", path=os.defpath)
  if system_python and os.path.realpath(system_python) != os.path.realpath(sys.executable):
    os.execv(system_python, [system_python] + sys.argv)
  sys.stderr.write(f"import.py: {missing}; install the packages {PACKAGES}\n")
  sys.exit(3)


class Parser(argparse.ArgumentParser):
  """Reports bad usage in one line."""

  def error(self, message):
    self.exit(2, f"import.py: {message}; see {self.prog} --help\n")


def seed(text):
  value = int(text)
  if not 0 <= value < 2**32:
    raise ValueError
  return value


def parse(arguments):
  parser = Parser(prog="import.py", description=__doc__, allow_abbrev=False)
  formats = parser.add_subparsers(dest="format", metavar="FORMAT", required=True)

  def add(name, read, summary):
    command = formats.add_parser(name, help=summary, description=summary, allow_abbrev=False)
    command.set_defaults(read=read)
    command.add_argument("--out", required=True, metavar="G.h5", help="the graph file to write")
    return command

  command = add("planetoid", lambda o: planetoid.read(o.source, o.name),
                "the raw files ind.NAME.* of the Planetoid repository, with the public split")
  command.add_argument("source", metavar="DIR", help="folder of the files")
  command.add_argument("name", metavar="NAME", help="cora, citeseer, pubmed")

  command = add("npz", lambda o: npz.read(o.source, o.split_seed),
                "an archive of arrays: graph, features, labels, split")
  command.add_argument("source", metavar="FILE", help="the archive")
  command.add_argument("--split-seed", type=seed, default=0, metavar="S",
                       help="of the split `random`, drawn where the archive has none (default 0)")
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
    data = options.read(options)
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
