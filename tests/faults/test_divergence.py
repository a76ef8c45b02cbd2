#!/usr/bin/env python3
"""Training that diverges: exit code 3, one line, no accuracies, the last finite weights, and no part in a mean."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

CASES = os.path.join(program.DATA, "cases", "graphs")
FIGURES = ("train_acc", "val_acc", "val_loss", "test_acc", "test_loss")
RANKS = (None, 3)
# Factors of features with which a gradient, but no loss, is beyond single precision: of some seeds, of all.
SOME_GRADIENTS_END, GRADIENT_ENDS = 1.8e30, 1e33


class Divergence(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.graph = graphs.random_graph(60, features=8, degree=3, symmetric=True, seed=5)
        cls.graph.write(cls.path("good.h5"))

    def spoilt(self, factor, name="spoilt.h5"):
        """The graph with features so large that numbers of single precision end somewhere on the way."""
        self.graph.write(self.path(name))
        with h5py.File(self.path(name), "r+") as f:
            values = f["features/values"] if "features/values" in f else f["features/dense"]
            values[...] = values[...] * factor
        return self.path(name)

    def diverges(self, *options, ranks=None, line="training diverged: "):
        """The log and the result of a run that ends as it should."""
        log, saved = self.path("log.jsonl"), self.path("saved.h5")
        done = program.run("train", *options, "--log", log, "--save", saved, "--json", ranks=ranks)
        self.assertEqual(done.returncode, 3, done.stdout + done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("distgat train: " + line, done.stderr)
        result = json.loads(done.stdout)
        weights = graphs.read_weights(saved)
        for name, value in weights.items():
            self.assertTrue(np.isfinite(value).all(), name)
        self.assertEqual(program.read_log(log, "result")[-1].keys() - result.keys(), set())
        return result, weights, graphs.read_weights(saved, "initial_weights")

    def no_figures(self, result):
        self.assertIs(result["diverged"], True)
        for name in FIGURES:
            self.assertIsNone(result[name], name)

    def test_cases(self):
        if not os.path.isdir(CASES):
            self.skipTest(f"there is no {CASES}")
        for name in ("huge.h5", "feat-1e38.h5"):
            for ranks in RANKS:
                for options in ((), ("--select", "best-val-loss"), ("--model", "gcn")):
                    with self.subTest(name=name, ranks=ranks, options=options):
                        graph = os.path.join(CASES, name)
                        result, _, _ = self.diverges(graph, "--epochs", 5, *options, ranks=ranks)
                        self.no_figures(result)

    def test_initial_weights_are_the_last_finite_ones(self):
        """The loss is finite but its gradient is not: the first step spoils the weights."""
        for ranks in RANKS:
            result, weights, initial = self.diverges(self.spoilt(GRADIENT_ENDS), "--epochs", 9, "--weight-decay", 0, ranks=ranks)
            self.no_figures(result)
            self.assertEqual(result["best_epoch"], 0)
            for name, value in weights.items():
                np.testing.assert_array_equal(value, initial[name])

    def test_given_weights_of_which_the_first_loss_is_none(self):
        program.distgat("train", self.path("good.h5"), "--epochs", 1, "--save", self.path("huge.h5"))
        with h5py.File(self.path("huge.h5"), "r+") as f:
            for value in f["weights"].values():
                value[...] = value[...] * 1e30
        for ranks in RANKS:
            result, _, _ = self.diverges(self.path("good.h5"), "--epochs", 3, "--init", self.path("huge.h5"), ranks=ranks,
                                         line="training diverged: training loss of epoch 1 is not finite, with the weights that "
                                              "--init gave\n")
            self.no_figures(result)

    def test_large_scores_are_no_divergence(self):
        """Scores are made twice: rounded otherwise than their maximum, they would give coefficients far beyond one."""
        for factor in (1e10, 1e20):
            done = program.run("train", self.spoilt(factor), "--epochs", 1, "--weight-decay", 0, "--runs", 8, "--quiet")
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_weights_of_the_epoch_before(self):
        """A learning rate beyond all reason: weights are those of a run that ends before, and the epoch is told."""
        for ranks in RANKS:
            options = (self.path("good.h5"), "--lr", 1e13, "--seed", 2)
            result, weights, _ = self.diverges(*options, "--epochs", 40, ranks=ranks)
            self.no_figures(result)
            self.assertIn("is not finite", result["stop_reason"])
            last = result["best_epoch"]
            self.assertTrue(0 < last < result["epochs"], last)
            program.run("train", *options, "--epochs", last, "--save", self.path("shorter.h5"), ranks=ranks)
            for name, value in graphs.read_weights(self.path("shorter.h5")).items():
                np.testing.assert_array_equal(value, weights[name], name)

    def test_last_step(self):
        """The last step spoils the weights, and no loss comes after it that would tell."""
        for ranks in RANKS:
            result, weights, initial = self.diverges(self.spoilt(GRADIENT_ENDS), "--epochs", 1, "--weight-decay", 0, ranks=ranks)
            self.no_figures(result)
            for name, value in weights.items():
                np.testing.assert_array_equal(value, initial[name])

    def test_runs(self):
        """Some of several runs diverge: figures, mean and the saved model are those of the others."""
        graph = self.spoilt(SOME_GRADIENTS_END)
        options = ("--epochs", 1, "--weight-decay", 0)
        for ranks in RANKS:
            with self.subTest(ranks=ranks):
                found, weights, _ = self.diverges(graph, *options, "--runs", 8, ranks=ranks, line="")
                bad = [r for r in found["results"] if r["diverged"]]
                good = [r for r in found["results"] if not r["diverged"]]
                self.assertTrue(bad and good)
                for result in bad:
                    self.no_figures(result)
                self.assertEqual((found["runs"], found["diverged"]), (8, len(bad)))
                self.assertAlmostEqual(found["test_acc_mean"], np.mean([r["test_acc"] for r in good]), 6)
                self.assertAlmostEqual(found["test_acc_std"], np.std([r["test_acc"] for r in good], ddof=1), 6)
                best = max(good, key=lambda r: (r["val_acc"], -r["val_loss"]))
                self.assertEqual(found["best_run"], best["run"])
                alone = self.path("alone.h5")
                program.distgat("train", graph, *options, "--seed", best["seed"], "--save", alone, ranks=None)
                if ranks is None:
                    for name, value in graphs.read_weights(alone).items():
                        np.testing.assert_array_equal(value, weights[name], name)
                done = program.run("train", graph, *options, "--runs", 8, ranks=ranks)
                self.assertIn(f"without {len(bad)} that diverged", done.stdout)
                self.assertIn(f"{len(bad)} of 8 runs diverged and are left out of the mean", done.stderr)

    def test_all_runs(self):
        done = program.run("train", self.spoilt(GRADIENT_ENDS), "--epochs", 2, "--runs", 2, "--save", self.path("saved.h5"))
        self.assertEqual(done.returncode, 3)
        self.assertIn("2 runs: all diverged", done.stdout)
        self.assertIn("keeps run 1, of seed 1: all have diverged", done.stdout)
        self.assertNotIn("nan", done.stdout)


if __name__ == "__main__":
    program.main()
