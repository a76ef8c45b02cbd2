#!/usr/bin/env python3
"""Searches options by validation accuracy, never by that of the test nodes: what the recipes `best-…` are made from.

usage: search.py SPACE GRAPH.h5 [--trials N] [--generations N] [--children N] [--again N] [--finalists N] [--channels N]
         [--csv FILE]

All runs are on a copy of the graph that has no test node. Its two splits halve the validation nodes: a run stops and keeps
weights by one half, and counts what it knows of the other, so that no way to keep weights is flattered. Points are those of
the published recipes, then random ones, then in each generation children of the best quarter, which differ from a parent in
one to three values. The best run again with 3 seeds of their own, the best of these with 10 others; of these the highest
mean is chosen and marked by a star. DISTGAT names the program.
"""
import argparse
import csv
import json
import math
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


def each(name, *values):
    return [f"--{name} {value}" for value in values]


STOPS = [f"--epochs {epochs} --early-stop gat --patience {patience} --select {select}"
         for epochs, patience, select in [(2000, 100, "best-val-both"), (2000, 100, "best-val-loss"),
                                          (2000, 100, "best-val-acc"), (2000, 200, "best-val-both"),
                                          (1500, 300, "best-val-both")]]
FIXED = [f"--epochs {epochs} --eval-every {epochs} --select last{rest}"
         for epochs, rest in [(200, ""), (500, ""), (300, " --warmup 20 --lr-schedule cosine"),
                              (600, " --warmup 20 --lr-schedule cosine")]]
COMMON = {
    "dropout": each("dropout", 0.2, 0.4, 0.5, 0.6, 0.7, 0.8),
    "input": each("input-dropout", 0.2, 0.4, 0.5, 0.6, 0.7, 0.8),
    "decay": each("weight-decay", 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2) + each("optimizer adamw --weight-decay", 0.1, 0.3, 1),
    "rate": each("lr", 0.005, 0.01, 0.02),
    "scale": each("normalize", "none", "row"),
    "activation": each("activation", "elu", "relu"),
    "skip": ["", "", "--residual"],
    "norm": ["", "", "", "--norm layer"],
    "smoothing": ["", "", *each("label-smoothing", 0.1, 0.2)],
    "labels": ["", "", "", "--use-labels 0.5"],
    "stop": STOPS + FIXED,
}
SPACES = {
    "gcn": {"model": ["--model gcn"], "width": each("hidden", 16, 32, 64, 128, 256), **COMMON},
    "attention": {"model": ["--model gat", "--model gatv2", "--model gatv2", "--model gat --attention-target off"],
                  "width": [f"--hidden {d} --heads {h}" for d, h in [(8, 8), (16, 4), (16, 8), (32, 4), (32, 8), (64, 1),
                                                                     (128, 1)]],
                  "out": each("out-heads", 1, 2, 4, 8), "attention": each("attention-dropout", 0, 0.2, 0.4, 0.6),
                  "edges": ["", "", *each("edge-dropout", 0.1, 0.2, 0.4)], "symmetric": ["", "", "--symmetric-norm"],
                  **COMMON},
}

# The papers' settings, and what the search before this one found.
KNOWN = {
    "gcn": ["--model gcn --hidden 16 --dropout 0.5 --input-dropout 0.5 --weight-decay 0.0005 --lr 0.01 "
            "--normalize row --activation relu " + FIXED[0],
            "--model gcn --hidden 16 --dropout 0.8 --input-dropout 0.7 --weight-decay 0.0002 --lr 0.01 "
            "--normalize row --activation relu " + STOPS[0],
            "--model gcn --hidden 32 --dropout 0.6 --input-dropout 0.6 --weight-decay 0.002 --lr 0.005 "
            "--normalize row --activation elu " + STOPS[0],
            "--model gcn --hidden 16 --dropout 0.5 --input-dropout 0.4 --weight-decay 0.005 --lr 0.01 "
            "--normalize none --activation elu " + STOPS[0]],
    "attention": ["--model gat --hidden 8 --heads 8 --out-heads 1 --attention-dropout 0.6 --dropout 0.6 "
                  "--input-dropout 0.6 --weight-decay 0.0005 --lr 0.005 --normalize row --activation elu " + STOPS[4],
                  "--model gat --hidden 8 --heads 8 --out-heads 8 --attention-dropout 0.6 --dropout 0.6 "
                  "--input-dropout 0.6 --weight-decay 0.001 --lr 0.01 --normalize row --activation elu " + STOPS[1],
                  "--model gatv2 --hidden 32 --heads 8 --out-heads 2 --attention-dropout 0.6 --dropout 0.8 "
                  "--input-dropout 0.8 --weight-decay 0.0002 --lr 0.005 --normalize row --activation elu " + STOPS[0],
                  "--model gatv2 --hidden 16 --heads 4 --out-heads 1 --attention-dropout 0.2 --dropout 0.8 "
                  "--input-dropout 0.5 --weight-decay 0.001 --lr 0.02 --normalize row --activation elu " + STOPS[0]],
}
SEARCH_SEED, AGAIN_SEED, FINAL_SEED = 1000, 2000, 3000  # those of the tables, from 0, are others
AGAIN_SEEDS, FINAL_SEEDS = 3, 10
COLUMNS = ("space", "graph", "trial", "stage", "seeds", "accuracy", "deviation", "epochs", "seconds", "options")


def channels(width):
    return math.prod(int(word) for word in width.split() if word.isdigit())


def text_of(point):
    return " ".join(filter(None, point.values()))


def parse(space, text):
    """The point of a text: of each name the longest choice that is in it."""
    point = {name: max((c for c in choices if f" {c} " in f" {text} " or not c), key=len)
             for name, choices in SPACES[space].items()}
    assert sorted(text_of(point).split()) == sorted(text.split()), (text_of(point), text)
    return point


def draw(space, rng):
    return {name: rng.choice(choices) for name, choices in SPACES[space].items()}


def child(space, parent, rng):
    changed = rng.sample([name for name, choices in SPACES[space].items() if len(set(choices)) > 1], rng.randint(1, 3))
    return {**parent, **{name: rng.choice([c for c in SPACES[space][name] if c != parent[name]]) for name in changed}}


def halve_validation(graph, folder):
    """A copy with the splits `first` and `second`: each validates on one half and tests on the other."""
    copy = os.path.join(folder, os.path.basename(graph))
    shutil.copyfile(graph, copy)
    with h5py.File(copy, "a") as file:
        public = file["splits/public"]
        train, val = public["train"][:], public["val"][:]
        del file["splits"]
        val = np.random.default_rng(0).permutation(val)
        halves = np.sort(val[::2]), np.sort(val[1::2])
        for name, (own, other) in {"first": halves, "second": halves[::-1]}.items():
            for part, nodes in {"train": train, "val": own, "test": other}.items():
                file[f"splits/{name}/{part}"] = nodes
    return copy


def measure(graph, options, seed, seeds):
    """Accuracy on the halves that a run does not see, both halves together: mean and deviation over the seeds."""
    done = program.run("train", graph, *options.split(), "--split", "all", "--seed", seed, "--runs", seeds, "--threads", 1,
                       "--json", timeout=36000)
    if done.returncode not in (0, 3) or not done.stdout:
        raise SystemExit(f"search.py: {options}: {done.stderr}")
    results, accuracy = json.loads(done.stdout)["results"], {}
    for r in results:
        accuracy.setdefault(r["seed"], []).append(0 if r["diverged"] else r["test_acc"])
    accuracy = [statistics.mean(pair) for pair in accuracy.values()]
    return {"seeds": f"{seed}+{seeds}", "accuracy": statistics.mean(accuracy), "deviation": statistics.pstdev(accuracy),
            "epochs": statistics.mean(r["epochs"] for r in results),
            "seconds": statistics.mean(r["seconds"] for r in results)}


def rank(trials):
    return sorted(trials, key=lambda t: -t["accuracy"])


class Search:
    def __init__(self, space, graph, writer):
        self.space, self.graph, self.writer = space, graph, writer
        self.points, self.known = [], set()

    def run(self, stage, number, seed, seeds):
        options = text_of(self.points[number])
        row = {"space": self.space, "graph": os.path.basename(self.graph), "trial": number, "stage": stage,
               **measure(self.graph, options, seed, seeds), "options": options}
        self.writer.writerow(row)
        return row

    def add(self, point):
        """The number of a new point; None where it has been."""
        if text_of(point) in self.known:
            return None
        self.known.add(text_of(point))
        self.points.append(point)
        return len(self.points) - 1

    def new_points(self, wanted, make):
        while wanted > 0:
            number = self.add(make())
            if number is not None:
                wanted -= 1
                yield number

    def go(self, args):
        rng = random.Random(self.space)
        widths = SPACES[self.space]["width"] = [w for w in SPACES[self.space]["width"] if channels(w) <= args.channels]
        known = [self.add(parse(self.space, text)) for text in KNOWN[self.space] if any(w in text for w in widths)]
        drawn = list(self.new_points(args.trials, lambda: draw(self.space, rng)))
        trials = [self.run("search", n, SEARCH_SEED, 1) for n in known + drawn]
        for generation in range(args.generations):
            parents = [self.points[t["trial"]] for t in rank(trials)[:max(1, len(drawn) // 4)]]
            born = list(self.new_points(args.children, lambda: child(self.space, rng.choice(parents), rng)))
            trials += [self.run(f"generation {generation + 1}", n, SEARCH_SEED, 1) for n in born]
        again = [self.run("again", t["trial"], AGAIN_SEED, AGAIN_SEEDS) for t in rank(trials)[:args.again]]
        return rank([self.run("final", t["trial"], FINAL_SEED, FINAL_SEEDS) for t in rank(again)[:args.finalists]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("space", choices=SPACES)
    parser.add_argument("graph")
    parser.add_argument("--trials", type=int, default=40, help="random points (40)")
    parser.add_argument("--generations", type=int, default=2, help="(2)")
    parser.add_argument("--children", type=int, default=20, help="points of each generation (20)")
    parser.add_argument("--again", type=int, default=12, help="points that run again (12)")
    parser.add_argument("--finalists", type=int, default=4, help="of these (4)")
    parser.add_argument("--channels", type=int, default=256, help="at most so many, all heads together (256)")
    parser.add_argument("--csv", default="/dev/null", help="where all trials are added")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="distgat-search-") as folder, \
            open(args.csv, "a", newline="", buffering=1) as out:
        writer = csv.DictWriter(out, COLUMNS)
        if out.tell() == 0:
            writer.writeheader()
        trials = Search(args.space, halve_validation(args.graph, folder), writer).go(args)
        for t in trials:
            print(f"{'*' if t is trials[0] else ' '} {t['graph']} {t['trial']:4} {100 * t['accuracy']:.2f} ± "
                  f"{100 * t['deviation']:.2f} {t['epochs']:.0f} epochs {t['seconds']:.2f} s: {t['options']}", flush=True)


if __name__ == "__main__":
    main()
