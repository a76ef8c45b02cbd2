#!/usr/bin/env python3
"""Random models, options and graphs against the same in PyTorch (support/reference.py). Run by hand with a python3 that has
torch, numpy, scipy and h5py, and the program built with its tests:

    tests/differential.py --seed 1 --trials 50

Each trial draws a graph, a model and a run of ten epochs, dropout included, and compares initial logits, the first step's
gradients, losses, accuracies, validation, weights and logits at the end: in double precision alone and on some ranks, and in
single precision on some ranks in some instruction set; now and then a run that is gone on with, bit for bit, and one with
tables in bf16. One that fails
is printed with its options and comes again by `--seed N --trials 1`. Exit code 1 where one fails; 77 where torch is missing.
"""
import argparse
import contextlib
import os
import sys
import tempfile
import unittest.mock

try:
    import h5py
    import numpy as np
    import scipy.sparse as sp
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
import graphs  # noqa: E402
import program  # noqa: E402
import reference  # noqa: E402

RANKS = (1, 2, 3, 4, 7)
SIMD = ("portable", "avx2", "avx512", "amx")
SINGLE = program.DISTGAT
DOUBLE = os.environ.get("DISTGAT_DOUBLE") or os.path.join(os.path.dirname(SINGLE), "tests", "distgat-double")
EPOCHS, KEPT = 10, 4  # and after which epoch a run is gone on with
PRECISE = dict(logits=1e-6, grads=1e-6, losses=1e-7, end=5e-6, statistics=5e-6)
ROUNDED = dict(logits=2e-5, grads=1e-4, losses=1e-5, end=5e-4, statistics=1e-5)

COARSE = 0.05  # what is left of tables in bf16
MANY = 50  # times what rounding makes of a run in PyTorch, of runs that it drives apart


# ---- what is drawn ----

def draw_adjacency(rng, n):
    kind = rng.choice(["directed", "symmetric", "hub", "star", "complete", "empty", "path"], p=[.3, .3, .15, .05, .05, .05, .1])
    has = rng.random((n, n)) < rng.choice([0.5, 2, 4, 10]) / n
    if kind in ("star", "empty", "path"):
        has[:] = False
    if kind == "complete":
        has[:] = n <= 60
    if kind in ("hub", "star"):
        has[0, :] = has[:, 0] = True
    if kind == "path":
        has[np.arange(1, n), np.arange(n - 1)] = True
    if kind == "symmetric":
        has |= has.T
    lonely = rng.choice([0, 0, 0.1, 0.5])
    alone = rng.random(n) < lonely
    has[alone, :] = has[:, alone] = False
    np.fill_diagonal(has, False)
    return sp.csr_matrix(has)


def draw_features(rng, n):
    width = int(rng.choice([1, 2, 3, 6, 7, 16, 17, 40, 130, 300]))
    x = rng.uniform(-1, 1, (n, width)) if rng.random() < 0.6 else rng.random((n, width))
    if rng.random() < 0.4:
        return x.astype(np.float32)
    x = sp.csr_matrix(np.where(rng.random((n, width)) < rng.choice([0, 0.03, 0.3]), x, 0).astype(np.float32))
    x.sort_indices()
    return x


def draw_splits(rng, n):
    order, n_train = rng.permutation(n), int(rng.choice([1, 2, max(n // 10, 1), max(n // 3, 1), n]))
    n_train = min(n_train, n)
    rest = order[n_train:]
    cut = int(rng.choice([0, len(rest) // 2, len(rest)]))
    used = int(rng.choice([len(rest), len(rest) * 2 // 3]))
    return np.sort(order[:n_train]), np.sort(rest[:min(cut, used)]), np.sort(rest[cut:max(cut, used)])


def draw_graph(rng):
    n = int(rng.choice([1, 2, 3, 6, 20, 60, 150, 300], p=[.03, .04, .05, .08, .25, .25, .2, .1]))
    csr, classes = draw_adjacency(rng, n), int(rng.choice([1, 2, 3, 4, 7, 17, 40], p=[.04, .16, .3, .2, .15, .1, .05]))
    train, val, test = draw_splits(rng, n)
    labels = rng.integers(0, classes, n)
    absent = rng.integers(0, classes)
    if rng.random() < 0.3 and classes > 1:  # a class that is not trained
        labels[train] = np.where(labels[train] == absent, (absent + 1) % classes, labels[train])
    unused = np.setdiff1d(np.arange(n), np.concatenate([train, val, test]))
    labels[unused] = np.where(rng.random(len(unused)) < 0.5, -1, labels[unused])
    graph = graphs.Graph(csr.indptr, csr.indices, draw_features(rng, n), labels, train, val, test, classes)
    graph.edge_weight = (rng.random(csr.nnz) * rng.choice([1, 5])).astype(np.float32)
    graph.edge_weight[rng.random(csr.nnz) < 0.1] = 0
    graph.edge_features = rng.uniform(-1, 1, (csr.nnz, int(rng.integers(1, 6)))).astype(np.float32)
    if rng.random() < 0.25:
        graph.labels = (rng.random((n, classes)) < rng.uniform(0, 0.8, classes)).astype(np.int32)
    return graph


def draw_options(rng, graph):
    def one_of(*values, p=None):
        return values[rng.choice(len(values), p=p)]

    def maybe(p, *values, else_=0):
        return one_of(*values) if rng.random() < p else else_

    model = one_of("gat", "gatv2", "gcn", "sage", "mlp", p=[.32, .32, .15, .15, .06])
    attention, several = model.startswith("gat"), graph.labels.ndim == 2
    sparse, positive = sp.issparse(graph.x), graph.x.min() >= 0
    layers, dropped = one_of(1, 2, 3, 4, 5, 8, p=[.1, .3, .3, .15, .1, .05]), rng.random() < 0.5
    hidden = one_of(1, 2, 3, 5, 8, 13, 16, 17, 33, 50, 64, 70, 250)
    norms = ("none", "batch", "layer") if layers > 1 else ("none",)
    labels = maybe(0.25, 0.3, 0.6, 0.95)
    dropout = maybe(dropped, 0, 0.1, 0.5, 0.8)
    return {
        "model": model, "layers": layers, "hidden": hidden,
        "heads": one_of(1, 2, 3, 4, 5, 6, 7, 8, 11) % (5 if hidden > 70 else 12) or 1 if attention else 1,
        "out-heads": one_of(1, 1, 2, 3, 5, 6, 7, 8) if attention else 1,
        "dropout": dropout, "input-dropout": maybe(0.5, 0, 0.3, 0.7) if dropped else 0,
        "attention-dropout": maybe(0.5, 0.2, 0.6) if attention and dropped else 0,
        "edge-dropout": maybe(0.4, 0.3, 0.9) if attention and dropped else 0,
        "negative-slope": one_of(0.2, 0.2, 0, 0.01, 1, -0.3, 1.5) if attention else 0.2,
        "activation": one_of("elu", "relu"), "residual": rng.random() < 0.4, "norm": one_of(*norms),
        "edge-attributes": one_of("none", "weight", "features") if attention else maybe(0.5, "weight", else_="none")
        if model == "gcn" else "none",
        "attention-target": maybe(0.3, "off", else_="on") if model == "gat" else "on",
        "symmetric-norm": attention and rng.random() < 0.3,
        "use-labels": labels, "label-iterations": one_of(0, 1, 2) if labels else 0,
        "normalize": maybe(0.2, *(["row"] if positive else []), *([] if sparse else ["standardize"]), "none", else_="none"),
        "loss": one_of("auto", "bce") if several else one_of("ce", "log-ce", "auto"),
        "label-smoothing": 0 if several else maybe(0.3, 0.1, 0.5), "class-weights": maybe(0.3, "balanced", else_="none"),
        "optimizer": one_of("adam", "adamw", "rmsprop"), "lr": one_of(0.002, 0.01, 0.03),
        "weight-decay": one_of(0, 5e-4, 0.1), "warmup": maybe(0.3, 3, 20), "lr-schedule": maybe(0.3, "cosine", else_="constant"),
        "clip-norm": maybe(0.3, 1e-3, 0.1, 10), "epochs": EPOCHS, "eval-every": one_of(1, 3),
        "first-halo": one_of("auto", "exchange", "fetch"), "prune": one_of("on", "on", "off"),
        "threads": one_of(1, 2), "seed": int(rng.integers(0, 1000)),
        "message-dropout": maybe(0.4, 0.2, 0.6) if model == "gat" and dropped else 0,
    }


def draw_weights(rng, o, graph):
    edge_dim = {"none": 0, "weight": 1, "features": graph.edge_features.shape[1]}[o["edge-attributes"]]
    width = graph.x.shape[1] + (graph.classes if o["use-labels"] else 0)
    weights, plain = {}, rng.random() < 0.3  # plain: as models begin
    for name, shape in reference.layer_shapes(o, width, graph.classes, edge_dim if o["model"] != "gcn" else 0).items():
        scale = np.sqrt(6 / (shape[0] + shape[-1])) if len(shape) > 1 else 0.3
        value = rng.uniform(-scale, scale, shape) * (0 if plain and len(shape) == 1 else 1)
        if name.startswith("norm") and name.endswith((".weight", "var")):
            value = 1 + value
        weights[name] = value.astype(np.float32)
    return weights


def typed(o):
    """Without what only attention has where there is none."""
    given = []
    for name, value in o.items():
        if value is True:
            given.append("--" + name)
        elif value is not False and (o["model"].startswith("gat") or name not in ("heads", "out-heads")):
            given += ["--" + name, value]
    return given


# ---- what is compared ----

class Trial:
    def __init__(self, seed, folder):
        rng = np.random.default_rng(seed)
        self.rng, self.folder, self.faults = rng, folder, []
        self.graph = draw_graph(rng)
        self.o = draw_options(rng, self.graph)
        self.weights = draw_weights(rng, self.o, self.graph)
        self.graph.write(self.path("graph.h5"))
        graphs.write_weights(self.path("init.h5"), self.weights)
        self.want = self.refer(self.weights)
        shaken = {name: w * (1 + 1e-13 * rng.standard_normal(w.shape)) for name, w in self.weights.items()}
        self.rounded = {True: self.refer(self.weights, torch.float32), False: self.refer(shaken)}  # by single precision

    def path(self, name):
        return os.path.join(self.folder, name)

    def refer(self, weights, dtype=torch.float64):
        net = reference.Model(self.graph, self.o, weights, dtype)
        logits, _, _ = net.evaluate(self.graph.train)
        found = net.train(self.o["seed"])
        ends = [net.evaluate(nodes)[:2] for nodes in (self.graph.train, self.graph.val, self.graph.test)]
        return {**found, "logits": logits.numpy(), "end": ends[0][0].numpy(), "test_loss": ends[2][1], "weights": net.values()}

    def close(self, what, got, want, bound):
        got, want = np.asarray(got, float), np.asarray(want, float)
        if got.shape != want.shape:
            self.faults.append(f"{what}: shape {got.shape} instead of {want.shape}")
        elif got.size and not np.abs(got - want).max() <= bound:
            self.faults.append(f"{what}: differs by {np.abs(got - want).max():.2e}, bound {bound:.2e}")

    def run(self, *arguments, ranks):
        done = program.run(*arguments, ranks=ranks)
        if done.returncode != 0:
            raise AssertionError(f"ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def train(self, ranks, *more):
        self.run("train", self.path("graph.h5"), *typed(self.o), "--init", self.path("init.h5"), "--save", self.path("model.h5"),
                 "--log", self.path("log.jsonl"), "--save-gradients", self.path("grads.h5"), "--quiet", *more, ranks=ranks)

    def logits(self, which, ranks):
        self.run("predict", self.path("graph.h5"), "--model-file", self.path("model.h5"), "--out", self.path("out.h5"),
                 "--weights", which, ranks=ranks)
        with h5py.File(self.path("out.h5")) as f:
            return f["logits"][:]

    def slack(self, what, single, name=None):
        """What PyTorch's own rounding comes to, many times over."""
        got, want = self.rounded[single][what], self.want[what]
        got, want = (got, want) if name is None else (got[name], want[name])
        return MANY * np.abs(np.asarray(got, float) - np.asarray(want, float)).max(initial=0)

    def is_steady(self, single):
        """Whether what follows the first step can be told from rounding. Gradients of scores that are none at all, as of a
        node's only edge, come out as rounding under attention dropout, and optimizers take their sign."""
        slack = max(self.slack(what, single) for what in ("loss", "end"))
        return slack < 1e-2 and not (single and self.o["attention-dropout"])

    def check_gradients(self, bound, single):
        got, want = graphs.read_weights(self.path("grads.h5"), "grads"), self.want["grads"]
        if set(got) != set(want):
            self.faults.append(f"gradients: of {sorted(set(got) ^ set(want))}")
            return
        most = max(np.abs(value).max() for value in want.values())
        for name, value in want.items():
            largest = np.abs(value).max()
            floor = max((0.1 if single else 1e-3) * most, 1e-4)
            off = self.slack("grads", single, name)
            self.close("gradient of " + name, got[name], value, max(bound * max(largest, floor), off))

    def check_figure(self, name, got, want, bound):
        """One that may be none."""
        want = want if want is not None and np.isfinite(want) else None
        if got is None or want is None:
            if got is not want:
                self.faults.append(f"{name}: {got} instead of {want}")
            return
        self.close(name, got, want, bound * max(1, want))

    def check_log(self, bounds, single):
        """Losses; accuracies where no rounding decides them."""
        lines, want = program.read_log(self.path("log.jsonl"), "epoch"), self.want
        losses, got = np.array(want["loss"]), np.array([line["train_loss"] for line in lines])
        scale = np.maximum(np.abs(losses), 1e-2)
        first = max(bounds["losses"], self.slack("loss", single, 0) / scale[0])
        self.close("first loss, relative", got[0] / scale[0], losses[0] / scale[0], first)
        if not self.is_steady(single):
            return
        bound, end = max(bounds["losses"], self.slack("loss", single) / scale.min()), max(bounds["end"], self.slack("end", single))
        self.close("losses, relative", got / scale, losses / scale, bound)
        for line, acc, (val, val_acc) in zip(lines, want["acc"], want["val"]):
            self.check_figure(f"val_loss of epoch {line['epoch']}", line["val_loss"], val, end)
            for name, told in (("train_acc", acc), ("val_acc", val_acc)):
                if told is None or (not told[1] and self.slack("end", single) < 1e-4):
                    self.check_figure(f"{name} of epoch {line['epoch']}", line[name], told and told[0], 1e-6)
        self.check_figure("test_loss", program.read_log(self.path("log.jsonl"), "result")[0]["test_loss"], want["test_loss"], end)

    def check(self, single, ranks):
        bounds = ROUNDED if single else PRECISE
        if self.o["normalize"] != "none":  # which rounds features once, in either precision
            bounds = {name: max(bound, 2e-6) for name, bound in bounds.items()}
        self.train(ranks)
        self.check_gradients(bounds["grads"], single)
        self.check_log(bounds, single)
        for which, name in (("initial", "logits"), ("trained", "end"))[:1 + self.is_steady(single)]:
            got = self.logits(which, ranks if which == "trained" else None)
            bound = max(bounds[name] * max(1, np.abs(self.want[name]).max()), self.slack(name, single))
            self.close(f"{which} logits", got, self.want[name], bound)
        got = graphs.read_weights(self.path("model.h5"))
        for name, value in self.want["weights"].items() if self.is_steady(single) else ():
            if "running" not in name and (single or not np.any(self.want["grads"][name])):
                continue  # which decay alone moves, if not rounding
            bound = bounds["statistics"]
            off = self.slack("weights", single, name)
            self.close(f"{name} at the end", got[name], value, max(bound * max(1, np.abs(value).max()), off))

    def check_tables(self, ranks):
        """Rows that edges gather rounded to bf16: the first step is near, and no further."""
        self.train(ranks, "--table-type", "bf16")
        most = max(np.abs(value).max() for value in self.want["grads"].values())
        most *= 5 if self.o["norm"] == "batch" else 1  # whose gradients are small differences
        got, loss = graphs.read_weights(self.path("grads.h5"), "grads"), program.losses(self.path("log.jsonl"))[0]
        for name, value in self.want["grads"].items():
            self.close("gradient of " + name, got[name], value, max(COARSE * most, 1e-4, self.slack("grads", True, name)))
        self.close("first loss", loss, self.want["loss"][0], COARSE * max(1, self.want["loss"][0]))
        bound = max(COARSE * max(1, np.abs(self.want["logits"]).max()), self.slack("logits", True))
        self.close("initial logits", self.logits("initial", ranks), self.want["logits"], bound)

    def check_resume(self, ranks):
        """Ended in the middle and gone on with: the same bits."""
        self.train(ranks)
        want, losses = graphs.read_weights(self.path("model.h5")), program.losses(self.path("log.jsonl"))
        state = ("--checkpoint", self.path("state.h5"), "--checkpoint-every", KEPT, "--resume")
        with unittest.mock.patch.dict(os.environ, DISTGAT_FAULT=f"log.write:0:{KEPT + 2}"):
            with contextlib.suppress(AssertionError):
                self.train(ranks, *state)
        if not os.path.exists(self.path("state.h5")):
            self.faults.append("no checkpoint")
        self.train(ranks, *state)
        for name in ("state.h5", "state.h5.previous"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(self.path(name))
        got = graphs.read_weights(self.path("model.h5"))
        for name in want:
            self.close(f"resumed {name}", got[name], want[name], 0)
        self.close("resumed losses", program.losses(self.path("log.jsonl")), losses, 0)

    def all(self, ranks):
        """Each way that the program is run, and what is wrong with it."""
        some = [None, *self.rng.choice(ranks, 2)]
        simd = str(self.rng.choice(SIMD))
        ways = [("double", DOUBLE, some[0]), ("double", DOUBLE, int(some[1])), (simd, SINGLE, int(some[2]))]
        if self.rng.random() < 0.2:
            ways.append(("resumed " + simd, SINGLE, int(some[1])))
        if self.o["model"] != "mlp" and not self.o["message-dropout"] and self.rng.random() < 0.4:
            ways.append(("bf16 tables " + simd, SINGLE, int(some[1])))
        for name, path, on in ways:
            self.faults = []
            simd_now = {} if name == "double" else {"DISTGAT_SIMD": name.split()[-1]}
            with unittest.mock.patch.object(program, "DISTGAT", path), unittest.mock.patch.dict(os.environ, simd_now):
                try:
                    checks = {"resumed": self.check_resume, "bf16": self.check_tables}
                    checks.get(name.split()[0], lambda on: self.check(path == SINGLE, on))(on)
                except AssertionError as error:
                    self.faults.append(str(error))
            yield f"{name} on {on or 'no'} ranks", self.faults


def describe(trial):
    g = trial.graph
    form = "sparse" if sp.issparse(g.x) else "dense"
    labels = f"{g.classes} classes" + " of which a node has several" * (g.labels.ndim == 2)
    return (f"{g.n} nodes, {len(g.indices)} edges, {form} {g.x.shape[1]}, {labels}, {len(g.train)}/{len(g.val)}/{len(g.test)}; "
            + " ".join(map(str, typed(trial.o))))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the first trial; each next one has the next")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--ranks", type=lambda text: tuple(map(int, text.split(","))), default=RANKS)
    parser.add_argument("--keep", metavar="FOLDER", help="leaves the last trial's files there")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="distgat-differential-") as scratch:
        folder = chosen.keep or scratch
        os.makedirs(folder, exist_ok=True)
        for seed in range(chosen.seed, chosen.seed + chosen.trials):
            trial = Trial(seed, folder)
            wrong = [f"  {way}: {fault}" for way, faults in trial.all(chosen.ranks) for fault in faults[:8]]
            failed += bool(wrong)
            print(f"\r{seed}", end="", file=sys.stderr, flush=True)
            if wrong:
                print(f"seed {seed}: {describe(trial)}", *wrong, sep="\n", flush=True)
    print(f"{chosen.trials - failed} of {chosen.trials} trials agree")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
