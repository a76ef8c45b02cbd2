#!/usr/bin/env python3
"""Features of very different size: they are told, and --normalize standardize trains as any ranks would on what scikit-learn
makes of them."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import numpy as np  # noqa: E402
import scipy.sparse as sp  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

QUICK = ("--epochs", 60, "--lr", 0.02, "--threads", 1)


class Features(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        graph = graphs.random_graph(300, features=6, classes=3, degree=3, dense=True, seed=4)
        rng = np.random.default_rng(1)
        graph.labels = np.argmax(graph.x @ rng.normal(size=(6, 3)), axis=1).astype(np.int32)
        graph.x = graph.x * [1, 1e5, 1e-3, 1, 30, 1] + [0, 7e5, 1, -4, 0, 0]
        graph.x[:, 5] = 1234.5678
        graph.write(cls.path("graph.h5"))
        cls.x = graph.x.astype(np.float32).astype(float)
        cls.graph = graph

    def train(self, graph, *options, ranks=None):
        """The result, and the losses."""
        log = self.path("log.jsonl")
        text = program.distgat("train", self.path(graph), *QUICK, "--json", "--log", log, *options, ranks=ranks)
        return json.loads(text), program.losses(log)

    def said(self, graph, *options, ranks=None):
        return program.distgat("train", self.path(graph), *QUICK, "--epochs", 1, "--runs", 2, *options, ranks=ranks)

    def test_large_features_are_told_once(self):
        for ranks in (None, 3):
            said = self.said("graph.h5", ranks=ranks)
            self.assertRegex(said, r"\nNote: features are large or .* from 0\.\d+ \(column 0\) to 7.*e\+05 \(column 1\) .*"
                                   r"try --normalize standardize\n")
            self.assertEqual(said.count("Note: "), 1)
            for options in (("--normalize", "standardize"), ("--quiet",)):
                self.assertNotIn("Note: ", self.said("graph.h5", *options, ranks=ranks))
            once = ("--checkpoint", self.path("c.h5"), "--resume")
            for options in ((), ("--runs", 2), once, once):  # the last goes on at its end
                self.assertRegex(self.train("graph.h5", *options, ranks=ranks)[0]["note"], "^features are large or .*e$")
            self.assertNotIn("note", self.train("graph.h5", "--normalize", "standardize", ranks=ranks)[0])
            os.remove(self.path("c.h5"))

    def test_columns_as_by_hand(self):
        """A column of one value becomes 0; the same losses on any ranks."""
        deviation = self.x.std(axis=0)
        deviation[5] = 1
        self.graph.x = (self.x - self.x.mean(axis=0)) / deviation
        self.graph.x[:, 5] = 0
        self.graph.write(self.path("by-hand.h5"))
        wanted = self.train("by-hand.h5")[1]
        for ranks in (None, 2, 3, 4):
            found = self.train("graph.h5", "--normalize", "standardize", ranks=ranks)[1]
            np.testing.assert_allclose(found[:10], wanted[:10], rtol=1e-4)
        untold = self.train("graph.h5")[0]
        self.assertGreater(self.train("graph.h5", "--normalize", "standardize")[0]["train_acc"], untold["train_acc"] + 0.1)

    def test_prediction_does_the_same(self):
        result, _ = self.train("graph.h5", "--normalize", "standardize", "--save", self.path("m.h5"))
        for ranks in (None, 3):
            said = json.loads(program.distgat("predict", self.path("graph.h5"), "--model-file", self.path("m.h5"), "--out",
                                              self.path("o.h5"), "--json", ranks=ranks))
            self.assertEqual(said["test_acc"], result["test_acc"])

    def test_sparse_features_stay_sparse(self):
        self.graph.x = sp.csr_matrix(np.where(np.arange(6) < 3, 500, 0) * np.ones((300, 1)))
        self.graph.write(self.path("sparse.h5"))
        self.assertIn("try --normalize row", self.said("sparse.h5"))
        for ranks in (1, 3):
            done = program.run("train", self.path("sparse.h5"), "--normalize", "standardize", ranks=ranks)
            self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1), done.stderr)
            self.assertIn("fills a sparse matrix", done.stderr)


if __name__ == "__main__":
    program.main()
