"""Runs inside a peer's environment: times its training step, or trains as the tutorial does; prints one JSON line.

usage: train.py VARIANT MODEL GRAPH --hidden D [--layers L --heads H] --threads T [--steps N --seconds S | --epochs N]
"""
import argparse
import importlib
import json
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F

import data


def parse():
    parser = argparse.ArgumentParser()
    for name in ("variant", "model", "graph"):
        parser.add_argument(name)
    for name, default in (("--hidden", 0), ("--layers", 2), ("--heads", 8), ("--threads", 0), ("--steps", 0),
                          ("--epochs", 0)):
        parser.add_argument(name, type=int, default=default)
    for name in ("--dropout", "--input-dropout", "--lr", "--seconds"):
        parser.add_argument(name, type=float, default=0)
    return parser.parse_args()


def training_step(net, optimizer, graph):
    net.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(net()[graph.train], graph.y[graph.train])
    loss.backward()
    optimizer.step()
    return loss.detach()


def time_steps(step, options):
    """At most `steps` of them, and three at least however long they take."""
    step()  # fills caches and the allocator
    times, start = [], time.perf_counter()
    while len(times) < options.steps and (len(times) < 3 or time.perf_counter() - start < options.seconds):
        before = time.perf_counter()
        loss = step()
        times.append(1e3 * (time.perf_counter() - before))
    return dict(step_ms_median=statistics.median(times), step_ms_min=min(times), steps=len(times), loss=float(loss))


@torch.no_grad()
def accuracy(net, graph, ids):
    net.eval()
    logits = net()[ids]
    return float(F.cross_entropy(logits, graph.y[ids])), float((logits.argmax(1) == graph.y[ids]).float().mean())


def train(net, step, graph, epochs):
    for epoch in range(1, epochs + 1):
        loss = float(step())
        if epoch % 10 == 0:
            val_loss, val = accuracy(net, graph, graph.val)
    return dict(loss=loss, val_loss=val_loss, val_acc=val, test_acc=accuracy(net, graph, graph.test)[1])


def peak_rss():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    models = importlib.import_module("models_" + options.variant.split("-")[0])
    imported = peak_rss()
    graph = data.read(options.graph)
    if options.variant.endswith("-sparse") and graph.csr is None:
        sys.exit(77)  # skipped: the file's features are dense
    net = models.Net(options, graph, options.variant)
    optimizer = torch.optim.Adam(net.parameters(), lr=options.lr, weight_decay=5e-4)

    def step():
        return training_step(net, optimizer, graph)

    result = train(net, step, graph, options.epochs) if options.epochs else time_steps(step, options)
    print(json.dumps(dict(result, peak_rss_bytes=peak_rss(), imports_rss_bytes=imported)))


if __name__ == "__main__":
    main()
