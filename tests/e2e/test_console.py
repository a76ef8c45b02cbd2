#!/usr/bin/env python3
"""What a user sees of training: on a terminal, in a log, and when asked for quiet."""
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402

EPOCH = re.compile(r"^Epoch +\d+ \| Train Loss: +[\d.]+ \| Train Acc: +[\d.]+% \| Val Loss: +[\d.]+ \| Val Acc: +[\d.]+%$")


class Console(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        program.distgat("generate", "--nodes", 3000, "--avg-degree", 5, "--features", 40, "--classes", 3,
                        "--out", cls.path("graph.h5"))

    def train(self, *options, ranks=None):
        return program.distgat("train", self.path("graph.h5"), "--threads", 1, *options, ranks=ranks).splitlines()

    def test_what_is_trained_stands_first(self):
        for ranks in (None, 3):
            lines = self.train("--epochs", 20, "--model", "gat", "--heads", 4, "--lr", 0.01, ranks=ranks)
            self.assertRegex(lines[0], r"^gat on synthetic: 3000 nodes, \d+ edges, 40 features, 3 classes; \d+ to train, "
                                       r"\d+ to validate, \d+ to test$")
            # 40 x 32 and two vectors of 32, 32; 32 x 3 and two of 3, 3
            self.assertEqual(lines[1], f"2 layers, 4 heads of 8 channels, {40 * 32 + 3 * 32 + 32 * 3 + 3 * 3} parameters, "
                                       f"on {ranks or 1} rank{'s' if ranks else ''} of 1 thread")
            self.assertEqual(lines[2], "Options: --heads 4 --lr 0.01 --epochs 20 --threads 1")
            self.assertEqual([bool(EPOCH.match(line)) for line in lines[4:6]], [True, True])
            self.assertEqual(lines[7], "Stopped after all 20 epochs")
            self.assertRegex(lines[8], r"^gat on synthetic: test accuracy [\d.]+%, validation [\d.]+%, [\d.]+ s on ")

    def test_running_statistics_are_no_parameters(self):
        """As torch counts: batch norm adds a scale and a shift a channel."""
        count = [int(re.search(r"(\d+) parameters", self.train("--model", "gcn", "--norm", norm, "--epochs", 1)[1])[1])
                 for norm in ("none", "batch", "layer")]
        self.assertEqual(count, [40 * 16 + 16 + 16 * 3 + 3, *2 * [40 * 16 + 3 * 16 + 16 * 3 + 3]])

    def test_options_of_a_recipe_are_not_as_typed(self):
        for options, line in (((), "--recipe tutorial-gat (--input-dropout 0) --threads 1"),
                              (("--input-dropout", 0.6), "--recipe tutorial-gat --input-dropout 0.6 --threads 1"),
                              (("--dropout", 0.5, "--lr", 0.005), "--recipe tutorial-gat (--input-dropout 0) --dropout 0.5 "
                                                                  "--threads 1")):
            self.assertEqual(self.train("--recipe", "tutorial-gat", *options)[2], "Options: " + line)
        self.assertEqual(self.train("--recipe", "gat-paper", "--patience", 50, "--epochs", 3)[2],
                         "Options: --recipe gat-paper (--attention-dropout 0.6 --message-dropout 0.6 --normalize row "
                         "--early-stop gat --select best-val-both) --epochs 3 --patience 50 --threads 1")

    def test_one_line_stands_between_what_belongs_together(self):
        for options in (("--epochs", 0), ("--epochs", 3), ("--epochs", 3, "--runs", 3), ("--epochs", 20, "--runs", 2)):
            text = "\n".join(self.train(*options))
            self.assertNotIn("\n\n\n", text)
            self.assertIn("thread\nOptions", text)

    def test_quiet_is_the_result_alone(self):
        lines = self.train("--epochs", 20, "--quiet")
        self.assertEqual((len(lines), lines[0]), (2, "Stopped after all 20 epochs"))
        (line,) = self.train("--epochs", 20, "--json")
        self.assertEqual(json.loads(line)["epochs"], 20)

    def test_runs_say_their_seeds(self):
        lines = self.train("--epochs", 5, "--runs", 2, "--seed", 7, "--quiet")
        self.assertEqual([line.split(":")[0] for line in lines[1::2]],
                         ["gatv2 on synthetic, seed 7", "gatv2 on synthetic, seed 8"])

    def test_what_is_not_known_has_no_unit(self):
        lines = self.train("--epochs", 10, "--eval-every", 100)
        self.assertRegex(lines[4], r"\| Val Loss:      - \| Val Acc:       -$")
        self.assertIn("No epochs: initial weights", self.train("--epochs", 0))

    def on_a_terminal(self, columns, epochs):
        """What was written to it."""
        there, here = pty.openpty()
        fcntl.ioctl(here, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        command = [program.DISTGAT, "train", self.path("graph.h5"), "--epochs", str(epochs), "--threads", "1"]
        with subprocess.Popen(command, stdout=here, stderr=here, stdin=subprocess.DEVNULL,
                              env={**program.MPI_ENVIRONMENT, **os.environ}) as process:
            os.close(here)
            seen = b""
            try:
                while piece := os.read(there, 65536):
                    seen += piece
            except OSError:  # the terminal is gone with its last writer
                pass
            self.assertEqual(process.wait(), 0)
        os.close(there)
        return seen.decode()

    def test_a_bar_is_no_longer_than_a_row(self):
        for columns in (20, 60):
            rows = self.on_a_terminal(columns, 800).split("\r\x1b[K")
            bars = [row for row in rows if row.startswith("training [")]
            self.assertGreater(len(bars), 1)
            self.assertEqual({len(bar.split("\r\n")[0]) for bar in bars}, {columns - 1})

    def test_progress_as_it_is_asked_for(self):
        for how, bars, options in (("bar", True, ()), ("lines", False, ()), ("none", False, ()), ("bar", False, ("--quiet",))):
            for ranks in (None, 2):
                done = program.run("train", self.path("graph.h5"), "--epochs", 800, "--threads", 1, "--progress", how,
                                   *options, ranks=ranks)
                self.assertEqual((done.returncode, "training [" in done.stderr), (0, bars), (how, ranks, done.stderr))

    def test_on_a_terminal_a_bar_is_never_mixed_with_lines(self):
        text = self.on_a_terminal(100, 1500)
        self.assertRegex(text, r"training \[#*\.*\] \d+/1500 loss [\d.]+(, val [\d.]+%)?, \S+/s, \d+ s left")
        shown = [line.rsplit("\r\x1b[K", 1)[-1] for line in text.replace("\r\n", "\n").split("\n")]
        self.assertEqual(sum(bool(EPOCH.match(line)) for line in shown), 150)
        self.assertFalse([line for line in shown if "training [" in line])
        self.assertIn("Stopped after all 1500 epochs", shown)


if __name__ == "__main__":
    program.main()
