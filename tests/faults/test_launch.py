#!/usr/bin/env python3
"""Processes that run alone run side by side; copies that were meant to be ranks of one job refuse to run alone."""
import concurrent.futures
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import graphs  # noqa: E402
import program  # noqa: E402

LAUNCHERS = ("OMPI_COMM_WORLD_", "PMIX_", "PMI_", "MPI_LOCAL", "MV2_COMM_WORLD_", "SLURM_", "FLUX_", "JSM_", "PALS_")
BATCH_SHELL = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_NPROCS": "4", "SLURM_PROCID": "0"}
STEP = {**BATCH_SHELL, "SLURM_STEP_ID": "0", "SLURM_NODELIST": "n[1-2]", "SLURM_JOBID": "7"}
OUT = "model.h5"


def environment(variables):
    kept = {k: v for k, v in {**program.MPI_ENVIRONMENT, **os.environ}.items() if not k.startswith(LAUNCHERS)}
    return {**kept, **variables}


class Launch(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        graphs.random_graph(12, features=4, classes=2, degree=2, seed=1).write(cls.path("G.h5"))

    def train(self, variables=(), launcher=(), **popen):
        with tempfile.TemporaryDirectory(prefix="distgat-test-") as folder:
            command = [*launcher, program.DISTGAT, "train", self.path("G.h5"), "--epochs", "1", "--quiet", "--save", OUT]
            done = subprocess.run(command, env=environment(dict(variables)), cwd=folder, capture_output=True, text=True,
                                  timeout=120, check=False, **popen)
            done.written = os.listdir(folder)
        return done

    def assert_runs(self, done):
        self.assertEqual((done.returncode, done.stderr, done.written), (0, "", [OUT]), done.stderr)

    def assert_refused(self, done, *words):
        """One line, and nothing written."""
        self.assertEqual(done.returncode, 2, done.stderr)
        lines = [line for line in done.stderr.splitlines() if line.startswith("distgat")]
        self.assertEqual(len(lines), 1, done.stderr)
        for word in words:
            self.assertIn(word, lines[0])
        self.assertEqual((done.stdout, done.written), ("", []))

    def test_side_by_side(self):
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            for done in pool.map(lambda _: self.train(), range(60)):
                self.assert_runs(done)

    def test_no_folder_is_shared(self):
        """Nor needed: what each makes and the first to end removes would kill now and then one of those beside it."""
        if "Open MPI v5" in program.distgat("--version"):
            self.skipTest("Open MPI 5 always makes a folder, but each process one of its own")
        self.assert_runs(self.train({"TMPDIR": "/proc/none"}))

    def test_unseen_launchers(self):
        told = {"PMI_SIZE": {"PMI_SIZE": "3"}, "PMI_RANK": {"PMI_SIZE": "3", "PMI_RANK": "0"},
                "local": {"MPI_LOCALNRANKS": "3"}, "mvapich": {"MV2_COMM_WORLD_SIZE": "3"},
                "tasks": {"SLURM_NTASKS": "3"}, "step": {**STEP, "SLURM_STEP_NUM_TASKS": "3"},
                "old step": {**STEP, "SLURM_NTASKS": "3"}}
        for name, variables in told.items():
            with self.subTest(name):
                done = self.train(variables)
                self.assert_refused(done, "3 processes", "DISTGAT_ALONE=1")
                self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_one_copy_speaks(self):
        for variables in ({"PMI_SIZE": "3", "PMI_RANK": "1"}, {**STEP, "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "3"},
                          {"PALS_RANKID": "2"}):
            with self.subTest(variables=variables):
                done = self.train(variables)
                self.assertEqual((done.returncode, done.stdout, done.stderr, done.written), (2, "", "", []))
        self.assert_refused(self.train({"PALS_RANKID": "1"}), "PALS")

    def test_launchers_like_mpich_are_told_of_an_end_before_mpi(self):
        """They would let the other processes wait in MPI's start for ever."""
        limit = ("bash", "-c", 'ulimit -s 1000000 -v 1500000 && exec "$0" "$@"')  # no room for MPI and its threads
        ours, theirs = socket.socketpair()
        with ours, theirs:
            variables = {"PMI_SIZE": "3", "PMI_RANK": "0", "MPI_LOCALRANKID": "0", "PMI_FD": str(theirs.fileno())}
            done = self.train(variables, limit, pass_fds=[theirs.fileno()])
            theirs.close()
            said = ours.recv(1000).decode()
        self.assertIn(done.returncode, (2, 3), done.stderr)
        self.assertEqual(said, f"cmd=abort exitcode={done.returncode}\n")

    def test_meant_to_be_alone(self):
        """In the shell of a batch job, in a step of one task, and where the user says so."""
        for variables in (BATCH_SHELL, {**STEP, "SLURM_STEP_NUM_TASKS": "1"}, {"PMI_SIZE": "1", "PMI_RANK": "0"},
                          {**STEP, "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2", "DISTGAT_ALONE": "1"}):
            with self.subTest(variables=variables):
                self.assert_runs(self.train(variables))

    def test_own_launcher(self):
        done = self.train(launcher=(program.MPIRUN, "-np", "2"))
        self.assert_runs(done)

    def test_host_of_a_failure(self):
        """Ranks that believe to be on hosts of their own: the line says where."""
        name = 'hostname "node$((${OMPI_COMM_WORLD_RANK:-$PMI_RANK} / 2))"'
        hosts = ("unshare", "--uts", "sh", "-c", f'{name} && exec "$@"', "-")
        if subprocess.run(["unshare", "--uts", "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            self.skipTest("only root may give hosts names of their own")
        for ranks, where in ((4, "rank 2 on node1: "), (2, "")):
            fault = {"DISTGAT_FAULT": f"train.final:{ranks // 2}"}
            done = self.train(fault, launcher=(program.MPIRUN, "-np", str(ranks), *hosts))
            lines = [line for line in done.stderr.splitlines() if line.startswith("distgat")]
            self.assertEqual((done.returncode, len(lines)), (3, 1), done.stderr)
            self.assertTrue(lines[0].startswith(f"distgat train: {where}failure at train.final"), lines[0])

    def test_launcher_of_another_mpi(self):
        """MPICH's, where it is installed beside; DISTGAT_OTHER_MPIEXEC names one."""
        other = os.environ.get("DISTGAT_OTHER_MPIEXEC") or shutil.which("mpiexec.hydra")
        if "Open MPI" not in program.distgat("--version"):
            self.skipTest("distgat was built with MPICH, or another MPI that its launcher serves")
        if other is None:
            self.skipTest("no mpiexec.hydra here")
        self.assert_refused(self.train(launcher=(other, "-n", "3")), "3 processes")

    def test_help_needs_no_ranks(self):
        for option in ("--help", "--version"):
            done = subprocess.run([program.DISTGAT, option], env=environment({"PMI_SIZE": "3", "PMI_RANK": "2"}),
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("distgat", done.stdout)


if __name__ == "__main__":
    program.main()
