#!/usr/bin/env python3
"""Runs the program as users do, and finds the real data."""
import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("DISTGAT_SOURCE") or os.path.dirname(os.path.dirname(HERE))
DISTGAT = os.environ.get("DISTGAT") or os.path.join(SOURCE, "build", "release", "distgat")
DATA = os.environ.get("DISTGAT_DATA") or os.path.join(SOURCE, "..", "shared")
ENDED = "Z"  # the state of a process
MPIRUN = os.environ.get("MPIEXEC") or "mpirun"
with open(os.path.join(SOURCE, "jobs", "mpi.env")) as lines:
    MPI_ENVIRONMENT = dict(line.rstrip("\n").split("=", 1) for line in lines)
# Once a rank has failed, the launcher of Open MPI 4 sleeps for a second or two before it kills what is left of the others. All
# that ranks of a job that ends by itself have to do is done before the first of them leaves: here there is no such grace.
NO_GRACE = {"OMPI_MCA_odls_base_sigkill_timeout": "0"}


def execute(command, timeout, **popen):
    return subprocess.run(command, env={**MPI_ENVIRONMENT, **os.environ}, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=timeout, **popen)


def states_below(pid):
    """Of the processes that this one has started: ENDED is one that was not waited for."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # gone
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid:
                found.add(state)
    return found


def wait_launcher(launcher, timeout):
    """What it said; None where it waits for ever, though all its ranks have ended: it shows after 15 seconds where they
    were not waited for. A rank that still runs when the time is over fails."""
    over, seen = time.monotonic() + timeout, 0
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return launcher.communicate(timeout=min(5, timeout))
        states = states_below(launcher.pid)
        seen = seen + 1 if states == {ENDED} else 0
        if seen > 2 or time.monotonic() > over:
            launcher.kill()
            if states - {ENDED}:
                raise subprocess.TimeoutExpired(launcher.args, timeout)
            return None


def execute_launcher(command, texts, timeout, **popen):
    """As execute, for ranks that write to the files `texts`. The launcher of Open MPI 5 may wait for ever once all ranks
    have failed, be they of `exit 2` alone: it is then started again, five times at most."""
    for _ in range(6):
        for text in texts:
            text.unlink(missing_ok=True)
        with subprocess.Popen(command, env={**MPI_ENVIRONMENT, **NO_GRACE, **os.environ}, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen) as launcher:
            said = wait_launcher(launcher, timeout)
            if said is not None:
                return subprocess.CompletedProcess(command, launcher.returncode, *said)
    raise subprocess.TimeoutExpired(command, timeout)


def launcher_is_hydra():
    """MPICH's mpiexec, and those of MPIs made from MPICH."""
    return "HYDRA" in execute([MPIRUN, "--version"], 60).stdout.upper()


def launch(*parts, timeout=120, through=(), **popen):
    """Runs one job of parts, each (ranks, arguments of distgat) and maybe the folder they run in; `through` is a command
    that starts what follows it. The ranks find their part by themselves, as not every launcher takes several. Returns the
    finished process with the text of the ranks alone: what the launcher itself says differs from MPI to MPI."""
    with tempfile.TemporaryDirectory(prefix="distgat-ranks-") as folder:
        texts = [Path(folder, name) for name in ("stdout", "stderr")]
        script, ranks = ["exec >>{} 2>>{}".format(*texts)], 0
        for count, arguments, *where in parts:
            ranks += count
            command = shlex.join([*through, DISTGAT, *map(str, arguments)])
            script.append(f"[ ${{OMPI_COMM_WORLD_RANK:-$PMI_RANK}} -ge {ranks} ] || "
                          f"{{ cd {shlex.join(where or ['.'])} && exec {command}; }}")
        own = Path(folder, "own.sh")
        own.write_text("\n".join(script))
        done = execute_launcher([MPIRUN, "-np", str(ranks), "sh", str(own)], texts, timeout, **popen)
        if all(text.exists() for text in texts):  # else it did not come to the ranks
            done.stdout, done.stderr = (text.read_text() for text in texts)
        return done


def run(*arguments, ranks=None, timeout=120, through=(), **popen):
    """Runs `distgat arguments`, alone or under mpirun; returns the finished process with its text."""
    if ranks is not None:
        return launch((ranks, arguments), timeout=timeout, through=through, **popen)
    return execute([*through, DISTGAT, *map(str, arguments)], timeout, **popen)


def distgat(*arguments, **options):
    """As run, for a command that must succeed; returns its standard output."""
    done = run(*arguments, **options)
    if done.returncode != 0:
        raise AssertionError(f"distgat {' '.join(map(str, arguments))} ({options}) ended with {done.returncode}:\n"
                             f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def build_library(name, path):
    """Builds tests/faults/NAME, a library to be loaded before a program, as path."""
    subprocess.run(["cc", "-shared", "-fPIC", "-o", path, os.path.join(HERE, "..", "faults", name), "-ldl"], check=True)


def read_log(path, event):
    """The lines of one event of a JSON log."""
    with open(path) as f:
        return [line for line in map(json.loads, f) if line["event"] == event]


def losses(path):
    return [line["train_loss"] for line in read_log(path, "epoch")]


def planetoid(name, folder):
    """Imports a real graph into `folder`; None where the data is not on this machine."""
    source = os.path.join(DATA, "planetoid")
    if not os.path.exists(os.path.join(source, f"ind.{name}.graph")):
        return None
    out = os.path.join(folder, name + ".h5")
    subprocess.run([os.path.join(SOURCE, "data", "import.py"), "planetoid", source, name, "--out", out], check=True,
                   stdout=subprocess.DEVNULL, timeout=300)
    return out


class Case(unittest.TestCase):
    """A test case with a scratch folder of its class."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="distgat-test-")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder.name, name)


def instructions(**environment):
    """The set whose code the program runs."""
    said = subprocess.run([DISTGAT, "--version"], env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    return said.stdout.rpartition("SIMD: ")[2].strip()


def skip_known_instructions():
    """Ends a script, as skipped, whose DISTGAT_SIMD names code that this processor lacks or runs without being told."""
    if os.environ.get("DISTGAT_SIMD") and instructions() == instructions(DISTGAT_SIMD=""):
        print(f"skipped: with and without DISTGAT_SIMD={os.environ['DISTGAT_SIMD']} this processor runs {instructions()}")
        sys.exit(77)


def main():
    """Runs the tests of the script, or those that DISTGAT_TEST_PART names; 77, skipped, where nothing could run."""
    part = os.environ.get("DISTGAT_TEST_PART")
    arguments = sys.argv + (["--failfast", "-k", part] if part else [])
    done = unittest.main(exit=False, verbosity=2, argv=arguments).result
    if not done.wasSuccessful():
        sys.exit(1)
    skipped = sum(isinstance(test, unittest.TestCase) for test, _ in done.skipped)  # the others are whole classes
    sys.exit(77 if done.skipped and skipped == done.testsRun else 0)


def run_for_shell(ranks, *arguments):
    """For scripts of the shell: RANKS ARGUMENT... as run does it, and it leaves what the ranks said."""
    done = run(*arguments, ranks=int(ranks))
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    sys.exit(done.returncode)


if __name__ == "__main__":
    run_for_shell(*sys.argv[1:])
