#!/usr/bin/env python3
"""Bad input of `partition`: exit code, one line that names the trouble, and nothing written."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

BAD, FAILED = 2, 3
FROM = ("--parts", 3, "--method", "file", "--out", "out.h5", "--from")

# arguments after the graph, exit code, what the line says
COMMANDS = {
    "no_parts": (("--out", "out.h5"), BAD, "--parts K is missing"),
    "zero_parts": (("--parts", 0, "--out", "out.h5"), BAD, "--parts must be at least 1"),
    "half_a_part": (("--parts", "1.5", "--out", "out.h5"), BAD, "--parts must be a whole number"),
    "parts_above_nodes": (("--parts", 31, "--out", "out.h5"), BAD, "more than the 30 nodes"),
    "no_out": (("--parts", 2), BAD, "--out P.h5 is missing"),
    "out_is_graph": (("--parts", 2, "--out", "G.h5"), BAD, "would replace the graph"),
    "out_in_absent_folder": (("--parts", 2, "--out", "absent/P.h5"), FAILED, "absent/P.h5: cannot be written"),
    "out_is_folder": (("--parts", 2, "--out", "."), FAILED, "cannot be written"),
    "unknown_option": (("--parts", 2, "--out", "out.h5", "--part", 3), BAD, "did you mean --parts?"),
    "unknown_method": (("--parts", 2, "--out", "out.h5", "--method", "scotch"), BAD, "metis"),
    "unknown_balance": (("--parts", 2, "--out", "out.h5", "--balance", "rows"), BAD, "nodes"),
    "negative_seed": (("--parts", 2, "--out", "out.h5", "--seed", -1), BAD, "--seed must be at least 0"),
    "two_graphs": (("G.h5", "--parts", 2, "--out", "out.h5"), BAD, ""),
    "file_without_from": (("--parts", 2, "--method", "file", "--out", "out.h5"), BAD, "--from FILE is missing"),
    "from_without_file": (("--parts", 2, "--from", "good.txt", "--out", "out.h5"), BAD, "--method file only"),
    "from_absent": ((*FROM, "absent.txt"), BAD, "absent.txt: "),
    "from_folder": ((*FROM, "."), BAD, ".: "),
    "from_graph": ((*FROM, "G.h5"), BAD, "is no partition file"),
    "from_truncated": ((*FROM, "truncated.h5"), BAD, "truncated.h5: "),
    "from_other_graph": ((*FROM, "other.h5"), BAD, "is for 29 nodes, the graph has 30"),
    "from_more_parts": ((*FROM, "four.h5"), BAD, "has 4 parts"),
    "from_outside": ((*FROM, "outside.h5"), BAD, "node 4 is in part 3"),
    "from_reals": ((*FROM, "reals.h5"), BAD, "one integer a node"),
    "short_text": ((*FROM, "short.txt"), BAD, "has 29 part numbers, the graph 30 nodes"),
    "text_with_word": ((*FROM, "word.txt"), BAD, "line 7 is no part number"),
    "text_with_negative": ((*FROM, "negative.txt"), BAD, "line 5 is no part number"),
    "text_with_more_parts": ((*FROM, "more.txt"), BAD, "has 4 parts"),
}


def write_part(path, part, parts):
    with h5py.File(path, "w") as f:
        f["part"] = part
        f.attrs["parts"] = parts


def changed(lines, at, value):
    return lines[:at] + [value] + lines[at + 1:]


class BadPartition(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        graphs.random_graph(30, seed=1).write(cls.path("G.h5"))
        part = np.arange(30, dtype=np.int32) % 3
        write_part(cls.path("other.h5"), part[:29], 3)
        write_part(cls.path("four.h5"), part, 4)
        write_part(cls.path("outside.h5"), np.where(np.arange(30) == 4, 3, part), 3)
        write_part(cls.path("reals.h5"), part.astype(np.float64), 3)
        with open(cls.path("four.h5"), "rb") as f, open(cls.path("truncated.h5"), "wb") as out:
            out.write(f.read()[:300])
        lines = [str(p) for p in part]
        texts = {"good": lines, "short": lines[:29], "word": changed(lines, 6, "six"),
                 "negative": changed(lines, 4, "-1"), "more": changed(lines, 9, "3")}
        for name, text in texts.items():
            with open(cls.path(name + ".txt"), "w") as f:
                f.write("\n".join(text) + "\n")

    def content(self):
        found = {}
        for name in os.listdir(self.folder.name):
            with open(self.path(name), "rb") as f:
                found[name] = f.read()
        return found

    def check(self, name, ranks):
        arguments, code, message = COMMANDS[name]
        before = self.content()
        done = program.run("partition", "G.h5", *arguments, ranks=ranks, timeout=30, cwd=self.folder.name)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(message, done.stderr)
        self.assertEqual(self.content(), before, "files changed")

    def test_alone(self):
        for name in COMMANDS:
            with self.subTest(name=name):
                self.check(name, None)

    def test_four_ranks(self):
        for name in ("parts_above_nodes", "out_in_absent_folder", "unknown_option", "from_graph"):
            with self.subTest(name=name):
                self.check(name, 4)

    def test_good_text(self):
        program.distgat("partition", "G.h5", *FROM, "good.txt", timeout=30, cwd=self.folder.name)
        with h5py.File(self.path("out.h5")) as f:
            np.testing.assert_array_equal(f["part"][:], np.arange(30) % 3)
            self.assertEqual(f.attrs["parts"], 3)
        os.remove(self.path("out.h5"))


if __name__ == "__main__":
    program.main()
