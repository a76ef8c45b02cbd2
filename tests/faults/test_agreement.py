#!/usr/bin/env python3
"""Ranks that were not given the same: exit 2 and one line that says what differs and where, before work starts."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

BAD = 2
NODES = 60
LIST = "0," * 300  # longer than any room of one size
LONG = "./" * 400
TRAIN = ("train", "G.h5", "--epochs", 2, "--quiet")


def small_graph(n=NODES, dense=True):
    return graphs.random_graph(n, dense=dense, symmetric=True, seed=5)


def set_entry(name, index, value):
    def edit(f):
        f[name][index] = value
    return edit


def other_edge(f):
    """The first node whose first in-neighbour can be another gets it."""
    indptr, indices = f["graph/indptr"][:], f["graph/indices"]
    for i in range(NODES):
        if indptr[i] < indptr[i + 1] and indices[indptr[i]] > 1 and i > 1:
            indices[indptr[i]] = 0
            return


def other_training_nodes(f):
    del f["splits/public/train"]
    f["splits/public/train"] = np.arange(20)


def second_split(f):
    f.move("splits/public", "splits/private")


def damage(f):
    f["features/dense"][NODES - 1, 5] = np.nan


# What is done to the copy of one rank, and what the line says. Node 59 is read by the last rank alone.
COPIES = {
    "first_feature": (set_entry("features/dense", (0, 0), 7), "has features of checksum"),
    "last_feature": (set_entry("features/dense", (NODES - 1, 5), 7), "has features of checksum"),
    "edge": (other_edge, "has edges of checksum"),
    "label": (lambda f: set_entry("labels", 30, (f["labels"][30] + 1) % 3)(f), "has labels of checksum"),
    "training_nodes": (other_training_nodes, "train nodes of checksum"),
    "split": (second_split, "has split private"),
    "classes": (lambda f: f.attrs.__setitem__("num_classes", 4), "has 4 classes"),
    "damage": (damage, "features must be finite"),
}
# The same, as whole graphs.
GRAPHS = {
    "larger": (small_graph(NODES + 7), "has 67 nodes"),
    "smaller": (small_graph(NODES - 7), "has 53 nodes"),
    "sparse": (small_graph(dense=False), "has sparse features"),
    "absent": (None, "absent.h5: no such file"),
}
# What one rank is given instead, and what the line says of it.
OPTIONS = {
    "epochs": ((*TRAIN[:3], 3, "--quiet"), "has --epochs 3, rank 0"),
    "lr": ((*TRAIN, "--lr", 0.01), "has --lr 0.01, rank 0"),
    "splits": ((*TRAIN, "--split", "all"), "has --split all"),
    "model": ((*TRAIN, "--model", "gcn"), "has --model gcn, rank 0"),
    "recipe": ((*TRAIN, "--recipe", "gat-paper"), "options: rank "),
    "partition": ((*TRAIN, "--partition", "P.h5"), "has --partition P.h5, rank 0"),
    "save": ((*TRAIN, "--save", "M.h5"), "has --save M.h5, rank 0"),
    "verb": (("bench", "G.h5", "--steps", 1, "--quiet"), "has verb bench, rank 0"),
    "no_verb": (("benhc", "G.h5"), "has verb benhc, rank 0"),
    "help": (("train", "--help"), "has --help, rank 0"),
    "print_config": ((*TRAIN, "--print-config"), "has --print-config, rank 0"),
    "bad_option": ((*TRAIN, "--lr", -1), "--lr must be above 0"),
}


class Agreement(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        small_graph().write(cls.path("G.h5"))
        small_graph().write(cls.path("same.h5"))
        for name, (edit, _) in COPIES.items():
            small_graph().write(cls.path(name + ".h5"))
            with h5py.File(cls.path(name + ".h5"), "r+") as f:
                edit(f)
        for name, (graph, _) in GRAPHS.items():
            if graph:
                graph.write(cls.path(name + ".h5"))

    def run_apart(self, usual, other, odd, ranks, folder="."):
        """Rank `odd` runs `other` in `folder`, all others `usual`."""
        parts = ((odd, usual), (1, other, self.path(folder)), (ranks - odd - 1, usual))
        return program.launch(*(part for part in parts if part[0] > 0), timeout=30, cwd=self.folder.name)

    def check_refused(self, other, message, odd, ranks, usual=TRAIN):
        with self.subTest(other=other, odd=odd, ranks=ranks):
            done = self.run_apart(usual, other, odd, ranks)
            self.assertEqual(done.returncode, BAD, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(message, done.stderr)
            self.assertEqual(done.stdout, "")
            self.assertFalse(os.path.exists(self.path("M.h5")))

    def check_graph(self, name, message, odd, ranks):
        self.check_refused(("train", name + ".h5", *TRAIN[2:]), message, odd, ranks)

    def test_other_copies_are_refused(self):
        for name, (_, message) in COPIES.items():
            self.check_graph(name, message, 1, 2)
        self.check_graph("first_feature", COPIES["first_feature"][1], 1, 3)
        self.check_graph("last_feature", COPIES["last_feature"][1], 4, 7)

    def test_other_graphs_are_refused(self):
        for name, (_, message) in GRAPHS.items():
            self.check_graph(name, message, 2, 3)
        self.check_graph("smaller", GRAPHS["smaller"][1], 6, 7)

    def test_a_first_rank_apart_is_told_by_the_next(self):
        self.check_graph("larger", "rank 1 on ", 0, 3)
        self.check_graph("absent", GRAPHS["absent"][1], 0, 2)

    def test_other_options_are_refused(self):
        for name, (other, message) in OPTIONS.items():
            self.check_refused(other, message, 1, 2)
        self.check_refused(OPTIONS["lr"][0], "rank 5 on ", 5, 7)

    def test_other_options_of_other_verbs_are_refused(self):
        predict = ("predict", "G.h5", "--model-file", "M1.h5", "--out", "O.h5")
        for usual, other, message in (
                (predict, (*predict, "--attention"), "has --attention, rank 0"),
                ((*predict, "--attention", "--nodes", LIST + "1"), (*predict, "--attention", "--nodes", LIST + "2"),
                 "has --nodes 0,"),
                ((*predict, "--attention", "--ids", "a"), (*predict, "--attention", "--ids", "b"), "has --ids b, rank 0"),
                (("bench", "G.h5", "--steps", 1), ("bench", "G.h5", "--steps", 2), "has --steps 2, rank 0"),
                (("partition", "G.h5", "--parts", 2, "--out", "Q.h5"),
                 ("partition", "G.h5", "--parts", 3, "--out", "Q.h5"), "has --parts 3, rank 0"),
                (("partition", "G.h5", "--parts", 2, "--method", "multilevel", "--out", "Q.h5"),
                 ("partition", "G.h5", "--parts", 2, "--method", "multilevel", "--seed", 1, "--out", "Q.h5"),
                 "has --seed 1, rank 0"),
                (("generate", "--preset", "cora", "--out", LONG + "a.h5"),
                 ("generate", "--preset", "cora", "--out", LONG + "b.h5"), "b.h5, rank 0"),
                (("generate", "--preset", "cora", "--out", "N.h5"),
                 ("generate", "--preset", "cora", "--seed", 1, "--out", "N.h5"), "has --seed 1, rank 0")):
            self.check_refused(other, message, 1, 2, (*usual, "--quiet"))

    def test_models_and_partitions_are_read_once(self):
        """Rank 1 works where there is another model, and no partition."""
        graph, apart = self.path("G.h5"), self.path("apart")
        os.mkdir(apart)
        program.distgat("partition", graph, "--parts", 3, "--method", "random", "--out", self.path("P1.h5"), "--quiet")
        for seed, folder in ((1, self.folder.name), (2, apart)):
            program.distgat("train", graph, "--epochs", 0, "--seed", seed, "--save", f"{folder}/M1.h5", "--quiet")
        train = ("train", graph, *TRAIN[2:], "--init", "M1.h5", "--partition", "P1.h5", "--save", "M2.h5")
        predict = ("predict", graph, "--model-file", "M1.h5", "--partition", "P1.h5", "--out", "O.h5", "--quiet")
        found = []
        for folder in (".", "apart"):
            for arguments in (train, predict):
                done = self.run_apart(arguments, list(arguments), 1, 3, folder)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
            with h5py.File(self.path("M2.h5")) as m, h5py.File(self.path("O.h5")) as o:
                found.append(np.concatenate([m["weights/conv1.att"][:].ravel(), o["logits"][:].ravel()]))
            os.remove(self.path("M2.h5"))
            os.remove(self.path("O.h5"))
        np.testing.assert_array_equal(found[0], found[1])

    def test_copies_that_are_the_same_are_taken(self):
        logs = []
        for graph in ("G.h5", "same.h5"):
            usual = (*TRAIN, "--log", f"{graph}.jsonl")
            done = self.run_apart(usual, ("train", graph, *usual[2:], "--threads", 2), 1, 3)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            logs.append(program.losses(self.path(f"{graph}.jsonl")))
        self.assertEqual(logs[0], logs[1])


if __name__ == "__main__":
    program.main()
