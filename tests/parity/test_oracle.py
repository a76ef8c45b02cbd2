#!/usr/bin/env python3
"""Small awkward graphs and unusual models against the dense reference, at 1 and 3 ranks, and at 1 in each instruction set."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import oracle  # noqa: E402
import program  # noqa: E402

RANKS = (None,) if os.environ.get("DISTGAT_SIMD") else (None, 3)
STEPS, LR, DECAY = 5, 0.01, 1e-3
ROUNDING = 1e-5  # single precision, relative to the largest entry

GRAPHS = {
    "hub": lambda: graphs.random_graph(40, features=11, degree=2, isolated=5, hub=True, seed=1),
    "directed": lambda: graphs.random_graph(31, features=7, classes=5, degree=4, seed=2),
    "symmetric": lambda: graphs.random_graph(64, features=33, classes=4, degree=2, symmetric=True, seed=3),
    "dense": lambda: graphs.random_graph(24, features=5, degree=3, dense=True, isolated=2, seed=4),
    "no_edges": lambda: graphs.random_graph(9, features=4, degree=0, seed=5),
    "complete": lambda: graphs.random_graph(12, features=6, degree=1000, seed=6),
    "pair": lambda: graphs.random_graph(2, features=3, classes=2, degree=2, dense=True, seed=7),
    "single": lambda: single_node(),
    "one_class": lambda: graphs.random_graph(8, features=3, classes=1, degree=2, seed=9),
}

# Graph, model and the options that change it.
CASES = [
    ("hub", "gatv2", {}),
    ("hub", "gat", {}),
    ("hub", "gcn", dict(hidden=5, layers=3)),
    ("hub", "gat", dict(layers=3, hidden=3, heads=5, out_heads=2)),
    ("hub", "gatv2", dict(layers=3, hidden=5, heads=3, out_heads=3, activation="relu")),
    ("directed", "gatv2", dict(hidden=17, heads=2, negative_slope=0.05)),
    ("directed", "gat", dict(hidden=1, heads=1, negative_slope=0.5)),
    ("directed", "gat", dict(hidden=16, heads=8, out_heads=8, activation="relu")),
    ("directed", "gcn", dict(hidden=16, activation="elu")),
    ("directed", "mlp", dict(hidden=9, layers=3)),
    ("symmetric", "gatv2", dict(layers=4, hidden=8, heads=4)),
    ("symmetric", "gat", dict(layers=1, out_heads=3)),
    ("symmetric", "gatv2", dict(layers=1)),
    ("symmetric", "gcn", dict(layers=1)),
    ("symmetric", "gatv2", dict(hidden=64, heads=1, out_heads=5)),
    ("symmetric", "gatv2", dict(hidden=36, heads=8)),  # wide layers, whose weights are multiplied strip by strip
    ("symmetric", "gcn", dict(hidden=272, layers=3)),
    ("dense", "gatv2", dict(hidden=40, heads=8)),
    ("dense", "gatv2", dict(hidden=7, heads=3)),
    ("dense", "gat", dict(hidden=6, heads=2, out_heads=2)),
    ("dense", "gat", dict(hidden=20, heads=3)),  # heads wider than the input, rows of which are summed for each
    ("dense", "gat", dict(hidden=33, heads=1, layers=3)),
    ("dense", "gcn", dict(hidden=4)),
    ("dense", "gcn", dict(hidden=40)),  # wider than the input, rows of which are summed
    ("dense", "gcn", dict(hidden=20, layers=3, edge_attributes="weight", activation="elu")),
    ("pair", "gcn", dict(hidden=17)),
    ("dense", "sage", dict(hidden=40)),
    ("dense", "sage", dict(hidden=20, layers=3, activation="elu")),
    ("dense", "mlp", dict(hidden=16)),
    ("no_edges", "gatv2", dict(hidden=4, heads=2)),
    ("complete", "gat", dict(hidden=4, heads=3)),
    ("complete", "gatv2", dict(hidden=32, heads=2, layers=3)),
    ("pair", "gatv2", dict(hidden=2, heads=2)),
    ("pair", "gcn", dict(hidden=2)),
    ("single", "gat", dict(hidden=3, heads=2)),
    ("single", "gatv2", dict(hidden=3, heads=2, layers=3)),
    ("one_class", "gatv2", dict(hidden=3, heads=2)),
    ("hub", "gat", dict(edge_attributes="features")),
    ("directed", "gat", dict(layers=3, hidden=3, heads=5, out_heads=2, edge_attributes="weight")),
    ("hub", "gatv2", dict(edge_attributes="features")),
    ("hub", "gatv2", dict(hidden=64, heads=4, edge_attributes="features")),  # whose out-edges are noted
    ("complete", "gatv2", dict(layers=3, hidden=5, heads=3, out_heads=3, edge_attributes="weight")),
    ("directed", "gcn", dict(layers=3, edge_attributes="weight")),
    ("hub", "gcn", dict(edge_attributes="weight")),
    ("no_edges", "gat", dict(edge_attributes="features")),
    ("hub", "gat", dict(attention_target="off")),
    ("directed", "gat", dict(layers=3, hidden=5, heads=3, attention_target="off", edge_attributes="weight")),
    ("directed", "gat", dict(symmetric_norm=True)),
    ("dense", "gat", dict(hidden=20, heads=2, symmetric_norm=True)),
    ("hub", "gat", dict(layers=3, out_heads=2, symmetric_norm=True, attention_target="off", edge_attributes="features")),
    ("directed", "gatv2", dict(layers=3, heads=3, symmetric_norm=True)),
]


def single_node():
    empty = np.array([], np.int64)
    return graphs.Graph([0, 0], [], np.array([[0.5, -1.0, 2.0]], np.float32), [1], [0], empty, empty, 2)


def ring(n, classes):
    """Every node has two in-neighbours, dense features, and is a training node."""
    rng, node = np.random.default_rng(1), np.arange(n)
    neighbours = np.sort(np.stack([(node - 1) % n, (node + 1) % n], 1), axis=1)
    empty = np.array([], np.int64)
    return graphs.Graph(2 * np.arange(n + 1), neighbours.ravel(), rng.uniform(-1, 1, (n, 5)).astype(np.float32),
                        rng.choice(classes, n, p=[0.4, 0.3, 0.2, 0.1]), node, empty, empty, classes)


class Oracle(program.Case):
    def close(self, got, want, bound, what, floor=0.0):
        """Within `bound` of the largest entry, or of `floor` where all are smaller: rounding of what cancels."""
        self.assertEqual(got.shape, want.shape, what)
        difference = np.abs(got - want).max()
        self.assertLessEqual(difference, bound * max(np.abs(want).max(), floor), f"{what}: differs by {difference:.2e}")

    def predict(self, graph_file, ranks, *options):
        out = self.path("prediction.h5")
        program.distgat("predict", graph_file, "--model-file", self.path("model.h5"), "--out", out, *options, ranks=ranks)
        with h5py.File(out) as f:
            found = {}
            f.visititems(lambda name, item: found.update({name: item[:]}) if isinstance(item, h5py.Dataset) else None)
        return found

    def train(self, graph_file, kind, options, weights, ranks, epochs=STEPS):
        graphs.write_weights(self.path("init.h5"), weights)
        choices = [text for name, value in options.items() for text in ("--" + name.replace("_", "-"), value)
                   if text is not True]
        program.distgat("train", graph_file, "--model", kind, *choices, "--init", self.path("init.h5"), "--dropout", 0,
                        "--attention-dropout", 0, "--epochs", epochs, "--lr", LR, "--weight-decay", DECAY,
                        "--save", self.path("model.h5"), "--log", self.path("log.jsonl"),
                        "--save-gradients", self.path("gradients.h5"), ranks=ranks)

    def check_prediction(self, found, net):
        want = net.logits()
        self.close(found["logits"], want, ROUNDING, "logits", floor=1)
        np.testing.assert_array_equal(found["prediction"], found["logits"].argmax(axis=1))
        if "embedding" in found:
            self.close(found["embedding"], net.embedding(), ROUNDING, "embedding", floor=1)
        for k, alpha in enumerate(net.attention(), start=1):
            if alpha is not None:
                self.check_attention(found, f"attention/conv{k}", net.edges, alpha)

    def extras(self, kind, options):
        """What a model can be asked for beside its logits."""
        embeddings = ["--embeddings"] if options.get("layers", 2) > 1 else []
        return embeddings + (["--attention"] if kind.startswith("gat") else [])

    def check_attention(self, found, name, edges, want):
        src, dst, alpha = (found[f"{name}/{part}"] for part in ("src", "dst", "alpha"))
        self.assertTrue((np.diff(dst) >= 0).all(), f"{name}: targets out of order")
        order = np.lexsort((src, dst))
        np.testing.assert_array_equal(src[order], edges.src, err_msg=name)
        np.testing.assert_array_equal(dst, edges.dst, err_msg=name)
        self.close(alpha[order], want, ROUNDING, name, floor=1)
        sums = np.zeros((edges.n, alpha.shape[1]))
        np.add.at(sums, dst, alpha)
        np.testing.assert_allclose(sums, 1, atol=1e-5, err_msg=f"{name}: rows must sum to one")

    def check(self, graph_name, kind, options, ranks):
        graph, graph_file = graphs.with_attributes(GRAPHS[graph_name]()), self.path(graph_name + ".h5")
        graph.write(graph_file)
        which = options.get("edge_attributes")
        attributes = getattr(graph, f"edge_{which}") if which else None
        sizes = {name: options[name] for name in ("layers", "hidden", "heads", "out_heads") if name in options}
        sizes.setdefault("hidden", 16 if kind in ("gcn", "mlp") else 8)
        sizes["edge_dim"] = {"weight": 1, "features": 3}.get(which, 0)
        weights = oracle.random_weights(kind, graph.x.shape[1], graph.classes, seed=len(graph_name), **sizes)
        if options.get("attention_target") == "off":
            weights = {name: value for name, value in weights.items() if not name.endswith("att_dst")}
        net = oracle.Model(kind, weights, graph, options.get("activation"), options.get("negative_slope", 0.2),
                           attributes=attributes)
        net.edges.symmetric = "symmetric_norm" in options
        self.train(graph_file, kind, options, weights, ranks)

        extras = self.extras(kind, options)
        found = self.predict(graph_file, ranks, "--weights", "initial", *extras)
        self.assertEqual("embedding" in found, "--embeddings" in extras)
        self.assertEqual("attention/conv1/alpha" in found, "--attention" in extras)
        self.check_prediction(found, net)
        _, gradients = net.loss_and_gradients()
        got = graphs.read_weights(self.path("gradients.h5"), "grads")
        self.assertEqual(set(got), set(gradients))
        largest = max(np.abs(g).max() for g in gradients.values())
        for name, want in gradients.items():
            self.close(got[name], want, 5e-5, "gradient of " + name, floor=max(1e-2 * largest, 1e-6))
        want = net.train(STEPS, LR, DECAY)
        got = program.losses(self.path("log.jsonl"))
        np.testing.assert_allclose(got, want, rtol=ROUNDING, atol=1e-6, err_msg="losses")
        self.close(self.predict(graph_file, ranks)["logits"], net.logits(), 1e-4, "logits after training", floor=1)

    def test_small_features(self):
        """Features scaled by 1e-5 cost no digits: ELU is linear there, and all but the last bias is proportional."""
        graph, graph_file = GRAPHS["hub"](), self.path("small.h5")
        graph.x = (graph.x * np.float32(1e-5)).astype(np.float32)
        graph.write(graph_file)
        for kind, layers in (("gatv2", 3), ("gat", 2), ("mlp", 2)):
            hidden = 8 if kind.startswith("gat") else 16
            weights = oracle.random_weights(kind, graph.x.shape[1], graph.classes, layers, hidden, seed=3)
            weights = {name: w * (0 if w.ndim == 1 else 1) for name, w in weights.items()}
            net = oracle.Model(kind, weights, graph, "elu")
            self.train(graph_file, kind, dict(layers=layers, activation="elu"), weights, None)
            found = self.predict(graph_file, None, "--weights", "initial", "--embeddings")
            self.close(found["logits"], net.logits(), ROUNDING, f"{kind}: logits")
            self.close(found["embedding"], net.embedding(), ROUNDING, f"{kind}: embedding")
            got = graphs.read_weights(self.path("gradients.h5"), "grads")
            for name, want in net.loss_and_gradients()[1].items():
                self.close(got[name], want, ROUNDING, f"{kind}: gradient of {name}")

    def test_sums_over_many_rows(self):
        """Gradients of 40,000 training nodes are as exact as pairwise sums in single precision would make them."""
        graph, graph_file = ring(40000, 4), self.path("ring.h5")
        graph.write(graph_file)
        for kind, sizes in (("gatv2", dict(hidden=2, heads=2)), ("gat", dict(hidden=2, heads=2)), ("mlp", dict(hidden=4))):
            weights = oracle.random_weights(kind, graph.x.shape[1], graph.classes, seed=1, **sizes)
            self.train(graph_file, kind, sizes, weights, None, epochs=1)
            got = graphs.read_weights(self.path("gradients.h5"), "grads")
            for name, want in oracle.Model(kind, weights, graph).loss_and_gradients()[1].items():
                # Each target's share of att_dst is a difference, rounded alike in nodes that are alike.
                bound = 1e-6 if name.endswith("att_dst") else 1.6e-7
                self.close(got[name], want, bound, f"{kind}: gradient of {name}")

    def test_extreme_scores(self):
        """Scores of thousands saturate the softmax; nothing overflows and rows still sum to one."""
        graph, graph_file = GRAPHS["hub"](), self.path("extreme.h5")
        graph.write(graph_file)
        for kind in ("gat", "gatv2"):
            weights = oracle.random_weights(kind, graph.x.shape[1], graph.classes, seed=1)
            for name in weights:
                if ".att" in name:
                    weights[name] *= 1e4
            self.train(graph_file, kind, {}, weights, 3)
            self.assertTrue(np.isfinite(program.losses(self.path("log.jsonl"))).all())
            found = self.predict(graph_file, 3, "--weights", "initial", "--attention")
            for k in (1, 2):
                sums = np.zeros((graph.n, 8 if k == 1 else 1))
                np.add.at(sums, found[f"attention/conv{k}/dst"], found[f"attention/conv{k}/alpha"])
                np.testing.assert_allclose(sums, 1, atol=1e-5)
            self.assertTrue(np.isfinite(found["logits"]).all())


for index, case in enumerate(CASES):
    def test(self, case=case):
        for ranks in RANKS:
            with self.subTest(ranks=ranks or "alone", case=case):
                self.check(*case, ranks)
    setattr(Oracle, f"test_{index:02d}_{case[0]}_{case[1]}", test)
del test

if __name__ == "__main__":
    program.skip_known_instructions()
    program.main()
