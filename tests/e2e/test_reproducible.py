#!/usr/bin/env python3
"""With --reproducible a run is the same bits at any number of ranks and threads, and where it is gone on with at another."""
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import program  # noqa: E402

RANKS = ((2, 4, 7), (3, 7))  # in turns
MODELS = (  # every kind, and what sums over nodes or edges; wide and deep ones, which part soon where sums are rounded
    ("--model", "gatv2", "--attention-dropout", 0.6, "--early-stop", "gat"),
    ("--model", "gat", "--layers", 3, "--residual", "--norm", "batch", "--edge-attributes", "features", "--clip-norm", 0.05),
    ("--model", "gat", "--attention-target", "off", "--edge-dropout", 0.5, "--message-dropout", 0.6, "--symmetric-norm"),
    ("--model", "gatv2", "--layers", 3, "--hidden", 32, "--residual", "--norm", "layer", "--optimizer", "adamw"),
    ("--model", "gatv2", "--heads", 4, "--hidden", 64, "--table-type", "bf16", "--edge-attributes", "weight"),
    ("--model", "gcn", "--layers", 3, "--hidden", 256, "--residual"),
    ("--model", "gcn", "--norm", "batch", "--use-labels", 0.5, "--label-iterations", 1, "--class-weights", "balanced"),
    ("--model", "sage", "--layers", 3, "--norm", "layer", "--loss", "log-ce", "--optimizer", "rmsprop"),
    ("--model", "mlp", "--layers", 3, "--norm", "batch", "--label-smoothing", 0.2),
)


class Reproducible(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sparse, cls.dense = cls.path("sparse.h5"), cls.path("dense.h5")
        found = program.planetoid("cora", cls.folder.name)
        if found is None:
            program.distgat("generate", "--preset", "cora", "--seed", 1, "--out", cls.sparse)
        else:
            os.rename(found, cls.sparse)
        program.distgat("generate", "--nodes", 1500, "--avg-degree", 6, "--features", 9, "--feature-density", 1, "--classes", 4,
                        "--out", cls.dense)
        for path in (cls.sparse, cls.dense):
            with h5py.File(path, "a") as f:
                draws, n = np.random.default_rng(5), len(f["graph/indices"])
                f["edges/weight"], f["edges/features"] = (draws.random(shape, np.float32) for shape in (n, (n, 4)))

    def train(self, graph, *options, ranks=None, epochs=12, exact=True):
        """All that a run leaves, by name, but for its times."""
        model, log, found = self.path("model.h5"), self.path("log.jsonl"), {}
        program.distgat("train", graph, "--epochs", epochs, "--log", log, "--save", model, "--quiet",
                        *["--reproducible"] * exact, *options, ranks=ranks)
        with h5py.File(model) as f:
            f.visititems(lambda name, x: found.update({name: x[()]}) if isinstance(x, h5py.Dataset) else None)
        found.pop("history/seconds")
        for event in program.read_log(log, "epoch") + program.read_log(log, "result"):
            for name, value in event.items():
                if name.endswith(("loss", "acc", "_f1", "_auc")):
                    found[f"{event['event']} {event.get('epoch')} {name}"] = value
        return found

    def assert_same_bits(self, got, want):
        self.assertEqual(set(got), set(want))
        for name in want:
            self.assertEqual(np.asarray(got[name]).tobytes(), np.asarray(want[name]).tobytes(), name)

    def check(self, graph, options, ranks):
        alone = self.train(graph, *options)
        near = self.train(graph, *options, exact=False)
        first = "epoch 1 train_loss"
        self.assertAlmostEqual(alone[first] / near[first], 1, delta=1e-6)
        self.assertNotEqual({name: np.asarray(value).tobytes() for name, value in alone.items()},
                            {name: np.asarray(value).tobytes() for name, value in near.items()})
        for n in ranks:
            with self.subTest(options=options, ranks=n):
                self.assert_same_bits(self.train(graph, *options, ranks=n), alone)
        with self.subTest(options=options, threads=3):
            self.assert_same_bits(self.train(graph, *options, "--threads", 3), alone)

    def test_sparse_features(self):
        for i, options in enumerate(MODELS):
            self.check(self.sparse, options, RANKS[i % 2])

    def test_dense_features(self):
        """Narrow ones, which edges gather where sums may be rounded; normalized with figures of all nodes."""
        for options in MODELS[::2]:
            self.check(self.dense, ("--normalize", "standardize", *options), (2, 7))

    def test_large_features(self):
        """Losses, and moments of batch norm that cancel, beyond what steps of small numbers would hold."""
        large = self.path("large.h5")
        shutil.copy(self.dense, large)
        with h5py.File(large, "a") as f:
            x = f["features/dense"]
            pair = 1e13 * np.random.default_rng(3).random((300, x.shape[1]), np.float32)
            x[:300], x[300:600] = pair, -pair
        for options in (("--model", "mlp", "--norm", "batch"), ("--model", "gcn", "--eval-every", 1, "--label-smoothing", 0.1)):
            options += "--dropout", 0
            alone = self.train(large, *options, epochs=3)
            for ranks in (2, 7):
                with self.subTest(options=options, ranks=ranks):
                    self.assert_same_bits(self.train(large, *options, ranks=ranks, epochs=3), alone)

    def test_gone_on_with(self):
        """On another number of ranks, from the middle of the run."""
        options = ("--model", "gatv2", "--layers", 3, "--norm", "batch", "--optimizer", "adamw", "--select", "best-val-loss")
        whole = self.train(self.sparse, *options, epochs=20, ranks=3)
        checkpoint = ("--checkpoint", self.path("C.h5"), "--checkpoint-every", 4)
        self.train(self.sparse, *options, *checkpoint, epochs=8, ranks=2)
        self.train(self.sparse, *options, *checkpoint, "--resume", epochs=12)
        self.assert_same_bits(self.train(self.sparse, *options, *checkpoint, "--resume", epochs=20, ranks=7), whole)

    def test_without_it(self):
        """A checkpoint of the one kind is not gone on with as the other; plan refuses."""
        checkpoint = ("--checkpoint", self.path("D.h5"), "--checkpoint-every", 1)
        self.train(self.sparse, *checkpoint, epochs=2)
        done = program.run("train", self.sparse, *checkpoint, "--resume", "--epochs", 4)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("--reproducible", done.stderr)
        done = program.run("plan", self.sparse, "--reproducible")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("--reproducible is for train and bench", done.stderr)


if __name__ == "__main__":
    program.main()
