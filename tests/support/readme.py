#!/usr/bin/env python3
"""usage: readme.py HEADING: prints the commands that the README has under a heading, without what they print; lines of Python
as what python3 reads."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIRST = re.compile(r"    (bash|distgat|mpirun|python3|export|set|cmake|data/\S+|jobs/\S+) ")


def commands(heading):
    """The lines that begin with the name of a program, and those that go on after a backslash; blocks of Python."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        sections = re.split(r"^## ", f.read(), flags=re.M)
    (text,) = [section for section in sections if section.startswith(heading + "\n")]
    inside = python = False
    for line in text.split("\n"):
        if line.startswith("```"):
            yield "END" if python else "python3 - <<'END'"
            python = not python
        elif python:
            yield line
        elif inside or FIRST.match(line):
            yield line[4:]
            inside = line.endswith("\\")


if __name__ == "__main__":
    print("\n".join(commands(sys.argv[1])))
