#!/usr/bin/env python3
"""A run's log, its saved history, its weights and its result tell the same story, which the dense reference tells too."""
import json
import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import oracle  # noqa: E402
import program  # noqa: E402

COLUMNS = ("train_loss", "train_acc", "val_loss", "val_acc")
SELECTIONS = ("best-val-loss", "best-val-acc", "best-val-both")
QUICK = ("--lr", 0.05, "--threads", 1)  # overfits within some dozen epochs: validation gets better, then worse
MODELS = ("gatv2", "gat", "gcn", "mlp", "sage")


def best_epoch(rule, val):
    """The epoch whose weights a rule of selection keeps, from pairs of loss and accuracy, NaN where none was."""
    best, least, most = 0, math.inf, -math.inf
    for epoch, (loss, acc) in enumerate(val, start=1):
        if math.isnan(loss):
            continue
        better = {"best-val-loss": loss < least,
                  "best-val-acc": acc > most or (acc == most and loss < least),
                  "best-val-both": acc >= most and loss <= least}[rule]
        best = epoch if better else best
        if rule == "best-val-both":
            least, most = min(least, loss), max(most, acc)
        elif better:
            least, most = loss, acc
    return best


def gat_end(val, patience):
    """Ends once neither loss nor accuracy was at its best for `patience` validations (Velickovic et al.'s code)."""
    least, most, waited = math.inf, -math.inf, 0
    for epoch, (loss, acc) in enumerate(val, start=1):
        waited = 0 if loss <= least or acc >= most else waited + 1
        least, most = min(least, loss), max(most, acc)
        if waited == patience:
            return epoch
    return None


def gcn_end(val, patience):
    """Ends once the loss exceeds the mean of the `patience` before it, after more than those (Kipf and Welling's code)."""
    losses = [loss for loss, _ in val]
    for epoch in range(patience + 2, len(losses) + 1):
        if losses[epoch - 1] > np.mean(losses[epoch - 1 - patience:epoch - 1]):
            return epoch
    return None


class Run(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.graph = graphs.random_graph(60, features=12, classes=3, degree=2, isolated=3, seed=4)
        # Labels that features and neighbours half explain, so that there is something to learn.
        signal = cls.graph.x @ np.random.default_rng(1).normal(size=(12, 3))
        cls.graph.labels = np.argmax(signal + 0.3 * np.random.default_rng(2).normal(size=signal.shape), axis=1).astype(np.int32)
        cls.graph.test = cls.graph.test[:-4]  # some nodes are in no split
        cls.graph.write(cls.path("graph.h5"))

    def train(self, *options, ranks=None, graph="graph.h5"):
        """The log, by event, and what was saved."""
        saved, log = self.path("model.h5"), self.path("log.jsonl")
        program.distgat("train", self.path(graph), *QUICK, "--save", saved, "--log", log, *options, ranks=ranks)
        with h5py.File(saved) as f:
            history = {name: f["history/" + name][:] for name in ("epoch", "seconds") + COLUMNS}
            result = json.loads(f.attrs["result"])
        epochs, results, summary = (program.read_log(log, event) for event in ("epoch", "result", "summary"))
        return dict(epochs=epochs, results=results, summary=summary, history=history, result=result,
                    weights=graphs.read_weights(saved), initial=graphs.read_weights(saved, "initial_weights"))

    def scores(self, weights, kind, split, **options):
        """Loss and accuracy of weights on a split by the dense reference, without dropout."""
        logits = oracle.Model(kind, weights, self.graph, **options).logits()
        nodes = getattr(self.graph, split)
        labels = self.graph.labels[nodes]
        z = logits[nodes] - logits[nodes].max(axis=1, keepdims=True)
        loss = (np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(nodes)), labels]).mean()
        return loss, np.mean(logits[nodes].argmax(axis=1) == labels)

    def val(self, found):
        return list(zip(found["history"]["val_loss"], found["history"]["val_acc"]))

    def same_weights(self, a, b, what):
        self.assertEqual(set(a), set(b))
        for name, value in a.items():
            np.testing.assert_array_equal(value, b[name], err_msg=f"{what}: {name}")

    def test_log_and_history_agree(self):
        for ranks in (None, 3):
            found = self.train("--epochs", 25, "--eval-every", 4, ranks=ranks)
            history, epochs = found["history"], found["epochs"]
            np.testing.assert_array_equal(history["epoch"], np.arange(1, 26))
            np.testing.assert_array_equal([line["epoch"] for line in epochs], history["epoch"])
            for name in COLUMNS + ("seconds",):
                logged = np.array([line[name] for line in epochs], float)
                np.testing.assert_allclose(logged, history[name], rtol=1e-9, err_msg=name)
            self.assertEqual(found["result"], found["results"][0])
            validated = {epoch for epoch in range(1, 26) if np.isfinite(history["val_loss"][epoch - 1])}
            self.assertEqual(validated - {25}, set(range(4, 26, 4)))
            np.testing.assert_array_equal(np.isfinite(history["val_acc"]), np.isfinite(history["val_loss"]))
            self.assertTrue((np.diff(history["seconds"]) > 0).all() and history["seconds"][0] > 0)
            self.assertEqual(len(set(history["train_loss"])), 25)

    def test_figures_belong_to_their_epoch(self):
        """Training figures are those of the weights before a step, validation's of those after it, the result's of the
        weights that are saved; a run that ends after k epochs went the way of a longer one."""
        for kind in MODELS:
            for ranks in (None, 3):
                options = ("--model", kind, "--dropout", 0, "--eval-every", 1)
                longest = self.train(*options, "--epochs", 6, ranks=ranks)
                for k in (0, 1, 2, 5, 6):
                    with self.subTest(model=kind, ranks=ranks, epochs=k):
                        found = self.train(*options, "--epochs", k, ranks=ranks)
                        if k > 0:
                            got = [found["history"][name][-1] for name in ("val_loss", "val_acc")]
                            np.testing.assert_allclose(got, self.scores(found["weights"], kind, "val"), rtol=1e-5)
                            for name in COLUMNS:
                                np.testing.assert_array_equal(found["history"][name], longest["history"][name][:k])
                        if k < 6:
                            got = [longest["history"][name][k] for name in ("train_loss", "train_acc")]
                            np.testing.assert_allclose(got, self.scores(found["weights"], kind, "train"), rtol=1e-5)
                        self.check_result(found, kind)

    def check_result(self, found, kind):
        for split in ("train", "val", "test"):
            loss, acc = self.scores(found["weights"], kind, split)
            self.assertAlmostEqual(found["result"][split + "_acc"], acc, 9, split)
            if split + "_loss" in found["result"]:
                np.testing.assert_allclose(found["result"][split + "_loss"], loss, rtol=1e-5, err_msg=split)

    def test_evaluation_drops_nothing(self):
        """With dropout of all kinds in training, validation, result and `predict` are those of the whole network."""
        for kind in MODELS:
            drops = ("--dropout", 0.7) + (("--attention-dropout", 0.5) if kind.startswith("gat") else ())
            for ranks in (None, 3):
                with self.subTest(model=kind, ranks=ranks):
                    found = self.train("--model", kind, *drops, "--epochs", 4, "--eval-every", 1, ranks=ranks)
                    got = [found["history"][name][-1] for name in ("val_loss", "val_acc")]
                    np.testing.assert_allclose(got, self.scores(found["weights"], kind, "val"), rtol=1e-5)
                    self.check_result(found, kind)
                    program.distgat("predict", self.path("graph.h5"), "--model-file", self.path("model.h5"), "--out",
                                    self.path("out.h5"), ranks=ranks)
                    with h5py.File(self.path("out.h5")) as f:
                        np.testing.assert_allclose(f["logits"][:], oracle.Model(kind, found["weights"], self.graph).logits(),
                                                   atol=1e-4)

    def test_last_weights(self):
        """--select last keeps those of the last epoch, however good others were."""
        found = self.train("--epochs", 30, "--eval-every", 1)
        self.assertLess(best_epoch("best-val-loss", self.val(found)), 30)
        self.check_result(found, "gatv2")
        np.testing.assert_allclose(found["result"]["val_acc"], found["history"]["val_acc"][-1])

    def test_best_weights(self):
        """The epoch that each rule keeps is that of the log, and the weights are those of a run that ends there."""
        for rule in SELECTIONS:
            for ranks in (None, 3):
                for options in (("--seed", 3), ("--seed", 5, "--eval-every", 3)):
                    with self.subTest(rule=rule, ranks=ranks, options=options):
                        found = self.train("--select", rule, "--epochs", 40, *options, ranks=ranks)
                        looked = np.flatnonzero(np.isfinite(found["history"]["val_loss"])) + 1
                        every = options[-1] if "--eval-every" in options else 1
                        self.assertEqual(set(looked), {*range(every, 41, every), 40})  # the last epoch always
                        best = best_epoch(rule, self.val(found))
                        self.assertTrue(0 < best < 40, best)
                        self.assertEqual(found["result"]["best_epoch"], best)
                        self.assertEqual(len(found["history"]["epoch"]), 40)
                        self.assertEqual(found["result"]["epochs"], 40)
                        self.check_result(found, "gatv2")
                        shorter = self.train("--epochs", best, *options, ranks=ranks)
                        self.same_weights(found["weights"], shorter["weights"], rule)
                        self.same_weights(found["initial"], shorter["initial"], rule)

    def test_early_stopping(self):
        """Training ends in the epoch in which the published rules say so, by the figures of the log."""
        for rule, end in (("gat", gat_end), ("gcn", gcn_end)):
            for patience, seed, ranks in ((1, 0, None), (3, 1, None), (5, 2, 3), (10, 3, None)):
                with self.subTest(rule=rule, patience=patience):
                    found = self.train("--early-stop", rule, "--patience", patience, "--epochs", 300, "--seed", seed, ranks=ranks)
                    ended = len(found["epochs"])
                    self.assertEqual(end(self.val(found), patience), ended if ended < 300 else None)
                    self.assertLess(ended, 300)
                    self.assertEqual(found["result"]["epochs"], ended)
                    self.assertNotIn("all", found["result"]["stop_reason"].split())
                    self.check_result(found, "gatv2")

    def test_runs(self):
        """Run i of --runs is the run of seed S + i alone; the summary is of their test accuracies, and the model saved
        that of the best validation accuracy, among equals of the least loss."""
        for select in ("last", "best-val-loss"):
            options = ("--select", select, "--epochs", 12, "--eval-every", 1)
            for ranks in (None, 3):
                together, saved = self.train(*options, "--seed", 5, "--runs", 3, ranks=ranks), []
                self.assertEqual(len(together["epochs"]), 36)
                for run in range(3):
                    alone = self.train(*options, "--seed", 5 + run, ranks=ranks)
                    saved.append((-alone["result"]["val_acc"], alone["result"]["val_loss"], run, alone["weights"]))
                    lines = together["epochs"][12 * run:12 * run + 12]
                    for name in ("epoch",) + COLUMNS:  # ranks divide the graph by the first seed
                        np.testing.assert_allclose([line[name] for line in lines],
                                                   [line[name] for line in alone["epochs"]],
                                                   rtol=1e-4 if ranks else 0, err_msg=name)
                    for name in ("seed", "epochs", "best_epoch", "train_acc", "val_acc", "test_acc", "test_loss"):
                        one, other = together["results"][run][name], alone["results"][0][name]
                        if isinstance(one, float):
                            self.assertAlmostEqual(one, other, 4 if ranks else 12, name)
                        else:
                            self.assertEqual(one, other, name)
                    self.assertEqual(together["results"][run]["seed"], 5 + run)
                _, _, best, weights = min(saved, key=lambda entry: entry[:3])
                self.assertEqual(together["result"]["run"], best)
                for name, value in weights.items():
                    np.testing.assert_allclose(together["weights"][name], value, atol=1e-3 if ranks else 0, err_msg=name)
                accuracies = [line["test_acc"] for line in together["results"]]
                summary = together["summary"][0]
                self.assertEqual(summary["runs"], 3)
                self.assertAlmostEqual(summary["test_acc_mean"], np.mean(accuracies), 9)
                self.assertAlmostEqual(summary["test_acc_std"], np.std(accuracies, ddof=1), 9)

    def test_steps(self):
        """Thirty steps of Adam, the decay of weights added to the gradient, to the weights themselves."""
        for decay in (0, 0.3):
            for kind in ("mlp", "gcn"):
                sizes = dict(hidden=6)
                weights = oracle.random_weights(kind, 12, 3, seed=1, **sizes)
                graphs.write_weights(self.path("init.h5"), weights)
                net = oracle.Model(kind, weights, self.graph, activation="elu")
                losses = net.train(30, 0.03, decay)
                found = self.train("--model", kind, "--hidden", 6, "--activation", "elu", "--init", self.path("init.h5"),
                                   "--dropout", 0, "--lr", 0.03, "--weight-decay", decay, "--epochs", 30)
                np.testing.assert_allclose(found["history"]["train_loss"], losses, rtol=1e-4)
                for name, want in net.weights.items():
                    np.testing.assert_allclose(found["weights"][name], want, atol=3e-4, err_msg=f"{kind} {decay} {name}")


if __name__ == "__main__":
    program.main()
