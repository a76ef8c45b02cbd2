#!/usr/bin/env python3
"""Threads that wait spin only briefly, unless the user says how: the environment that the program runs with."""
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402

CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def environment(**chosen):
    kept = {name: value for name, value in {**program.MPI_ENVIRONMENT, **os.environ}.items() if name not in CHOICES}
    return {**kept, **chosen}


def choices(pid):
    """What a running process was started with."""
    with open(f"/proc/{pid}/environ") as f:
        values = dict(pair.split("=", 1) for pair in f.read().split("\0") if "=" in pair)
    return {name: values[name] for name in CHOICES if name in values}


class Waiting(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        program.distgat("generate", "--nodes", 50, "--avg-degree", 2, "--features", 8, "--classes", 3, "--out",
                        cls.path("G.h5"))

    def started_with(self, log, **chosen):
        """The choices of a training once it is under way, which the log tells."""
        log = self.path(log)
        command = [program.DISTGAT, "train", self.path("G.h5"), "--epochs", str(10**9), "--log", log, "--quiet"]
        process = subprocess.Popen(command, env=environment(**chosen), stdout=subprocess.DEVNULL)
        try:
            give_up = time.monotonic() + 30
            while not os.path.exists(log) and time.monotonic() < give_up:
                time.sleep(0.01)
            return choices(process.pid)
        finally:
            process.kill()
            process.wait()

    def test_choice_of_the_program(self):
        self.assertEqual(self.started_with("own"), {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "0"})

    def test_choice_of_the_user(self):
        for name, value in (("OMP_WAIT_POLICY", "active"), ("GOMP_SPINCOUNT", "7"), ("KMP_BLOCKTIME", "3")):
            self.assertEqual(self.started_with(name, **{name: value}), {name: value})

    def test_launcher(self):
        """The second start keeps what the launcher told the ranks."""
        command = [program.MPIRUN, "-np", "3", program.DISTGAT, "train", self.path("G.h5"), "--epochs", "2", "--json"]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"ranks":3', done.stdout)


if __name__ == "__main__":
    program.main()
