#!/usr/bin/env python3
"""The house rules on size: functions take few parameters and fit a screen. test_layers has those on includes."""
import os
import re
import statistics
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402

MOST_PARAMETERS, LONGEST, MEDIAN, NINETY_PERCENT = 8, 60, 12, 24


def sources():
    """Path and text of every C file of the library and the program."""
    for top in ("src", "partition", os.path.join("include", "distgat")):
        for folder, _, names in os.walk(os.path.join(program.SOURCE, top)):
            for name in names:
                if name.endswith((".c", ".h")):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as f:
                        yield os.path.relpath(path, program.SOURCE), f.read()


def strip_comments(text):
    return re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)


def functions(text):
    """Name, number of parameters and lines of code of each function defined at the margin, as clang-format lays them."""
    for match in re.finditer(r"^(?!static inline dg_option|typedef|#)[A-Za-z_][^;{}#=]*?\b(\w+)\(([^;{}]*)\) \{\n(.*?)^\}",
                             strip_comments(text), flags=re.M | re.S):
        name, parameters, body = match.groups()
        depth = 0
        count = 1 if parameters.strip() not in ("", "void") else 0
        for c in parameters:
            depth += (c == "(") - (c == ")")
            count += c == "," and depth == 0
        yield name, count, sum(1 for line in body.split("\n") if line.strip())


class House(unittest.TestCase):
    def test_functions_take_few_parameters(self):
        for path, text in sources():
            for name, count, _ in functions(text):
                if not path.startswith(os.path.join("src", "kernels")):
                    self.assertLessEqual(count, MOST_PARAMETERS, f"{path}: {name} has {count} parameters")

    def test_functions_are_short(self):
        lengths = []
        for path, text in sources():
            for name, _, lines in functions(text):
                self.assertLessEqual(lines, LONGEST, f"{path}: {name} has {lines} lines")
                lengths.append(lines)
        self.assertGreater(len(lengths), 500)  # else the reader above no longer finds them
        self.assertLessEqual(statistics.median(lengths), MEDIAN)
        self.assertLessEqual(sorted(lengths)[len(lengths) * 9 // 10], NINETY_PERCENT)


if __name__ == "__main__":
    program.main()
