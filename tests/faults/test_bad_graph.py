#!/usr/bin/env python3
"""Broken graph files: `info` ends with exit code 2 and one line that says what is wrong where."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

N, F, CLASSES = 30, 6, 3  # node 0 is a hub: its neighbours are 1, 2, 3 and so on


def put(name, index, value):
    def edit(f):
        f[name][index] = value
    return edit


def replace(name, change):
    def edit(f):
        data = f[name][()]
        del f[name]
        f[name] = change(data)
    return edit


def remove(name):
    def edit(f):
        del f[name]
    return edit


def attribute(name, value):
    def edit(f):
        if value is None:
            del f.attrs[name]
        else:
            f.attrs[name] = value
    return edit


def wide(index, value):
    """Neighbours as int64, one of them beyond 32 bits."""
    def edit(f):
        replace("graph/indices", lambda ids: ids.astype(np.int64))(f)
        f["graph/indices"][index] = value
    return edit


def unlabelled(f):
    f["labels"][f["splits/public/train"][0]] = -1


def shift(f):
    f["graph/indptr"][:] = f["graph/indptr"][:] + 1


FAULTS = {
    "no_format": (attribute("format", None), "is no graph file"),
    "other_format": (attribute("format", "distgat-weights"), "is no graph file"),
    "format_number": (attribute("format", 3), "is no graph file"),
    "version_2": (attribute("version", 2), "version 2"),
    "version_text": (attribute("version", "1"), "version must be a number"),
    "no_name": (attribute("name", None), "attribute name is missing"),
    "no_classes": (attribute("num_classes", 0), "num_classes is 0"),
    "half_a_class": (attribute("num_classes", 2.5), "num_classes must be an integer"),
    "list_of_classes": (attribute("num_classes", [3, 3]), "num_classes must hold one value"),
    "more_features": (attribute("num_features", 5), "columns go from 0 to 4"),
    "no_indptr": (remove("graph/indptr"), "graph/indptr is missing"),
    "no_indices": (remove("graph/indices"), "graph/indices is missing"),
    "no_labels": (remove("labels"), "has no labels"),
    "no_features": (remove("features"), "has no features"),
    "no_values": (remove("features/values"), "features/values is missing"),
    "no_test_list": (remove("splits/public/test"), "splits/public/test is missing"),
    "labels_as_group": (lambda f: (remove("labels")(f), f.create_group("labels")), "labels is not a data set"),
    "labels_as_text": (replace("labels", lambda y: [str(c) for c in y]), "labels must hold numbers"),
    "labels_as_table": (replace("labels", lambda y: y[:, None]), "labels has 2 dimensions"),
    "labels_as_reals": (replace("labels", lambda y: y * 1.0), "labels must hold integers"),
    "few_labels": (replace("labels", lambda y: y[:-1]), "labels has 29 entries, it must have 30"),
    "short_indptr": (replace("graph/indptr", lambda p: p[:1]), "graph/indptr has 1 entries"),
    "few_values": (replace("features/values", lambda x: x[:-1]), "features/values has"),
    "edge_to_nowhere": (put("graph/indices", 0, N), "graph/indices[0] is 30, but nodes go from 0 to 29"),
    "edge_to_negative": (put("graph/indices", 0, -1), "graph/indices[0] is -1"),
    "edge_beyond_int32": (wide(2, 2**40), "graph/indices[2] is 1099511627776"),
    "self_loop": (put("graph/indices", 0, 0), "node 0 is its own in-neighbour"),
    "twice": (put("graph/indices", 0, 2), "node 0 has in-neighbour 2 twice"),
    "unsorted": (put("graph/indices", 0, 5), "node 0 has in-neighbour 2 out of order"),
    "indptr_falls": (put("graph/indptr", 2, 0), "graph/indptr[2] is 0"),
    "indptr_beyond": (put("graph/indptr", N, 10**6), "graph/indptr[30] is 1000000"),
    "indptr_shifted": (shift, "graph/indptr[0] is 1"),
    "indptr_negative": (put("graph/indptr", 0, -5), "graph/indptr[0] is -5"),
    "edges_missing": (replace("graph/indices", lambda ids: ids[:-1]), "graph/indptr[30]"),
    "label_too_large": (put("labels", 5, CLASSES), "node 5 has label 3"),
    "label_too_small": (put("labels", 5, -2), "node 5 has label -2"),
    "label_missing": (unlabelled, "has no label"),
    "nan": (put("features/values", 0, np.nan), "NaN at node 0"),
    "infinity": (put("features/values", 0, -np.inf), "infinity at node 0"),
    "column_beyond": (put("features/indices", 0, F), "features/indices[0] is 6, but columns go from 0 to 5"),
    "column_twice": (lambda f: f["features/indices"].write_direct(np.zeros_like(f["features/indices"])), "twice"),
    "split_beyond": (put("splits/public/train", 0, N), "splits/public/train[0] is 30"),
    "split_negative": (put("splits/public/val", 0, -1), "splits/public/val[0] is -1"),
    "split_as_mask": (replace("splits/public/test", lambda ids: np.ones(N, bool)), "splits/public/test must hold"),
}


SEVERAL = {
    "no_task": (attribute("task", None), "labels has 2 dimensions, as for several labels a node"),
    "other_task": (attribute("task", "regression"), "root attribute task must be multilabel"),
    "task_number": (attribute("task", 3), "task must be a string"),
    "list": (replace("labels", lambda y: y[:, 0]), "labels must have the shape [30, 3]"),
    "fewer_nodes": (replace("labels", lambda y: y[:-1]), "labels must have the shape [30, 3]"),
    "fewer_classes": (replace("labels", lambda y: y[:, 1:]), "labels must have the shape [30, 3]"),
    "deep": (replace("labels", lambda y: y[:, :, None]), "labels must have the shape [30, 3]"),
    "wide": (replace("labels", lambda y: y.astype(np.int64)), "labels must hold uint8, 0 or 1"),
    "signed": (replace("labels", lambda y: y.astype(np.int8)), "labels must hold uint8, 0 or 1"),
    "reals": (replace("labels", lambda y: y * 1.0), "labels must hold uint8, 0 or 1"),
    "two": (put("labels", (7, 1), 2), "node 7 has 2 for class 1"),
    "last": (put("labels", (29, 2), 255), "node 29 has 255 for class 2"),
}


class BadGraph(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.graph = graphs.random_graph(N, features=F, classes=CLASSES, degree=3, hub=True, symmetric=True, seed=11)

    def refuses(self, path, words):
        done = program.run("info", path, timeout=20)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(os.path.basename(path), done.stderr)
        self.assertIn(words, done.stderr)
        self.assertEqual(done.stdout, "")

    def test_faults(self):
        path = self.path("bad.h5")
        for name, (edit, words) in FAULTS.items():
            self.graph.write(path)
            with h5py.File(path, "r+") as f:
                edit(f)
            with self.subTest(name=name):
                self.refuses(path, words)

    def test_several_labels(self):
        """By `info`, and by `train`, where each rank reads a block of rows."""
        path = self.path("several.h5")
        several = graphs.with_several(graphs.random_graph(N, features=F, classes=CLASSES, seed=11))
        for name, (edit, words) in SEVERAL.items():
            several.write(path)
            with h5py.File(path, "r+") as f:
                edit(f)
            with self.subTest(name=name):
                self.refuses(path, words)
                done = program.run("train", path, "--epochs", 1, ranks=3, timeout=30)
                self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
                self.assertIn(words, done.stderr)

    def test_dense_faults(self):
        path = self.path("dense.h5")
        dense = graphs.random_graph(N, features=F, classes=CLASSES, dense=True, seed=2)
        for name, edit, words in (
                ("nan", put("features/dense", (4, 2), np.nan), "NaN at node 4, column 2"),
                ("beyond_float", replace("features/dense", lambda x: x + 1e300), "infinity at node 0, column 0"),
                ("transposed", replace("features/dense", lambda x: x.T), "must have the shape [30, 6]")):
            dense.write(path)
            with h5py.File(path, "r+") as f:
                edit(f)
            with self.subTest(name=name):
                self.refuses(path, words)

    def test_damaged_files(self):
        good, bad = self.path("good.h5"), self.path("damaged.h5")
        self.graph.write(good)
        with open(good, "rb") as f:
            content = f.read()
        for size, words in ((0, "is not an HDF5 file"), (7, "is not an HDF5 file"), (60, "damaged"),
                            (len(content) // 2, "truncated"), (len(content) - 1, "truncated")):
            with open(bad, "wb") as f:
                f.write(content[:size])
            with self.subTest(size=size):
                self.refuses(bad, words)
        self.refuses(self.path("absent.h5"), "no such file")
        self.refuses(self.folder.name, "is a directory")

    def test_odd_but_good(self):
        """What other programs write as well: wide ids, wide reals, strings of fixed length, empty lists of reals."""
        path = self.path("odd.h5")
        self.graph.write(path)
        with h5py.File(path, "r+") as f:
            replace("graph/indices", lambda ids: ids.astype(np.int64))(f)
            replace("graph/indptr", lambda p: p.astype(np.int32))(f)
            replace("features/values", lambda x: x.astype(np.float64))(f)
            replace("labels", lambda y: y.astype(np.int64))(f)
            replace("splits/public/val", lambda ids: np.array([]))(f)
            f.attrs["format"] = np.bytes_("distgat-graph")
            f.attrs["name"] = "K\u00f6ln"
            f.attrs["version"] = np.uint8(1)
            f.attrs["num_classes"] = 3.0
        self.assertIn('"name":"K\u00f6ln"', program.distgat("info", path, "--json"))


if __name__ == "__main__":
    program.main()
