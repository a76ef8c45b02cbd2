#!/usr/bin/env python3
"""The recipes for the Open Graph Benchmark, from a folder such as its own to predictions."""
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402

SMALL = ("--hidden", 12, "--epochs", 3, "--warmup", 2, "--eval-every", 1)


class Ogb(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        program.distgat("generate", "--nodes", 400, "--avg-degree", 6, "--features", 16, "--classes", 4, "--feature-density", 1,
                        "--format", "ogb", "--quiet", "--out", cls.path("ogbn_small"))
        subprocess.run([sys.executable, os.path.join(program.SOURCE, "data", "import.py"), "ogb", cls.path("ogbn_small"), "--out",
                        cls.path("graph.h5")], check=True, capture_output=True)

    def test_each_recipe_trains_and_predicts_on_any_number_of_ranks(self):
        recipes = re.findall(r"^  ((?:arxiv|products)-\S+)", program.distgat("train", "--help"), re.M)
        self.assertEqual(recipes, ["arxiv-gcn", "arxiv-gat", "arxiv-gat-reuse", "products-gat"])
        for recipe in recipes:
            found = []
            for ranks in (None, 3):
                model = self.path(f"{recipe}.h5")
                found.append(json.loads(program.distgat("train", self.path("graph.h5"), "--recipe", recipe, *SMALL, "--save",
                                                        model, "--json", ranks=ranks)))
            told = json.loads(program.distgat("predict", self.path("graph.h5"), "--model-file", model, "--out",
                                              self.path("out.h5"), "--json"))
            with self.subTest(recipe=recipe):
                self.assertAlmostEqual(found[0]["val_loss"] / found[1]["val_loss"], 1, delta=1e-3)
                self.assertAlmostEqual(told["test_acc"], found[1]["test_acc"], delta=0.02)

    def test_what_a_recipe_holds_may_be_read(self):
        text = program.distgat("train", self.path("graph.h5"), "--recipe", "arxiv-gat-reuse", "--print-config")
        for line in ("layers: 3", "heads: 3", "hidden: 250", "edge-dropout: 0.3", "label-iterations: 1", "optimizer: rmsprop"):
            self.assertIn(line, text)

    def test_features_of_edges_train(self):
        """As ogbn-proteins has them, whose nodes have none."""
        folder = self.path("ogbn_edges")
        shutil.copytree(self.path("ogbn_small"), folder)
        os.unlink(os.path.join(folder, "raw/node-feat.csv"))
        with open(os.path.join(folder, "raw/edge.csv"), encoding="utf-8") as f:
            n_edges = len(f.readlines())
        with open(os.path.join(folder, "raw/edge-feat.csv"), "w", encoding="utf-8") as f:
            f.writelines(f"{k % 7 / 7},{k % 5 / 5},{k % 2}\n" for k in range(n_edges))
        graph = self.path("edges.h5")
        subprocess.run([sys.executable, os.path.join(program.SOURCE, "data", "import.py"), "ogb", folder, "--edge-features", "--out",
                        graph], check=True, capture_output=True)
        told = json.loads(program.distgat("info", graph, "--json"))
        self.assertEqual((told["features"], told["edge_features"], told["edge_weights"]), (3, 3, False))
        found = {}
        for which, ranks in (("features", None), ("features", 3), ("none", None)):
            program.distgat("train", graph, "--model", "gatv2", "--edge-attributes", which, "--epochs", 5, "--log", self.path("log"),
                            ranks=ranks)
            found[which, ranks] = program.losses(self.path("log"))
        for k, loss in enumerate(found["features", None]):
            self.assertAlmostEqual(loss / found["features", 3][k], 1, delta=1e-4)
        self.assertNotAlmostEqual(found["features", None][-1], found["none", None][-1], places=3)

    def test_models_are_the_published_ones(self):
        """As many parameters as DGL's pages tell, but for biases that batch norm takes away; skips beside all layers."""
        program.distgat("generate", "--nodes", 300, "--avg-degree", 6, "--features", 128, "--classes", 40, "--feature-density", 1,
                        "--quiet", "--out", self.path("wide.h5"))
        for recipe, published, biases in (("arxiv-gcn", 238632, 256), ("arxiv-gat", 1441580, 750), ("arxiv-gat-reuse", 1441580, 750)):
            text = program.distgat("train", self.path("wide.h5"), "--recipe", recipe, "--epochs", 0)
            self.assertEqual(re.findall(r"(\d+) parameters", text), [str(published + 2 * biases)], recipe)
        for recipe in ("arxiv-gcn", "arxiv-gat", "arxiv-gat-reuse", "products-gat"):
            text = program.distgat("train", self.path("wide.h5"), "--recipe", recipe, "--print-config")
            self.assertIn("residual: true", text, recipe)


if __name__ == "__main__":
    program.main()
