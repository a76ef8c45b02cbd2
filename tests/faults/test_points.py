#!/usr/bin/env python3
"""Every named point of failure, one after the other: the exit code, one line on standard error, no rank left, no half of a
file, at 1 and 3 ranks."""
import os
import pathlib
import re
import sys
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402

BAD, FAILED, AT_ONCE = 2, 3, 30
INPUT = ("model.load", "predict.options", "checkpoint.read")  # what is read is at fault: exit code 2
GOES_ON = ("checkpoint.write",)  # that is said, once, and training goes on
RESUMES = ("checkpoint.read", "log.resume")
ROOT_ONLY = ("train.outputs", "model.save", "model.gradients", "log.open", "log.write", "log.close", "predict.save",
             "predict.csv", "model.load", "predict.options", "checkpoint.write", "checkpoint.read", "log.resume", "train.splits")
KEPT = {"log.jsonl", "grads.h5", "c.h5", "c.h5.previous"}  # of a failed run: the log so far, and what was complete before
WHOLE = KEPT | {"out.h5"}
MEMORY = (1, 30, 100, 200)  # which allocation fails
PLAN = ("plan", "--nodes", 300, "--edges", 1200, "--features", 4, "--classes", 3, "--parts", "1,2", "--quiet")
STEPS = (
    (7, ("train", "G.h5", "--model", "gat", "--norm", "batch", "--residual", "--epochs", 2, "--save", "out.h5", "--quiet")),
    (7, ("predict", "G.h5", "--model-file", "M.h5", "--out", "out.h5", "--attention", "--embeddings", "--quiet")),
    (7, ("generate", "--nodes", 99, "--avg-degree", 3, "--features", 9, "--classes", 2, "--out", "out.h5", "--quiet")),
    (3, ("partition", "G.h5", "--parts", 3, "--out", "out.h5", "--quiet")), (1, ("info", "G.h5")),
    (5, ("bench", "G.h5", "--steps", 1, "--quiet")), (61, PLAN))
SHARED = (*(command for _, command in STEPS[:3]), ("bench", "G.h5", "--steps", 1, "--quiet"),
          ("partition", "large.h5", "--parts", 3, "--method", "multilevel", "--out", "out.h5", "--quiet"))
AMONG_THREE = ((0, 110), (1, 20), (2, 70))  # rank and allocation


def points():
    """The names in the source, all of them."""
    found = set()
    for path in pathlib.Path(program.SOURCE).glob("**/*.c"):
        if "build" not in path.parts:
            found |= set(re.findall(r'dg_fault\("([a-z_.]+)"', path.read_text()))
    return sorted(found - {"memory", "node.share", "partition.room"})


class Points(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        program.distgat("generate", "--nodes", 300, "--avg-degree", 4, "--features", 20, "--classes", 3, "--out",
                        cls.path("G.h5"), "--quiet")
        program.distgat("train", cls.path("G.h5"), "--epochs", 1, "--save", cls.path("M.h5"), "--checkpoint", cls.path("C.h5"),
                        "--quiet")

    def command(self, point):
        if point.startswith("predict."):
            return ("predict", "G.h5", "--model-file", "M.h5", "--out", "out.h5", "--attention", "--embeddings", "--csv",
                    "T.csv")
        if point in RESUMES:
            return "train", "G.h5", "--epochs", 3, "--checkpoint", "C.h5", "--resume", "--save", "out.h5", "--log", "log.jsonl"
        if point == "train.splits":
            return "train", "G.h5", "--epochs", 3, "--split", "all", "--save", "out.h5"
        return ("train", "G.h5", "--epochs", 3, "--runs", 2, "--select", "best-val-loss", "--init", "M.h5", "--save", "out.h5",
                "--log", "log.jsonl", "--save-gradients", "grads.h5", "--checkpoint", "c.h5", "--checkpoint-every", 2)

    def fails(self, code, point, ranks, rank="", count=1):
        """The program ends as it should where `point` fails on `rank` (all of them) at the count-th time."""
        fault = f"{point}:{rank}:{count}" if rank != "" else point
        with self.subTest(fault=fault, ranks=ranks), unittest.mock.patch.dict(os.environ, DISTGAT_FAULT=fault):
            before = set(os.listdir(self.folder.name))
            done = program.run(*self.command(point), "--quiet", ranks=ranks, timeout=AT_ONCE, cwd=self.folder.name)
            left = set(os.listdir(self.folder.name)) - before
            for name in left:
                os.remove(self.path(name))
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(f"failure at {point}", done.stderr)
            if point == "predict.csv":  # the prediction itself is complete
                self.assertEqual(left, {"out.h5"})
                return
            self.assertLessEqual(left, WHOLE if point in ("log.close", *GOES_ON) else KEPT)
            self.assertEqual("out.h5" in left, left == WHOLE)

    def test_every_point(self):
        self.assertGreater(len(points()), 8)
        for point in points():
            code = BAD if point in INPUT else 0 if point in GOES_ON else FAILED
            self.fails(code, point, None)
            self.fails(code, point, 3)
            if point not in ROOT_ONLY:
                self.fails(code, point, 3, rank=2)

    def test_memory(self):
        for count in MEMORY:
            self.fails(FAILED, "memory", None, 0, count)
            self.fails(FAILED, "memory", 3, 1, count)

    def without_memory(self, fault, command, ranks=None):
        """The exit code of a command that ends as it should."""
        with self.subTest(fault=fault, command=command, ranks=ranks), unittest.mock.patch.dict(os.environ, DISTGAT_FAULT=fault):
            before = set(os.listdir(self.folder.name))
            done = program.run(*command, ranks=ranks, timeout=AT_ONCE, cwd=self.folder.name)
            for name in set(os.listdir(self.folder.name)) - before:
                os.remove(self.path(name))
                self.assertTrue(done.returncode == 0 or name in WHOLE, name)
            self.assertIn(done.returncode, (0, FAILED), done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), done.returncode == FAILED, done.stderr)
            return done.returncode
        return None

    def test_memory_of_every_verb(self):
        """Every so many allocations, until there are no more."""
        for step, command in STEPS:
            self.assertEqual(self.without_memory("memory:0:1", command), FAILED)
            count = 1 + step
            while self.without_memory(f"memory:0:{count}", command) == FAILED:
                count += step
            self.assertGreater(count, 20)

    def test_memory_of_one_rank_of_three(self):
        program.distgat("generate", "--nodes", 42000, "--avg-degree", 4, "--features", 4, "--classes", 3, "--out",
                        self.path("large.h5"), "--quiet")  # smaller ones are divided by one rank
        for command in SHARED:
            for rank, count in AMONG_THREE:
                self.assertEqual(self.without_memory(f"memory:{rank}:{count}", command, 3), FAILED)

    def test_threads_of_a_plan(self):
        self.assertEqual(self.without_memory("threads.start", PLAN), FAILED)

    def train(self, ranks, **environment):
        """Training losses, and what was said on standard error."""
        with unittest.mock.patch.dict(os.environ, environment):
            done = program.run("train", "G.h5", "--epochs", 5, "--log", "sums.jsonl", ranks=ranks, cwd=self.folder.name)
            self.assertEqual(done.returncode, 0, done.stderr)
            return program.losses(self.path("sums.jsonl")), done.stderr

    def test_without_shared_memory(self):
        """Ranks that cannot share memory, or are nodes of one or two ranks, train alike; the first are told so."""
        alone, _ = self.train(None)
        for environment in ({}, {"DISTGAT_NODE_RANKS": "1"}, {"DISTGAT_NODE_RANKS": "2,1"}, {"DISTGAT_FAULT": "node.share:2"}):
            with self.subTest(**environment):
                found, said = self.train(3, **environment)
                self.assertEqual(said.count("gradients are summed by messages"), "DISTGAT_FAULT" in environment, said)
                for x, y in zip(alone, found, strict=True):
                    self.assertAlmostEqual(x, y, delta=1e-5 * x)


if __name__ == "__main__":
    program.main()
