#!/usr/bin/env python3
"""Kills a training run again and again, with kill -9 of one rank or of all at random moments, while it writes a checkpoint
every epoch; each time it is started anew with --resume. What comes out must be what an undisturbed run gives: the same
weights and log, bit for bit, on as many ranks; from 4 ranks on others, losses within a bound. Prints what was counted.

  tests/bench/kills.py G.h5 [--kills 200] [--ranks 1 2 3 4] [--models gcn gatv2] [--epochs 200] [--others]"""
import argparse
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import program  # noqa: E402
import ranks  # noqa: E402

TIMES = ("seconds", "step_ms_median", "peak_rss_bytes", "ranks", "halo_bytes_per_epoch")
BOUND = {"gcn": 1e-5, "mlp": 1e-5}  # of losses on other ranks, else that of attention
ATTENTION_BOUND = 2e-2


class Job:
    """A training run in a folder of its own; `name` tells its files apart."""

    def __init__(self, graph, options, folder):
        self.graph, self.options, self.folder = os.path.abspath(graph), options, folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def command(self, name, *more):
        return (program.DISTGAT, "train", self.graph, *self.options, "--save", self.path(name + ".h5"), "--log",
                self.path(name + ".jsonl"), "--quiet", *more)

    def start(self, np_, *more):
        launcher = [program.MPIRUN, "-np", str(np_)] if np_ > 1 else []
        return subprocess.Popen([*launcher, *self.command("killed", *more)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                text=True, env={**program.MPI_ENVIRONMENT, **os.environ})

    def checkpointed(self, np_):
        return self.start(np_, "--checkpoint", self.path("c.h5"), "--checkpoint-every", "1", "--resume")

    def undisturbed(self, np_):
        began = time.monotonic()
        program.distgat(*self.command("whole")[1:], ranks=np_ if np_ > 1 else None)
        return time.monotonic() - began

    def clear(self):
        for name in os.listdir(self.folder):
            if name.startswith(("c.h5", "killed")):
                os.remove(self.path(name))


def log(path):
    with open(path) as f:
        return [{key: value for key, value in json.loads(line).items() if key not in TIMES} for line in f]


def is_same(job):
    """Whether the killed run gave what the undisturbed one did, bit for bit."""
    with h5py.File(job.path("whole.h5")) as a, h5py.File(job.path("killed.h5")) as b:
        same = all(np.array_equal(a["weights"][name][:], b["weights"][name][:]) for name in a["weights"])
    return same and log(job.path("whole.jsonl")) == log(job.path("killed.jsonl"))


def kill(process, np_, chance):
    """Kills one rank or all; gives what, or None where the run was over."""
    found = ranks.below(process.pid) if np_ > 1 else [process.pid]
    if process.poll() is not None or not found:
        return None
    everyone = chance.random() < 0.3
    for pid in found if everyone else [chance.choice(found)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return None
    return "all ranks" if everyone else "one rank"


def phase(job):
    if not os.path.exists(job.path("c.h5")):
        return "before the first checkpoint"
    return "while a checkpoint was written" if any(".tmp." in name for name in os.listdir(job.folder)) else "between"


def kill_often(job, np_, kills, chance, counts):
    """Until it was killed so often; a run that comes to its end is compared, and another begins."""
    whole = job.undisturbed(np_)
    done, ended = 0, False
    while done < kills or not ended:
        ended = False
        process = job.checkpointed(np_)
        if done < kills:
            time.sleep(chance.uniform(0.3, 1.3) * whole)
            what = kill(process, np_, chance)
            if what:
                done += 1
                counts[what] += 1
                counts[phase(job)] += 1
        _, said = process.communicate(timeout=120)
        for name in os.listdir(job.folder):
            if ".tmp." in name:
                os.remove(job.path(name))
        if process.returncode == 0:
            ended = True
            counts["runs that came to their end"] += 1
            counts["not as undisturbed"] += not is_same(job)
            job.clear()
        elif "distgat train:" in said and "stopped by signal" not in said:
            counts["restarts that failed"] += 1
            print(said, file=sys.stderr)
            job.clear()


def on_others(job, model, counts):
    """A run that 4 ranks began, killed, goes on on others."""
    job.undisturbed(4)
    wanted = program.losses(job.path("whole.jsonl"))
    process = job.checkpointed(4)
    ranks.wait(lambda: os.path.exists(job.path("c.h5.previous")) or process.poll() is not None)
    time.sleep(0.2)
    kill(process, 4, random.Random(0))
    process.communicate()
    for name in ("c.h5", "killed.jsonl"):
        shutil.copy(job.path(name), job.path("kept-" + name))
    for np_ in (1, 2, 3, 7):
        for name in ("c.h5", "killed.jsonl"):
            shutil.copy(job.path("kept-" + name), job.path(name))
        process = job.checkpointed(np_)
        process.communicate(timeout=120)
        found = program.losses(job.path("killed.jsonl"))
        worst = max(abs(a - b) for a, b in zip(found, wanted))
        good = process.returncode == 0 and len(found) == len(wanted) and worst <= BOUND.get(model, ATTENTION_BOUND)
        counts["on other ranks"] += 1
        counts["not within the bound"] += not good
        print(f"{model}, from 4 ranks on {np_}: largest difference of a loss {worst:.2g}")
    job.clear()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graph")
    parser.add_argument("--kills", type=int, default=200, help="for each model")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--models", nargs="+", default=["gcn", "gatv2"])
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--others", action="store_true", help="also from 4 ranks on 1, 2, 3 and 7")
    a = parser.parse_args()
    chance, bad = random.Random(a.seed), 0
    for model in a.models:
        counts = collections.Counter()
        with tempfile.TemporaryDirectory(prefix="distgat-kills-") as folder:
            job = Job(a.graph, ("--model", model, "--epochs", str(a.epochs), "--threads", "1", "--select", "best-val-loss"),
                      folder)
            for np_ in a.ranks:
                kill_often(job, np_, -(-a.kills // len(a.ranks)), chance, counts)
            if a.others:
                on_others(job, model, counts)
        print(f"{model}: " + ", ".join(f"{what}: {n}" for what, n in sorted(counts.items())))
        bad += counts["not as undisturbed"] + counts["restarts that failed"] + counts["not within the bound"]
        bad += counts["runs that came to their end"] == 0
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
