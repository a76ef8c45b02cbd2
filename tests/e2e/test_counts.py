#!/usr/bin/env python3
"""What is exchanged, and when the first layer's halo is: against counts made here from the graph and the partition."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

RANKS, HIDDEN, HEADS, CLASSES = 3, 4, 4, 5  # heads and classes as they lie in memory, without padding


def in_neighbours(graph, nodes):
    return [graph.indices[graph.indptr[i]:graph.indptr[i + 1]] for i in nodes]


def targets_by_layer(graph, layers, prune):
    """The nodes that each layer makes, first layer first: all, or those that the loss can see through the layers above."""
    found = [np.unique(graph.train) if prune else np.arange(graph.n)]
    for _ in range(layers - 1):
        found.insert(0, np.unique(np.concatenate([found[0]] + in_neighbours(graph, found[0]))))
    return found


def halo_rows(graph, part, targets):
    """Distinct foreign in-neighbours of each part's targets, summed over parts."""
    rows = 0
    for rank in range(RANKS):
        near = np.unique(np.concatenate([np.zeros(0, int)] + in_neighbours(graph, targets[part[targets] == rank])))
        rows += np.count_nonzero(part[near] != rank)
    return rows


class Counts(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.graph = graphs.random_graph(200, features=30, classes=CLASSES, degree=2, isolated=20, seed=5)
        cls.graph.train = cls.graph.train[:25]
        cls.graph.write(cls.path("graph.h5"))
        program.distgat("partition", cls.path("graph.h5"), "--parts", RANKS, "--method", "random", "--out", cls.path("part.h5"))
        with h5py.File(cls.path("part.h5")) as f:
            cls.part = f["part"][:]

    def bytes_of(self, model, *options, ranks=RANKS, verb="train", graph="graph.h5", last=("--epochs", 1)):
        sizes = ("--hidden", HIDDEN, "--heads", HEADS) if model.startswith("gat") else ("--hidden", HIDDEN * HEADS)
        text = program.distgat(verb, self.path(graph), "--model", model, *sizes, "--json", *last, *options, ranks=ranks)
        return json.loads(text)["halo_bytes_per_epoch"]

    def expected(self, layers, prune, first, width=4):
        """Rows of every layer that exchanges go to their readers and their gradients home."""
        targets = targets_by_layer(self.graph, layers, prune)
        columns = [HIDDEN * HEADS] * (layers - 1) + [CLASSES]
        return sum(2 * width * columns[k] * halo_rows(self.graph, self.part, targets[k])
                   for k in range(layers) if k > 0 or first == "exchange")

    def test_halo_bytes(self):
        given = ("--partition", self.path("part.h5"))
        for layers, model in ((1, "gat"), (2, "gatv2"), (3, "gcn"), (3, "gat")):
            for prune in ("on", "off"):
                for first in ("fetch", "exchange"):
                    options = ("--layers", layers, "--prune", prune, "--first-halo", first) + given
                    with self.subTest(model=model, options=options):
                        want = self.expected(layers, prune == "on", first)
                        self.assertEqual(self.bytes_of(model, *options), want)
        options = ("--layers", 3, "--first-halo", "exchange") + given
        self.assertEqual(self.bytes_of("gatv2", *options, "--halo-type", "bf16"), self.expected(3, True, "exchange", 2))
        table = options + ("--table-type", "bf16")  # whose rows travel as they are, and gradients as --halo-type says
        self.assertEqual(self.bytes_of("gatv2", *table), self.expected(3, True, "exchange", 3))
        self.assertEqual(self.bytes_of("gatv2", *table, "--halo-type", "bf16"), self.expected(3, True, "exchange", 2))
        self.assertEqual(self.bytes_of("gatv2", *options, verb="bench", last=("--steps", 2)),
                         self.expected(3, True, "exchange"))
        self.assertEqual(self.bytes_of("mlp"), 0)
        self.assertEqual(self.bytes_of("gatv2", ranks=1), 0)

    def test_bytes_of_labels(self):
        """Where rows are fetched, labels of other ranks' nodes are known, and what is said of others comes once for each
        pass but the last; where they are exchanged they come once for each pass."""
        given = ("--partition", self.path("part.h5"), "--use-labels", 0.5)
        all_rows = halo_rows(self.graph, self.part, np.arange(self.graph.n))
        hidden, last = 4 * HIDDEN * HEADS * all_rows, 4 * CLASSES * all_rows
        for times, layers, fetched, exchanged in ((2, 2, 2 * last + 4 * last, 4 * hidden + 4 * last), (1, 1, last, 3 * last)):
            for first, want in (("fetch", fetched), ("exchange", exchanged)):
                with self.subTest(times=times, layers=layers, first=first):
                    options = given + ("--first-halo", first, "--layers", layers, "--label-iterations", times)
                    self.assertEqual(self.bytes_of("gatv2", *options), want)
        self.assertEqual(self.bytes_of("gatv2", *given, "--first-halo", "fetch"), self.expected(2, True, "fetch"))

    def test_first_halo(self):
        """Long feature rows and narrow layers: projected rows are sent. Short rows and wide layers: features are fetched.
        Both are far, by a factor of ten, from where the one costs as much as the other."""
        for name, features, hidden, want in (("long.h5", 2000, 16, "exchange"), ("short.h5", 8, 64, "fetch")):
            graph = graphs.random_graph(1500, features=features, classes=CLASSES, degree=6, dense=True, seed=6)
            graph.write(self.path(name))
            part = self.path("part_" + name)
            program.distgat("partition", self.path(name), "--parts", 2, "--method", "random", "--out", part)
            for model in ("gcn", "gatv2"):
                found = {way: json.loads(program.distgat("train", self.path(name), "--model", model, "--epochs", 0, "--json",
                                                         "--hidden", hidden, "--partition", part, "--first-halo", way,
                                                         ranks=2))["halo_bytes_per_epoch"]
                         for way in ("auto", "fetch", "exchange")}
                with self.subTest(graph=name, model=model):
                    self.assertGreater(found["exchange"], found["fetch"])
                    self.assertEqual(found["auto"], found[want])

    def test_bound(self):
        """The bound of `bench` is the sum over phases of the larger of operations and bytes over the measured rates, as
        tests/bench/README.md says; one rank, all rows, no padding in memory."""
        path, classes, hidden, heads = self.path("bound.h5"), 16, 8, 8
        program.distgat("generate", "--nodes", 20000, "--avg-degree", 6, "--features", 50, "--feature-density", 0.2,
                        "--classes", classes, "--out", path)
        graph = graphs.read(path)
        for model in ("gatv2", "gat", "gcn", "mlp"):
            sizes = ("--hidden", hidden, "--heads", heads) if model.startswith("gat") else ("--hidden", hidden * heads)
            found = json.loads(program.distgat("bench", path, "--model", model, *sizes, "--dropout", 0.5, "--prune", "off",
                                               "--steps", 3, "--json"))
            want = bound(model, graph, [50, hidden * heads, classes], 0.5, found)
            self.assertAlmostEqual(found["bound_ms"] / (1e3 * want), 1, 4, model)

    def test_bound_of_gathered_input(self):
        """GCN whose first layer is wider than its dense input sums the input's rows, once where nothing drops from them:
        edges then have no part in that layer's backward pass, and without dropout in none of its passes."""
        path, widths = self.path("narrow.h5"), [40, 64, 16]
        graph = graphs.random_graph(20000, features=40, classes=16, degree=6, dense=True, seed=7)
        graph.write(path)
        for dropout in (0.5, 0):
            found = json.loads(program.distgat("bench", path, "--model", "gcn", "--hidden", 64, "--dropout", 0.5,
                                               "--input-dropout", dropout, "--prune", "off", "--steps", 3, "--json"))
            want = bound("gcn", graph, widths, dropout, found)
            self.assertAlmostEqual(found["bound_ms"] / (1e3 * want), 1, 4, dropout)

    def test_bound_of_input_that_heads_gather(self):
        """GAT whose heads are wider than its dense input: each has sums of the input's rows, which edges make and meet
        again in the backward pass, and which are projected as gradients of them are back."""
        path, heads = self.path("heads.h5"), 3
        graph = graphs.random_graph(20000, features=40, classes=16, degree=6, dense=True, seed=7)
        graph.write(path)
        found = json.loads(program.distgat("bench", path, "--model", "gat", "--hidden", 64, "--heads", heads, "--dropout", 0,
                                           "--prune", "off", "--steps", 3, "--json"))
        want = bound("gat", graph, [40, 64 * heads, 16], 0, found, heads)
        self.assertAlmostEqual(found["bound_ms"] / (1e3 * want), 1, 4)


def bound(model, graph, widths, dropout, rates, sums=1):
    """Seconds that a step of a model takes at least at the rates that `bench` found, layer k from widths[k] to
    widths[k + 1] channels; where edges gather the input it has so many sums a node."""
    flops, product_flops = 1e9 * rates["gflop_per_s"], 1e9 * rates["product_gflop_per_s"]
    bandwidth = 1e9 * rates["triad_gb_per_s"]
    cache = int(subprocess.run(["getconf", "LEVEL2_CACHE_SIZE"], stdout=subprocess.PIPE, text=True).stdout or 0) or 1 << 20
    nodes, edges, v2 = graph.n, len(graph.indices) + graph.n, model == "gatv2"
    per_edge = {"gatv2": (7, 14), "gat": (2, 4), "gcn": (2, 2), "mlp": (0, 0)}[model]

    def seconds(operations, size, rate=flops):
        return max(operations / rate, size / bandwidth)

    def gathered(width):
        return 4 * width * (edges if 4 * width * nodes > cache else nodes)

    sparse, total, parameters = not isinstance(graph.x, np.ndarray), 0, 0
    for k, (n_in, width) in enumerate(zip(widths, widths[1:])):
        entries = graph.x.nnz * (1 - dropout) if sparse and k == 0 else nodes * n_in
        projections, own = 2 if v2 else 1, sums if k == 0 else 1
        total += (2 if k == 0 and own == 1 else 3) * seconds(
            2 * entries * width * projections, entries * (8 if sparse and k == 0 else 4) * own + projections * 4 * width * (nodes + n_in),
            flops if sparse and k == 0 else product_flops)
        once = 4 * edges + gathered(width) + projections * nodes * 4 * width
        twice = 4 * edges + gathered(2 * width) + 4 * nodes * width if v2 else 0
        if own > 1:
            for operations, passed in ((2, 1), (4, 2)):
                total += seconds(operations * edges * n_in * own, 4 * edges + gathered(n_in) + passed * nodes * 4 * n_in * own)
        elif k == 0 and not sparse:
            total += seconds(2 * edges * n_in, 4 * edges + gathered(n_in) + nodes * 4 * n_in) if dropout else 0
        elif model != "mlp":
            total += seconds(per_edge[0] * edges * width, once)
            total += seconds(per_edge[1] * edges * width, once + 4 * nodes * width + twice)
        parameters += projections * n_in * width + {"gatv2": 4, "gat": 3, "gcn": 1, "mlp": 1}[model] * width
    return total + seconds(12 * parameters, 28 * parameters)


if __name__ == "__main__":
    program.main()
