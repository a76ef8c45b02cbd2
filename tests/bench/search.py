#!/usr/bin/env python3
"""Searches options by validation accuracy, never by that of the test nodes: what the recipes `best-…` are made from.

usage: search.py SPACE GRAPH.h5 [--trials N] [--seeds N] [--finalists K] [--again N] [--csv FILE]

Random points of a space (below) run on a copy of the graph whose split has no test nodes, so that nothing can look at
them. The points of the highest mean validation accuracy run again with seeds of their own. Of those that are within one
standard error of the best of them, the one that takes least time is chosen, and marked by a star. The same points are
drawn for every graph. `--repeat 3,17` runs these points again and no others. DISTGAT names the program.
"""
import argparse
import csv
import itertools
import json
import os
import random
import shutil
import statistics
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds h5py)

import h5py  # noqa: E402
import numpy as np  # noqa: E402

import program  # noqa: E402

# Every run stops by validation and keeps weights as the code of the GAT paper does.
STOP = {"early-stop": ["gat"], "select": ["best-val-both"], "epochs": [2000]}
DECAY, DROP = [2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2], [0.4, 0.5, 0.6, 0.7, 0.8]
SPACES = {
    "gcn": {"model": ["gcn"], "hidden": [16, 32, 64, 128], "dropout": DROP, "input-dropout": DROP, "weight-decay": DECAY,
            "lr": [0.005, 0.01, 0.02], "normalize": ["none", "row"], "activation": ["relu", "elu"],
            "patience": [100, 200], **STOP},
    "attention": {"model": ["gat", "gatv2"], "hidden": [8, 16, 32], "heads": [4, 8], "out-heads": [1, 2, 4, 8],
                  "dropout": DROP, "input-dropout": DROP, "attention-dropout": [0, 0.2, 0.4, 0.6], "weight-decay": DECAY,
                  "lr": [0.005, 0.01, 0.02], "normalize": ["none", "row"], "patience": [100, 200], **STOP},
}
SEARCH_SEED, AGAIN_SEED = 1000, 2000  # those of the tables, from 0, are others
COLUMNS = ("space", "graph", "trial", "stage", "seeds", "val_acc", "val_acc_sd", "val_loss", "epochs", "seconds",
           "options")


def points(space, n):
    rng = random.Random(space)
    return [{name: rng.choice(choices) for name, choices in SPACES[space].items()} for _ in range(n)]


def without_test_nodes(graph, folder):
    copy = os.path.join(folder, os.path.basename(graph))
    shutil.copyfile(graph, copy)
    with h5py.File(copy, "a") as file:
        for split in file["splits"].values():
            del split["test"]
            split["test"] = np.zeros(0, np.int64)
    return copy


def measure(graph, point, seed, runs):
    """Means over the runs."""
    options = itertools.chain.from_iterable((f"--{name}", value) for name, value in point.items())
    line = program.distgat("train", graph, *options, "--seed", seed, "--runs", runs, "--threads", 1, "--json",
                           timeout=36000)
    result = json.loads(line)
    results = result.get("results", [result])
    accuracy = [-1 if r["diverged"] else r["val_acc"] for r in results]
    return {"seeds": f"{seed}+{runs}", "val_acc": statistics.mean(accuracy), "val_acc_sd": statistics.pstdev(accuracy),
            "val_loss": statistics.mean(9 if r["diverged"] else r["val_loss"] for r in results),
            "epochs": statistics.mean(r["epochs"] for r in results),
            "seconds": statistics.mean(r["seconds"] for r in results)}


def rank(trials):
    return sorted(trials, key=lambda t: (-t["val_acc"], t["val_loss"]))


def choose(trials):
    """The quickest of those that are within one standard error of the best."""
    best = rank(trials)[0]
    least = best["val_acc"] - best["val_acc_sd"] / int(best["seeds"].split("+")[1]) ** 0.5
    return min((t for t in trials if t["val_acc"] >= least), key=lambda t: t["seconds"])


def search(args, graph, writer):
    def run(stage, number, seed, runs):
        figures = measure(graph, tried[number], seed, runs)
        options = " ".join(f"--{name} {value}" for name, value in tried[number].items())
        row = {"space": args.space, "graph": os.path.basename(graph), "trial": number, "stage": stage, **figures,
               "options": options}
        writer.writerow(row)
        return row

    tried = points(args.space, args.trials)
    again = args.repeat
    if not again:
        first = [run("search", i, SEARCH_SEED, args.seeds) for i in range(len(tried))]
        again = [t["trial"] for t in rank(first)[:args.finalists]]
    return rank([run("again", i, AGAIN_SEED, args.again) for i in again])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("space", choices=SPACES)
    parser.add_argument("graph")
    parser.add_argument("--trials", type=int, default=100, help="random points (100)")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each (2)")
    parser.add_argument("--finalists", type=int, default=8, help="points that run again (8)")
    parser.add_argument("--again", type=int, default=10, help="runs of each of these (10)")
    parser.add_argument("--repeat", type=lambda text: [int(i) for i in text.split(",")], help="these points alone, again")
    parser.add_argument("--csv", default="/dev/null", help="where all trials are added")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="distgat-search-") as folder, \
            open(args.csv, "a", newline="", buffering=1) as out:
        writer = csv.DictWriter(out, COLUMNS)
        if out.tell() == 0:
            writer.writeheader()
        trials = search(args, without_test_nodes(args.graph, folder), writer)
        for t in trials:
            print(f"{'*' if t is choose(trials) else ' '} {os.path.basename(args.graph)} {t['trial']:4} {100 * t['val_acc']:.2f} ± {100 * t['val_acc_sd']:.2f} "
                  f"loss {t['val_loss']:.4f} {t['epochs']:.0f} epochs {t['seconds']:.2f} s: {t['options']}", flush=True)


if __name__ == "__main__":
    main()
