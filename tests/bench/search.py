#!/usr/bin/env python3
"""Searches options by validation accuracy, never by that of the test nodes: what the recipes `best-…` are made from.

usage: search.py SPACE GRAPH.h5 [--trials N] [--generations N] [--children N] [--again N] [--finalists N] [--channels N]
         [--against OPTIONS] [--csv FILE]

All runs are on copies of the graph that have no test node. Two of a copy's splits halve the validation nodes: a run stops
and keeps weights by one half, and counts what it knows of the other, so that no way to keep weights is flattered. The others
draw as many training nodes of each class from all nodes whose labels the public split shows, and halve the rest: what suits
the public training nodes alone does not stand out. Both kinds count the same. Points are those of the published recipes,
then random ones, then in each generation children of the best quarter, which differ from a parent in one to three values.
The best run again, with seeds and splits of their own, the best of these and the options of --against with others; of these
the highest mean is chosen and marked by a star. DISTGAT names the program.
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
LONG = ["--epochs 500 --select best-val-acc",
        *(f"--epochs 1000 --early-stop gat --patience 100 --select best-val-{what}" for what in ("acc", "loss", "both")),
        FIXED[2]]
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
    # Deep or wide, as Luo et al. 2024, Classic GNNs are strong baselines, have them on random splits; and what was before.
    "wide": {"model": ["--model gat", "--model gat", "--model gatv2"], "layers": each("layers", 2, 2, 2, 3, 3, 4),
             "width": [f"--hidden {d} --heads {h}" for d, h in [(8, 8), (32, 1), (16, 8), (128, 1), (32, 8), (64, 4), (256, 1),
                                                                (64, 8), (512, 1)]],
             "out": each("out-heads", 1, 1, 8), "attention": each("attention-dropout", 0, 0.3, 0.6),
             "edges": ["", "", *each("edge-dropout", 0.2, 0.4)], "symmetric": ["", "", "--symmetric-norm"],
             "dropout": each("dropout", 0.2, 0.3, 0.5, 0.6, 0.7, 0.8),
             "input": each("input-dropout", 0, 0.3, 0.5, 0.6, 0.7, 0.8),
             "decay": each("weight-decay", 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2), "rate": each("lr", 0.001, 0.002, 0.005, 0.01),
             "scale": each("normalize", "none", "row"), "activation": each("activation", "elu", "relu"),
             "skip": ["", "--residual"], "norm": ["", "", "--norm layer", "--norm batch"],
             "smoothing": ["", "", "--label-smoothing 0.1"],
             "stop": LONG},
    # Dropout of the rows that are summed, beside all others, as the code of the GAT paper has it; small models.
    "messages": {"model": ["--model gat", "--model gat", "--model gat --attention-target off"],
                 "width": [f"--hidden {d} --heads {h}" for d, h in [(8, 8), (8, 8), (16, 4), (32, 1), (16, 8), (32, 4)]],
                 "out": each("out-heads", 1, 1, 4), "attention": each("attention-dropout", 0, 0.3, 0.6),
                 "messages": ["", *each("message-dropout", 0.2, 0.4, 0.6)], "edges": ["", "", "--edge-dropout 0.2"],
                 "symmetric": ["", "--symmetric-norm"], "dropout": each("dropout", 0.4, 0.6, 0.8),
                 "input": each("input-dropout", 0.2, 0.4, 0.6, 0.8), "decay": each("weight-decay", 5e-4, 1e-3, 2e-3, 3e-3),
                 "rate": each("lr", 0.005, 0.01), "scale": each("normalize", "row"), "activation": each("activation", "elu"),
                 "smoothing": ["", "", "--label-smoothing 0.1"], "stop": [*STOPS[:3], FIXED[2]]},
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
    # Two of Luo et al., of whose models the last layer is no graph's; the GAT paper's; of the searches before a GATv2 and
    # the two GCNs, with attention in their place.
    "wide": ["--model gat --layers 3 --hidden 512 --heads 1 --out-heads 1 --attention-dropout 0 --dropout 0.2 "
             "--input-dropout 0 --weight-decay 0.0005 --lr 0.001 --normalize none --activation relu --residual " + LONG[0],
             "--model gat --layers 3 --hidden 256 --heads 1 --out-heads 1 --attention-dropout 0 --dropout 0.5 "
             "--input-dropout 0 --weight-decay 0.01 --lr 0.001 --normalize none --activation relu --residual " + LONG[0],
             "--model gat --layers 2 --hidden 8 --heads 8 --out-heads 1 --attention-dropout 0.6 --dropout 0.6 "
             "--input-dropout 0.6 --weight-decay 0.0005 --lr 0.005 --normalize row --activation elu " + LONG[3],
             "--model gatv2 --layers 2 --hidden 32 --heads 8 --out-heads 1 --attention-dropout 0.6 --dropout 0.8 "
             "--input-dropout 0.8 --weight-decay 0.0002 --lr 0.005 --normalize row --activation elu " + LONG[3],
             *("--model gat --layers 2 --hidden 32 --heads 1 --out-heads 1 --attention-dropout 0 --symmetric-norm "
               f"{dropout} --normalize row {rest} " + LONG[3] for dropout, rest in [
                   ("--dropout 0.8 --input-dropout 0.7", "--weight-decay 0.0002 --lr 0.01 --activation relu"),
                   ("--dropout 0.6 --input-dropout 0.6", "--weight-decay 0.002 --lr 0.005 --activation elu")])],
    # The GAT paper's as its code runs; what a look at a dozen points on CiteSeer, with seeds and splits of its own, found; and,
    # for Cora, what was chosen on CiteSeer.
    "messages": [f"--model gat --hidden 8 --heads 8 --out-heads 1 --attention-dropout {attention} --dropout 0.6 "
                 f"--input-dropout 0.6 {rest} --lr 0.005 --normalize row --activation elu " + STOPS[0]
                 for attention, rest in [(0.6, "--message-dropout 0.6 --weight-decay 0.0005"),
                                         (0.6, "--message-dropout 0.4 --symmetric-norm --weight-decay 0.002"),
                                         (0.3, "--message-dropout 0.4 --symmetric-norm --weight-decay 0.002"),
                                         (0.6, "--message-dropout 0.4 --weight-decay 0.002")]]
                + ["--model gat --hidden 16 --heads 8 --out-heads 1 --attention-dropout 0.3 --message-dropout 0.6 "
                   "--symmetric-norm --dropout 0.8 --input-dropout 0.8 --weight-decay 0.001 --lr 0.005 --normalize row "
                   "--activation elu --label-smoothing 0.1 " + STOPS[0]],
}
# Of each stage: the first seed (those of the tables, from 0, are others), how many, and how many splits are drawn.
STAGES = {"search": (1000, 1, 4), "again": (2000, 2, 4), "final": (3000, 5, 8)}
COLUMNS = ("space", "graph", "trial", "stage", "seeds", "accuracy", "deviation", "public", "epochs", "seconds", "options")


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


def write_halves(splits, name, train, rest, draws):
    """Two splits that validate on one half of the rest and test on the other."""
    rest = draws.permutation(rest)
    halves = np.sort(rest[::2]), np.sort(rest[1::2])
    for k in range(2):
        for part, nodes in {"train": np.sort(train), "val": halves[k], "test": halves[1 - k]}.items():
            splits[f"{name}-{k}/{part}"] = nodes


def without_test(graph, copy, seed, n_drawn):
    """A copy whose splits know the training and validation nodes alone: `public-0` and `-1` halve the latter; `drawn-…`
    train on others, as many of each class."""
    shutil.copyfile(graph, copy)
    with h5py.File(copy, "a") as file:
        train, val, labels = file["splits/public/train"][:], file["splits/public/val"][:], file["labels"][:]
        del file["splits"]
        splits, draws = file.create_group("splits"), np.random.default_rng(seed)
        write_halves(splits, "public", train, val, draws)
        known, wanted = np.concatenate([train, val]), np.bincount(labels[train])
        for k in range(0, n_drawn, 2):
            order = draws.permutation(known)
            drawn = np.concatenate([order[labels[order] == c][:count] for c, count in enumerate(wanted)])
            write_halves(splits, f"drawn-{k}", drawn, np.setdiff1d(known, drawn), draws)
    return copy


def measure(graph, options, seed, seeds):
    """Accuracy on the halves that a run does not see: of each seed the mean of both kinds of splits; mean and deviation
    over the seeds."""
    done = program.run("train", graph, *options.split(), "--split", "all", "--seed", seed, "--runs", seeds, "--threads", 1,
                       "--json", timeout=36000)
    if done.returncode not in (0, 3) or not done.stdout:
        raise SystemExit(f"search.py: {options}: {done.stderr}")
    results = json.loads(done.stdout)["results"]

    def mean(kind, wanted):
        return statistics.mean(0 if r["diverged"] else r["test_acc"] for r in results
                               if r["split"].startswith(kind) and r["seed"] == wanted)

    public, drawn = ([mean(kind, seed + k) for k in range(seeds)] for kind in ("public", "drawn"))
    both = [statistics.mean(pair) for pair in zip(public, drawn)]
    return {"seeds": f"{seed}+{seeds}", "accuracy": statistics.mean(both), "deviation": statistics.pstdev(both),
            "public": statistics.mean(public), "epochs": statistics.mean(r["epochs"] for r in results),
            "seconds": statistics.mean(r["seconds"] for r in results)}


def rank(trials):
    return sorted(trials, key=lambda t: -t["accuracy"])


class Search:
    def __init__(self, space, graph, folder, writer):
        self.space, self.name, self.writer = space, os.path.basename(graph), writer
        self.points, self.known = [], set()
        self.copies = {stage: without_test(graph, os.path.join(folder, f"{stage}.h5"), seed, n_drawn)
                       for stage, (seed, _, n_drawn) in STAGES.items()}

    def run(self, stage, number, options=None):
        options = options or text_of(self.points[number])
        seed, seeds, _ = STAGES[stage]
        row = {"space": self.space, "graph": self.name, "trial": number, "stage": stage,
               **measure(self.copies[stage], options, seed, seeds), "options": options}
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
        trials = [self.run("search", n) for n in known + drawn]
        for _ in range(args.generations):
            parents = [self.points[t["trial"]] for t in rank(trials)[:max(1, len(drawn) // 4)]]
            born = list(self.new_points(args.children, lambda: child(self.space, rng.choice(parents), rng)))
            trials += [self.run("search", n) for n in born]
        again = [self.run("again", t["trial"]) for t in rank(trials)[:args.again]]
        final = [self.run("final", t["trial"]) for t in rank(again)[:args.finalists]]
        return rank(final + ([self.run("final", -1, args.against)] if args.against else []))


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
    parser.add_argument("--against", metavar="OPTIONS", help="run with the finalists, such as the recipe of now")
    parser.add_argument("--csv", default="/dev/null", help="where all trials are added")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="distgat-search-") as folder, \
            open(args.csv, "a", newline="", buffering=1) as out:
        writer = csv.DictWriter(out, COLUMNS)
        if out.tell() == 0:
            writer.writeheader()
        trials = Search(args.space, args.graph, folder, writer).go(args)
        for t in trials:
            print(f"{'*' if t is trials[0] else ' '} {t['graph']} {t['trial']:4} {100 * t['accuracy']:.2f} ± "
                  f"{100 * t['deviation']:.2f} {t['epochs']:.0f} epochs {t['seconds']:.2f} s: {t['options']}", flush=True)


if __name__ == "__main__":
    main()
