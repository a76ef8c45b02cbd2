#!/usr/bin/env python3
"""A run that was interrupted goes on as if it had not been: same losses, weights, log and results, bit for bit on as many
ranks, within rounding on others; what would make it another run is refused by name."""
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402
import ranks  # noqa: E402

TIMES = ("seconds", "step_ms_median", "peak_rss_bytes")
WATCH = ("--early-stop", "gat", "--patience", 6, "--select", "best-val-loss", "--lr", 0.05)
TWICE = ("--runs", 2, "--epochs", 30)
DEEP = ("sage", "--residual", "--norm", "batch", "--optimizer", "rmsprop", "--warmup", 9, "--lr-schedule", "cosine")


def without_times(record):
    return {key: value for key, value in record.items() if key not in TIMES}


def lines(path):
    with open(path) as f:
        return [without_times(json.loads(line)) for line in f]


class Resume(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        graphs.random_graph(90, features=12, classes=3, degree=3, isolated=3, seed=4).write(cls.path("graph.h5"))
        graphs.random_graph(90, features=12, classes=3, degree=3, isolated=3, seed=5).write(cls.path("other.h5"))
        graph = graphs.read(cls.path("graph.h5"))
        graph.train, graph.test = graph.test, graph.train
        graph.write(cls.path("split.h5"))

    def setUp(self):
        for name in os.listdir(self.folder.name):
            if not name.endswith(("graph.h5", "other.h5", "split.h5")):
                os.remove(self.path(name))

    def run_train(self, *options, ranks=None, fault=None, graph="graph.h5", log="b.jsonl", **popen):
        """Trains with a checkpoint, up to a failure where that is asked for."""
        environment = {"DISTGAT_FAULT": fault} if fault else {}
        with unittest.mock.patch.dict(os.environ, environment):
            return program.run("train", self.path(graph), "--checkpoint", self.path("c.h5"), "--resume", "--checkpoint-every", 3,
                               "--log", self.path(log), *options, ranks=ranks, **popen)

    def interrupt(self, epochs, *options, ranks=None):
        """Ends a run, by a log that cannot be written, in the course of so many epochs of all of its runs."""
        done = self.run_train(*options, "--quiet", ranks=ranks, fault=f"log.write:0:{epochs}")
        self.assertEqual(done.returncode, 3, done.stderr)

    def undisturbed(self, *options, ranks=None):
        program.distgat("train", self.path("graph.h5"), "--save", self.path("a.h5"), "--log", self.path("a.jsonl"), *options,
                        ranks=ranks)

    def go_on(self, *options, ranks=None, **popen):
        done = self.run_train("--save", self.path("b.h5"), *options, ranks=ranks, **popen)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def assert_same(self):
        """Logs and models a and b agree in all but times."""
        self.assertEqual(lines(self.path("a.jsonl")), lines(self.path("b.jsonl")))
        with h5py.File(self.path("a.h5")) as a, h5py.File(self.path("b.h5")) as b:
            self.assertEqual(*(without_times(json.loads(f.attrs["result"])) for f in (a, b)))
            for group in ("weights", "initial_weights", "history"):
                for name in set(a[group]) - {"seconds"}:
                    np.testing.assert_array_equal(a[group][name][:], b[group][name][:], name)

    def test_as_undisturbed(self):
        for model in (("gcn",), ("gat",), ("gatv2",), ("mlp",), DEEP):
            for ranks in (None, 2, 3):
                with self.subTest(model=model, ranks=ranks):
                    self.setUp()
                    options = ("--model", *model, "--threads", 1, *WATCH, *TWICE)
                    self.undisturbed(*options, ranks=ranks)
                    epochs = [line["run"] for line in lines(self.path("a.jsonl")) if line["event"] == "epoch"]
                    if ranks is None:
                        self.interrupt(5, *options)
                    self.interrupt(epochs.count(0) + 5 - 3 * (ranks is None), *options, ranks=ranks)  # in the second run
                    self.go_on(*options, ranks=ranks)
                    self.assert_same()

    def test_on_several_nodes(self):
        """Where ranks have shares of the moments, and nodes other numbers of them."""
        for nodes in ("2,1", "2,2", "1,3"):
            with self.subTest(nodes=nodes), unittest.mock.patch.dict(os.environ, DISTGAT_NODE_RANKS=nodes):
                self.setUp()
                options, np = ("--model", "gat", "--threads", 1, "--epochs", 12), sum(map(int, nodes.split(",")))
                self.undisturbed(*options, ranks=np)
                self.interrupt(7, *options, ranks=np)
                self.go_on(*options, ranks=np)
                self.assert_same()

    def test_other_stopping(self):
        """What the rule of GCN remembers, what is best by other measures, and weights that were given."""
        self.undisturbed("--epochs", 2)
        shutil.move(self.path("a.h5"), self.path("init.h5"))
        for watch in (("--early-stop", "gcn", "--patience", 4), ("--select", "best-val-acc"), ("--select", "best-val-both"),
                      ("--eval-every", 4), ("--init", self.path("init.h5"))):
            with self.subTest(watch=watch):
                options = (*watch, "--epochs", 24, "--lr", 0.05, "--runs", 2)
                for name in ("c.h5", "c.h5.previous", "b.jsonl"):
                    if os.path.exists(self.path(name)):
                        os.remove(self.path(name))
                self.undisturbed(*options)
                self.interrupt(8, *options)
                self.interrupt(7, *options)
                if "--init" in watch:  # what it gave is in the checkpoint
                    os.remove(self.path("init.h5"))
                self.go_on(*options)
                self.assert_same()

    def test_on_other_ranks(self):
        for model, bound in (("gcn", 1e-5), ("gatv2", 2e-2)):
            self.setUp()
            options = ("--model", model, "--epochs", 24, "--threads", 1)
            self.undisturbed(*options, ranks=4)
            self.interrupt(13, *options, ranks=4)
            kept = {name: self.path(name) for name in ("c.h5", "b.jsonl")}
            for name, path in kept.items():
                shutil.copy(path, self.path("kept-" + name))
            for ranks in (None, 2, 3, 7):
                with self.subTest(model=model, ranks=ranks):
                    for name, path in kept.items():
                        shutil.copy(self.path("kept-" + name), path)
                    self.go_on(*options, ranks=ranks)
                    a, b = (program.losses(self.path(name)) for name in ("a.jsonl", "b.jsonl"))
                    self.assertEqual(a[:12], b[:12])
                    self.assertEqual(len(b), 24)
                    np.testing.assert_allclose(b, a, rtol=bound, atol=bound)

    def test_log(self):
        """The log is cut back, whatever stands at its end, and an older or a new one is made whole."""
        self.undisturbed("--epochs", 12)
        self.interrupt(8, "--epochs", 12)
        with open(self.path("b.jsonl")) as f:
            cut = f.read()
        self.assertGreater(len(cut.splitlines()), 6)
        for text in (cut + '{"event":"epoch","run":0,"epoch":9,"tra', cut + cut, cut + "no JSON\n", cut[:300], "", None,
                     cut + '{"event":"summary"}\n'):
            with self.subTest(text=text and text[-20:]):
                for name in ("c.h5", "c.h5.previous"):
                    shutil.copy(self.path(name), self.path("kept-" + name))
                os.remove(self.path("b.jsonl"))
                if text is not None:
                    with open(self.path("b.jsonl"), "w") as f:
                        f.write(text)
                self.go_on("--epochs", 12)
                self.assert_same()
                for name in ("c.h5", "c.h5.previous"):
                    shutil.move(self.path("kept-" + name), self.path(name))

    def test_more_epochs(self):
        for ranks in (None, 3):
            self.setUp()
            options = ("--select", "best-val-loss")
            self.undisturbed("--epochs", 20, *options, ranks=ranks)
            self.go_on("--epochs", 11, *options, ranks=ranks)
            self.go_on("--epochs", 20, *options, ranks=ranks)
            self.assert_same()

    def test_a_run_that_was_finished(self):
        for options in (("--epochs", 7), ("--epochs", 7, "--runs", 2)):
            self.setUp()
            self.undisturbed(*options)
            self.go_on(*options)
            os.remove(self.path("b.h5"))
            done = self.go_on(*options)
            self.assertRegex(done.stderr, "c.h5: the run had ended after epoch 7")
            self.assertEqual(done.stdout.count("Stopped after all 7 epochs"), len(options) // 2)
            self.assert_same()

    def test_it_says_where_it_goes_on(self):
        self.assertEqual(self.go_on("--epochs", 5).stderr, "")  # nothing there yet
        self.assertEqual(self.go_on("--epochs", 6).stderr, f"{self.path('c.h5')}: goes on after epoch 5\n")

    def test_the_one_before(self):
        self.undisturbed("--epochs", 12)
        self.interrupt(11, "--epochs", 12)
        for damage in (lambda path: os.truncate(path, os.path.getsize(path) // 2), os.remove):
            for name in ("c.h5", "c.h5.previous"):
                shutil.copy(self.path(name), self.path("kept-" + name))
            damage(self.path("c.h5"))
            done = self.go_on("--epochs", 12)
            self.assertIn("the checkpoint before it is used", done.stderr)
            self.assertIn("goes on after epoch 6", done.stderr)
            self.assert_same()
            for name in ("c.h5", "c.h5.previous"):
                shutil.move(self.path("kept-" + name), self.path(name))
        for name in ("c.h5", "c.h5.previous"):
            os.truncate(self.path(name), 1000)
        done = self.run_train("--epochs", 12, ranks=3)
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)

    def test_refused(self):
        self.go_on("--epochs", 6)
        for change, name in ((("--lr", 0.5), "--lr 0.5"), (("--seed", 9), "--seed 9"), (("--model", "gcn"), "--model gcn"),
                             (("--hidden", 9), "--hidden 9"), (("--epochs", 3), "--epochs 3"),
                             (("--early-stop", "gat"), "--early-stop"), (("--init", self.path("b.h5")), "--init"),
                             (("graph", "other.h5"), "another graph"), (("graph", "split.h5"), "another split")):
            for ranks in (None, 3) if name in ("--lr 0.5", "another graph") else (None,):
                with self.subTest(change=change, ranks=ranks):
                    graph = {"graph": change[1]} if change[0] == "graph" else {}
                    options = ("--epochs", 6, *(() if graph else change))
                    with open(self.path("c.h5"), "rb") as f:
                        before = f.read()
                    done = self.run_train(*options, ranks=ranks, **graph)
                    self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
                    self.assertIn(name, done.stderr)
                    with open(self.path("c.h5"), "rb") as f:
                        self.assertEqual(f.read(), before)

    def test_what_may_change(self):
        self.undisturbed("--epochs", 12, "--threads", 1)
        self.interrupt(8, "--epochs", 12)
        part = self.path("part.h5")
        program.distgat("partition", self.path("graph.h5"), "--parts", 1, "--out", part, "--quiet")
        self.go_on("--epochs", 12, "--threads", 1, "--checkpoint-every", "5m", "--partition", part, "--runs", 1)
        self.assert_same()

    def test_a_full_disk(self):
        """It is said, training goes on, and what was written before is there still."""
        self.go_on("--epochs", 6)
        with open(self.path("c.h5"), "rb") as f:
            before = f.read()

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) - 1000, len(before) - 1000))

        alone = ("env", "UCX_TLS=self")  # no file for others, which MPICH would write
        done = program.run("train", self.path("graph.h5"), "--epochs", 30, "--checkpoint", self.path("c.h5"), "--resume",
                           "--checkpoint-every", 4, "--quiet", through=alone, preexec_fn=limit)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"\Awarning: no checkpoint after epoch 10, training goes on: \S*c.h5: cannot be .*\n\Z")
        self.assertIn("Stopped after all 30 epochs", done.stdout)
        with open(self.path("c.h5"), "rb") as f:
            self.assertEqual(f.read(), before)
        self.assertEqual([name for name in os.listdir(self.folder.name) if "tmp" in name], [])

    def start(self, *options):
        """A run that goes on for days."""
        process = subprocess.Popen([program.DISTGAT, "train", self.path("graph.h5"), "--epochs", "1000000000", "--quiet", *options],
                                   text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_a_log_of_two_runs(self):
        """The second is told, begun anew or gone on with; once the first has ended nobody is, nor of what is no file."""
        line = r"\Awarning: \S*b.jsonl: another run writes it too; give each a --log of its own\n\Z"
        alone = self.go_on("--epochs", 6, "--quiet")
        first = self.start("--log", self.path("b.jsonl"))
        self.assertTrue(ranks.wait(lambda: os.path.getsize(self.path("b.jsonl")) > 10000))
        second = program.run("train", self.path("graph.h5"), "--epochs", 5, "--log", self.path("b.jsonl"), "--quiet", ranks=2)
        self.assertRegex(second.stderr, line)
        again = self.go_on("--epochs", 9, "--quiet")
        self.assertRegex(again.stderr, line)
        first.kill()
        first.wait()
        self.assertEqual([alone.stderr, first.stderr.read(), self.go_on("--epochs", 12, "--quiet").stderr], ["", "", ""])
        nowhere = self.start("--log", os.devnull)
        done = program.run("train", self.path("graph.h5"), "--epochs", 5, "--log", os.devnull, "--quiet")
        self.assertEqual([nowhere.poll(), done.returncode, done.stderr], [None, 0, ""])

    def test_a_file_of_two_runs(self):
        """It is said once, by a run that finds what it has not written itself; one that goes on with its own finds none."""
        command = ["train", self.path("graph.h5"), "--checkpoint", self.path("c.h5"), "--quiet", "--epochs"]
        first = self.start("--checkpoint", self.path("c.h5"), "--checkpoint-every", "200")
        self.assertTrue(ranks.wait(lambda: os.path.exists(self.path("c.h5"))))
        for _ in range(10):  # what is replaced while it writes is not seen
            program.distgat(*command, 5, "--checkpoint-every", 1)
            if select.select([first.stderr], [], [], 1)[0]:
                break
        else:
            self.fail("not said")
        line = r"warning: \S*c.h5: another run writes it too, as was seen after epoch \d+; give each a --checkpoint of its own\n"
        self.assertRegex(first.stderr.readline(), line)
        first.send_signal(signal.SIGTERM)
        self.assertRegex(first.stderr.read(), r"\Adistgat train: stopped by signal SIGTERM after epoch \d+; continue with --resume\n\Z")
        for name in ("c.h5", "c.h5.previous"):
            os.remove(self.path(name))
        for epochs in (8, 16):
            self.assertNotIn("another run", self.go_on("--epochs", epochs, "--checkpoint-every", 1).stderr)


if __name__ == "__main__":
    program.main()
