#!/usr/bin/env python3
"""Among equal logits the first class is the prediction, as argmax has it: in training, evaluation and `predict`."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import oracle  # noqa: E402
import program  # noqa: E402

CLASSES = 40  # more than two vectors of any instruction set
TIES = (range(CLASSES), (0, 39), (1, 2), (3, 19), (5, 6, 22), (7, 8), (15, 16), (16, 17), (18, 35), (31, 32), (38, 39))


class Argmax(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        classes = np.repeat(np.arange(CLASSES), np.arange(1, CLASSES + 1))  # each has a number of nodes of its own
        size = len(classes)
        cls.graph = graphs.random_graph(3 * size, features=4, classes=CLASSES, degree=2, seed=3)
        cls.graph.labels = np.tile(classes, 3).astype(np.int32)
        cls.graph.train, cls.graph.val, cls.graph.test = np.arange(3 * size).reshape(3, size)
        cls.graph.write(cls.path("graph.h5"))

    def check(self, kind, ties, ranks):
        """All logits are those of the last bias: 1 for the classes of `ties`, else 0."""
        first = min(ties)
        heads = dict(heads=2, out_heads=2) if kind.startswith("gat") else {}
        weights = {name: 0 * value for name, value in oracle.random_weights(kind, 4, CLASSES, hidden=4, **heads).items()}
        weights["conv2.bias"][list(ties)] = 1
        graphs.write_weights(self.path("init.h5"), weights)
        options = [text for name, value in heads.items() for text in ("--" + name.replace("_", "-"), value)]
        program.distgat("train", self.path("graph.h5"), "--model", kind, "--hidden", 4, *options, "--epochs", 1, "--lr",
                        1e-30, "--weight-decay", 0, "--eval-every", 1, "--init", self.path("init.h5"), "--log",
                        self.path("log.jsonl"), "--save", self.path("model.h5"), ranks=ranks)
        epoch = program.read_log(self.path("log.jsonl"), "epoch")[0]
        result = program.read_log(self.path("log.jsonl"), "result")[0]
        share = (first + 1) * 2 / CLASSES / (CLASSES + 1)  # of the nodes, those labelled with the first of the ties
        for what, found in (("train_acc", epoch), ("val_acc", epoch), ("train_acc", result), ("val_acc", result),
                            ("test_acc", result)):
            self.assertAlmostEqual(found[what], share, 9, f"{what} of {found['event']}")
        program.distgat("predict", self.path("graph.h5"), "--model-file", self.path("model.h5"), "--weights", "initial",
                        "--out", self.path("out.h5"), ranks=ranks)
        with h5py.File(self.path("out.h5")) as f:
            self.assertEqual(set(f["prediction"][:]), {first})

    def test_ties(self):
        for kind in ("mlp", "gatv2"):
            for ties in TIES:
                with self.subTest(model=kind, ties=ties):
                    self.check(kind, ties, None)
        self.check("gat", (5, 6, 22), 3)


if __name__ == "__main__":
    program.main()
