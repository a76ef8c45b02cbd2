#!/usr/bin/env python3
"""The figures of `info` against counts made anew from awkward graphs."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import numpy as np  # noqa: E402
import scipy.sparse as sp  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

GRAPHS = {
    "directed": dict(n=40, degree=1, isolated=7, seed=1),
    "symmetric": dict(n=60, degree=2, isolated=5, symmetric=True, seed=2),
    "hub": dict(n=30, degree=1, hub=True, dense=True, seed=3),
    "no_edges": dict(n=9, degree=0, seed=4),
}


class Figures(program.Case):
    def test_counts(self):
        for name, sizes in GRAPHS.items():
            graph = graphs.random_graph(**sizes)
            graph.labels[:3] = -1
            for part in ("train", "val", "test"):  # nodes of a split need a label
                setattr(graph, part, getattr(graph, part)[getattr(graph, part) >= 3])
            graph.test = np.union1d(graph.test, graph.train[:2])  # known twice
            graph.write(self.path("graph.h5"))
            with self.subTest(graph=name):
                self.check(graph, json.loads(program.distgat("info", self.path("graph.h5"), "--json")))

    def check(self, graph, found):
        adjacency = sp.csr_matrix((np.ones(len(graph.indices)), graph.indices, graph.indptr), (graph.n, graph.n))
        degree, out_degree = np.diff(graph.indptr), np.asarray(adjacency.sum(axis=0)).ravel()
        x = graph.x.toarray() if sp.issparse(graph.x) else graph.x
        want = dict(nodes=graph.n, edges=len(graph.indices), features=x.shape[1], classes=graph.classes,
                    undirected=abs(adjacency - adjacency.T).nnz == 0, self_loops=0,
                    isolated_nodes=int(((degree == 0) & (out_degree == 0)).sum()), max_degree=int(degree.max()),
                    nonzero_features=int(np.count_nonzero(x)), unlabelled_nodes=3)
        self.assertEqual({key: found[key] for key in want}, want)
        self.assertAlmostEqual(found["average_degree"], len(graph.indices) / graph.n, 9)
        self.assertEqual(found["class_counts"], np.bincount(graph.labels[3:], minlength=graph.classes).tolist())
        self.assertEqual({int(d): n for d, n in found["degree_histogram"].items()},
                         {d: n for d, n in enumerate(np.bincount(degree).tolist()) if n})
        split = found["splits"]["public"]
        for part in ("train", "val", "test"):
            self.assertEqual(split[part], len(getattr(graph, part)), part)
        self.assertEqual(split["overlaps"], {"train_val": 0, "train_test": 2, "val_test": 0})


if __name__ == "__main__":
    program.main()
