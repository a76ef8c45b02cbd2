#!/usr/bin/env python3
"""Synthetic graphs whose classes are hard to tell apart, and as folders of the Open Graph Benchmark."""
import filecmp
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import program  # noqa: E402

SIZES = ("--nodes", 6000, "--avg-degree", 6, "--features", 12, "--classes", 5, "--feature-density", 1, "--quiet")
SETS = ("graph/indptr", "graph/indices", "features/dense", "labels", "splits/public/train", "splits/public/val",
        "splits/public/test")


class Generate(program.Case):
    def generate(self, name, *options, **more):
        program.distgat("generate", *SIZES, *options, "--out", self.path(name), **more)
        return self.path(name)

    def read(self, name, *options):
        with h5py.File(self.generate(name, *options)) as file:
            return {key: file[key][:] for key in SETS}

    def test_a_label_may_be_that_of_any_node(self):
        plain, noisy = self.read("plain.h5"), self.read("noisy.h5", "--label-noise", 0.4)
        for same in ("graph/indices", "features/dense"):
            np.testing.assert_array_equal(plain[same], noisy[same])
        # of those that draw, a fifth draws its own class
        self.assertAlmostEqual(np.mean(plain["labels"] != noisy["labels"]), 0.4 * 0.8, delta=0.02)

    def test_classes_may_be_of_unlike_sizes(self):
        sizes = np.bincount(self.read("skewed.h5", "--class-skew", 1)["labels"], minlength=5) / 6000
        np.testing.assert_allclose(sizes, np.diff(np.log(np.arange(1, 7))) / np.log(6), atol=0.03)
        sizes = np.bincount(self.read("skewed.h5", "--class-skew", 2)["labels"], minlength=5) / 6000
        np.testing.assert_allclose(sizes, -np.diff(1 / np.arange(1, 7)) * 6 / 5, atol=0.03)

    def test_features_tell_classes_as_well_as_is_asked(self):
        """By the distance of the means of classes, over their spread."""
        def tell(*options):
            graph = self.read("told.h5", *options)
            x, y = graph["features/dense"], graph["labels"]
            means = np.array([x[y == c].mean(axis=0) for c in range(5)])
            return np.linalg.norm(means[:, None] - means, axis=2).sum() / 20

        plain = tell()
        self.assertAlmostEqual(tell("--feature-gain", 1) / plain, 2, delta=0.1)
        self.assertAlmostEqual(tell("--feature-gain", -1) / plain, 0.5, delta=0.1)
        # half the nodes, on average, look like any other class
        self.assertAlmostEqual(tell("--topic-noise", 1) / plain, 0.375, delta=0.15)

    def imported(self, folder, graph=()):
        """Attributes of what is imported from a folder, whose data sets must be those of `graph`."""
        subprocess.run([sys.executable, os.path.join(program.SOURCE, "data", "import.py"), "ogb", folder, "--out",
                        self.path("again.h5")], check=True, capture_output=True)
        with h5py.File(self.path("again.h5")) as file:
            for key in graph and SETS:
                np.testing.assert_array_equal(graph[key], file[key][:])
            self.assertNotIn("classes", file)
            return dict(file.attrs)

    def test_a_folder_holds_the_graph_that_a_file_holds(self):
        graph, folder = self.read("graph.h5"), self.generate("folder", "--format", "ogb")
        self.assertEqual(self.imported(folder, graph)["num_classes"], 5)
        with open(os.path.join(folder, "raw", "edge.csv")) as pairs:
            self.assertEqual(2 * len(list(pairs)), len(graph["graph/indices"]))
        self.assertFalse([name for name in os.listdir(self.folder.name) if "partial" in name])
        self.assertEqual(self.imported(self.generate("few", "--nodes", 20, "--classes", 30, "--format", "ogb"))["num_classes"], 30)
        other = self.generate("other", "--format", "ogb", ranks=3)
        self.assertEqual(filecmp.dircmp(folder, other).diff_files, [])
        for below in ("mapping", "raw", "split/public"):
            names = os.listdir(os.path.join(folder, below))
            same, *rest = filecmp.cmpfiles(os.path.join(folder, below), os.path.join(other, below), names, False)
            self.assertEqual((sorted(same), *rest), (sorted(names), [], []))

    def test_a_folder_is_complete_or_absent(self):
        """Files that may not grow beyond the graph's stand for a full disk."""
        command = ["bash", "-c", 'ulimit -f 700; trap "" XFSZ; exec "$@"', "bash", program.DISTGAT, "generate",
                   *map(str, SIZES), "--format", "ogb", "--out", self.path("full")]
        done = subprocess.run(command, capture_output=True, text=True, env={**program.MPI_ENVIRONMENT, **os.environ})
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertRegex(done.stderr, r"^distgat generate: \S*node-feat.csv: cannot be written: File too large\n$")
        self.assertFalse([name for name in os.listdir(self.folder.name) if name.startswith("full")])

    def test_what_cannot_be_is_refused(self):
        self.generate("there", "--format", "ogb")
        sparse = ("--preset", "cora", "--format", "ogb", "--out", self.path("none"))
        for options, word in ((sparse, "dense features"), ((*SIZES, "--format", "ogb", "--out", self.path("there")), "already"),
                              ((*SIZES, "--format", "csv", "--out", self.path("none")), "must be h5 or ogb"),
                              ((*SIZES, "--label-noise", 2, "--out", self.path("none")), "--label-noise"),
                              ((*SIZES, "--class-skew", -1, "--out", self.path("none")), "--class-skew"),
                              ((*SIZES, "--topic-noise", "nan", "--out", self.path("none")), "--topic-noise"),
                              ((*SIZES, "--feature-gain", 99, "--out", self.path("none")), "--feature-gain")):
            done = program.run("generate", *options)
            self.assertEqual((done.returncode, done.stdout), (2, ""), word)
            self.assertRegex(done.stderr, f"^distgat generate: [^\\n]*{word}[^\\n]*\\n$")
        done = program.run("generate", *SIZES, "--format", "ogb", "--out", self.path("absent/folder"))
        self.assertEqual(done.returncode, 3)


if __name__ == "__main__":
    program.main()
