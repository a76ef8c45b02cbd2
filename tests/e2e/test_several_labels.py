#!/usr/bin/env python3
"""Several labels a node: the loss against torch's formula in double precision, predictions and what is said of them against
scikit-learn, what is refused, and runs that are gone on with."""
import csv
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

try:
    from sklearn import metrics
except ImportError:
    print("skipped: needs the Debian package python3-sklearn")
    sys.exit(77)

import graphs  # noqa: E402
import program  # noqa: E402

CLASSES = 5
SPLITS = ("train", "val", "test")
MODEL = ("--model", "gcn", "--dropout", 0, "--lr", 0.05)


def bce(logits, labels, positive):
    """torch.nn.BCEWithLogitsLoss(pos_weight=positive)."""
    return -(positive * labels * -np.logaddexp(0, -logits) + (1 - labels) * -np.logaddexp(0, logits)).mean()


def mean_area(scores, has):
    """Over the classes that some nodes have and some lack."""
    both = [c for c in range(has.shape[1]) if 0 < has[:, c].sum() < len(has)]
    return np.mean([metrics.roc_auc_score(has[:, c], scores[:, c]) for c in both]) if both else None


def quality(logits, labels):
    """Micro-F1, macro-F1 and area under the ROC curve, as scikit-learn has them."""
    several = labels.ndim == 2
    guess = (logits > 0).astype(int) if several else logits.argmax(axis=1)
    has = labels if several else np.eye(logits.shape[1], dtype=int)[labels]
    shifted = logits - logits.max(axis=1, keepdims=True)
    scores = logits if several else shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return [metrics.f1_score(labels, guess, average=which, **({"zero_division": 0} if several else {}))
            for which in ("micro", "macro")] + [mean_area(scores, has)]


class SeveralLabels(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.several = graphs.with_several(graphs.random_graph(200, features=10, classes=CLASSES, degree=3, seed=4))
        cls.one = graphs.random_graph(200, features=10, classes=CLASSES, degree=3, isolated=40, seed=9)
        for nodes in (cls.one.train, cls.one.test):
            cls.one.labels[nodes] %= CLASSES - 1  # a class that no node to train or test has, nor is guessed to
        dense = cls.one.x.toarray()
        dense[160:] = dense[160]  # equal scores
        cls.one.x = dense
        for name in ("several", "one"):
            getattr(cls, name).write(cls.path(name + ".h5"))

    def train(self, graph, *options, ranks=None):
        return json.loads(program.distgat("train", self.path(graph), *MODEL, "--save", self.path("model.h5"), "--log",
                                          self.path("log.jsonl"), "--json", *options, ranks=ranks))

    def predict(self, graph, *options, ranks=None):
        told = json.loads(program.distgat("predict", self.path(graph), "--model-file", self.path("model.h5"), "--out",
                                          self.path("out.h5"), "--json", "--probabilities", *options, ranks=ranks))
        with h5py.File(self.path("out.h5")) as f:
            return told, {name: f[name][:] for name in ("logits", "prediction", "probabilities")}

    def test_loss(self):
        """Of training before the first step, and of the test nodes after the last; without being asked for, too."""
        labels = self.several.labels
        of = labels[self.several.train].sum(axis=0)
        balanced = np.where(of > 0, (len(self.several.train) - of) / np.maximum(of, 1), 0)
        self.assertEqual(((balanced > 0) & (balanced != 1)).sum(), CLASSES - 1)
        for weights, positive in (("none", 1), ("balanced", balanced)):
            for asked in ((), ("--loss", "bce")):
                for ranks in (None, 3):
                    with self.subTest(weights=weights, asked=asked, ranks=ranks):
                        self.train("several.h5", "--epochs", 4, "--class-weights", weights, *asked, ranks=ranks)
                        log = self.path("log.jsonl")
                        for group, split, got in (("initial", "train", program.losses(log)[0]),
                                                  ("trained", "test", program.read_log(log, "result")[0]["test_loss"])):
                            logits = self.predict("several.h5", "--weights", group)[1]["logits"].astype(float)
                            nodes = getattr(self.several, split)
                            self.assertAlmostEqual(got / bce(logits[nodes], labels[nodes], positive), 1, delta=1e-5)

    def test_quality(self):
        """Of one label and of several, at each number of ranks, more ranks than classes among them."""
        for name in ("one", "several"):
            graph = getattr(self, name)
            for ranks in (None, 2, 3, 4, 7):
                with self.subTest(graph=name, ranks=ranks):
                    result = self.train(name + ".h5", "--epochs", 12, ranks=ranks)
                    told, found = self.predict(name + ".h5", ranks=ranks)
                    for split in SPLITS:
                        nodes = getattr(graph, split)
                        want = quality(found["logits"][nodes].astype(float), graph.labels[nodes])
                        got = [told[f"{split}_{which}"] for which in ("micro_f1", "macro_f1", "roc_auc")]
                        np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)
                        self.assertEqual(told[f"{split}_acc"], told[f"{split}_micro_f1"])
                        self.assertAlmostEqual(result[f"{split}_acc"], want[0], delta=1e-9)
                    for which in ("micro_f1", "macro_f1", "roc_auc"):
                        self.assertAlmostEqual(result["test_" + which], told["test_" + which], delta=1e-9)

    def test_degenerate_splits(self):
        """No test node; none that has a class or is guessed to; one class alone."""
        graph = graphs.with_several(graphs.random_graph(60, classes=3, seed=2))
        graph.test, graph.labels[graph.val] = graph.test[:0], 0
        graph.write(self.path("bare.h5"))
        result = self.train("bare.h5", "--epochs", 1)
        self.assertEqual([result["test_" + which] for which in ("acc", "micro_f1", "macro_f1", "roc_auc")], [None] * 4)
        told, _ = self.predict("bare.h5")
        self.assertIsNone(told["val_roc_auc"])
        self.assertEqual((told["val_acc"], told["val_macro_f1"]), (0, 0))

    def test_accuracy_of_epochs(self):
        """It is micro-F1, of the step's own forward pass and of validation, and chooses the weights."""
        labels = self.several.labels
        for ranks in (None, 3):
            with self.subTest(ranks=ranks):
                result = self.train("several.h5", "--epochs", 20, "--select", "best-val-acc", ranks=ranks)
                epochs = program.read_log(self.path("log.jsonl"), "epoch")
                logits = self.predict("several.h5", "--weights", "initial")[1]["logits"][self.several.train]
                first = metrics.f1_score(labels[self.several.train], logits > 0, average="micro")
                self.assertAlmostEqual(epochs[0]["train_acc"], first, delta=1e-6)
                most = max(line["val_acc"] for line in epochs)
                self.assertLess(epochs[-1]["train_loss"], epochs[0]["train_loss"])
                self.assertEqual(result["val_acc"], most)
                self.assertEqual(epochs[result["best_epoch"] - 1]["val_acc"], most)

    def test_prediction(self):
        """Each class of a positive logit, sigmoids, and a table with columns for each class."""
        self.train("several.h5", "--epochs", 12)
        for ranks in (None, 4):
            told, found = self.predict("several.h5", "--csv", self.path("out.csv"), ranks=ranks)
            self.assertEqual(found["prediction"].dtype, np.uint8)
            np.testing.assert_array_equal(found["prediction"], found["logits"] > 0)
            self.assertTrue(0 < found["prediction"].mean() < 1)
            np.testing.assert_allclose(found["probabilities"], 1 / (1 + np.exp(-found["logits"].astype(float))), atol=1e-6)
            with open(self.path("out.csv"), newline="") as f:
                rows = list(csv.DictReader(f))
            self.assertEqual(list(rows[0]), ["node", *(f"prediction {c}" for c in range(CLASSES)),
                                             *(f"label {c}" for c in range(CLASSES)), "split", *map(str, range(CLASSES))])
            for c in range(CLASSES):
                self.assertEqual([int(row[f"prediction {c}"]) for row in rows], list(found["prediction"][:, c]))
                self.assertEqual([int(row[f"label {c}"]) for row in rows], list(self.several.labels[:, c]))
            self.assertEqual([i for i, row in enumerate(rows) if row["split"] == "val"], list(self.several.val))

    def test_graphs_of_other_labels(self):
        """A graph without labels is predicted as the model was trained; one of the other kind is refused."""
        self.train("several.h5", "--epochs", 3)
        bare = self.path("bare.h5")
        shutil.copy(self.path("several.h5"), bare)
        with h5py.File(bare, "a") as f:
            del f["labels"], f["splits"], f.attrs["task"]
            f["labels"] = np.full(self.several.n, -1, np.int32)
        want = self.predict("several.h5")[1]
        for ranks in (None, 3):
            told, found = self.predict("bare.h5", "--csv", self.path("bare.csv"), ranks=ranks)
            self.assertIsNone(told["test_acc"])
            for name in ("prediction", "probabilities"):
                np.testing.assert_allclose(found[name], want[name], atol=1e-6)
            with open(self.path("bare.csv"), newline="") as f:
                row = next(csv.DictReader(f))
            self.assertEqual({row[f"label {c}"] for c in range(CLASSES)}, {""})
            self.assertEqual([int(row[f"prediction {c}"]) for c in range(CLASSES)], list(found["prediction"][0]))
        for trained, graph, words in (("several.h5", "one.h5", "several labels a node, and in test a node has one"),
                                      ("one.h5", "several.h5", "one label a node, and in test nodes have several")):
            self.train(trained, "--epochs", 1)
            for ranks in (None, 3):
                with self.subTest(trained=trained, ranks=ranks):
                    done = program.run("predict", self.path(graph), "--model-file", self.path("model.h5"), "--out", self.path("o.h5"),
                                       ranks=ranks)
                    self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
                    self.assertIn("model.h5: was trained for " + words, done.stderr)

    def test_words(self):
        self.train("several.h5", "--epochs", 1)
        out = program.distgat("info", self.path("several.h5"))
        counts = self.several.labels.sum(axis=0)
        self.assertIn(f"Number of classes: {CLASSES}, several a node\n", out)
        self.assertIn("Nodes of each class: " + ", ".join(map(str, counts)) + "\n", out)
        self.assertIn(f"Labels per node: {self.several.labels.sum() / 200:.2f}\n", out)
        self.assertIn(f"Nodes of no class: {(self.several.labels.sum(axis=1) == 0).sum()}\n", out)
        facts = json.loads(program.distgat("info", self.path("several.h5"), "--json"))
        self.assertEqual((facts["multilabel"], facts["class_counts"]), (True, counts.tolist()))
        self.assertFalse(json.loads(program.distgat("info", self.path("one.h5"), "--json"))["multilabel"])
        said = program.distgat("train", self.path("several.h5"), "--epochs", 1)
        self.assertIn("Acc is micro-F1", said)
        self.assertRegex(said, r"test micro-F1 [\d.]+%, validation")
        said = program.distgat("predict", self.path("several.h5"), "--model-file", self.path("model.h5"), "--out",
                               self.path("out.h5"))
        self.assertRegex(said, r"micro-F1 of split public: test .*; macro-F1 0\.\d{4}, ROC-AUC 0\.\d{4} of test\n")

    def test_refusals(self):
        """By name, on every verb that trains, once."""
        for graph, options, words in (
                ("several.h5", ("--loss", "ce"), "--loss ce is for one label a node"),
                ("several.h5", ("--loss", "log-ce"), "--loss log-ce is for one label a node"),
                ("several.h5", ("--label-smoothing", 0.1), "--label-smoothing is for one label a node"),
                ("one.h5", ("--loss", "bce"), "--loss bce is for several labels a node")):
            for verb in (("train",), ("bench", "--steps", 1), ("plan", "--parts", 1)):
                for ranks in (None,) if verb[0] == "plan" else (None, 3):
                    with self.subTest(verb=verb, options=options, ranks=ranks):
                        done = program.run(*verb, self.path(graph), *options, ranks=ranks)
                        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
                        self.assertIn(words, done.stderr)

    def test_bench_and_plan(self):
        told = json.loads(program.distgat("bench", self.path("several.h5"), "--steps", 3, "--json", ranks=2))
        self.assertGreater(told["step_ms_median"], 0)
        program.distgat("plan", self.path("several.h5"), "--parts", "1,2", "--json")
        program.distgat("plan", "--nodes", 2000, "--edges", 8000, "--features", 20, "--classes", 5, "--loss", "bce", "--parts",
                        "1,2", "--json")

    def test_gone_on_with(self):
        """On another number of ranks the same run, and the same figures of runs that are over."""
        state = ("--checkpoint", self.path("state.h5"), "--checkpoint-every", 3)
        whole = self.train("several.h5", "--epochs", 8, ranks=2)
        self.train("several.h5", "--epochs", 5, *state, ranks=2)
        again = self.train("several.h5", "--epochs", 8, *state, "--resume", ranks=3)
        for which in ("loss", "acc", "micro_f1", "macro_f1", "roc_auc"):
            self.assertAlmostEqual(again["test_" + which], whole["test_" + which], delta=1e-5)
        first = self.train("several.h5", "--epochs", 4, "--runs", 2, *state)["results"]
        self.assertEqual(self.train("several.h5", "--epochs", 4, "--runs", 2, *state, "--resume")["results"][0], first[0])
        self.assertGreater(first[0]["test_roc_auc"], 0)


if __name__ == "__main__":
    program.main()
