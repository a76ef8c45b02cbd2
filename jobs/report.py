#!/usr/bin/env python3
"""Makes one self-contained HTML page from a graph and the models trained on it.

It holds the data set and its node degrees, the models side by side, and of each model its layers and options, training
curves, t-SNE before and after training, accuracy by node degree and class, and attention; then the partition."""
import argparse
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent)]  # which PYTHONSAFEPATH leaves out
from reporting import needs  # noqa: E402


class Parser(argparse.ArgumentParser):
  """Reports bad usage in one line."""

  def error(self, message):
    self.exit(2, f"report.py: {message}; see report.py --help\n")


def parse():
  parser = Parser(prog="report.py", description=__doc__, allow_abbrev=False)
  parser.add_argument("graph", type=Path, metavar="G.h5", help="the graph file")
  parser.add_argument("models", type=Path, nargs="+", metavar="M.h5",
                      help="models of distgat train --save; NAME-0.h5, NAME-1.h5, ... of several seeds become one")
  parser.add_argument("--out", type=Path, required=True, metavar="report.html", help="the page to write")
  parser.add_argument("--logs", type=Path, nargs="+", default=[], metavar="L.jsonl",
                      help="logs of train --runs N --log: means and deviations of the models they belong to")
  parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="write every picture there, as SVG and as PNG")
  parser.add_argument("--node", metavar="ID", help="whose neighbours are drawn (a test node whose attention is uneven)")
  parser.add_argument("--tsne-nodes", type=int, metavar="N",
                      help="at most N nodes in t-SNE (all of a graph of up to 3500, else 2500)")
  parser.add_argument("--distgat", metavar="PROGRAM",
                      help="the program (else $DISTGAT, the release build, the installed one)")
  arguments = parser.parse_args()
  if arguments.tsne_nodes is not None and arguments.tsne_nodes < 0:
    parser.error(f"--tsne-nodes {arguments.tsne_nodes} is no number of nodes")
  return arguments


def main():
  arguments = parse()
  needs.complete("report.py")
  return needs.run("report.py", "graph_page", arguments)


if __name__ == "__main__":
  sys.exit(main())
