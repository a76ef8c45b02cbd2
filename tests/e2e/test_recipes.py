#!/usr/bin/env python3
"""The script that trains the recipes of the Open Graph Benchmark beside DGL: each recipe, of several seeds, without DGL."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402

SCRIPT = os.path.join(program.SOURCE, "tests", "bench", "recipes.py")


class Recipes(program.Case):
    def test_each_recipe_has_its_row(self):
        program.distgat("generate", "--nodes", 300, "--avg-degree", 6, "--features", 8, "--classes", 3, "--feature-density", 1,
                        "--quiet", "--out", self.path("graph.h5"))
        done = subprocess.run([sys.executable, SCRIPT, self.path("graph.h5"), "--epochs", "2", "--seeds", "2", "--threads", "1",
                               "--distgat", program.DISTGAT, "--libraries"], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        heading, *table = done.stdout.splitlines()
        self.assertEqual(heading, "2 epochs of 2 seeds")
        accuracy = r"\d+\.\d ± \d+\.\d"
        for name, row in zip(("arxiv-gcn", "arxiv-gat", "arxiv-gat-reuse", "products-gat"), table[2:], strict=True):
            self.assertRegex(row, rf"^\| {name} \| distgat \| {accuracy} / {accuracy} \| [12], [12] \| \d+ \|$")


if __name__ == "__main__":
    program.main()
