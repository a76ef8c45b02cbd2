#!/usr/bin/env python3
"""What a plan says of more ranks is what these ranks then say of themselves."""
import json
import os
import shlex
import shutil
import sys
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)

import numpy as np  # noqa: E402
import scipy.sparse as sp  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

SIZES = ("--nodes", 50000, "--edges", 400000, "--features", 16, "--classes", 5)


class Plan(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        graphs.random_graph(1000, features=40, classes=5, degree=6, seed=3).write(cls.path("graph.h5"))

    def plan(self, *options, graph=True):
        files = (self.path("graph.h5"),) if graph else ()
        return json.loads(program.distgat("plan", *files, "--json", "--quiet", *options))

    def test_what_is_counted_is_what_ranks_count(self):
        for a_node, *model in ((4, "--model", "gatv2"), (1, "--model", "gcn", "--layers", 3, "--first-halo", "exchange"),
                               (2, "--model", "gat", "--prune", "off", "--halo-type", "bf16"), (2, "--model", "mlp",),
                               (2, "--model", "gatv2", "--table-type", "bf16", "--first-halo", "exchange"),
                               (2, "--model", "gcn", "--use-labels", 0.5, "--label-iterations", 2, "--first-halo", "exchange"),
                               (2, "--model", "gcn", "--use-labels", 0.5, "--label-iterations", 2, "--first-halo", "fetch"),
                               (1, "--model", "gat", "--layers", 1, "--use-labels", 0.5, "--label-iterations", 1, "--first-halo",
                                "fetch", "--halo-type", "bf16"), (2, "--model", "gatv2", "--use-labels", 0.5),
                               (2, "--model", "sage", "--layers", 3, "--norm", "batch", "--residual")):
            points = self.plan("--parts", "1,2,3,4", "--ranks-per-node", a_node, *model)["points"]
            for point in points:
                with unittest.mock.patch.dict(os.environ, DISTGAT_NODE_RANKS=str(a_node)):
                    bench = json.loads(program.distgat("bench", self.path("graph.h5"), "--steps", 2, "--json", *model,
                                                       ranks=point["parts"]))
                with self.subTest(model=model, parts=point["parts"]):
                    for figure in ("halo_bytes_per_epoch", "messages_per_epoch", "allreduce_bytes_per_epoch"):
                        self.assertEqual(point[figure], bench[figure], figure)

    def test_memory_grows_with_width_as_that_of_training(self):
        narrow, wide = (("--model", "gatv2", "--hidden", hidden, "--heads", 8, "--threads", 1) for hidden in (8, 128))
        for few, many in zip(*(self.plan("--parts", "1,3", *model)["points"] for model in (narrow, wide))):
            peaks = [json.loads(program.distgat("train", self.path("graph.h5"), "--epochs", 2, "--json", *model,
                                                ranks=few["parts"]))["peak_rss_bytes"] for model in (narrow, wide)]
            planned = many["memory_bytes"] - few["memory_bytes"]
            with self.subTest(parts=few["parts"]):
                self.assertGreater(planned, 5e6)
                self.assertLess(abs(planned / (peaks[1] - peaks[0]) - 1), 0.15, (planned, peaks))
                self.assertEqual(sum(many["memory"].values()), many["memory_bytes"])

    def test_what_training_needed_is_given_back_before_evaluation(self):
        n = 170000
        i = np.arange(n, dtype=np.int32)
        graphs.Graph(np.arange(n + 1), (i + 1) % n, np.ones((n, 128), np.float32), i % 40, i[:n * 54 // 100], i[n * 54 // 100:n * 71 // 100], i[n * 71 // 100:], 40).write(
            self.path("half.h5"))
        model = (self.path("half.h5"), "--model", "mlp", "--hidden", 64, "--threads", 1, "--json")
        planned = json.loads(program.distgat("plan", *model, "--parts", 1, "--quiet"))["points"][0]["memory_bytes"]
        for epochs in (0, 2):
            peak = json.loads(program.distgat("train", *model, "--epochs", epochs))["peak_rss_bytes"]
            self.assertLess(abs(planned / peak - 1), 0.05, (planned, peak))

    def large_graph(self, name, n, linked, edges, features):
        """Random edges among the first nodes: METIS contracts them badly, and takes more than of graphs with clusters."""
        rng = np.random.default_rng(3)
        i = rng.integers(0, linked, edges)
        j = (i + rng.integers(1, linked, edges)) % linked
        adjacency = sp.csr_matrix((np.ones(edges, np.int8), (i, j)), (n, n))
        adjacency = (adjacency + adjacency.T).tocsr()
        adjacency.sort_indices()
        x, labels, order = rng.random((n, features), np.float32), rng.integers(0, 5, n), rng.permutation(n)
        ids = (np.sort(order[k * n // 10:(k + 1) * n // 10]) for k in range(3))
        graphs.Graph(adjacency.indptr, adjacency.indices, x, labels, *ids, 5).write(self.path(name))
        return self.path(name)

    def test_dividing_takes_what_was_planned_and_gives_it_back(self):
        """Rank 0's peak is METIS's on the first graph; on the second it is a step's, with nothing left of METIS."""
        dense = (self.large_graph("dense.h5", 30000, 30000, 600000, 8), "--model", "gcn", "--layers", 1)
        loose = (self.large_graph("loose.h5", 150000, 90000, 300000, 16), "--model", "mlp", "--hidden", 256)
        for model in (dense, loose):
            model += ("--threads", 1, "--json", "--quiet")
            planned = json.loads(program.distgat("plan", *model, "--parts", 2))["points"][0]
            peak = json.loads(program.distgat("train", *model, "--epochs", 2, ranks=2))["peak_rss_bytes"]
            with self.subTest(model=model):
                self.assertLess(abs(planned["memory_bytes"] / peak - 1), 0.08, (planned["memory"], peak))

    def test_the_line_for_slurm_has_what_was_planned(self):
        """What differs from the model's defaults, be it typed or a recipe's."""
        model = "--model gcn --layers 3 --hidden 32 --residual --norm batch".split()
        self.assertTrue(self.plan("--parts", 2, *model, "--threads", 1)["sbatch"].endswith(
            "graph.h5 --model gcn --layers 3 --hidden 32 --residual --norm batch"))
        self.assertTrue(self.plan("--parts", 2, "--recipe", "tutorial-gat", "--dropout", 0.3)["sbatch"].endswith(
            "graph.h5 --recipe tutorial-gat --model gatv2 --dropout 0.3"))
        for line in ("--recipe gat-paper --model gat", "--recipe gat-paper --model gcn"):
            self.assertTrue(self.plan("--parts", 2, *line.split())["sbatch"].endswith("graph.h5 " + line), line)

    def test_the_lines_can_be_typed(self):
        """That for Slurm, and that of the options in force, with paths that a shell reads as something else."""
        graph, model = self.path("a graph's $(split) ü.h5"), self.path("a model.h5")
        shutil.copy(self.path("graph.h5"), graph)
        line = json.loads(program.distgat("plan", graph, "--parts", 1, "--json", "--quiet"))["sbatch"]
        self.assertEqual(shlex.split(line)[-3:], [graph, "--model", "gatv2"])
        done = program.run("train", graph, "--epochs", 0, "--save", model)
        options = next(text for text in (done.stdout + done.stderr).splitlines() if text.startswith("Options: "))
        self.assertEqual(shlex.split(options), ["Options:", "--epochs", "0", "--save", model])

    def test_edges_without_the_features_that_are_asked_for(self):
        """Are told of the file, as by `bench`."""
        options = (self.path("graph.h5"), "--model", "gat", "--edge-attributes", "features")
        planned, benched = (program.run(*verb, *options) for verb in (("plan", "--parts", 1), ("bench",)))
        self.assertEqual((planned.returncode, benched.returncode), (2, 2))
        self.assertIn(self.path("graph.h5"), planned.stderr)
        self.assertEqual(planned.stderr.split(": ", 1)[1], benched.stderr.split(": ", 1)[1])

    def test_most_parts_may_have_no_training_node(self):
        """Though they have as much to do, where every row is computed."""
        graph = graphs.random_graph(200, features=8, classes=3, degree=4, symmetric=True, seed=6)
        graph.train = graph.train[:1]
        graph.write(self.path("one.h5"))
        for model in (("--prune", "off"), ("--use-labels", 0.5, "--label-iterations", 1), ("--norm", "batch"), ()):
            with self.subTest(model=model):
                told = json.loads(program.distgat("plan", self.path("one.h5"), "--json", "--quiet", "--parts", "1,8,40", *model))
                self.assertEqual([point["parts"] for point in told["points"]], [1, 8, 40])

    def test_a_slow_network_makes_more_ranks_slower(self):
        slow = self.plan("--parts", "1,2,4", "--ranks-per-node", 1, "--latency-us", 1e6)
        self.assertEqual((slow["best_parts"], slow["slower_beyond"]), (1, 1))
        self.assertIn("sbatch -N 1 -n 1 ", slow["sbatch"])
        for point in slow["points"]:
            self.assertEqual(point["nodes"], point["parts"])
            if point["parts"] > 1:  # there and back
                self.assertGreaterEqual(point["sum_ms"], 2000)
                self.assertGreaterEqual(point["halo_ms"], 2000)
            self.assertAlmostEqual(point["step_ms"], point["compute_ms"] + point["halo_ms"] + point["sum_ms"], delta=1e-3)

    def test_steps_are_timed_on_the_cores_that_there_are_for_them(self):
        """Be they fewer than the machine has, or than a rank is to have."""
        core = min(os.sched_getaffinity(0))
        for options in ((), ("--threads", 4, "--cores-per-node", 8)):
            done = program.run("plan", self.path("graph.h5"), "--parts", "1,2", *options,
                               preexec_fn=lambda: os.sched_setaffinity(0, {core}))
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_nodes_may_have_other_cores_than_these(self):
        few, many = (self.plan("--parts", "1,2", "--cores-per-node", cores, "--ranks-per-node", 2)
                     for cores in (2, 512))
        self.assertEqual([point["threads"] for point in few["points"] + many["points"]], [2, 1, 512, 256])
        self.assertTrue(many["sbatch"].startswith(f"sbatch -N 1 -n {many['best_parts']} "), many["sbatch"])
        for slow, fast in zip(few["points"], many["points"]):  # 256 times, but for noise
            self.assertGreater(slow["compute_ms"] / fast["compute_ms"], 40)

    def test_a_graph_may_exist_in_numbers_alone(self):
        small, large = (self.plan("--nodes", n, "--edges", 8 * n, "--features", 16, "--classes", 5, "--parts", 4,
                                  graph=False)["points"][0] for n in (1000000, 4000000))
        for figure in ("halo_nodes", "step_halo_rows", "halo_bytes_per_epoch"):
            self.assertAlmostEqual(large[figure] / small[figure], 4, delta=0.01)
        self.assertEqual(small["messages_per_epoch"], large["messages_per_epoch"])
        self.assertAlmostEqual(large["memory"]["buffers"] / small["memory"]["buffers"], 4, delta=0.1)

    def test_beyond_the_integers_of_METIS_no_rank_holds_the_graph(self):
        """As in training, which then divides by all ranks together."""
        few, many = 1000000000, 1100000000
        by_metis, together = (self.plan("--nodes", 100000000, "--edges", edges, "--features", 1, "--classes", 2, "--model", "mlp",
                                        "--layers", 1, "--parts", "16,64", "--threads", 1, graph=False)["points"]
                              for edges in (few, many))
        for point in by_metis:
            self.assertGreater(point["memory_bytes"], 40 * few)
        for point in together:  # its edges, and the neighbours of its nodes
            self.assertGreater(point["memory_bytes"], 20 * many / point["parts"])
            self.assertLess(point["memory_bytes"], 80 * many / point["parts"])

    def test_text_names_what_matters(self):
        text = program.distgat("plan", self.path("graph.h5"), "--parts", "1,2", "--quiet")
        for word in ("step ms", "rank MB", "buffers", "sbatch -N"):
            self.assertIn(word, text)

    def test_what_makes_no_plan_is_refused(self):
        graph = self.path("graph.h5")
        for arguments, word in (((graph,), "--parts is missing"), ((graph, "--parts", "2,1"), "ascending"),
                                ((graph, "--parts", "1,"), "ascending"), ((graph, "--parts", "0"), "ascending"),
                                ((graph, "--parts", "1", "--edges", 5), "need --nodes"),
                                (("--nodes", 5, "--parts", 1), "--features"),
                                (("--nodes", 10**9, "--edges", 10**12, *SIZES[4:], "--parts", "1,301"), "enough for 300 parts"),
                                (SIZES[:2] + ("--edges", 10**15) + SIZES[4:] + ("--parts", 1), "--edges"),
                                ((graph, "--parts", 1, "--epochs", 3), "--epochs"),
                                ((graph, "--parts", 1, "--partition", graph), "--partition")):
            with self.subTest(arguments=arguments):
                done = program.run("plan", *arguments)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertRegex(done.stderr, "^distgat plan: [^\\n]*" + word + "[^\\n]*\\n$")


if __name__ == "__main__":
    program.main()
