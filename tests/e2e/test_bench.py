#!/usr/bin/env python3
"""What `bench` reports, at several ranks: its keys, phases that make up a step, bytes that bf16 halves. No time is judged."""
import json
import os
import sys
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402

PHASES = {"projection", "edge_forward", "loss", "edge_backward", "weight_gradient", "halo_wait", "all_reduce", "adam",
          "other"}


class Bench(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.graph = cls.path("graph.h5")
        program.distgat("generate", "--nodes", 3000, "--avg-degree", 5, "--features", 40, "--classes", 4, "--out", cls.graph)

    def bench(self, *options, ranks=None):
        text = program.distgat("bench", self.graph, "--steps", 9, "--threads", 1, "--json", *options, ranks=ranks)
        self.assertEqual(text.count("\n"), 1, text)
        return json.loads(text)

    def test_keys(self):
        for ranks in (None, 3):
            for model in ("gatv2", "gat", "gcn", "mlp"):
                with self.subTest(ranks=ranks, model=model):
                    found = self.bench("--model", model, ranks=ranks)
                    self.assertEqual(found["ranks"], ranks or 1)
                    self.assertEqual(found["threads"], 1)
                    self.assertEqual(set(found["phases"]), PHASES)
                    self.assertTrue(all(ms >= 0 for ms in found["phases"].values()))
                    self.assertEqual(set(found["phases_max"]), PHASES)
                    for phase in PHASES:
                        self.assertLessEqual(found["phases_min"][phase], found["phases_max"][phase])
                    self.assertAlmostEqual(sum(found["phases"].values()) + found["imbalance"], found["step_ms_median"],
                                           delta=1e-4 * found["step_ms_median"])
                    self.assertIn(found["machine_busy"], (True, False))
                    self.assertEqual(found["allreduce_bytes_per_epoch"], 0)
                    self.assertEqual(found["messages_per_epoch"] > 0, ranks == 3 and model != "mlp")
                    self.assertGreaterEqual(found["step_ms_median"], found["step_ms_min"])
                    self.assertGreater(found["step_ms_min"], 0)
                    self.assertGreater(found["bound_ms"], 0)
                    self.assertGreater(found["peak_rss_bytes"], 10**6)
                    self.assertEqual(found["halo_bytes_per_epoch"] > 0, ranks == 3 and model != "mlp")

    def test_bytes(self):
        """bf16 halves what travels; projected rows of both layers are more than those of the second alone."""
        wide, narrow = (self.bench("--halo-type", kind, ranks=2)["halo_bytes_per_epoch"] for kind in ("f32", "bf16"))
        self.assertEqual(wide, 2 * narrow)
        fetched, exchanged = (self.bench("--first-halo", way, ranks=2)["halo_bytes_per_epoch"]
                              for way in ("fetch", "exchange"))
        self.assertGreater(exchanged, fetched)

    def test_messages(self):
        """Rows for a neighbour are one message where they fit; a length asked for is told and makes more of them."""
        long, short = self.bench("--first-halo", "exchange", ranks=2), None
        with unittest.mock.patch.dict(os.environ, DISTGAT_MESSAGE_BYTES="4096"):
            short = self.bench("--first-halo", "exchange", ranks=2)
        self.assertEqual(long["messages_per_epoch"], 2 * 2 * 2)  # layers, pull and push, ranks
        self.assertGreater(long["message_bytes"], 60 * 1024)
        self.assertEqual(short["message_bytes"], 4096)
        self.assertGreaterEqual(short["messages_per_epoch"], short["halo_bytes_per_epoch"] / 4096)

    def test_sums(self):
        """Gradients travel between nodes alone, and once a node, however many ranks it has."""
        summed = {}
        for nodes in ("1", "2,1", "2", "4"):
            with unittest.mock.patch.dict(os.environ, DISTGAT_NODE_RANKS=nodes):
                summed[nodes] = self.bench("--model", "gcn", ranks=4)["allreduce_bytes_per_epoch"]
        parameters, tail = 4 * (40 * 16 + 16 + 16 * 16 + 16), 4 * 16  # rows padded to 16 numbers
        self.assertEqual(summed, {"1": 4 * (parameters + tail), "2,1": 3 * (parameters + tail),
                                  "2": 2 * (parameters + 2 * tail), "4": 0})

    def test_text(self):
        text = program.distgat("bench", self.graph, "--steps", 3, ranks=2)
        for word in ("step", "bound", "exchange", "memory", "edge_backward"):
            self.assertIn(word, text)


if __name__ == "__main__":
    program.main()
