#!/usr/bin/env python3
"""Losses with classes of unequal size and smoothed labels, against torch's formulas in double precision."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

CLASSES = 4


def weights_of(labels):
    """Nodes over classes times nodes of the class; a class without any weighs nothing."""
    count = np.bincount(labels, minlength=CLASSES)
    return np.where(count > 0, len(labels) / CLASSES / np.maximum(count, 1), 0)


def loss_of(logits, labels, weights, kind, smoothing):
    """torch.nn.CrossEntropyLoss(weight, label_smoothing), or the mean of log(e + ce) - log(e), weighted by nodes."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    inner = weights if kind == "ce" else np.ones(CLASSES)
    own = -inner[labels] * log_p[np.arange(len(labels)), labels]
    ce = (1 - smoothing) * own - smoothing / CLASSES * (log_p * inner).sum(axis=1)
    if kind == "ce":
        return ce.sum() / weights[labels].sum()
    e = 1 - np.log(2)
    return (weights[labels] * (np.log(e + ce) - np.log(e))).sum() / weights[labels].sum()


class Losses(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        graph = graphs.random_graph(120, features=10, classes=CLASSES, degree=3, seed=8)
        graph.labels[graph.train] = 0
        graph.labels[graph.train[:1]], graph.labels[graph.train[1:3]] = 1, 2  # and of class 3 no training node
        graph.write(cls.path("graph.h5"))
        cls.made = graphs.read(cls.path("graph.h5"))

    def loss(self, split, weights, kind, smoothing, file):
        with h5py.File(file) as f:
            logits = f["logits"][:].astype(float)
        nodes = getattr(self.made, split)
        return loss_of(logits[nodes], self.made.labels[nodes], weights, kind, smoothing)

    def test_formulas(self):
        """Of training, before its first step, and of validation and test, after the last: by the training nodes' weights."""
        saved, log, out = self.path("model.h5"), self.path("log.jsonl"), self.path("out.h5")
        balanced = weights_of(self.made.labels[self.made.train])
        self.assertEqual((balanced > 0).sum(), 3)
        for weights in ("none", "balanced"):
            for kind in ("ce", "log-ce"):
                for smoothing in (0, 0.3):
                    for ranks in (None, 3):
                        with self.subTest(weights=weights, kind=kind, smoothing=smoothing, ranks=ranks):
                            program.distgat("train", self.path("graph.h5"), "--model", "gcn", "--dropout", 0, "--epochs", 4,
                                            "--loss", kind, "--class-weights", weights, "--label-smoothing", smoothing,
                                            "--save", saved, "--log", log, "--lr", 0.05, ranks=ranks)
                            by_class = balanced if weights == "balanced" else np.ones(CLASSES)
                            for group, split, got in (
                                    ("initial", "train", program.losses(log)[0]),
                                    ("trained", "test", program.read_log(log, "result")[0]["test_loss"])):
                                program.distgat("predict", self.path("graph.h5"), "--model-file", saved, "--out", out,
                                                "--weights", group)
                                want = self.loss(split, by_class, kind, smoothing, out)
                                self.assertAlmostEqual(got / want, 1, delta=1e-5)

    def test_lists_that_weigh_nothing(self):
        """Nodes of a class that is not trained: no loss, but an accuracy; the run has not diverged, nor is it watched."""
        graph = graphs.read(self.path("graph.h5"))
        graph.labels[np.concatenate([graph.val, graph.test])] = 3
        graph.write(self.path("untrained.h5"))
        command = ("train", self.path("untrained.h5"), "--model", "gcn", "--class-weights", "balanced", "--epochs", 3)
        for ranks in (None, 3):
            program.distgat(*command, "--eval-every", 1, "--log", self.path("log.jsonl"), ranks=ranks)
            for line in program.read_log(self.path("log.jsonl"), "epoch"):
                self.assertGreater(line["train_loss"], 0)
                self.assertIsNone(line["val_loss"])
                self.assertIsNotNone(line["val_acc"])
            result = program.read_log(self.path("log.jsonl"), "result")[0]
            self.assertIsNone(result["test_loss"])
            self.assertIsNotNone(result["test_acc"])
            for option in (("--select", "best-val-acc"), ("--early-stop", "gat")):
                done = program.run(*command, *option, ranks=ranks)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                self.assertRegex(done.stderr, r"\A[^\n]+need a validation loss[^\n]+\n\Z")


if __name__ == "__main__":
    program.main()
