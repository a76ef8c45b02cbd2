#!/usr/bin/env python3
"""Partitions by what a training step does: options, figures in text, JSON and files, and the same in bench and train."""
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

FIGURES = ("nonzeros", "first_edges", "edges", "targets", "outputs")


class Partition(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        graph = graphs.random_graph(400, degree=4, symmetric=True, isolated=20, seed=3)
        graph.train, graph.val = graph.train[:30], np.concatenate([graph.train[30:], graph.val])
        graph.write(cls.path("g.h5"))
        with h5py.File(cls.path("g.h5"), "r+") as f:
            for name in ("train", "val", "test"):
                f[f"splits/other/{name}"] = f[f"splits/public/{'test' if name == 'train' else name}"][:]
            del f["splits/other/test"]
            f["splits/other/test"] = f["splits/public/train"][:]

    def divide(self, *options, parts=4, out="p.h5"):
        text = program.distgat("partition", self.path("g.h5"), "--parts", parts, "--out", self.path(out), "--json",
                               *options)
        return json.loads(text)

    def test_a_step_is_balanced_by_default(self):
        by_default, by_edges = self.divide(), self.divide("--balance", "edges")
        self.assertEqual((by_default["balance"], by_default["objective"]), ("step", "auto"))
        self.assertEqual(by_default["step"]["split"], "public")
        self.assertEqual(by_default["step"]["layers"], 2)
        for figure in ("nonzeros", "first_edges"):
            self.assertLess(by_default["step"][figure]["imbalance"], 1.06)
            self.assertGreater(by_edges["step"][figure]["imbalance"], 1.06)
        self.assertLess(by_default["edge_imbalance"], 1.06)
        self.assertEqual(by_default["step"]["idle_parts"], 0)

    def test_figures_belong_together(self):
        step = self.divide("--layers", 3, "--split", "other")["step"]
        self.assertEqual((step["split"], step["layers"]), ("other", 3))
        for figure in FIGURES:
            s = step[figure]
            self.assertLessEqual(s["least"], s["mean"])
            self.assertLessEqual(s["mean"], s["most"])
            self.assertAlmostEqual(s["imbalance"], s["most"] / s["mean"])
        with h5py.File(self.path("g.h5")) as f:
            self.assertAlmostEqual(4 * step["outputs"]["mean"], len(f["splits/other/train"]))

    def test_the_file_says_how_the_step_is_divided(self):
        step = self.divide()["step"]
        with h5py.File(self.path("p.h5")) as f:
            about = dict(f.attrs)
        self.assertEqual((about["step_split"].decode(), about["step_layers"]), ("public", 2))
        self.assertAlmostEqual(about["step_nonzero_imbalance"], step["nonzeros"]["imbalance"])
        self.assertAlmostEqual(about["step_edge_imbalance"], step["first_edges"]["imbalance"])
        self.assertEqual(about["step_halo_nodes"], step["halo_nodes"])
        self.assertEqual(about["step_idle_parts"], step["idle_parts"])

    def test_text_shows_the_step(self):
        text = program.distgat("partition", self.path("g.h5"), "--parts", 3, "--out", self.path("p.h5"))
        self.assertIn("a training step of 2 layers, split public", text)
        for name in ("non-zeros", "edges, layer 1", "training nodes", "parts without work 0"):
            self.assertIn(name, text)

    def test_one_seed_makes_one_partition(self):
        def part(*options, **more):
            self.divide(*options, **more)
            with h5py.File(self.path(more.get("out", "p.h5"))) as f:
                return f["part"][:]
        self.assertTrue(np.array_equal(part(), part()))
        done = program.run("partition", self.path("g.h5"), "--parts", 4, "--out", self.path("q.h5"), ranks=3)
        self.assertEqual(done.returncode, 0, done.stderr)
        with h5py.File(self.path("q.h5")) as f:
            self.assertTrue(np.array_equal(part(), f["part"][:]))

    def test_text_of_gpmetis_is_measured(self):
        with open(self.path("parts.txt"), "w") as f:
            f.writelines(f"{i % 4}\n" for i in range(400))
        found = self.divide("--method", "file", "--from", self.path("parts.txt"))
        self.assertGreater(found["step"]["nonzeros"]["imbalance"], 1)

    def test_a_graph_without_splits_is_divided_by_edges(self):
        graphs.random_graph(60, seed=1).write(self.path("bare.h5"))
        with h5py.File(self.path("bare.h5"), "r+") as f:
            del f["splits"]
        command = ("partition", self.path("bare.h5"), "--parts", 2, "--out", self.path("b.h5"), "--json")
        found = json.loads(program.distgat(*command))
        self.assertEqual(found["balance"], "edges")
        self.assertNotIn("step", found)
        for asked in (("--balance", "step"), ("--layers", 3), ("--split", "public")):
            done = program.run(*command, *asked)
            self.assertEqual(done.returncode, 2)
            self.assertIn("has no splits, and so no training step to divide; --balance edges needs none", done.stderr)

    def test_bench_shows_what_ranks_do(self):
        text = program.distgat("bench", self.path("g.h5"), "--steps", 3, "--threads", 1, "--json", ranks=4)
        work, step = json.loads(text)["work"], self.divide()["step"]
        self.assertEqual(work["idle_ranks"], 0)
        for figure in ("first_edges", "edges"):
            self.assertEqual({k: round(v, 9) for k, v in work[figure].items()},
                             {k: round(float(v), 9) for k, v in step[figure].items()})
        text = program.distgat("bench", self.path("g.h5"), "--steps", 3, "--threads", 1, ranks=2)
        self.assertIn("edges of the graph", text)

    def test_train_says_how_uneven_a_partition_is(self):
        self.divide("--balance", "edges", "--split", "other", out="other.h5")
        self.divide(out="step.h5")
        command = ("train", self.path("g.h5"), "--epochs", 2, "--threads", 1, "--partition")
        done = program.run(*command, self.path("other.h5"), ranks=4)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("divides this training step unevenly", done.stderr)
        done = program.run(*command, self.path("step.h5"), ranks=4)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("unevenly", done.stderr)

    def test_balance_and_objective_are_for_what_metis_makes(self):
        self.divide()
        for option, value in (("--balance", "edges"), ("--objective", "vol")):
            done = program.run("train", self.path("g.h5"), "--partition", self.path("p.h5"), option, value)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"{option} is for METIS", done.stderr)

    def test_losses_are_the_same_however_nodes_are_divided(self):
        runs = []
        for k, options in enumerate(((), ("--balance", "edges"), ("--balance", "nodes", "--objective", "vol"))):
            log = self.path(f"log{k}")
            program.distgat("train", self.path("g.h5"), "--model", "gcn", "--epochs", 10, "--threads", 1, "--log", log,
                            *options, ranks=3)
            runs.append(program.losses(log))
        program.distgat("train", self.path("g.h5"), "--model", "gcn", "--epochs", 10, "--threads", 1, "--log",
                        self.path("log"), ranks=1)
        for losses in runs:
            self.assertTrue(np.allclose(losses, program.losses(self.path("log")), rtol=1e-5))


def write_pairs(path, n, a, b, every=150):
    """A graph of edges both ways, of which each so-many-th node trains."""
    pairs = np.unique(np.stack([np.concatenate([b, a]), np.concatenate([a, b])], axis=1)[np.tile(a != b, 2)], axis=0)
    graphs.Graph(np.searchsorted(pairs[:, 0], np.arange(n + 1)), pairs[:, 1].astype(np.int32), np.ones((n, 1), np.float32),
                 (np.arange(n) % 3).astype(np.int32), np.arange(0, n, every), np.arange(1, n, 300), np.arange(2, n, 300),
                 3).write(path)


def crowds(n):
    """Components of 1 to 3,000 nodes, most of them small: a ring each, and two edges of chance a node."""
    rng = np.random.default_rng(1)
    sizes = (1 + 2999 * rng.random(n) ** 3).astype(np.int64)
    sizes = sizes[np.cumsum(sizes) <= n]
    sizes = np.append(sizes, n - sizes.sum())
    first, size, i = np.repeat(np.cumsum(sizes) - sizes, sizes), np.repeat(sizes, sizes), np.arange(n)
    ends = [first + (i - first + 1) % size] + [first + (rng.random(n) * size).astype(np.int64) for _ in range(2)]
    return np.tile(i, 3), np.concatenate(ends)


class Multilevel(program.Case):
    """Graphs that all ranks divide together."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        program.distgat("generate", "--nodes", 42000, "--avg-degree", 4, "--features", 8, "--classes", 4, "--out",
                        cls.path("g.h5"), "--quiet")

    def divide(self, ranks, *options, method="multilevel"):
        done = program.run("partition", self.path("g.h5"), "--parts", 3, "--method", method, "--out",
                           self.path(f"p{ranks}.h5"), "--json", *options, ranks=ranks)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_parts_and_figures_are_the_same_on_any_number_of_ranks(self):
        one, three = self.divide(1), self.divide(3)
        for found in (one, three):
            del found["seconds"]
        self.assertEqual(one, three)
        with open(self.path("p1.h5"), "rb") as a, open(self.path("p3.h5"), "rb") as b:
            self.assertEqual(a.read(), b.read())
        self.assertEqual((one["method"], one["parts"], one["empty_parts"]), ("multilevel", 3, 0))
        self.assertLessEqual(one["edge_imbalance"], 1.05)
        self.assertLessEqual(one["step"]["first_edges"]["imbalance"], 1.05)

    def test_no_part_of_a_large_star_is_empty(self):
        n = 60000
        leaves = np.arange(1, n, dtype=np.int32)
        indptr = np.concatenate([[0], n - 1 + np.arange(n)])
        graph = graphs.Graph(indptr, np.concatenate([leaves, np.zeros(n - 1, np.int32)]), np.ones((n, 1), np.float32),
                             np.arange(n, dtype=np.int32) % 3, np.arange(300), np.arange(300, 400), np.arange(400, 500), 3)
        graph.write(self.path("star.h5"))
        for parts in (5, 7):
            found = json.loads(program.distgat("partition", self.path("star.h5"), "--parts", parts, "--method", "multilevel",
                                               "--out", self.path("s.h5"), "--json", ranks=2))
            self.assertEqual((found["empty_parts"], sum(part["nodes"] for part in found["each_part"])), (0, n))

    def test_parts_of_meshes_chains_and_crowds_are_nearly_those_of_metis(self):
        width, n = 300, 45000
        i = np.arange(n)
        families = {"path": (i[:-1], i[1:]),
                    "grid": (np.concatenate([i[i % width > 0], i[width:]]), np.concatenate([i[i % width > 0] - 1, i[:-width]])),
                    "cliques": (np.concatenate([i[i % 5 > k] for k in range(4)] + [i[5::5]]),
                                np.concatenate([i[i % 5 > k] - k - 1 for k in range(4)] + [i[5::5] - 1])),
                    "triangles": (np.concatenate([i[0::3], i[0::3], i[1::3]]),
                                  np.concatenate([i[1::3], i[2::3], i[2::3]]))}
        for name, (a, b) in families.items():
            write_pairs(self.path(name + ".h5"), n, a, b)
            for parts, balance in ((8, "step"), (24, "edges")):
                metis, ours = (json.loads(program.distgat("partition", self.path(name + ".h5"), "--parts", parts, "--balance",
                                                          balance, "--method", method, "--out", self.path("m.h5"), "--json",
                                                          ranks=1 if method == "metis" else 2))
                               for method in ("metis", "multilevel"))
                with self.subTest(graph=name, parts=parts):
                    self.assertLessEqual(ours["halo_nodes"], 1.2 * metis["halo_nodes"] + 4)
                    self.assertLessEqual(ours["edge_imbalance"], 1.05)
                    for kind in ("first_edges", "nonzeros"):
                        self.assertLessEqual(ours["step"][kind]["imbalance"], 1.05 if balance == "step" else parts)
                    self.assertEqual(ours["empty_parts"], 0)

    def test_parts_of_trees_and_crowds_have_borders_as_short_as_those_of_metis(self):
        n = 60000
        rng = np.random.default_rng(2)
        i, name = np.arange(n), rng.permutation(n)
        older = (rng.random(n) * i).astype(np.int64)
        popular = older.copy()  # half of the nodes join the parent of a node of chance
        for k in np.flatnonzero(rng.random(n) < 0.5):
            popular[k] = popular[older[k]]
        families = {"binary": (name[i[1:]], name[(i[1:] - 1) // 2]), "popular": (i[1:], popular[1:]), "crowds": crowds(n)}
        for graph, (a, b) in families.items():
            write_pairs(self.path(graph + ".h5"), n, a, b, every=20)
            metis, ours = (json.loads(program.distgat("partition", self.path(graph + ".h5"), "--parts", 8, "--method", method,
                                                      "--out", self.path("t.h5"), "--json"))
                           for method in ("metis", "multilevel"))
            with self.subTest(graph=graph):
                self.assertLessEqual(ours["halo_nodes"], 1.2 * metis["halo_nodes"] + 4)
                self.assertLessEqual(ours["edge_imbalance"], 1.05)
                self.assertLessEqual(ours["step"]["first_edges"]["imbalance"], 1.05)

    def test_parts_project_as_much_where_rows_at_borders_are_many(self):
        n, towns = 60000, 6
        rng = np.random.default_rng(1)
        a = rng.integers(0, n, 5 * n)
        b = np.where(np.arange(5 * n) < 4 * n, a // (n // towns) * (n // towns) + rng.integers(0, n // towns, 5 * n),
                     rng.integers(0, n, 5 * n))
        write_pairs(self.path("towns.h5"), n, a, b, every=20)
        found = json.loads(program.distgat("partition", self.path("towns.h5"), "--parts", 16, "--method", "multilevel", "--out",
                                           self.path("c.h5"), "--json"))
        self.assertLessEqual(found["edge_imbalance"], 1.05)
        self.assertLessEqual(found["step"]["first_edges"]["imbalance"], 1.05)
        self.assertLessEqual(found["step"]["nonzeros"]["imbalance"], 1.07)

    def test_isolated_nodes_that_train_are_shared_out(self):
        n, linked = 45000, 7000
        a, b = np.random.default_rng(5).integers(0, linked, (2, 5 * linked)) * 6
        pairs = np.unique(np.stack([np.concatenate([b, a]), np.concatenate([a, b])], axis=1)[np.tile(a != b, 2)], axis=0)
        graph = graphs.Graph(np.searchsorted(pairs[:, 0], np.arange(n + 1)), pairs[:, 1].astype(np.int32),
                             np.ones((n, 4), np.float32), (np.arange(n) % 3).astype(np.int32), np.arange(n), np.arange(9),
                             np.arange(9), 3)
        graph.write(self.path("isolated.h5"))
        halo = []
        for method in ("metis", "multilevel"):
            found = json.loads(program.distgat("partition", self.path("isolated.h5"), "--parts", 6, "--method", method,
                                               "--out", self.path("i.h5"), "--json"))
            for imbalance in (found["edge_imbalance"], found["step"]["nonzeros"]["imbalance"]):
                self.assertLessEqual(imbalance, 1.05, method)
            halo.append(found["halo_nodes"])
        self.assertLessEqual(halo[1], 1.2 * halo[0])

    def test_its_file_serves_training_and_says_its_figures(self):
        found = self.divide(2)
        again = json.loads(program.distgat("partition", self.path("g.h5"), "--parts", 3, "--method", "file", "--from",
                                           self.path("p2.h5"), "--out", self.path("q.h5"), "--json"))
        for name in ("edge_cut", "edge_pairs", "halo_nodes", "edge_imbalance", "each_part", "step", "fingerprint"):
            self.assertEqual(found[name], again[name])
        done = program.run("train", self.path("g.h5"), "--epochs", 1, "--partition", self.path("p2.h5"), ranks=3)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_training_divides_so_where_rank_0_lacks_memory_for_metis(self):
        command = ("train", self.path("g.h5"), "--model", "gcn", "--epochs", 3, "--threads", 1)
        program.distgat(*command, "--log", self.path("log0"), ranks=2)
        with unittest.mock.patch.dict(os.environ, DISTGAT_FAULT="partition.room:0"):
            done = program.run(*command, "--log", self.path("log1"), ranks=2)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"METIS would take some \d+ MB of rank 0, which has 0: all ranks divide the graph")
        self.assertRegex(done.stderr, r"divided into 2 parts: \d+ of \d+ edges cut, \d+ halo rows")
        self.assertTrue(np.allclose(program.losses(self.path("log0")), program.losses(self.path("log1")), rtol=1e-5))

    def test_few_nodes_are_left_to_metis_which_is_said(self):
        program.distgat("generate", "--nodes", 300, "--avg-degree", 4, "--features", 8, "--classes", 4, "--out",
                        self.path("few.h5"), "--quiet")
        parts = []
        for method in ("metis", "multilevel"):
            done = program.run("partition", self.path("few.h5"), "--parts", 3, "--method", method, "--out",
                               self.path("few-p.h5"), ranks=2)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual("300 nodes are few: METIS divides them as they are" in done.stderr, method == "multilevel")
            with h5py.File(self.path("few-p.h5")) as f:
                parts.append(f["part"][:])
        self.assertTrue(np.array_equal(*parts))

    def test_the_other_methods_are_the_same_on_any_number_of_ranks(self):
        self.divide(1, method="random")
        os.rename(self.path("p1.h5"), self.path("from.h5"))
        for method, *options in (("block",), ("random", "--seed", 7), ("file", "--from", self.path("from.h5"))):
            one, three = (self.divide(ranks, *options, method=method) for ranks in (1, 3))
            del one["seconds"], three["seconds"]
            self.assertEqual((one, one["method"]), (three, method))
            with open(self.path("p1.h5"), "rb") as a, open(self.path("p3.h5"), "rb") as b:
                self.assertEqual(a.read(), b.read())

    def test_all_ranks_refuse_a_file_for_another_graph(self):
        self.divide(1, method="block")
        with h5py.File(self.path("p1.h5"), "r+") as f:
            f.attrs["fingerprint"] = np.bytes_("0123456789abcdef")
        done = program.run("partition", self.path("g.h5"), "--parts", 3, "--out", self.path("p.h5"), "--method", "file",
                           "--from", self.path("p1.h5"), ranks=3)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("was made for another graph", done.stderr)

    def test_all_ranks_divide_what_is_too_large_for_metis_unless_it_is_asked_for(self):
        command = ("partition", self.path("g.h5"), "--parts", 3, "--out", self.path("p.h5"), "--json")
        with unittest.mock.patch.dict(os.environ, DISTGAT_FAULT="partition.room:0"):
            for asked, method in (((), "multilevel"), (("--method", "metis"), "metis"), (("--objective", "cut"), "metis")):
                done = program.run(*command, *asked, ranks=2)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(json.loads(done.stdout)["method"], method)
                self.assertEqual("which has 0: all ranks divide the graph" in done.stderr, method == "multilevel")

    def test_an_objective_is_for_metis(self):
        for method in ("multilevel", "block", "random"):
            done = program.run("partition", self.path("g.h5"), "--parts", 2, "--method", method, "--objective", "vol", "--out",
                               self.path("q.h5"))
            self.assertEqual(done.returncode, 2)
            self.assertIn("--objective is for --method metis", done.stderr)


class Pubmed(program.Case):
    def test_the_steps_of_pubmed_are_balanced(self):
        graph = program.planetoid("pubmed", self.folder.name)
        if graph is None:
            self.skipTest("the Planetoid files are not there: ../shared/planetoid")
        for parts, most in ((4, 1.06), (8, 1.08), (16, 1.15)):
            found = json.loads(program.distgat("partition", graph, "--parts", parts, "--out", self.path("p.h5"),
                                               "--json"))
            self.assertLessEqual(found["step"]["nonzeros"]["imbalance"], most)
            self.assertLessEqual(found["step"]["first_edges"]["imbalance"], most)
            self.assertLessEqual(found["edge_imbalance"], 1.05)
            self.assertEqual(found["step"]["idle_parts"], 0)


if __name__ == "__main__":
    program.main()
