#!/usr/bin/env python3
"""Seconds of training until shares of the best validation accuracy: the whole graph by distgat beside sampled
neighbourhoods by DGL and PyTorch Geometric, with the same model, on the same graph file.

A peer's time is that of its epochs alone; distgat's has its evaluations in it, from the first step on.
"""
import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile

import libraries

SHARES = (0.95, 0.99, 0.995)


def curve_of_distgat(options, seed, rate):
    """(seconds, validation accuracy) after each evaluation."""
    heads = ["--heads", str(options.heads)] if options.model.startswith("gat") else []
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log.jsonl")
        subprocess.run([options.distgat, "train", options.graph, "--model", options.model, "--hidden", str(options.hidden),
                        *heads, "--layers", str(len(options.fanout.split(","))), "--dropout", str(options.dropout),
                        "--input-dropout", "0", "--weight-decay", "0", "--lr", str(rate), "--epochs", str(options.epochs),
                        "--eval-every", str(options.eval_every), "--threads", str(options.threads), "--seed", str(seed),
                        "--log", log, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        with open(log) as lines:
            events = [json.loads(line) for line in lines]
    return [(event["seconds"], event["val_acc"]) for event in events
            if event["event"] == "epoch" and event["val_acc"] is not None]


def curve_of_peer(options, library, python, seed, rate):
    command = [python, os.path.join(libraries.HERE, "peer", "sampled.py"), library, options.model, options.graph]
    for name in ("hidden", "heads", "batch", "dropout", "fanout", "workers"):
        command += ["--" + name, str(getattr(options, name))]
    for name in ("epochs", "evaluations", "threads"):
        command += ["--" + name, str(getattr(options, "peer_" + name))]
    command += ["--seed", str(seed), "--lr", str(rate)]
    threads = {name: str(options.peer_threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **threads, "DGLBACKEND": "pytorch"})
    if done.returncode != 0:
        libraries.say(f"{library} is left out: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
        return None
    return [(line["seconds"], line["val_acc"]) for line in map(json.loads, done.stdout.splitlines())]


def time_to(curve, accuracy):
    return next((seconds for seconds, reached in curve if reached >= accuracy), None)


def spread(values, digits):
    """The median, and of several the least and the most."""
    text = f"{statistics.median(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def cell(times):
    """Seconds of the seeds, some of which may not have come there."""
    there = [seconds for seconds in times if seconds is not None]
    if not there:
        return "not reached"
    return spread(there, 2) if len(there) == len(times) else f"{spread(there, 2)}, {len(there)} of {len(times)} seeds"


def table(curves):
    """Rows of text: the best accuracy of each, and the seconds to shares of the best of all, a seed's own."""
    best = [max(max(accuracy for _, accuracy in curve) for curve in seeds) for seeds in zip(*curves.values())]
    yield f"best validation accuracy {spread(best, 4)} of {len(best)} seed" + "s" * (len(best) > 1)
    yield "| | best | " + " | ".join(f"{100 * share:g} % of it, s" for share in SHARES) + " |"
    yield "| --- | --- |" + " --- |" * len(SHARES)
    for name, seeds in curves.items():
        own = spread([max(accuracy for _, accuracy in curve) for curve in seeds], 4)
        cells = [cell([time_to(curve, share * most) for curve, most in zip(seeds, best)]) for share in SHARES]
        yield f"| {name} | {own} | " + " | ".join(cells) + " |"


def rates(text):
    return [float(word) for word in text.split(",")]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("graph", help="of dense features, such as that of distgat generate --preset arxiv-hard")
    parser.add_argument("--model", choices=("gcn", "gat", "gatv2", "sage"), default="gat")
    for name, value in (("hidden", 8), ("heads", 8), ("epochs", 200), ("eval-every", 5), ("peer-epochs", 15), ("batch", 1024),
                        ("threads", 2), ("seeds", 1)):
        parser.add_argument("--" + name, type=int, default=value, metavar="N")
    parser.add_argument("--workers", type=int, default=0, metavar="N",
                        help="processes of a peer's loader that sample ahead (0: its training process samples)")
    parser.add_argument("--peer-threads", type=int, metavar="N", help="of a peer's training process (as --threads)")
    parser.add_argument("--peer-evaluations", type=int, default=1, metavar="N", help="of a peer in each epoch (1)")
    for name, value, whose in (("lr", [0.005, 0.02], "distgat"), ("peer-lr", [0.005], "each peer")):
        parser.add_argument("--" + name, type=rates, default=value, metavar="LIST", help=f"of {whose}, a row each")
    parser.add_argument("--dropout", type=float, default=0.3, metavar="P")
    parser.add_argument("--fanout", default="15,10", metavar="A,B", help="neighbours that are drawn, a number a layer")
    parser.add_argument("--libraries", nargs="*", default=["dgl", "pyg"], choices=("dgl", "pyg"))
    libraries.add_arguments(parser)
    options = parser.parse_args()
    options.peer_threads = options.peer_threads or options.threads
    return options


def main():
    options = parse()
    pythons = {library: libraries.environment(library, options.environments) for library in options.libraries}
    takers = {f"distgat, the whole graph, rate {rate:g}": functools.partial(curve_of_distgat, options, rate=rate)
              for rate in options.lr}
    takers.update({f"{library}, sampled, rate {rate:g}": functools.partial(curve_of_peer, options, library, python, rate=rate)
                   for library, python in pythons.items() if python for rate in options.peer_lr})
    curves = {name: [] for name in takers}
    for seed in range(options.seeds):
        for name in list(curves):
            curve = takers[name](seed=seed)
            if curve:
                curves[name].append(curve)
            else:
                del curves[name]
    print("\n".join(table(curves)))


if __name__ == "__main__":
    sys.exit(main())
