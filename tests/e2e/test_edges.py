#!/usr/bin/env python3
"""Attributes of edges: what a graph says of them, who takes them, what is refused, and that a model file knows."""
import json
import os
import sys
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

TAKERS = (("gcn", "weight"), ("gat", "weight"), ("gat", "features"), ("gatv2", "weight"), ("gatv2", "features"))


class Edges(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        plain = graphs.random_graph(60, features=8, degree=4, isolated=2, seed=3)
        plain.write(cls.path("plain.h5"))
        graphs.with_attributes(plain, features=3).write(cls.path("edges.h5"))
        cls.changed("weight.h5", lambda f: f.__delitem__("edges/features"))
        cls.changed("features.h5", lambda f: f.__delitem__("edges/weight"))

    @classmethod
    def changed(cls, name, change):
        """The graph with both attributes, once `change` has had its file; its path."""
        with h5py.File(cls.path("edges.h5")) as source, h5py.File(cls.path(name), "w") as file:
            for item in source:
                source.copy(item, file)
            file.attrs.update(source.attrs)
            change(file)
        return cls.path(name)

    def put(self, name, which, values):
        def change(file):
            del file[f"edges/{which}"]
            file[f"edges/{which}"] = np.asarray(values, np.float32)
        return self.changed(name, change)

    def train(self, graph, model, which, *options, ranks=None):
        program.distgat("train", self.path(graph), "--model", model, "--edge-attributes", which, "--epochs", 6,
                        "--log", self.path("log"), "--save", self.path("model.h5"), *options, ranks=ranks)
        return program.losses(self.path("log"))

    def predict(self, graph, *options, ranks=None):
        program.distgat("predict", graph, "--model-file", self.path("model.h5"), "--out", self.path("out.h5"), *options,
                        ranks=ranks)
        with h5py.File(self.path("out.h5")) as f:
            return f["logits"][:]

    def refused(self, *arguments, words=(), ranks=None):
        done = program.run(*arguments, ranks=ranks)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertRegex(done.stderr, r"\A[^\n]+\n\Z")
        for word in words:
            self.assertIn(word, done.stderr)

    def test_info_tells(self):
        found = {}
        for name in ("plain", "edges", "weight", "features"):
            text = program.distgat("info", self.path(name + ".h5"))
            said = json.loads(program.distgat("info", self.path(name + ".h5"), "--json"))
            found[name] = said["edge_weights"], said["edge_features"]
            self.assertEqual("Edge weights: True" in text, said["edge_weights"])
            self.assertEqual("Number of edge features: 3" in text, said["edge_features"] == 3)
        self.assertEqual(found, {"plain": (False, 0), "edges": (True, 3), "weight": (True, 0), "features": (False, 3)})

    def test_broken_attributes_are_refused(self):
        with h5py.File(self.path("edges.h5")) as f:
            weight, features = f["edges/weight"][:], f["edges/features"][:]
            source, target = f["graph/indices"][7], np.searchsorted(f["graph/indptr"][:], 7, "right") - 1
        weight[7], features[7, 1] = np.nan, np.inf
        for which, values, words in (
                ("weight", weight, ("edges/weight: NaN", f"from node {source} to node {target}")),
                ("features", features, ("edges/features: infinity", f"from node {source} to node {target}")),
                ("weight", weight[:-1], ("edges/weight", "it must have")), ("features", features[:, 0], ("the shape", "D]")),
                ("features", features[:-1], ("the shape",)), ("features", features[:, :0], ("the shape",))):
            graph = self.put("broken.h5", which, values)
            with self.subTest(words=words):
                self.refused("info", graph, words=words)
                for ranks in (None, 3):
                    self.refused("train", graph, "--edge-attributes", which, words=words, ranks=ranks)

    def test_models_that_have_no_use_for_them(self):
        graph = self.path("edges.h5")
        for verb in (("train", graph), ("bench", graph), ("plan", graph, "--parts", 2)):
            for model in ("sage", "mlp"):
                self.refused(*verb, "--model", model, "--edge-attributes", "weight", words=("gcn, gat and gatv2", model))
            self.refused(*verb, "--model", "gcn", "--edge-attributes", "features", words=("--edge-attributes weight",))

    def test_graphs_that_lack_them(self):
        for verb, more in (("train", ()), ("bench", ()), ("plan", ("--parts", 2))):
            for which, other, hint in (("weight", "features", "--weights"), ("features", "weight", "edge_attr")):
                self.refused(verb, self.path("plain.h5"), *more, "--edge-attributes", which,
                             words=(f"data set edges/{which}", hint))
                self.refused(verb, self.path(other + ".h5"), *more, "--edge-attributes", which,
                             words=("edges have " + ("features" if which == "weight" else "weights"),))
        self.train("edges.h5", "gat", "features")
        for ranks in (None, 2):
            self.refused("predict", self.path("plain.h5"), "--model-file", self.path("model.h5"), "--out",
                         self.path("none.h5"), words=("edges/features", "edge_attr"), ranks=ranks)
        self.assertFalse(os.path.exists(self.path("none.h5")))
        with h5py.File(self.path("edges.h5")) as f:
            wide = self.put("wide.h5", "features", np.repeat(f["edges/features"][:], 2, axis=1))
        self.refused("predict", wide, "--model-file", self.path("model.h5"), "--out", self.path("none.h5"),
                     words=("lin_edge.weight",))

    def test_sums_of_weights_below_zero(self):
        """GCN divides by their root; attention takes them as they are."""
        with h5py.File(self.path("edges.h5")) as f:
            weight, first = f["edges/weight"][:], f["graph/indptr"][:]
        target = int(np.flatnonzero(np.diff(first) > 1)[3])
        weight[first[target]] = -100
        graph = self.put("negative.h5", "weight", weight)
        for ranks in (None, 3):
            self.refused("train", graph, "--model", "gcn", "--edge-attributes", "weight", ranks=ranks,
                         words=(f"edges to node {target} ", "not be below 0"))
        self.train("edges.h5", "gcn", "weight")
        self.refused("predict", graph, "--model-file", self.path("model.h5"), "--out", self.path("none.h5"),
                     words=(f"edges to node {target} ",))
        self.train("negative.h5", "gatv2", "weight")
        weight[first[target]:first[target + 1]] = 0
        weight[first[target]] = -1  # no degree at all: no messages
        self.put("zero.h5", "weight", weight)
        self.assertTrue(np.isfinite(self.train("zero.h5", "gcn", "weight")).all())

    def test_the_model_file_knows(self):
        """Attributes matter, in training and in prediction, which takes them from the graph without being told."""
        for model, which in TAKERS:
            losses = self.train("edges.h5", model, which)
            logits = self.predict(self.path("edges.h5"))
            self.train("edges.h5", model, "none")
            self.assertGreater(np.abs(self.predict(self.path("edges.h5")) - logits).max(), 1e-3)
            for ranks in (1, 3):
                with self.subTest(model=model, which=which, ranks=ranks):
                    np.testing.assert_allclose(self.train("edges.h5", model, which, ranks=ranks), losses, rtol=1e-5)
                    np.testing.assert_allclose(self.predict(self.path("edges.h5"), ranks=ranks), logits, atol=1e-4)
            with h5py.File(self.path("edges.h5")) as f:
                other = self.put("other.h5", which, 1 - f[f"edges/{which}"][:])
            self.assertGreater(np.abs(self.predict(other) - logits).max(), 1e-3)

    def test_resuming(self):
        """As if nothing had happened, and on no other attributes."""
        run = ("train", "--model", "gat", "--edge-attributes", "features", "--checkpoint", self.path("c.h5"),
               "--checkpoint-every", 2, "--resume", "--log", self.path("b.jsonl"), "--quiet")
        with h5py.File(self.path("edges.h5")) as f:
            other = self.put("other.h5", "features", f["edges/features"][:] + 1)
        want = self.train("edges.h5", "gat", "features", ranks=2)
        with unittest.mock.patch.dict(os.environ, DISTGAT_FAULT="log.write:0:4"):
            done = program.run(*run, "--epochs", 6, self.path("edges.h5"), ranks=2)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.refused(*run, "--epochs", 6, other, words=("c.h5",), ranks=2)
        program.distgat(*run, "--epochs", 6, self.path("edges.h5"), ranks=2)
        np.testing.assert_array_equal(program.losses(self.path("b.jsonl")), want)

    def test_dropping_edges(self):
        """All but self-loops gone, what is left is a graph without edges; other epochs and layers drop others; evaluation
        drops none."""
        lonely = graphs.read(self.path("edges.h5"))
        lonely.indptr, lonely.indices = np.zeros_like(lonely.indptr), lonely.indices[:0]
        lonely.edge_weight = lonely.edge_features = None
        lonely.write(self.path("lonely.h5"))
        still = ("--dropout", 0, "--lr", 1e-9)
        for model in ("gat", "gatv2"):
            for which in ("none", "features"):
                with self.subTest(model=model, which=which):
                    want = self.train("edges.h5", model, which, *still)
                    logits = self.predict(self.path("edges.h5"))
                    some = self.train("edges.h5", model, which, *still, "--edge-dropout", 0.3)
                    self.assertGreater(np.ptp(some), 1e-3)
                    self.assertLess(np.abs(np.mean(some) - want[0]), 0.2)
                    np.testing.assert_allclose(self.predict(self.path("edges.h5")), logits, atol=1e-5)
                    np.testing.assert_allclose(self.train("edges.h5", model, which, *still, "--edge-dropout", 0.3, ranks=3),
                                               some, rtol=1e-5)
                if which == "none":
                    np.testing.assert_allclose(self.train("edges.h5", model, which, *still, "--edge-dropout", 0.9999999),
                                               self.train("lonely.h5", model, which, *still), rtol=1e-6)

    def test_dropped_edges_weigh_nothing(self):
        """Nothing at all: rows of zeros without other edges stay zeros, where ReLU lets no gradient through."""
        graph = graphs.read(self.path("plain.h5"))
        x = graph.x.toarray()
        x[graph.train[:10]] = 0
        graph.x = x
        graph.write(self.path("zeros.h5"))
        graph.indptr, graph.indices = np.zeros_like(graph.indptr), graph.indices[:0]
        graph.write(self.path("lonely.h5"))
        for model in ("gat", "gatv2"):
            found = {}
            for name, rate in (("zeros", 1 - 1e-7), ("lonely", 0)):
                self.train(name + ".h5", model, "none", "--activation", "relu", "--dropout", 0, "--edge-dropout", rate,
                           "--save-gradients", self.path("grads.h5"))
                found[name] = graphs.read_weights(self.path("grads.h5"), "grads")
            for name, want in found["lonely"].items():
                np.testing.assert_allclose(found["zeros"][name], want, atol=1e-6, err_msg=f"{model}: {name}")

    def test_scores_of_the_source_alone(self):
        """GAT's half of the target is not there; others have no such half."""
        self.train("plain.h5", "gat", "none", "--attention-target", "off")
        with h5py.File(self.path("model.h5")) as f:
            self.assertNotIn("conv1.att_dst", f["weights"])
            self.assertIn("conv1.att_src", f["weights"])
        self.predict(self.path("plain.h5"), ranks=2)
        for model in ("gatv2", "gcn", "sage", "mlp"):
            self.refused("train", self.path("plain.h5"), "--model", model, "--attention-target", "off",
                         words=("is for gat", model))
        for model in ("gcn", "sage", "mlp"):
            for option in (("--edge-dropout", 0.1), ("--symmetric-norm",)):
                self.refused("bench", self.path("plain.h5"), "--model", model, *option,
                             words=(option[0], "is for gat and gatv2", model))

    def test_dropped_messages_are_of_gat(self):
        """And of tables that are not rounded; no other option comes to what this one does."""
        for model in ("gatv2", "gcn", "sage", "mlp"):
            self.refused("train", self.path("plain.h5"), "--model", model, "--message-dropout", 0.1,
                         words=("--message-dropout is for gat", model))
        self.refused("train", self.path("plain.h5"), "--model", "gat", "--message-dropout", 0.1, "--table-type", "bf16",
                     words=("--message-dropout is for tables of f32",))
        found = [self.train("edges.h5", "gat", "none", "--message-dropout", rate) for rate in (0, 0.4)]
        self.assertFalse(np.allclose(*found))

    def test_plans(self):
        """Of a file as of numbers alone, which cannot say how many features an edge has."""
        sizes = ("--nodes", 5000, "--edges", 40000, "--features", 16, "--classes", 5, "--parts", 2, "--quiet")
        for graph in ((self.path("edges.h5"), "--parts", 2, "--quiet"), sizes):
            with_them, without = (json.loads(program.distgat("plan", *graph, "--edge-attributes", which, "--json"))
                                  ["points"][0]["memory"] for which in ("weight", "none"))
            for kind in ("graph", "fields"):
                self.assertGreater(with_them[kind], without[kind])
        self.refused("plan", *sizes, "--edge-attributes", "features", words=("needs a graph file",))

    def test_steps_are_timed(self):
        said = json.loads(program.distgat("bench", self.path("edges.h5"), "--edge-attributes", "features", "--steps", 3,
                                          "--json", ranks=2))
        plain = json.loads(program.distgat("bench", self.path("edges.h5"), "--steps", 3, "--json", ranks=2))
        self.assertGreater(said["step_ms_median"], 0)
        for figure in ("halo_bytes_per_epoch", "messages_per_epoch"):  # attributes do not travel in a step
            self.assertEqual(said[figure], plain[figure])


if __name__ == "__main__":
    program.main()
