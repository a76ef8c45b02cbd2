#!/usr/bin/env python3
"""A signal during writing: the program dies by it, and leaves no half-written file and an older one as it was."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402

LARGE = ("generate", "--preset", "products", "--quiet", "--out")  # takes minutes


class Signals(program.Case):
    def start(self, *launcher, **popen):
        """Starts a long write over an older file; returns once it is under way."""
        with open(self.path("G.h5"), "w") as f:
            f.write("older")
        command = [*launcher, program.DISTGAT, *LARGE, self.path("G.h5")]
        process = subprocess.Popen(command, env={**program.MPI_ENVIRONMENT, **os.environ}, stderr=subprocess.DEVNULL,
                                   **popen)
        give_up = time.monotonic() + 60
        while len(os.listdir(self.folder.name)) == 1 and time.monotonic() < give_up:
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        self.assertEqual(len(os.listdir(self.folder.name)), 2)
        return process

    def assert_clean(self):
        self.assertEqual(os.listdir(self.folder.name), ["G.h5"])
        with open(self.path("G.h5")) as f:
            self.assertEqual(f.read(), "older")

    def test_deadly(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(signal=number.name):
                process = self.start()
                process.send_signal(number)
                self.assertEqual(process.wait(20), -number)
                self.assert_clean()

    def test_launcher(self):
        process = self.start("mpirun", "--quiet", "-np", "2")
        process.send_signal(signal.SIGTERM)
        self.assertNotEqual(process.wait(20), 0)
        self.assert_clean()

    def test_ignored(self):
        """A signal that nohup or a shell has switched off stays so."""
        process = self.start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        self.assertIsNone(process.poll())
        process.terminate()
        process.wait(20)
        self.assert_clean()


if __name__ == "__main__":
    program.main()
