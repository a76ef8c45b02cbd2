#!/usr/bin/env python3
"""Labels as input: in evaluation what the model without them gives for a graph whose features have them as columns; in
training which nodes show theirs, and what the loss is then of."""
import itertools
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

N, F, CLASSES = 60, 7, 3
FEW = 6  # training nodes


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def columns(graph):
    """The label of every training node as 0 and 1, zeros for others."""
    found = np.zeros((graph.n, graph.classes), np.float32)
    own = graph.labels if graph.labels.ndim == 2 else np.eye(graph.classes)[graph.labels]
    found[graph.train] = own[graph.train]
    return found


class LabelInput(program.Case):
    def made(self, several=False, dense=False, few=False):
        graph = graphs.random_graph(N, features=F, classes=CLASSES, degree=3, dense=dense, seed=5)
        if few:
            graph.train = graph.train[:FEW]
        if several:
            graphs.with_several(graph)
        graph.write(self.path("graph.h5"))
        return graph

    def logits(self, graph, model, ranks=None):
        program.distgat("predict", self.path(graph), "--model-file", self.path(model), "--out", self.path("out.h5"), ranks=ranks)
        with h5py.File(self.path("out.h5")) as f:
            return f["logits"][:]

    def beside(self, graph, labels, options):
        """Logits of the model without labels as input, which has the same weights, on the graph with these columns."""
        x = graph.x if isinstance(graph.x, np.ndarray) else graph.x.toarray()
        wide = graphs.Graph(graph.indptr, graph.indices, np.hstack([x, labels]).astype(np.float32), graph.labels, graph.train,
                            graph.val, graph.test, graph.classes)
        wide.write(self.path("wide.h5"))
        graphs.write_weights(self.path("init.h5"), graphs.read_weights(self.path("model.h5")))
        program.distgat("train", self.path("wide.h5"), *options, "--init", self.path("init.h5"), "--epochs", 0, "--save",
                        self.path("plain.h5"))
        return self.logits("wide.h5", "plain.h5")

    def test_evaluation(self):
        """Layer kinds, features of both forms, labels of both kinds, no and some iterations, alone and on 3 ranks."""
        cases = [(("--model", "gcn"), 0, False, False), (("--model", "gatv2", "--residual"), 0, True, False),
                 (("--model", "sage", "--residual", "--layers", 3), 0, False, False), (("--model", "mlp"), 0, False, True),
                 (("--model", "gat", "--norm", "batch"), 1, False, False), (("--model", "gcn", "--residual"), 2, True, False),
                 (("--model", "gcn"), 1, False, True), (("--model", "gatv2", "--layers", 1), 1, True, False)]
        for options, iterations, dense, several in cases:
            graph = self.made(several, dense)
            for ranks in (None, 3):
                with self.subTest(options=options, iterations=iterations, dense=dense, several=several, ranks=ranks):
                    program.distgat("train", self.path("graph.h5"), *options, "--use-labels", 0.5, "--label-iterations",
                                    iterations, "--epochs", 5, "--lr", 0.05, "--save", self.path("model.h5"), ranks=ranks)
                    got, labels = self.logits("graph.h5", "model.h5", ranks), columns(graph)
                    unknown = np.ones(N, bool)
                    unknown[graph.train] = False
                    want = self.beside(graph, labels, options)
                    for _ in range(iterations):
                        said = 1 / (1 + np.exp(-want)) if several else softmax(want)
                        labels[unknown] = said[unknown]
                        want = self.beside(graph, labels, options)
                    np.testing.assert_allclose(got, want, atol=1e-4 * max(1, np.abs(want).max()))

    def start(self, graph, options):
        """Initial weights that do not look at labels, and the logits of these."""
        program.distgat("train", self.path("graph.h5"), *options, "--use-labels", 0.5, "--epochs", 0, "--save",
                        self.path("model.h5"))
        weights = graphs.read_weights(self.path("model.h5"))
        for name, value in weights.items():
            if value.ndim == 2 and value.shape[1] == F + CLASSES:
                value[:, F:] = 0
        graphs.write_weights(self.path("blind.h5"), weights)
        program.distgat("train", self.path("graph.h5"), *options, "--use-labels", 0.5, "--epochs", 0, "--init",
                        self.path("blind.h5"), "--save", self.path("model.h5"))
        return self.logits("graph.h5", "model.h5").astype(float)[graph.train]

    def test_who_is_shown(self):
        """The loss of each step is that of the training nodes but for some, which change from step to step."""
        options = ("--model", "gcn", "--dropout", 0)
        graph = self.made(few=True)
        labels = graph.labels[graph.train]
        logits = self.start(graph, options)
        ce = -np.log(softmax(logits)[np.arange(FEW), labels])
        right = logits.argmax(axis=1) == labels
        count = np.bincount(labels, minlength=CLASSES)
        balanced = (FEW / CLASSES / np.maximum(count, 1))[labels]
        rests = [list(rest) for size in range(1, FEW + 1) for rest in itertools.combinations(range(FEW), size)]
        for weights, weight in (("none", np.ones(FEW)), ("balanced", balanced)):
            means = np.array([np.average(ce[rest], weights=weight[rest]) for rest in rests])
            for rate, ranks in ((0.5, None), (0.5, 3), (0.2, None)):
                with self.subTest(weights=weights, rate=rate, ranks=ranks):
                    program.distgat("train", self.path("graph.h5"), *options, "--init", self.path("blind.h5"), "--use-labels", rate,
                                    "--epochs", 60, "--lr", 1e-12, "--log", self.path("log.jsonl"), "--class-weights", weights,
                                    ranks=ranks)
                    shown, seen = np.zeros(FEW), set()
                    for line in program.read_log(self.path("log.jsonl"), "epoch"):
                        if line["train_loss"] == 0:  # all are shown
                            shown += 1
                            continue
                        k = np.abs(means - line["train_loss"]).argmin()
                        self.assertAlmostEqual(means[k], line["train_loss"], delta=1e-6)
                        self.assertAlmostEqual(line["train_acc"], right[rests[k]].mean(), delta=1e-6)
                        shown += [i not in rests[k] for i in range(FEW)]
                        seen.add(tuple(rests[k]))
                    self.assertGreater(len(seen), 15)
                    self.assertLess(np.abs(shown / 60 - rate).max(), 0.25)  # four standard deviations
                    self.assertLess(abs(shown.mean() / 60 - rate), 0.1)

    def test_steps_that_show_all(self):
        """Have no node to be right or wrong about, whatever a node's labels."""
        for several in (False, True):
            self.made(several, few=True)
            program.distgat("train", self.path("graph.h5"), "--use-labels", 0.9, "--epochs", 30, "--log", self.path("log.jsonl"))
            lines = program.read_log(self.path("log.jsonl"), "epoch")
            self.assertEqual({line["train_loss"] == 0 for line in lines}, {False, True})
            for line in lines:
                self.assertEqual(line["train_acc"] is None, line["train_loss"] == 0)

    def test_first_rank_without_nodes(self):
        """It tells the same as one that has all, though it leaves none out."""
        with open(self.path("parts.txt"), "w") as f:
            f.write("1\n" * N)
        for several in (False, True):
            self.made(several)
            found = []
            for more in (dict(), dict(ranks=2)):
                parts = ("--partition", self.path("parts.txt")) if more else ()
                program.distgat("train", self.path("graph.h5"), "--use-labels", 0.7, "--epochs", 6, *parts, "--log", self.path("log.jsonl"), **more)
                found.append([(line["train_loss"], line["train_acc"]) for line in program.read_log(self.path("log.jsonl"), "epoch")])
            np.testing.assert_allclose(found[0], found[1], rtol=1e-5)

    def test_each_pass_moves_running_statistics(self):
        """As in torch: of a model that does not look at labels, whose passes of a step are all alike, as often as it has passes."""
        graph = self.made()
        options = ("--model", "gcn", "--norm", "batch", "--dropout", 0, "--hidden", 5)
        self.start(graph, options)
        begin, found = graphs.read_weights(self.path("blind.h5")), []
        for iterations, epochs, ranks in ((0, 1, None), (2, 1, None), (2, 2, 3)):
            program.distgat("train", self.path("graph.h5"), *options, "--init", self.path("blind.h5"), "--use-labels", 0.5, "--lr", 1e-12,
                            "--label-iterations", iterations, "--epochs", epochs, "--save", self.path("moved.h5"), ranks=ranks)
            found.append(graphs.read_weights(self.path("moved.h5")))
        for name in ("norm1.running_mean", "norm1.running_var"):
            measured = begin[name] + 10 * (found[0][name] - begin[name])
            for passes, got in ((3, found[1]), (6, found[2])):
                want = measured + 0.9**passes * (begin[name] - measured)
                np.testing.assert_allclose(got[name], want, atol=1e-5 * np.abs(measured).max())

    def test_no_node_sees_its_own_label(self):
        """Where rows meet nobody, the label columns have no gradient; where they meet neighbours, they have."""
        self.made()
        for model, learns in (("mlp", False), ("gcn", True)):
            program.distgat("train", self.path("graph.h5"), "--model", model, "--layers", 1, "--use-labels", 0.5, "--epochs", 1,
                            "--save-gradients", self.path("grads.h5"))
            of = [value for value in graphs.read_weights(self.path("grads.h5"), "grads").values() if value.ndim == 2]
            self.assertEqual(of[0].shape, (CLASSES, F + CLASSES))
            self.assertEqual(np.abs(of[0][:, F:]).max() > 0, learns)
            self.assertGreater(np.abs(of[0][:, :F]).max(), 0)

    def test_labels_are_dropped(self):
        """By --input-dropout, as features are."""
        self.made()
        options = ("--model", "gcn", "--layers", 1, "--use-labels", 0.5)
        program.distgat("train", self.path("graph.h5"), *options, "--epochs", 0, "--save", self.path("model.h5"))
        weights = graphs.read_weights(self.path("model.h5"))
        weights["conv1.lin.weight"][:] = np.hstack([np.zeros((CLASSES, F)), 5 * np.eye(CLASSES)])
        graphs.write_weights(self.path("init.h5"), weights)
        for dropout, even in ((0, False), (0.99999, True)):
            program.distgat("train", self.path("graph.h5"), *options, "--epochs", 1, "--init", self.path("init.h5"),
                            "--input-dropout", dropout, "--log", self.path("log.jsonl"))
            self.assertEqual(abs(program.losses(self.path("log.jsonl"))[0] - np.log(CLASSES)) < 1e-6, even)

    def test_same_run(self):
        """On any number of ranks, and gone on with on another."""
        self.made()
        options = ("--model", "gat", "--use-labels", 0.4, "--label-iterations", 1, "--epochs", 12, "--log", self.path("log.jsonl"))
        state = ("--checkpoint", self.path("state.h5"), "--checkpoint-every", 4)
        program.distgat("train", self.path("graph.h5"), *options)
        want = program.losses(self.path("log.jsonl"))
        for ranks in (2, 3, 7):
            program.distgat("train", self.path("graph.h5"), *options, ranks=ranks)
            np.testing.assert_allclose(program.losses(self.path("log.jsonl")), want, rtol=1e-4)
        program.distgat("train", self.path("graph.h5"), *options, "--epochs", 7, *state, ranks=2)
        program.distgat("train", self.path("graph.h5"), *options, *state, "--resume", ranks=3)
        np.testing.assert_allclose(program.losses(self.path("log.jsonl")), want, rtol=1e-4)
        done = program.run("train", self.path("graph.h5"), *options, "--use-labels", 0.5, *state, "--resume")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--use-labels", done.stderr)

    def test_refusals(self):
        self.made()
        graph = self.path("graph.h5")
        for options, words in ((("--label-iterations", 1), "--label-iterations is for --use-labels"),
                               (("--use-labels", 1), "--use-labels must be")):
            done = program.run("train", graph, *options)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
            self.assertIn(words, done.stderr)
        program.distgat("train", graph, "--use-labels", 0.5, "--epochs", 1, "--save", self.path("model.h5"))
        for splits, words in ((("a", "b"), "the model takes the labels of training nodes as input: name their split by --split"),
                              ((), "has no splits (splits/NAME/train), and the model takes the labels of training nodes as input")):
            with h5py.File(graph, "r+") as f:
                for name in splits:
                    f.copy("splits/public", f"splits/{name}")
                del f["splits/public" if splits else "splits"]
            for ranks in (None, 3):
                done = program.run("predict", graph, "--model-file", self.path("model.h5"), "--out", self.path("out.h5"), ranks=ranks)
                self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
                self.assertIn(words, done.stderr)

    def test_plan_and_bench(self):
        self.made()
        options = ("--use-labels", 0.5, "--label-iterations", 1)
        program.distgat("bench", self.path("graph.h5"), "--steps", 2, *options, ranks=3)
        program.distgat("plan", self.path("graph.h5"), "--parts", "1,2", *options)


if __name__ == "__main__":
    program.main()
