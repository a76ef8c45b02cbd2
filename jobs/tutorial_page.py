#!/usr/bin/env python3
"""Makes the page of tutorial.sh, DIR/tutorial.html, from its models and logs, and tells the same in Markdown."""
import argparse
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent)]  # which PYTHONSAFEPATH leaves out
from reporting import needs  # noqa: E402


def main():
  parser = argparse.ArgumentParser(prog="tutorial_page.py", description=__doc__, allow_abbrev=False)
  parser.add_argument("graphs", nargs="+", metavar="GRAPH", help="names of graphs")
  parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="where GRAPH.h5 lies")
  parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where GRAPH/MODEL.{h5,jsonl} lie")
  parser.add_argument("--ranks", type=int, default=1, help="MPI ranks of the trainings (1)")
  parser.add_argument("--tsne-nodes", type=int, metavar="N",
                      help="at most N nodes in t-SNE (all of a graph of up to 3500, else 2500)")
  parser.add_argument("--distgat", metavar="PROGRAM", help="the program")
  arguments = parser.parse_args()
  needs.complete("tutorial_page.py")
  return needs.run("tutorial_page.py", "tutorial_page", arguments)


if __name__ == "__main__":
  sys.exit(main())
