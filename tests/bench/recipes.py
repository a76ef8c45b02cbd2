#!/usr/bin/env python3
"""Accuracy of the recipes of the Open Graph Benchmark beside DGL, which trains the same models as its examples do: a table."""
import argparse
import os
import statistics
import sys

import libraries

RECIPES = ("arxiv-gcn", "arxiv-gat", "arxiv-gat-reuse", "products-gat")


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graph", help="of dense features and one label a node")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=RECIPES, metavar="NAME", help=", ".join(RECIPES))
    for name, value in (("epochs", 300), ("seeds", 1), ("threads", 2)):
        parser.add_argument("--" + name, type=int, default=value, metavar="N")
    parser.add_argument("--libraries", nargs="*", default=["dgl"], choices=["dgl"])
    libraries.add_arguments(parser)
    return parser.parse_args()


def cell(results):
    """Accuracies in per cent, and of which epochs' weights."""
    def of(name):
        values = [100 * result[name] for result in results]
        return f"{statistics.mean(values):.1f}" + (f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else "")
    epochs = ", ".join(str(result["best_epoch"]) for result in results)
    return f"{of('val_acc')} / {of('test_acc')} | {epochs} | {statistics.median(result['seconds'] for result in results):.0f}"


def main():
    options = parse()
    python = libraries.environment("dgl", options.environments) if options.libraries else None
    print(f"{options.epochs} epochs of {options.seeds} seed" + "s" * (options.seeds > 1))
    print("| recipe | trained by | validation / test accuracy, % | epochs kept | seconds |\n| --- | --- | --- | --- | --- |")
    for recipe in options.recipes:
        usual = ["--epochs", options.epochs, "--threads", options.threads, "--seed"]
        commands = {"distgat": [options.distgat, "train", options.graph, "--recipe", recipe, "--eval-every", 1, "--json",
                                "--quiet"]}
        if python:
            commands["DGL"] = [python, os.path.join(libraries.HERE, "peer", "recipe.py"), recipe, options.graph]
        for name, command in commands.items():
            results = [libraries.launch([*command, *usual, seed], options.threads) for seed in range(options.seeds)]
            if None not in results:
                print(f"| {recipe} | {name} | {cell(results)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
