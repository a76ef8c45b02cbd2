#!/usr/bin/env python3
"""Which weights a run reports and saves, and which of several runs: the last epoch is always looked at, and all is said."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402


class Selection(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        graph = graphs.random_graph(60, features=12, classes=3, degree=2, isolated=3, seed=4)
        graph.write(cls.path("graph.h5"))
        graph.write(cls.path("blind.h5"))
        with h5py.File(cls.path("blind.h5"), "r+") as f:
            del f["splits/public/val"]
            f["splits/public/val"] = np.array([], np.int64)

    def train(self, *options, graph="graph.h5", ranks=None):
        """The result and the validated epochs; --lr such that validation changes with every step."""
        log = self.path("log.jsonl")
        text = program.distgat("train", self.path(graph), "--lr", 0.02, "--log", log, "--json", *options, ranks=ranks)
        validated = [line["epoch"] for line in program.read_log(log, "epoch") if line["val_loss"] is not None]
        return json.loads(text), validated

    def test_the_last_epoch_is_validated(self):
        for watch in (("--select", "best-val-loss"), ("--select", "best-val-acc"), ("--early-stop", "gat"),
                      ("--early-stop", "gcn")):
            for every, wanted in ((4, [4, 8, 10]), (5, [5, 10]), (100, [10])):
                with self.subTest(watch=watch, every=every):
                    self.assertEqual(self.train("--epochs", 10, "--eval-every", every, *watch)[1], wanted)
        self.assertEqual(self.train("--epochs", 10, "--eval-every", 4)[1], [4, 8])  # nothing watches

    def test_best_epoch_is_always_given(self):
        self.assertEqual(self.train("--epochs", 7)[0]["best_epoch"], 7)
        self.assertEqual(self.train("--epochs", 0)[0]["best_epoch"], 0)
        self.assertEqual(self.train("--epochs", 7, "--select", "best-val-loss", "--eval-every", 50)[0]["best_epoch"], 7)
        self.assertEqual(self.train("--epochs", 7, graph="blind.h5", ranks=3)[0]["best_epoch"], 7)
        result, _ = self.train("--epochs", 300, "--early-stop", "gcn", "--patience", 2)
        self.assertLess(result["epochs"], 300)
        self.assertEqual(result["best_epoch"], result["epochs"])

    def test_the_best_run_is_saved(self):
        options = ("--epochs", 12, "--seed", 8)
        for ranks in (None, 3):
            with self.subTest(ranks=ranks):
                saved = self.path("saved.h5")
                found, _ = self.train(*options, "--runs", 5, "--save", saved, ranks=ranks)
                best = max(found["results"], key=lambda r: (r["val_acc"], -r["val_loss"]))
                self.assertLess(best["run"], 4, "the last run says nothing")
                self.assertEqual(found["best_run"], best["run"])
                with h5py.File(saved) as f:
                    self.assertEqual(json.loads(f.attrs["result"]), best)
                    self.assertEqual(len(f["history/epoch"]), 12)
                    self.assertEqual(len(set(f["history/train_loss"][:])), 12)
                self.check_weights(saved, best, options, ranks)
                text = program.distgat("train", self.path("graph.h5"), "--lr", 0.02, *options, "--runs", 5, "--save", saved,
                                       ranks=ranks)
                self.assertIn(f"keeps run {best['run']}, of seed {best['seed']}: the best by validation", text)

    def check_weights(self, saved, best, options, ranks):
        """The saved weights classify as the best run's result says; alone, that run makes the same ones."""
        with h5py.File(self.path("graph.h5")) as f:
            labels, test = f["labels"][:], f["splits/public/test"][:]
        program.distgat("predict", self.path("graph.h5"), "--model-file", saved, "--out", self.path("out.h5"))
        with h5py.File(self.path("out.h5")) as f:
            self.assertAlmostEqual(np.mean(f["prediction"][:][test] == labels[test]), best["test_acc"], 6)
        if ranks is None:
            self.train(*options, "--seed", best["seed"], "--save", self.path("alone.h5"))
            for group in ("weights", "initial_weights"):
                for name, value in graphs.read_weights(self.path("alone.h5"), group).items():
                    np.testing.assert_array_equal(value, graphs.read_weights(saved, group)[name], name)

    def test_given_weights_begin_every_run(self):
        self.train("--epochs", 2, "--save", self.path("init.h5"))
        given = graphs.read_weights(self.path("init.h5"))
        self.train("--epochs", 6, "--runs", 4, "--init", self.path("init.h5"), "--save", self.path("saved.h5"))
        for name, value in graphs.read_weights(self.path("saved.h5"), "initial_weights").items():
            np.testing.assert_array_equal(value, given[name], name)

    def test_the_last_run_is_saved_where_nothing_validates(self):
        saved = self.path("saved.h5")
        text = program.distgat("train", self.path("blind.h5"), "--epochs", 3, "--runs", 3, "--save", saved)
        self.assertIn("keeps run 2, of seed 2: the last: nothing validates", text)
        with h5py.File(saved) as f:
            self.assertEqual(json.loads(f.attrs["result"])["run"], 2)

    def test_what_cannot_be_watched_is_refused(self):
        for options in (("--select", "best-val-acc"), ("--early-stop", "gat")):
            for graph, epochs, why in (("blind.h5", 5, "that of"), ("graph.h5", 0, "--epochs 0")):
                for ranks in (None, 3):
                    with self.subTest(options=options, graph=graph, ranks=ranks):
                        done = program.run("train", self.path(graph), "--epochs", epochs, *options, ranks=ranks)
                        self.assertEqual(done.returncode, 2, done.stderr)
                        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                        self.assertRegex(done.stderr, f"need.* validation.*{why}")
                        self.assertNotIn("--class-weights", done.stderr)

    def test_patience_costs_nothing(self):
        for rule in ("gat", "gcn"):
            result, _ = self.train("--early-stop", rule, "--patience", 10**9, "--epochs", 30)
            self.assertEqual(result["epochs"], 30)
            self.assertLess(result["peak_rss_bytes"], 2e8)

    def test_too_many_threads_are_said(self):
        done = program.run("train", self.path("graph.h5"), "--epochs", 1, "--threads", 2 * os.cpu_count())
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"\Awarning: \d+ threads a rank, but \d+ cores? for each.*\n\Z")
        self.assertEqual(program.run("train", self.path("graph.h5"), "--epochs", 1, "--threads", 1).stderr, "")


if __name__ == "__main__":
    program.main()
