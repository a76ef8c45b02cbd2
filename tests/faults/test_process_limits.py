#!/usr/bin/env python3
"""Limits on processes and threads (ulimit -u), which the ranks of a node share: a run is done, or it ends with exit code 3 and
one line that says so. OpenMP itself would end a rank where it cannot start a thread."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")  # a user without other processes
RANKS, THREADS = 2, 4
LIMITS = range(8, 60)  # launcher and ranks need some themselves
TIMES = 2  # at the limits where threads of the ranks are nearly as many as they may be


class ProcessLimits(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.chmod(cls.folder.name, 0o755)
        program.distgat("generate", "--nodes", 60, "--avg-degree", 3, "--features", 4, "--classes", 3, "--out", cls.path("G.h5"), "--quiet")

    def train(self, limit):
        """Exit code, and whether the program said that it cannot start a thread: less may keep MPI itself from its start."""
        command = (*NOBODY, "prlimit", f"--nproc={limit}", program.MPIRUN, "-np", str(RANKS), program.DISTGAT, "train",
                   self.path("G.h5"), "--epochs", "1", "--threads", str(THREADS), "--quiet")
        done = program.execute(command, 60, cwd=self.folder.name)
        lines = [line for line in done.stderr.splitlines() if line.startswith("distgat train: ")]
        self.assertNotIn("libgomp", done.stderr)
        if any("cannot start thread" in line for line in lines):
            self.assertEqual((done.returncode, len(lines)), (3, 1), done.stderr)
            return done.returncode, True
        return done.returncode, False

    def test_ranks_that_start_threads_at_once(self):
        if os.geteuid() != 0 or subprocess.run([*NOBODY, program.DISTGAT, "--version"], capture_output=True,
                                               check=False).returncode != 0:
            self.skipTest("only root may run it as another user, one that may read it")
        refused = False
        for limit in LIMITS:
            code, told = self.train(limit)
            for _ in range(TIMES if told else 0):
                self.train(limit)
            refused |= told
            if code == 0:
                break
        self.assertTrue(refused)
        self.assertEqual({self.train(limit + 1)[0] for _ in range(TIMES)}, {0})


if __name__ == "__main__":
    program.main()
