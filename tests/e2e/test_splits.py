#!/usr/bin/env python3
"""--split all: the runs of each split one after the other, as each would be alone."""
import csv
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

QUICK = ("--epochs", 12, "--eval-every", 1, "--lr", 0.02, "--threads", 1)
FIGURES = ("epochs", "best_epoch", "train_acc", "val_acc", "val_loss", "test_acc", "test_loss")
NAMES = ["0", "1", "public"]


class Splits(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        graph = graphs.random_graph(90, features=12, classes=3, degree=3, isolated=3, seed=4)
        signal = graph.x @ np.random.default_rng(1).normal(size=(12, 3))
        graph.labels = np.argmax(signal + 0.3 * np.random.default_rng(2).normal(size=signal.shape), axis=1).astype(np.int32)
        graph.write(cls.path("graph.h5"))
        with h5py.File(cls.path("graph.h5"), "a") as file:
            for k in range(2):
                order = np.random.default_rng(k).permutation(90)
                for part, first, last in (("train", 0, 20 + k), ("val", 30, 50), ("test", 50, 90)):
                    file[f"splits/{k}/{part}"] = np.sort(order[first:last])

    def train(self, *options, ranks=None):
        return json.loads(program.distgat("train", self.path("graph.h5"), *QUICK, "--json", *options, ranks=ranks))

    def assert_same(self, one, other, ranks):
        for name in FIGURES:
            self.assertAlmostEqual(one[name], other[name], 3 if ranks else 12, name)

    def test_each_as_it_is_alone(self):
        alone = [self.train("--split", name, "--seed", 5) for name in NAMES]
        self.assertEqual([r["split"] for r in alone], NAMES)
        for ranks in (None, 2, 3, 4):
            found = self.train("--split", "all", "--seed", 5, ranks=ranks)
            self.assertEqual([(r["split"], r["seed"], r["run"]) for r in found["results"]],
                             [(name, 5, k) for k, name in enumerate(NAMES)])
            for one, other in zip(found["results"], alone, strict=True):
                self.assert_same(one, other, ranks)

    def test_runs_of_each_and_their_summary(self):
        log, saved = self.path("log.jsonl"), self.path("saved.h5")
        found = self.train("--split", "all", "--runs", 2, "--seed", 5, "--log", log, "--save", saved)
        results = found["results"]
        self.assertEqual([(r["split"], r["seed"], r["run"]) for r in results],
                         [(name, seed, 2 * k + seed - 5) for k, name in enumerate(NAMES) for seed in (5, 6)])
        self.assert_same(results[3], self.train("--split", "1", "--seed", 6), None)
        self.assertEqual((found["event"], found["runs"], found["splits"], found["diverged"]), ("summary", 6, 3, 0))
        for part in ("test", "val"):
            accuracies = [r[f"{part}_acc"] for r in results]
            self.assertAlmostEqual(found[f"{part}_acc_mean"], np.mean(accuracies), 9)
            self.assertAlmostEqual(found[f"{part}_acc_std"], np.std(accuracies, ddof=1), 9)
        self.assertEqual(program.read_log(log, "result"), results)
        (summary,) = program.read_log(log, "summary")
        self.assertEqual(summary, {name: found[name] for name in summary})
        kept = {name: found[name] for name in results[0] if name != "event"}
        self.assertEqual(kept, {name: results[found["best_run"]][name] for name in kept})
        with h5py.File(saved) as file:
            self.assertEqual(json.loads(file.attrs["result"]), results[found["best_run"]])
        self.assertEqual([line["run"] for line in program.read_log(log, "epoch")], [run for run in range(6) for _ in range(12)])

    def test_the_saved_model_keeps_its_split(self):
        saved = self.path("saved.h5")
        text = program.distgat("train", self.path("graph.h5"), *QUICK, "--split", "all", "--save", saved)
        best = max(self.train("--split", "all")["results"], key=lambda r: (r["val_acc"], -r["val_loss"]))
        self.assertIn("split 0, the first of 3: 20 to train", text)
        self.assertIn(f"gatv2 on test, split {best['split']}, seed 0: test accuracy", text)
        self.assertIn(f"keeps run {best['run']}, of split {best['split']} and seed 0: the best by validation", text)
        self.assertIn("3 runs on 3 splits: test accuracy", text)
        said = json.loads(program.distgat("predict", self.path("graph.h5"), "--model-file", saved, "--out",
                                          self.path("out.h5"), "--json"))
        self.assertEqual((said["split"], said["test_acc"], said["val_acc"]), (best["split"], best["test_acc"], best["val_acc"]))
        said = json.loads(program.distgat("predict", self.path("graph.h5"), "--model-file", saved, "--out",
                                          self.path("out.h5"), "--json", "--split", "1"))
        self.assertEqual(said["split"], "1")

    def test_it_goes_on_where_it_was(self):
        for log in ("log.jsonl", "log.csv"):
            command = ("--split", "all", "--runs", 2, "--checkpoint", self.path("c.h5"), "--resume", "--checkpoint-every", 3)
            whole = self.train("--split", "all", "--runs", 2, "--log", self.path("whole-" + log))
            for ranks in (None, 3):
                for name in ("c.h5", "c.h5.previous", log):
                    if os.path.exists(self.path(name)):
                        os.remove(self.path(name))
                for epochs in (29, 20):  # it breaks in the third run, of the second split, and in the fourth
                    with unittest.mock.patch.dict(os.environ, DISTGAT_FAULT=f"log.write:0:{epochs}"):
                        done = program.run("train", self.path("graph.h5"), *QUICK, *command, "--log", self.path(log), ranks=ranks)
                    self.assertEqual(done.returncode, 3, done.stderr)
                found = self.train(*command, "--log", self.path(log), ranks=ranks)
                self.assertEqual([r["split"] for r in found["results"]], [name for name in NAMES for _ in range(2)])
                for one, other in zip(found["results"], whole["results"], strict=True):
                    self.assert_same(one, other, ranks)
                self.check_log(log, ranks)
            done = program.run("train", self.path("graph.h5"), *QUICK, *command, "--runs", 3)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1))
            self.assertIn("the run began with --runs 2, this command says --runs 3", done.stderr)

    def check_log(self, log, ranks):
        """No epoch twice, none missing."""
        rows = []
        for path in (self.path("whole-" + log), self.path(log)):
            if log.endswith(".csv"):
                with open(path, newline="") as file:
                    rows.append([(int(r["run"]), int(r["epoch"]), float(r["train_loss"])) for r in csv.DictReader(file)])
            else:
                rows.append([(r["run"], r["epoch"], r["train_loss"]) for r in program.read_log(path, "epoch")])
        np.testing.assert_allclose(rows[1], rows[0], rtol=1e-3 if ranks else 1e-8)

    def test_a_table_as_log(self):
        program.distgat("train", self.path("graph.h5"), *QUICK, "--eval-every", 5, "--save", self.path("m.h5"), "--log",
                        self.path("log.csv"))
        with open(self.path("log.csv"), newline="") as file, h5py.File(self.path("m.h5")) as model:
            rows = list(csv.DictReader(file))
            self.assertEqual(list(rows[0]), ["run", "split", "seed", "epoch", "train_loss", "train_acc", "val_loss", "val_acc",
                                             "seconds"])
            self.assertEqual([int(row["epoch"]) for row in rows], list(range(1, 13)))
            for name in list(rows[0])[4:]:
                np.testing.assert_allclose([float(row[name] or "nan") for row in rows], model[f"history/{name}"][:], rtol=1e-7)
            self.assertEqual([row["val_acc"] == "" for row in rows], [epoch % 5 != 0 for epoch in range(1, 13)])

    def test_a_table_of_several_runs(self):
        """Each row says of which run it is, whatever its split is called."""
        names = ["half b", 'half, "a"']  # in the order of the file
        with h5py.File(self.path("graph.h5")) as source, h5py.File(self.path("named.h5"), "w") as file:
            for name in ("graph", "features", "labels"):
                source.copy(name, file)
            for k, name in enumerate(names):
                source.copy(f"splits/{k}", file, f"splits/{name}")
            file.attrs.update(source.attrs)
        command = ("train", self.path("named.h5"), *QUICK, "--split", "all", "--runs", 2, "--seed", 5, "--log",
                   self.path("log.csv"), "--checkpoint", self.path("named-c.h5"), "--resume")
        with unittest.mock.patch.dict(os.environ, DISTGAT_FAULT="log.write:0:40"):  # in the last run
            self.assertEqual(program.run(*command).returncode, 3)
        program.distgat(*command)
        with open(self.path("log.csv"), newline="") as file:
            rows = [(row["run"], row["split"], row["seed"]) for row in csv.DictReader(file)]
        runs = [(str(k), names[k // 2], str(5 + k % 2)) for k in range(4)]
        self.assertEqual(rows, [run for run in runs for _ in range(12)])

    def test_what_makes_no_sense_is_refused(self):
        self.train("--save", self.path("m.h5"))
        with h5py.File(self.path("graph.h5")) as source, h5py.File(self.path("none.h5"), "w") as file:
            for name in ("graph", "features", "labels"):
                source.copy(name, file)
            file.attrs.update(source.attrs)
        for command, word in ((("bench", "graph.h5", "--split", "all"), "has no split all"),
                              (("predict", "graph.h5", "--model-file", "m.h5", "--out", "o.h5", "--split", "all"),
                               "has no split all"),
                              (("train", "none.h5", "--split", "all"), "has no splits")):
            for ranks in (1, 3):
                done = program.run(*command, ranks=ranks, cwd=self.folder.name)
                self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1), done.stderr)
                self.assertIn(word, done.stderr)


if __name__ == "__main__":
    program.main()
