#!/usr/bin/env python3
"""The house rules that a machine can check: includes point down only, few parameters, functions that fit a screen."""
import os
import re
import statistics
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402

# Floors from the ground up; rooms of one floor do not know each other.
FLOORS = [["base"], ["par"], ["data", "kernels"], ["generate", "field"], ["partition"], ["nn"], ["train"], ["cli"]]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# Where a public header belongs.
HEADERS = {"api": "base", "status": "base", "memory": "base", "log": "base", "files": "base", "options": "base",
           "real": "base", "ids": "base", "rng": "base", "fault": "base", "comm": "par", "halo": "par", "sums": "par", "timer": "par",
           "h5io": "data", "graph": "data", "summary": "data", "fingerprint": "data", "generate": "generate",
           "field": "field", "counts": "field", "partition": "partition", "params": "nn", "model": "nn",
           "config": "train", "trainer": "train", "train": "train", "distgat": "cli"}

MOST_PARAMETERS, LONGEST, MEDIAN, NINETY_PERCENT = 8, 60, 12, 24


def sources():
    """Room, path and text of every C file of the library and the program."""
    for top in ("src", "partition", os.path.join("include", "distgat")):
        for folder, _, names in os.walk(os.path.join(program.SOURCE, top)):
            for name in names:
                if not name.endswith((".c", ".h")):
                    continue
                path = os.path.join(folder, name)
                room = os.path.relpath(folder, os.path.join(program.SOURCE, "src")).split(os.sep)[0]
                if top == "partition":
                    room = "partition"
                elif top != "src":
                    room = HEADERS.get(name[:-2], name)
                with open(path, encoding="utf-8") as f:
                    yield room, os.path.relpath(path, program.SOURCE), f.read()


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
    def test_every_public_header_has_a_room(self):
        for room, path, _ in sources():
            self.assertTrue(room in FLOOR or room == "examples", f"{path}: no room '{room}'")

    def test_includes_point_down(self):
        for room, path, text in sources():
            if room == "examples":
                for name in re.findall(r'#include "(.*)"', text):
                    self.fail(f"{path}: an example sees public headers only, not {name}")
                continue
            wanted = [HEADERS[name] for name in re.findall(r"#include <distgat/(\w+)\.h>", text)]
            wanted += [name.split("/")[0] for name in re.findall(r'#include "([^"]+/[^"]+)"', text)]
            for other in wanted:
                below = other == room or FLOOR[other] < FLOOR[room]
                self.assertTrue(below, f"{path}, on floor {FLOOR[room]} ({room}), includes {other}, on floor {FLOOR[other]}")

    def test_functions_take_few_parameters(self):
        for room, path, text in sources():
            for name, count, _ in functions(text):
                if room != "kernels":
                    self.assertLessEqual(count, MOST_PARAMETERS, f"{path}: {name} has {count} parameters")

    def test_functions_are_short(self):
        lengths = []
        for _, path, text in sources():
            for name, _, lines in functions(text):
                self.assertLessEqual(lines, LONGEST, f"{path}: {name} has {lines} lines")
                lengths.append(lines)
        self.assertGreater(len(lengths), 500)  # else the reader above no longer finds them
        self.assertLessEqual(statistics.median(lengths), MEDIAN)
        self.assertLessEqual(sorted(lengths)[len(lengths) * 9 // 10], NINETY_PERCENT)


if __name__ == "__main__":
    program.main()
