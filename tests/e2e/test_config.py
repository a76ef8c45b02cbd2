#!/usr/bin/env python3
"""Options that are printed as YAML give the same run when they are read again."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402

import program  # noqa: E402

RECIPES = ("tutorial-gcn", "tutorial-gat", "mlp", "gcn-paper", "gat-paper", "gat-paper-pubmed", "best",
           "best-cora", "best-citeseer", "best-pubmed", "best-gcn-cora", "best-gcn-citeseer", "best-gcn-pubmed", "arxiv-gcn",
           "arxiv-gat", "arxiv-gat-reuse", "products-gat")


class Config(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        program.distgat("generate", "--nodes", 300, "--avg-degree", 5, "--features", 40, "--classes", 3,
                        "--out", cls.path("graph.h5"))

    def printed(self, *options, verb="train", ranks=1):
        return program.distgat(verb, self.path("graph.h5"), *options, "--print-config", ranks=ranks)

    def write(self, text):
        with open(self.path("config.yaml"), "w") as file:
            file.write(text)
        return "--config", self.path("config.yaml")

    def test_every_recipe_is_printed_and_read(self):
        for recipe in RECIPES:
            with self.subTest(recipe=recipe):
                text = self.printed("--recipe", recipe, "--seed", 5)
                self.assertIn("seed: 5\n", text)
                self.assertEqual(self.printed(*self.write(text)), text)

    def test_what_a_recipe_has_for_other_models_is_left_out(self):
        """From what is printed, and from what is told of a run."""
        for recipe, drops_edges in (("gat-paper", False), ("best-cora", False), ("arxiv-gat-reuse", True),
                                    ("products-gat", True)):
            for model in ("gcn", "gat", "gatv2", "mlp", "sage"):
                for more in ((), ("--layers", 1)):
                    with self.subTest(recipe=recipe, model=model, more=more):
                        options = ("--recipe", recipe, "--model", model, *more)
                        text = self.printed(*options, ranks=None)
                        self.assertEqual(self.printed(*self.write(text), ranks=None), text)
                        told = program.distgat("train", self.path("graph.h5"), *options, "--epochs", 0)
                        self.assertIn("--recipe " + recipe, told)
                        self.assertEqual("--edge-dropout" in told, drops_edges and model in ("gat", "gatv2"))
                        self.assertNotIn("--norm none", told)

    def test_what_a_recipe_turns_on_is_turned_off(self):
        """As if the recipe had it not, in what is printed, read and told of the run; and as configurations turn it off."""
        recipe = ("--recipe", "arxiv-gat")
        whole = self.printed(*recipe, ranks=None)
        self.assertIn("residual: true\n", whole)
        text = self.printed(*recipe, "--no-residual", ranks=None)
        self.assertEqual(text, whole.replace("residual: true\n", ""))
        self.assertEqual(self.printed(*self.write(text), ranks=None), text)
        self.assertEqual(self.printed(*self.write(whole), "--no-residual", ranks=None), text)
        told = program.distgat("train", self.path("graph.h5"), *recipe, "--no-residual", "--epochs", 0, "--save",
                               self.path("model.h5"))
        self.assertIn("--no-residual", told)
        with h5py.File(self.path("model.h5"), "r") as file:
            self.assertEqual(file.attrs["residual"], 0)

    def test_the_run_is_the_same(self):
        options = ("--model", "gat", "--heads", 3, "--dropout", 0.3, "--epochs", 7, "--early-stop", "gcn",
                   "--patience", 3, "--threads", 1, "--lr", 0.0123)
        for ranks in (1, 3):
            text = self.printed(*options, ranks=ranks)
            typed, read = (json.loads(program.distgat("train", self.path("graph.h5"), "--json", *which, ranks=ranks))
                           for which in (options, self.write(text)))
            for figure in ("epochs", "val_loss", "test_loss", "test_acc", "seed"):
                self.assertEqual(typed[figure], read[figure], (ranks, figure))

    def test_other_verbs_print_what_they_use(self):
        text = self.printed("--hidden", 5, verb="bench")
        self.assertIn("hidden: 5\n", text)
        self.assertNotIn("epochs", text)
        self.assertEqual(self.printed(*self.write(text), verb="bench"), text)

    def test_what_is_not_in_force_is_left_out(self):
        text = self.printed("--partition", "no: such.h5")
        for word in ("balance", "objective", "patience", "recipe", "resume", "threads"):
            self.assertNotIn(word, text)
        self.assertEqual(self.printed(*self.write(text)), text)

    def test_what_is_no_text_is_refused_by_name(self):
        """Bytes that are no UTF-8, and surrogates, which YAML's library would print and never read."""
        for name in (b"caf\xe9.h5", b"\xed\xa0\x80.h5"):
            done = program.run("train", self.path("graph.h5"), "--save", os.fsdecode(name), "--print-config")
            self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1))
            self.assertIn("--save: YAML holds UTF-8 alone", done.stderr)

    def test_what_would_not_be_read_is_refused(self):
        """A second document, and what follows a null character."""
        for text, words in (("lr: 0.1\n---\nhidden: 3\n", ":3: a second document"),
                            ("lr: 0.1\n...\nhidden: [3\n", ":3: not YAML"), ('lr: "0.1\\0 per step"\n', ":1: lr must be one value"),
                            ('"lr\\0s": 0.1\n', ":1: the name of an option")):
            done = program.run("train", self.path("graph.h5"), *self.write(text), "--print-config")
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("config.yaml" + words, done.stderr)
        for text in ("---\nlr: 0.1\n", "lr: 0.1\n...\n", "%YAML 1.1\n---\nlr: 0.1\n...\n# end\n"):
            self.assertIn("lr: 0.1\n", self.printed(*self.write(text)))

    def test_a_file_neither_asks_for_printing_nor_for_another(self):
        for text in ("print-config: true\n", "config: other.yaml\n"):
            for ranks in (1, 3):
                done = program.run("train", self.path("graph.h5"), *self.write(text), ranks=ranks)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn(f"config.yaml:1: {text.split(':')[0]} is for the command line", done.stderr)


if __name__ == "__main__":
    program.main()
