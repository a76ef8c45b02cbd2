#!/usr/bin/env python3
"""Dropout, read off element by element: graphs and weights are made so that each gradient shows one bit of a mask.

All logits are zero at the first step, so the gradient of node i's logits is (1/C - [c is its label]) / n, and the nodes
have labels of their own, with one class for none of them: the gradient of the last layer's weights then tells every
node's input, dropped and scaled.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import numpy as np  # noqa: E402
import scipy.sparse as sp  # noqa: E402

import graphs  # noqa: E402
import oracle  # noqa: E402
import program  # noqa: E402

NODES, WIDTH = 20, 512  # of a mask
HEADS = 4
MESSAGE = {"mlp": "weight", "gcn": "lin.weight", "gat": "lin.weight", "gatv2": "lin_l.weight"}
EMPTY = np.array([], np.int64)


def without_edges(nodes, width, sparse):
    """Features all ones, every node with a label of its own."""
    ones = np.ones((nodes, width), np.float32)
    x = sp.csr_matrix(ones) if sparse else ones
    return graphs.Graph(np.zeros(nodes + 1), EMPTY, x, np.arange(nodes), np.arange(nodes), EMPTY, EMPTY, nodes + 1)


def linked(adjacency, labels, train, classes, sparse=True):
    """Each node has one feature, its own; row i of the matrix has the in-neighbours of node i."""
    csr, x = sp.csr_matrix(adjacency), np.eye(len(adjacency), dtype=np.float32)
    x = sp.csr_matrix(x) if sparse else x
    return graphs.Graph(csr.indptr, csr.indices, x, labels, train, EMPTY, EMPTY, classes)


def complete(nodes, sparse):
    return linked(1 - np.eye(nodes), np.arange(nodes), np.arange(nodes), nodes + 1, sparse)


def star(leaves):
    """Node 0, the only one to be trained, hears the others."""
    adjacency = np.zeros((leaves + 1, leaves + 1))
    adjacency[0, 1:] = 1
    return linked(adjacency, np.zeros(leaves + 1), [0], 2)


class Dropout(program.Case):
    def gradients(self, graph, kind, weights, *options, ranks=None):
        """Those of the first step from `weights`, which say the sizes."""
        graph.write(self.path("graph.h5"))
        graphs.write_weights(self.path("init.h5"), weights)
        program.distgat("train", self.path("graph.h5"), "--model", kind, "--init", self.path("init.h5"), "--epochs", 1,
                        "--save-gradients", self.path("gradients.h5"), *options, ranks=ranks)
        return graphs.read_weights(self.path("gradients.h5"), "grads")

    def constant_model(self, kind, layers, classes):
        """Weights with which every hidden unit is 1 and all logits are 0."""
        weights = oracle.random_weights(kind, WIDTH, classes, layers=layers, hidden=WIDTH // HEADS if kind.startswith("gat") else WIDTH,
                                        heads=HEADS)
        for name, value in weights.items():
            last = name.startswith(f"conv{layers}.")
            value[:] = 1 if name.split(".", 1)[1] == "bias" and not last else 0
        return weights

    def input_mask(self, kind, layer, *options, sparse=True, ranks=None):
        """Input of a layer, 0 or the scale, [NODES, WIDTH]; as the last layer of a model of that many."""
        attention = kind.startswith("gat")
        sizes = ["--hidden", WIDTH // HEADS, "--heads", HEADS] if attention else ["--hidden", WIDTH]
        graph = without_edges(NODES, WIDTH, sparse)
        found = self.gradients(graph, kind, self.constant_model(kind, layer, graph.classes), "--layers", layer, *sizes,
                               *options, ranks=ranks)[f"conv{layer}.{MESSAGE[kind]}"]
        return (found[NODES] - found[:NODES]) * NODES

    def attention_mask(self, kind, *options, sparse=True, ranks=None, nodes=40):
        """Coefficients of one layer over a complete graph as multiples of those before dropout, [HEADS, targets, sources]."""
        graph = complete(nodes, sparse)
        weights = oracle.random_weights(kind, nodes, graph.classes, layers=1, out_heads=HEADS)
        weights = {name: 0 * value for name, value in weights.items()}
        found = self.gradients(graph, kind, weights, "--layers", 1, "--out-heads", HEADS, *options, ranks=ranks)
        found = found["conv1." + MESSAGE[kind]].reshape(HEADS, nodes + 1, nodes)
        return (found[:, nodes:] - found[:, :nodes]) * HEADS * nodes * nodes

    def bits(self, values, p, what):
        """Checks that values are 0 or 1/(1-p), and 0 as often as p says; gives whether each was kept."""
        kept = values > 0.5 / (1 - p)
        np.testing.assert_allclose(values, kept / (1 - p), atol=1e-4 / (1 - p), err_msg=what)
        self.assertLess(abs(1 - kept.mean() - p), 5 * np.sqrt(p * (1 - p) / kept.size), f"{what}: dropped")
        return kept

    def independent(self, a, b, p, what):
        """Two masks of rate p agree as often as chance has it."""
        chance = p * p + (1 - p)**2
        self.assertLess(abs(np.mean(a == b) - chance), 5 * np.sqrt(chance * (1 - chance) / a.size), what)

    def test_input_of_each_layer(self):
        """The rate and the scale are those of the option, and every layer, node, column and seed draws for itself."""
        p = 0.6
        for kind in MESSAGE:
            masks = [self.bits(self.input_mask(kind, layer, "--dropout", p), p, f"{kind}, layer {layer}")
                     for layer in (1, 2, 3)]
            masks.append(self.bits(self.input_mask(kind, 2, "--dropout", p, "--seed", 1), p, kind))
            for i, one in enumerate(masks):
                for other in masks[:i]:
                    self.independent(one, other, p, f"{kind}: masks of two layers or seeds")
                for shift in (1, 2, 3, 16):
                    self.independent(one[shift:], one[:-shift], p, f"{kind}: nodes {shift} apart")
                    self.independent(one[:, shift:], one[:, :-shift], p, f"{kind}: columns {shift} apart")

    def test_rates_of_their_own(self):
        """--input-dropout is for the first layer alone, --dropout for the others, --attention-dropout for neither."""
        options = ("--dropout", 0.5, "--input-dropout", 0.2)
        for kind in MESSAGE:
            others = ("--attention-dropout", 0) if kind.startswith("gat") else ()
            self.bits(self.input_mask(kind, 1, *options, *others), 0.2, kind)
            self.bits(self.input_mask(kind, 2, *options, *others), 0.5, kind)
        for kind in ("gat", "gatv2"):
            self.bits(self.attention_mask(kind, "--dropout", 0, "--attention-dropout", 0.3), 0.3, kind)
            self.assertTrue((self.attention_mask(kind, "--dropout", 0, "--attention-dropout", 0) > 0.99).all())

    def test_dense_sparse_and_ranks(self):
        """The mask is that of node and column, however features are stored and whoever owns the node."""
        for kind in MESSAGE:
            for layer in (1, 2):
                want = self.bits(self.input_mask(kind, layer, "--dropout", 0.4), 0.4, kind)
                for sparse, ranks in ((False, None), (True, 3), (False, 3)):
                    got = self.input_mask(kind, layer, "--dropout", 0.4, sparse=sparse, ranks=ranks)
                    np.testing.assert_array_equal(self.bits(got, 0.4, kind), want, f"{kind} {layer} {sparse} {ranks}")

    def test_projections_share_their_input(self):
        """GATv2 drops a node's input once for both projections."""
        half = WIDTH // 2
        x = np.zeros((2, WIDTH), np.float32)
        x[0, :half] = x[1, half:] = 1
        graph = graphs.Graph([0, 1, 1], [1], sp.csr_matrix(x), [0, 0], [0], EMPTY, EMPTY, 3)
        weights = oracle.random_weights("gatv2", WIDTH, 3, layers=1, out_heads=2, seed=1)
        found = self.gradients(graph, "gatv2", weights, "--layers", 1, "--out-heads", 2, "--dropout", 0.5)
        left, right = (np.abs(found[f"conv1.{side}.weight"][:, :half]).max(axis=0) > 0 for side in ("lin_l", "lin_r"))
        np.testing.assert_array_equal(left, right)
        self.assertTrue(0.3 < left.mean() < 0.7)

    def test_attention(self):
        """Every edge, head and seed draws for itself, and the coefficients that stay are scaled."""
        p = 0.3
        for kind in ("gat", "gatv2"):
            options = ("--dropout", 0.6, "--input-dropout", 0, "--attention-dropout", p)
            mask = self.bits(self.attention_mask(kind, *options), p, kind)
            for name, one, other in (("heads", mask[1:], mask[:-1]), ("targets", mask[:, 1:], mask[:, :-1]),
                                     ("sources", mask[:, :, 1:], mask[:, :, :-1]),
                                     ("both ways", mask, mask.transpose(0, 2, 1)),
                                     ("seeds", mask, self.attention_mask(kind, *options, "--seed", 1) > 0.5)):
                self.independent(one, other, p, f"{kind}: {name}")
            # Attention numbers its columns by source and head, inputs by channel: the two must not drop alike.
            by_row = mask[:, :NODES].transpose(1, 2, 0).reshape(NODES, -1)
            inputs = self.bits(self.input_mask(kind, 1, "--input-dropout", p), p, kind)[:, :by_row.shape[1]]
            self.independent(by_row, inputs, p, f"{kind}: attention and input")
            for sparse, ranks in ((False, None), (True, 3)):
                got = self.attention_mask(kind, *options, sparse=sparse, ranks=ranks)
                np.testing.assert_array_equal(self.bits(got, p, kind), mask)

    def test_attention_of_each_layer(self):
        """The second layer's edges are not dropped with the first layer's. The second layer's gradient shows where the
        edge of a leaf and the leaf's own loop below it were both kept."""
        p, leaves = 0.5, 600
        graph = star(leaves)
        for kind in ("gat", "gatv2"):
            options = ("--dropout", 0, "--attention-dropout", p)
            one = oracle.random_weights(kind, graph.n, 2, layers=1)
            one = {name: 0 * value for name, value in one.items()}
            two = oracle.random_weights(kind, graph.n, 2, layers=2, hidden=graph.n, heads=1)
            two = {name: 0 * value for name, value in two.items()}
            two["conv1." + MESSAGE[kind]][:] = np.eye(graph.n)
            below = self.gradients(graph, kind, one, "--layers", 1, *options)["conv1." + MESSAGE[kind]]
            above = self.gradients(graph, kind, two, "--hidden", graph.n, "--heads", 1, *options)["conv2." + MESSAGE[kind]]
            scale = 0.5 / (leaves + 1) / (1 - p)
            first, both = below[1, 1:] / scale > 0.5, above[1, 1:] / scale > 0.5
            self.bits(below[1, 1:] / scale * 1 / (1 - p), p, kind)
            self.assertLess(abs(both.mean() - (1 - p)**2), 5 * np.sqrt(0.25 * 0.75 / leaves), kind)
            self.assertLess(abs(first[both].mean() - (1 - p)), 5 * np.sqrt(0.25 / both.sum()), kind)

    def message_mask(self, *options, ranks=None, nodes=40):
        """That of the rows that one layer of GAT sums, [nodes, classes]; each node hears itself alone, and has a feature of
        its own."""
        graph = linked(np.zeros((nodes, nodes)), np.arange(nodes), np.arange(nodes), nodes + 1)
        weights = oracle.random_weights("gat", nodes, graph.classes, layers=1)
        weights = {name: 0 * value for name, value in weights.items()}
        found = self.gradients(graph, "gat", weights, "--layers", 1, "--dropout", 0, *options, ranks=ranks)
        kept_whole = (1 / graph.classes - np.eye(nodes, graph.classes)) / nodes
        return found["conv1.lin.weight"].T / kept_whole

    def test_messages(self):
        """Every node, channel and seed draws for itself, and apart from the mask of the input."""
        p = 0.4
        mask = self.bits(self.message_mask("--message-dropout", p), p, "messages")
        inputs = self.bits(self.input_mask("gat", 1, "--input-dropout", p), p, "input")
        for name, one, other in (("nodes", mask[1:], mask[:-1]), ("channels", mask[:, 1:], mask[:, :-1]),
                                 ("seeds", mask, self.message_mask("--message-dropout", p, "--seed", 1) > 0.5),
                                 ("input", mask[:NODES], inputs[:, :mask.shape[1]])):
            self.independent(one, other, p, f"messages: {name}")
        np.testing.assert_array_equal(self.message_mask("--message-dropout", p, ranks=3) > 0.5, mask)

    def epochs_of_one_node(self, p, columns, epochs, *options, ranks=None):
        """The mask of one node's features in each epoch, [epochs, columns], from the losses: learning is switched off, the
        weight of column k is 2^k of a unit, and the loss is log(1 + exp(sum of what is kept))."""
        graph = graphs.Graph([0, 0], EMPTY, np.ones((1, columns), np.float32), [1], [0], EMPTY, EMPTY, 2)
        unit = 8 * (1 - p) / 2**columns
        weight = np.array([unit * 2.0**np.arange(columns), np.zeros(columns)])
        graphs.write_weights(self.path("init.h5"), {"conv1.weight": weight, "conv1.bias": np.zeros(2)})
        graph.write(self.path("graph.h5"))
        program.distgat("train", self.path("graph.h5"), "--model", "mlp", "--layers", 1, "--init", self.path("init.h5"),
                        "--dropout", p, "--epochs", epochs, "--lr", 1e-35, "--weight-decay", 0, "--log",
                        self.path("log.jsonl"), *options, ranks=ranks)
        kept = np.log(np.expm1(np.array(program.losses(self.path("log.jsonl"))))) * (1 - p) / unit
        number = np.rint(kept).astype(int)
        np.testing.assert_allclose(kept, number, atol=0.1)
        return number[:, None] >> np.arange(columns) & 1

    def test_epochs(self):
        """Every epoch draws again, from its seed; no epoch of one seed is another's of the next."""
        p, columns, epochs = 0.4, 10, 400
        masks = [self.epochs_of_one_node(p, columns, epochs, "--seed", seed) for seed in (0, 1, 2)]
        for mask in masks:
            self.assertLess(abs(1 - mask.mean() - p), 5 * np.sqrt(p * (1 - p) / mask.size))
            for lag in (1, 2, 3, 4, 8, 64):
                self.independent(mask[lag:], mask[:-lag], p, f"epochs {lag} apart")
        for lag in range(4):
            for one, other in ((masks[0], masks[1]), (masks[1], masks[0]), (masks[0], masks[2]), (masks[2], masks[0])):
                self.independent(one[lag:], other[:epochs - lag], p, f"seeds, {lag} epochs apart")
        np.testing.assert_array_equal(self.epochs_of_one_node(p, columns, epochs, ranks=2), masks[0])


if __name__ == "__main__":
    program.main()
