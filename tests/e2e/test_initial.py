#!/usr/bin/env python3
"""Initial weights: the distribution and the bound of PyTorch Geometric for every tensor, each tensor and seed its own."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

FEATURES, CLASSES, HIDDEN, HEADS, OUT_HEADS, LAYERS = 60, 12, 20, 6, 3, 3


def expected(kind):
    """Shape and bound of every tensor, by name; bound 0 where it starts at zero. Matrices and attention vectors are
    Glorot's over their last two dimensions, biases of GATv2's projections 1 / sqrt of their inputs."""
    tensors, width = {}, FEATURES
    attention = kind.startswith("gat")
    for k in range(1, LAYERS + 1):
        last = k == LAYERS
        heads = (OUT_HEADS if last else HEADS) if attention else 1
        dim = CLASSES if last else HIDDEN
        weight = (heads * dim, width), np.sqrt(6 / (width + heads * dim))
        att = (1, heads, dim), np.sqrt(6 / (heads + dim))
        lin_bias = (heads * dim,), 1 / np.sqrt(width)
        layer = {"mlp": {"weight": weight},
                 "gcn": {"lin.weight": weight},
                 "gat": {"lin.weight": weight, "att_src": att, "att_dst": att},
                 "gatv2": {"lin_l.weight": weight, "lin_l.bias": lin_bias, "lin_r.weight": weight,
                           "lin_r.bias": lin_bias, "att": att}}[kind]
        layer["bias"] = (dim if last else heads * dim,), 0
        tensors.update({f"conv{k}.{name}": value for name, value in layer.items()})
        width = heads * dim
    return tensors


def distance_from_uniform(x):
    """Kolmogorov and Smirnov's, of values that should be uniform in [-1, 1], times the root of their number."""
    x = np.sort((x + 1) / 2)
    n = len(x)
    return max(np.abs(x - np.arange(n) / n).max(), np.abs(x - np.arange(1, n + 1) / n).max()) * np.sqrt(n)


class Initial(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        graphs.random_graph(30, features=FEATURES, classes=CLASSES, seed=1).write(cls.path("graph.h5"))

    def weights(self, kind, seed, *options, ranks=None):
        heads = ("--heads", HEADS, "--out-heads", OUT_HEADS) if kind.startswith("gat") else ()
        program.distgat("train", self.path("graph.h5"), "--model", kind, "--layers", LAYERS, "--hidden", HIDDEN, *heads,
                        "--epochs", 0, "--seed", seed, "--save", self.path("model.h5"), *options, ranks=ranks)
        found = graphs.read_weights(self.path("model.h5"))
        for name, value in graphs.read_weights(self.path("model.h5"), "initial_weights").items():
            np.testing.assert_array_equal(value, found[name])
        return found

    def test_distribution(self):
        for kind in ("mlp", "gcn", "gat", "gatv2"):
            found = self.weights(kind, 0)
            self.assertEqual(set(found), set(expected(kind)))
            for name, (shape, bound) in expected(kind).items():
                with self.subTest(model=kind, tensor=name):
                    value = found[name].astype(float).ravel()
                    self.assertEqual(found[name].shape, shape)
                    if bound == 0:
                        self.assertFalse(value.any())
                        continue
                    self.assertLessEqual(np.abs(value).max(), bound * (1 + 1e-6))
                    self.assertGreater(np.abs(value).max(), bound * (1 - 12 / value.size))
                    self.assertLess(distance_from_uniform(value / bound), 2)

    def alike(self, a, b):
        """Correlation of values that follow each other alike, in deviations; also where one is the other shifted."""
        n = min(a.size, b.size)
        found = []
        for shift in range(3):
            x, y = a.ravel()[shift:n], b.ravel()[:n - shift]
            found += [abs(np.corrcoef(x, y)[0, 1]) * np.sqrt(len(x))]
        return max(found)

    def test_tensors_and_seeds_differ(self):
        for kind in ("gcn", "gat", "gatv2"):
            tensors = {(name, seed): value for seed in (0, 1, 2) for name, value in self.weights(kind, seed).items()
                       if value.any() and value.size > 50}
            names = list(tensors)
            for i, one in enumerate(names):
                for other in names[:i]:
                    with self.subTest(model=kind, one=one, other=other):
                        self.assertLess(self.alike(tensors[one], tensors[other]), 6)
            for name, value in tensors.items():  # nor do its rows
                for one, other in zip(value.reshape(-1, value.shape[-1])[1:], value.reshape(-1, value.shape[-1])):
                    self.assertTrue((one != other).any(), name)

    def test_weights_without_a_place_are_told(self):
        """Of a model of more, by one line of standard error, quiet or not; not torch's count of batches, nor of all that is there."""
        self.weights("gat", 0, "--residual", "--norm", "batch")
        weights = {**graphs.read_weights(self.path("model.h5")), "norm1.num_batches_tracked": np.ones(1)}
        graphs.write_weights(self.path("init.h5"), weights)
        model = ("train", self.path("graph.h5"), "--model", "gat", "--layers", LAYERS, "--hidden", HIDDEN, "--heads", HEADS,
                 "--out-heads", OUT_HEADS, "--epochs", 0, "--quiet", "--init", self.path("init.h5"))
        for options, words in (((), "weights/conv1.res.weight and others are left out, which this model has not"),
                               (("--residual",), "weights/norm1.bias and others are left out"),
                               (("--residual", "--norm", "layer"), "weights/norm1.running_mean and others are left out"),
                               (("--residual", "--norm", "batch"), None)):
            for ranks in (None, 3):
                with self.subTest(options=options, ranks=ranks):
                    done = program.run(*model, *options, ranks=ranks)
                    self.assertEqual((done.returncode, len(done.stderr.splitlines())), (0, words is not None), done.stderr)
                    self.assertIn(words or "", done.stderr)

    def test_ranks(self):
        """Every rank starts with the same weights, to the last bit those of one process."""
        for kind in ("gat", "gatv2"):
            alone, together = self.weights(kind, 7), self.weights(kind, 7, ranks=3)
            for name, value in alone.items():
                np.testing.assert_array_equal(value, together[name], err_msg=name)


if __name__ == "__main__":
    program.main()
