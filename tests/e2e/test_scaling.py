#!/usr/bin/env python3
"""Scaling studies: what was measured stays, what failed is run again, and pictures show it."""
import contextlib
import csv
import os
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402
import ranks  # noqa: E402

SCRIPT = os.path.join(program.SOURCE, "jobs", "scaling.py")
HAS_PICTURES = subprocess.run([SCRIPT, "--help"], capture_output=True).returncode == 0


@unittest.skipUnless(HAS_PICTURES, "python3-matplotlib is missing")
class Scaling(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        program.distgat("generate", "--nodes", 300, "--avg-degree", 4, "--features", 20, "--classes", 3, "--out",
                        cls.path("graph.h5"))

    def study(self, out, *options, graph="graph.h5", launcher=None, code=0):
        environment = dict(os.environ, DISTGAT=program.DISTGAT, **({"DISTGAT_LAUNCHER": launcher} if launcher else {}))
        command = [SCRIPT, "--graphs", self.path(graph), "--steps", 3, "--repetitions", 2, "--out", self.path(out), *options]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, env=environment)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def rows(self, out):
        with open(self.path(os.path.join(out, "scaling.csv")), newline="") as file:
            return list(csv.DictReader(file))

    def test_strong(self):
        self.study("strong", "--ranks", "1 2", "--threads", "1", "--", "--model", "gat", "--hidden", 4)
        rows = self.rows("strong")
        self.assertEqual([(row["graph"], row["model"], row["ranks"], row["nodes"], row["status"]) for row in rows],
                         [("graph", "gat", "1", "1", "ok"), ("graph", "gat", "2", "1", "ok")])
        for row in rows:
            speedup = float(rows[0]["step_ms"]) / float(row["step_ms"])
            self.assertAlmostEqual(float(row["speedup"]), speedup, delta=1e-3)
            self.assertAlmostEqual(float(row["efficiency"]), speedup / int(row["ranks"]), delta=1e-3)
            self.assertLessEqual(float(row["step_ms_least"]), float(row["step_ms_most"]))
            self.assertEqual(row["step_ms"], row["step_ms_least"])  # the lower of two runs, whose phases the row has
            for figure in ("plan_ms", "plan_bytes", "bound_ms", "peak_rss_bytes"):
                self.assertGreater(float(row[figure]), 0, figure)
            for figure in ("version", "hosts", "command", "graph_nodes"):
                self.assertTrue(row[figure], figure)
            self.assertLessEqual(float(row["edge_backward_least"]), float(row["edge_backward_most"]))
        for kind in ("svg", "png"):
            self.assertGreater(os.path.getsize(self.path(f"strong/graph-model-gat-hidden-4.{kind}")), 5000)
        again = self.study("strong", "--ranks", "1 2", "--", "--model", "gat", "--hidden", 4)
        self.assertEqual(again.stderr.count("is there already"), 2)
        self.assertEqual(self.rows("strong"), rows)

    def test_a_failed_point_is_no_end(self):
        launcher = self.path("launcher")
        with open(launcher, "w") as file:
            file.write('#!/bin/sh\nn=$1; shift\n[ "$n" != 2 ] || { echo "no room for two" >&2; exit 9; }\n'
                       f'exec {program.MPIRUN} -np "$n" "$@"\n')
        os.chmod(launcher, 0o755)
        self.study("failed", "--ranks", "1 2 3", "--no-plan", launcher=launcher, code=3)
        self.assertEqual([row["status"] for row in self.rows("failed")], ["ok", "exit 9: no room for two", "ok"])
        first = self.rows("failed")[0]
        done = self.study("failed", "--ranks", "1 2 3", "--no-plan")
        self.assertEqual(done.stderr.count("is there already"), 2)
        self.assertEqual([row["status"] for row in sorted(self.rows("failed"), key=lambda row: row["ranks"])], ["ok"] * 3)
        self.assertEqual(self.rows("failed")[0]["step_ms"], first["step_ms"])

    def test_a_failed_point_says_what_the_program_said(self):
        """Not what its launcher says after it."""
        done = self.study("said", "--ranks", "2", "--no-plan", "--", "--modle", "gcn", code=3)
        self.assertRegex(self.rows("said")[0]["status"], r"\Aexit 2: distgat bench: .*--modle")
        self.assertIn("--modle", done.stdout)

    def test_ranks_that_share_a_core_are_told(self):
        core = min(os.sched_getaffinity(0))
        done = self.study("shared", "--ranks", "2", "--no-plan", launcher=f"taskset -c {core} {program.MPIRUN} -np")
        self.assertRegex(done.stdout, r"graph +2 +1 .* ok, on shared cores\n")

    def test_weak(self):
        self.study("weak", "--weak", 100, "--avg-degree", 3, "--features", 8, "--classes", 3, "--ranks", "1 2", "--threads",
                   "1 2", "--no-plan")
        rows = self.rows("weak")
        self.assertEqual([row["graph_nodes"] for row in rows], ["100", "200", "100", "200"])
        for row in rows:
            scaled = int(row["ranks"]) * float(rows[0]["step_ms"]) / float(row["step_ms"])
            self.assertAlmostEqual(float(row["speedup"]), scaled, delta=1e-3)
            self.assertAlmostEqual(float(row["efficiency"]), scaled / int(row["ranks"]) / int(row["threads"]), delta=1e-3)

    def test_weak_studies_of_other_sizes_are_others(self):
        for nodes, features in ((100, 8), (100, 16), (50, 8)):
            self.study("sizes", "--weak", nodes, "--features", features, "--classes", 3, "--ranks", "1 2", "--no-plan")
        rows = self.rows("sizes")
        self.assertEqual([row["graph"] for row in rows], [f"weak-{n}-13.7-{features}-3" for n, features in (
            (100, 8), (200, 8), (100, 16), (200, 16), (50, 8), (100, 8))])
        self.assertEqual([row["efficiency"] for row in rows if row["ranks"] == "1"], ["1.0"] * 3)

    def test_graphs_of_one_name_are_told_apart(self):
        os.mkdir(self.path("with blanks"))
        for nodes in (200, 100):
            program.distgat("generate", "--nodes", nodes, "--avg-degree", 4, "--features", 20, "--classes", 3, "--out",
                            self.path(f"with blanks/{nodes}.h5"))
        os.rename(self.path("with blanks/200.h5"), self.path("with blanks/graph.h5"))
        self.study("names", "--ranks", "1", "--no-plan", graph="with blanks/graph.h5")
        done = self.study("names", "--ranks", "1", "--no-plan", code=2)
        self.assertRegex(done.stderr, r"\Ascaling.py: \S*graph.h5 is another graph than graph in .*, which has 200 nodes .*\n\Z")

    def start(self, *options):
        """A study of many steps, whose launcher has begun."""
        folder = tempfile.mkdtemp(dir=self.folder.name)
        launcher, seen = os.path.join(folder, "launcher"), os.path.join(folder, "seen")
        with open(launcher, "w") as file:
            file.write(f'#!/bin/sh\n[ "$2" = hostname ] || touch {seen}\nexec {program.MPIRUN} -np "$@"\n')
        os.chmod(launcher, 0o755)
        command = [SCRIPT, "--graphs", self.path("graph.h5"), "--ranks", "2", "--steps", 10**6, "--no-plan", "--out", folder,
                   *options]
        process = subprocess.Popen(list(map(str, command)), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=dict(os.environ, DISTGAT=program.DISTGAT, DISTGAT_LAUNCHER=launcher))
        self.addCleanup(process.kill)
        self.assertTrue(ranks.wait(lambda: os.path.exists(seen)))
        return process

    def ranks_left(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline") as file:
                found += [pid] * (self.path("graph.h5") in file.read().split("\0"))
        return found

    def test_a_point_that_takes_too_long_is_over(self):
        process = self.start("--timeout", 3, "--repetitions", 1)
        process.communicate(timeout=60)
        self.assertEqual(self.ranks_left(), [])

    def test_what_is_told_to_end_ends_with_its_ranks(self):
        for number, said in ((signal.SIGINT, "scaling.py: interrupted; the same command goes on with what is not in "
                              "scaling.csv\n"), (signal.SIGTERM, "")):
            process = self.start()
            self.assertTrue(ranks.wait(lambda: len(ranks.below(process.pid)) == 2))
            process.send_signal(number)
            self.assertEqual(process.communicate(timeout=60), ("", said))
            self.assertEqual(process.returncode, 128 + number)
            self.assertEqual(self.ranks_left(), [])

    def test_mistakes(self):
        self.assertIn("no such graph file", self.study("none", graph="missing.h5", code=2).stderr)
        self.assertIn("two", self.study("none", "--ranks", "1 two", code=2).stderr)
        self.assertIn("--ranks: no number", self.study("none", "--ranks", " ", code=2).stderr)
        late = self.study("late", "--graphs", self.path("graph.h5"), "missing.h5", "--ranks", "1", "--no-plan", code=2)
        self.assertIn("missing.h5: no such graph file", late.stderr)
        self.assertFalse(os.path.exists(self.path("late/scaling.csv")))

    def test_a_foreign_table_is_told(self):
        self.study("own", "--ranks", "1", "--threads", "1", "--no-plan")
        with open(self.path("own/scaling.csv")) as file:
            own = file.read()
        for text in ("a,b\n1,2\n", own.replace("step_ms,", "steps,"), "\0,1\n2"):
            with self.subTest(text[-40:]):
                os.makedirs(self.path("foreign"), exist_ok=True)
                with open(self.path("foreign/scaling.csv"), "w") as file:
                    file.write(text)
                said = self.study("foreign", "--collect", code=2).stderr
                self.assertEqual(said.count("\n"), 1, said)
                self.assertIn("foreign/scaling.csv", said)


if __name__ == "__main__":
    program.main()
