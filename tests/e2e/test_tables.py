#!/usr/bin/env python3
"""Tables of gathered rows in bf16: where bf16 holds the rows nothing changes, else a run is near the one in single
precision, and it is a run of its own to checkpoints, model files and predictions."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402
import scipy.sparse as sp  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

BF16 = ("--table-type", "bf16")
MODELS = (
    ("gatv2",), ("gat",), ("gcn",), ("sage",),
    ("gatv2", "--out-heads", 3, "--residual"),
    ("gat", "--layers", 3, "--norm", "batch", "--out-heads", 2),
    ("gat", "--symmetric-norm", "--residual", "--norm", "batch"),
    ("gatv2", "--use-labels", 0.5),
    ("gat", "--norm", "layer", "--attention-dropout", 0.3),
)


class Tables(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        graph = graphs.random_graph(600, features=24, classes=4, degree=5, isolated=5, seed=8)
        graph.write(cls.path("sparse.h5"))
        graph.x = graph.x.toarray()
        graph.write(cls.path("dense.h5"))

    def losses(self, graph, *options, epochs=1, ranks=None):
        log = self.path("log.jsonl")
        program.distgat("train", self.path(graph), "--epochs", epochs, "--log", log, "--quiet", *options, ranks=ranks)
        return np.array(program.losses(log))

    def test_rows_that_bf16_holds(self):
        """Few quarters are summed to a projected number: tables have the same rows in both types."""
        draws, start, quarters = np.random.default_rng(3), self.path("start.h5"), self.path("quarters.h5")
        graph = graphs.read(self.path("dense.h5"))
        graph.x = (draws.random(graph.x.shape) < 0.2).astype(np.float32)
        graph.write(self.path("ones.h5"))
        graph.x = sp.csr_matrix(graph.x)
        graph.write(self.path("sparse-ones.h5"))
        for name, model in ((name, model) for name in ("ones.h5", "sparse-ones.h5") for model in ("gatv2", "gat", "gcn", "sage")):
            options = ("--model", model, "--layers", 1, "--dropout", 0)
            self.losses(name, *options, "--save", start, epochs=0)
            weights = graphs.read_weights(start)
            graphs.write_weights(quarters, {key: np.round(8 * value) / 4 for key, value in weights.items()})
            for weights, same in ((quarters, True), (start, False)):
                with self.subTest(graph=name, model=model, same=same):
                    wide, half = (self.losses(name, *options, "--init", weights, *more)[0] for more in ((), BF16))
                    self.assertEqual(abs(half / wide - 1) < 1e-7, same, (wide, half))
                    self.assertLess(abs(half / wide - 1), 5e-3)

    def test_gradients(self):
        """Near those in single precision, by a layer's largest: those of targets' scores cancel but for kinks. Not the same."""
        for model in MODELS:
            for graph in ("sparse.h5", "dense.h5"):
                found = []
                for table in ((), BF16):
                    self.losses(graph, "--model", *model, "--save-gradients", self.path("g.h5"), *table)
                    found.append(graphs.read_weights(self.path("g.h5"), "grads"))
                layer = {name: name.split(".")[0][-1] for name in found[0]}
                for name, wide in found[0].items():
                    size = max(np.linalg.norm(other) for key, other in found[0].items() if layer[key] == layer[name])
                    with self.subTest(model=model, graph=graph, tensor=name):
                        self.assertLess(np.linalg.norm(found[1][name] - wide), 0.03 * size)
                self.assertGreater(max(np.abs(found[1][name] - wide).max() for name, wide in found[0].items()), 1e-6)

    def test_predictions_are_those_of_training(self):
        saved, out = self.path("model.h5"), self.path("out.h5")
        ids = graphs.read(self.path("sparse.h5"))
        for model in MODELS[:5]:
            text = program.distgat("train", self.path("sparse.h5"), "--model", *model, *BF16, "--epochs", 4, "--save", saved, "--json")
            wanted, losses, logits = json.loads(text)["test_loss"], [], []
            shutil.copy(saved, self.path("old.h5"))
            with h5py.File(self.path("old.h5"), "a") as f:
                self.assertIn(f.attrs["table_type"], ("bf16", b"bf16"))
                del f.attrs["table_type"]  # of a file from before there was a choice
            for ranks, path in ((1, saved), (3, saved), (1, self.path("old.h5"))):
                program.distgat("predict", self.path("sparse.h5"), "--model-file", path, "--out", out, ranks=ranks)
                with h5py.File(out) as f:
                    x = f["logits"][:].astype(float)[ids.test]
                each = np.log(np.exp(x).sum(axis=1)) - x[np.arange(len(x)), ids.labels[ids.test]]
                losses.append(each.mean())
                logits.append(x)
            with self.subTest(model=model):
                np.testing.assert_allclose(losses[:2], wanted, rtol=1e-6)
                np.testing.assert_allclose(losses[2], wanted, rtol=1e-2)
                self.assertGreater(np.abs(logits[2] - logits[0]).max(), 1e-4)

    def test_resume(self):
        state = ("--checkpoint", self.path("c.h5"), "--resume")
        for model in MODELS[:2]:
            for path in (self.path("c.h5"), self.path("c.h5.previous")):
                if os.path.exists(path):
                    os.remove(path)
            options = ("--model", *model, *BF16)
            whole = self.losses("sparse.h5", *options, epochs=8)
            self.losses("sparse.h5", *options, *state, epochs=4)
            np.testing.assert_array_equal(self.losses("sparse.h5", *options, *state, epochs=8)[-4:], whole[-4:])
            done = program.run("train", self.path("sparse.h5"), "--model", *model, "--epochs", 8, *state)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("--table-type", done.stderr)

    def test_memory(self):
        """What a plan says is saved is what training saves."""
        wide = ("--model", "gatv2", "--hidden", 128, "--heads", 8, "--threads", 1)
        planned, peak = [], []
        graphs.random_graph(3000, features=8, classes=4, degree=3, dense=True, seed=9).write(self.path("large.h5"))
        for table in ((), BF16):
            plan = json.loads(program.distgat("plan", self.path("large.h5"), "--json", "--quiet", "--parts", 1, *wide, *table))
            train = program.distgat("train", self.path("large.h5"), "--epochs", 2, "--json", *wide, *table)
            planned.append(plan["points"][0]["memory_bytes"])
            peak.append(json.loads(train)["peak_rss_bytes"])
        self.assertGreater(planned[0] - planned[1], 1e7)
        self.assertLess(abs((planned[0] - planned[1]) / (peak[0] - peak[1]) - 1), 0.15, (planned, peak))

    def test_what_is_refused_and_printed(self):
        done = program.run("train", self.path("sparse.h5"), "--model", "mlp", *BF16)
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
        self.assertIn("table-type: bf16\n", program.distgat("train", self.path("sparse.h5"), *BF16, "--print-config"))


if __name__ == "__main__":
    program.main()
