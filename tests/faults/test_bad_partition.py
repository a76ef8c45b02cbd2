#!/usr/bin/env python3
"""Bad input of `partition`: exit code, one line that names the trouble, and nothing written."""
import json
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
    "text_with_null": ((*FROM, "null.txt"), BAD, "line 3 is no part number"),
    "text_without_end": ((*FROM, "/dev/zero"), BAD, "line 1 is no part number"),
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
                 "negative": changed(lines, 4, "-1"), "more": changed(lines, 9, "3"),
                 "null": changed(lines, 2, "2\0 of 3")}
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


def replace(f, name, value, **storage):
    del f[name]
    f.create_dataset(name, data=value, **storage)


def store_otherwise(f):
    """The same graph: other name and splits, wider and chunked integers, features sparse."""
    f.attrs["name"] = "renamed"
    x = f["features/dense"][:]
    del f["features/dense"]
    rows, columns = np.nonzero(x)
    f["features/indptr"] = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(x)))])
    f["features/indices"], f["features/values"] = columns, x[rows, columns]
    replace(f, "graph/indices", f["graph/indices"][:].astype(np.int64), chunks=(7,), compression="gzip")
    replace(f, "graph/indptr", f["graph/indptr"][:].astype(np.int32))
    replace(f, "splits/public/val", f["splits/public/val"][:-1])


def flip_feature(f):
    f["features/dense"][29, 5] *= -1


def move_edge(f):
    """The first neighbour of a node becomes another one."""
    indptr, indices = f["graph/indptr"][:], f["graph/indices"]
    for i in range(30):
        free = sorted(set(range(30)) - {i} - set(indices[indptr[i]:indptr[i + 1]]))
        if indptr[i] < indptr[i + 1] and free[0] < indices[indptr[i]]:
            indices[indptr[i]] = free[0]
            return


def change_label(f):
    f["labels"][3] = (f["labels"][3] + 1) % 3


def add_class(f):
    f.attrs["num_classes"] = 4


OTHER_GRAPHS = {"feature": flip_feature, "edge": move_edge, "label": change_label, "classes": add_class}


class PartitionOfAnotherGraph(program.Case):
    """A partition is for one graph, whatever its file looks like, and the sizes alone do not tell."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        graphs.random_graph(30, dense=True, seed=1).write(cls.path("G.h5"))
        for name, edit in {**OTHER_GRAPHS, "same": store_otherwise}.items():
            graphs.random_graph(30, dense=True, seed=1).write(cls.path(name + ".h5"))
            with h5py.File(cls.path(name + ".h5"), "r+") as f:
                edit(f)
        program.distgat("partition", cls.path("G.h5"), "--parts", 2, "--out", cls.path("P.h5"))
        program.distgat("train", cls.path("G.h5"), "--epochs", 1, "--quiet", "--save", cls.path("M.h5"))

    def fingerprint(self, name):
        return json.loads(program.distgat("info", self.path(name), "--json"))["fingerprint"]

    def run_with(self, graph, verb, ranks):
        options = {"train": ("--epochs", 1), "bench": ("--steps", 1),
                   "predict": ("--model-file", "M.h5", "--out", "O.h5"),
                   "partition": ("--parts", 2, "--method", "file", "--out", "O.h5")}[verb]
        source = "--from" if verb == "partition" else "--partition"
        return program.run(verb, graph, *options, source, "P.h5", "--quiet", ranks=ranks, timeout=60, cwd=self.folder.name)

    def test_every_difference_has_its_fingerprint(self):
        found = [self.fingerprint(name + ".h5") for name in ("G", *OTHER_GRAPHS)]
        self.assertEqual(len(set(found)), len(found))
        self.assertRegex(found[0], "^[0-9a-f]{16}$")
        with h5py.File(self.path("P.h5")) as f:
            self.assertEqual(np.asarray(f.attrs["fingerprint"]).astype(str).item(), found[0])

    def test_the_same_graph_stored_otherwise_is_taken(self):
        self.assertEqual(self.fingerprint("same.h5"), self.fingerprint("G.h5"))
        for verb, ranks in (("train", 2), ("train", 3), ("partition", None)):
            done = self.run_with("same.h5", verb, ranks)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_another_graph_is_refused(self):
        for graph, verb, ranks in (("feature", "train", 2), ("edge", "train", 3), ("label", "bench", 2),
                                   ("classes", "predict", 2), ("feature", "partition", None)):
            with self.subTest(graph=graph, verb=verb, ranks=ranks):
                done = self.run_with(graph + ".h5", verb, ranks)
                self.assertEqual(done.returncode, BAD, done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertIn("P.h5 was made for another graph", done.stderr)
                self.assertFalse(os.path.exists(self.path("O.h5")))

    def test_a_partition_that_says_nothing_is_taken(self):
        with h5py.File(self.path("P.h5"), "r+") as f:
            kept = f.attrs["fingerprint"]
            del f.attrs["fingerprint"]
        done = self.run_with("feature.h5", "train", 2)
        with h5py.File(self.path("P.h5"), "r+") as f:
            f.attrs["fingerprint"] = kept
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    program.main()
