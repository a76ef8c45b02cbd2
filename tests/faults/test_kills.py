#!/usr/bin/env python3
"""Kills by SIGKILL of a run that writes checkpoints, a few of those of tests/bench/kills.py."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)

import program  # noqa: E402


class Kills(program.Case):
    def test_a_few(self):
        program.distgat("generate", "--nodes", 300, "--avg-degree", 4, "--features", 20, "--classes", 3, "--out",
                        self.path("G.h5"), "--quiet")
        script = os.path.join(program.SOURCE, "tests", "bench", "kills.py")
        done = subprocess.run([sys.executable, script, self.path("G.h5"), "--kills", "4", "--ranks", "1", "2", "--models", "gatv2"],
                              capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, "not as undisturbed: 0, ")


if __name__ == "__main__":
    program.main()
