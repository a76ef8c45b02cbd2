#!/usr/bin/env python3
"""A signal during writing: the program dies by it, and leaves no half-written file and an older one as it was."""
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402
import ranks  # noqa: E402

LARGE = ("generate", "--preset", "products", "--quiet", "--out")  # takes minutes


class Signals(program.Case):
    def start(self, *launcher, **popen):
        """Starts a long write over an older file; returns once it is under way."""
        with open(self.path("G.h5"), "w") as f:
            f.write("older")
        command = [*launcher, program.DISTGAT, *LARGE, self.path("G.h5")]
        # Seconds between a launcher's SIGTERM and its SIGKILL: on a busy machine one is not enough to clean up.
        environment = {**program.MPI_ENVIRONMENT, **os.environ, "OMPI_MCA_odls_base_sigkill_timeout": "4"}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, **popen)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        give_up = time.monotonic() + 60
        while len(os.listdir(self.folder.name)) == 1 and time.monotonic() < give_up:
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        self.assertEqual(len(os.listdir(self.folder.name)), 2)
        return process

    def assert_clean(self):
        give_up = time.monotonic() + 5  # a launcher may end before its ranks
        while len(os.listdir(self.folder.name)) > 1 and time.monotonic() < give_up:
            time.sleep(0.01)
        self.assertEqual(os.listdir(self.folder.name), ["G.h5"])
        with open(self.path("G.h5")) as f:
            self.assertEqual(f.read(), "older")

    def test_deadly(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
                       signal.SIGALRM, signal.SIGXCPU, signal.SIGABRT, signal.SIGSEGV):
            with self.subTest(signal=number.name):
                process = self.start()
                process.send_signal(number)
                self.assertEqual(process.wait(20), -number)
                self.assert_clean()

    def test_report_of_a_crash(self):
        """MPI's waits for ever where the crash has interrupted malloc."""
        with tempfile.TemporaryDirectory(prefix="distgat-test-") as folder:
            library, began = os.path.join(folder, "wait_in_report.so"), os.path.join(folder, "began")
            program.build_library("wait_in_report.c", library)
            for number in (signal.SIGABRT, signal.SIGSEGV):
                with self.subTest(signal=number.name):
                    process = self.start("env", f"LD_PRELOAD={library}", f"REPORT_BEGAN={began}")
                    process.send_signal(number)
                    self.assertEqual(process.wait(20), -number)
                    if not program.launcher_is_hydra():  # MPICH reports no crashes
                        self.assertTrue(os.path.exists(began))
                        os.remove(began)
                    self.assert_clean()

    def test_launcher(self):
        process = self.start(program.MPIRUN, "-np", "2")
        process.send_signal(signal.SIGTERM)
        code = process.wait(40)
        if not program.launcher_is_hydra():  # told to end, Hydra gives 0 now and then, whatever it ran
            self.assertNotEqual(code, 0)
        self.assert_clean()

    def test_death_of_one_rank(self):
        """As by a broken invariant, which ends in SIGABRT: of the rank that writes, and of another."""
        for writer in (True, False):
            with self.subTest(writer=writer):
                if not writer and program.launcher_is_hydra():
                    self.skipTest("Hydra kills the other ranks by SIGKILL, at which none can clean up")
                process = self.start(program.MPIRUN, "-np", "3")
                ends = {name.rpartition(".")[2] for name in os.listdir(self.folder.name)}  # one under way: its writer's pid
                found = [pid for pid in ranks.below(process.pid) if (str(pid) in ends) == writer]
                os.kill(found[0], signal.SIGABRT)
                self.assertNotEqual(process.wait(40), 0)
                self.assert_clean()

    def test_while_metis_divides(self):
        """METIS takes SIGTERM for a fault of its own."""
        program.distgat("generate", "--nodes", 60000, "--avg-degree", 8, "--features", 4, "--classes", 3, "--out",
                        self.path("G.h5"), "--quiet")
        with tempfile.TemporaryDirectory(prefix="distgat-test-") as folder:
            library, began = os.path.join(folder, "end_in_metis.so"), os.path.join(folder, "began")
            program.build_library("end_in_metis.c", library)
            for milliseconds in (1, 50, 200):  # of a second or more
                done = program.run("partition", self.path("G.h5"), "--parts", "64", "--out", self.path("P.h5"), "--quiet",
                                   through=("env", f"LD_PRELOAD={library}", f"METIS_BEGAN={began}", f"END_AFTER={milliseconds}"))
                self.assertTrue(os.path.exists(began))
                os.remove(began)
                self.assertEqual((done.returncode, done.stderr), (-signal.SIGTERM, ""), f"after {milliseconds} ms")
        self.assertEqual(os.listdir(self.folder.name), ["G.h5"])

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
