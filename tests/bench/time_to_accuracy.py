#!/usr/bin/env python3
"""Seconds of training until shares of the best validation accuracy: the whole graph by distgat beside sampled
neighbourhoods by DGL and PyTorch Geometric, with the same model, on the same graph file.

A peer's time is that of its epochs alone; distgat's has its evaluations in it, from the first step on.
"""
import argparse
import importlib.machinery
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SHARES = (0.95, 0.99, 0.995)


def load_peers():
    loader = importlib.machinery.SourceFileLoader("peers", os.path.join(HERE, "peers"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("peers", loader))
    loader.exec_module(module)
    return module


peers = load_peers()


def curve_of_distgat(options, seed, rate):
    """(seconds, validation accuracy) after each evaluation."""
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log.jsonl")
        subprocess.run([options.distgat, "train", options.graph, "--model", options.model, "--hidden", str(options.hidden),
                        "--heads", str(1 if options.model == "gcn" else options.heads), "--dropout", str(options.dropout),
                        "--input-dropout", "0", "--weight-decay", "0", "--lr", str(rate), "--epochs", str(options.epochs),
                        "--eval-every", str(options.eval_every), "--threads", str(options.threads), "--seed", str(seed),
                        "--log", log, "--quiet"], check=True, stdout=subprocess.DEVNULL)
        with open(log) as lines:
            events = [json.loads(line) for line in lines]
    return [(event["seconds"], event["val_acc"]) for event in events
            if event["event"] == "epoch" and event["val_acc"] is not None]


def curve_of_peer(options, library, python, seed):
    command = [python, os.path.join(HERE, "peer", "sampled.py"), library, options.model, options.graph]
    for name in ("hidden", "heads", "batch", "dropout", "fanout", "workers"):
        command += ["--" + name, str(getattr(options, name))]
    for name in ("epochs", "evaluations", "lr", "threads"):
        command += ["--" + name, str(getattr(options, "peer_" + name))]
    command += ["--seed", str(seed)]
    threads = {name: str(options.peer_threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **threads, "DGLBACKEND": "pytorch"})
    if done.returncode != 0:
        peers.say(f"{library} is left out: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
        return None
    return [(line["seconds"], line["val_acc"]) for line in map(json.loads, done.stdout.splitlines())]


def time_to(curve, accuracy):
    return next((seconds for seconds, reached in curve if reached >= accuracy), None)


def table(curves):
    """Rows of text: the best accuracy of each, and the median seconds to shares of the best of all."""
    best = statistics.median(max(max(accuracy for _, accuracy in curve) for curve in seeds) for seeds in zip(*curves.values()))
    yield f"best validation accuracy {best:.4f}, median of the seeds"
    yield "| | best | " + " | ".join(f"{100 * share:g} % of it, s" for share in SHARES) + " |"
    yield "| --- | --- |" + " --- |" * len(SHARES)
    for name, seeds in curves.items():
        own = statistics.median(max(accuracy for _, accuracy in curve) for curve in seeds)
        cells = []
        for share in SHARES:
            times = [time_to(curve, share * best) for curve in seeds]
            cells.append("not reached" if None in times else f"{statistics.median(times):.1f}")
        yield f"| {name} | {own:.4f} | " + " | ".join(cells) + " |"


def parse():
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "distgat-peers")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("graph", help="of dense features, such as that of distgat generate --preset arxiv-hard")
    parser.add_argument("--model", choices=("gcn", "gat", "gatv2"), default="gat")
    for name, value in (("hidden", 8), ("heads", 8), ("epochs", 200), ("eval-every", 5), ("peer-epochs", 15), ("batch", 1024),
                        ("threads", 2), ("seeds", 1)):
        parser.add_argument("--" + name, type=int, default=value, metavar="N")
    parser.add_argument("--workers", type=int, default=0, metavar="N",
                        help="processes of a peer's loader that sample ahead (0: its training process samples)")
    parser.add_argument("--peer-threads", type=int, metavar="N", help="of a peer's training process (as --threads)")
    parser.add_argument("--peer-evaluations", type=int, default=1, metavar="N", help="of a peer in each epoch (1)")
    parser.add_argument("--lr", type=lambda text: [float(word) for word in text.split(",")], default=[0.005, 0.02],
                        metavar="LIST", help="of distgat, a row each")
    parser.add_argument("--peer-lr", type=float, default=0.005, metavar="X")
    parser.add_argument("--dropout", type=float, default=0.3, metavar="P")
    parser.add_argument("--fanout", default="15,10", metavar="A,B")
    parser.add_argument("--libraries", nargs="*", default=["dgl", "pyg"], choices=("dgl", "pyg"))
    parser.add_argument("--distgat", default=os.path.join(peers.SOURCE, "build", "release", "distgat"))
    parser.add_argument("--environments", default=cache, metavar="DIR")
    options = parser.parse_args()
    options.peer_threads = options.peer_threads or options.threads
    return options


def main():
    options = parse()
    pythons = {library: peers.environment(library, options.environments) for library in options.libraries}
    curves = {f"distgat, the whole graph, rate {rate:g}": [] for rate in options.lr}
    curves.update({f"{library}, sampled": [] for library, python in pythons.items() if python})
    for seed in range(options.seeds):
        for rate in options.lr:
            curves[f"distgat, the whole graph, rate {rate:g}"].append(curve_of_distgat(options, seed, rate))
        for library in [name for name in pythons if f"{name}, sampled" in curves]:
            curve = curve_of_peer(options, library, pythons[library], seed)
            if curve:
                curves[f"{library}, sampled"].append(curve)
            else:
                del curves[f"{library}, sampled"]
    print("\n".join(table(curves)))


if __name__ == "__main__":
    sys.exit(main())
