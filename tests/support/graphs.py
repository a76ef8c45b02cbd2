"""Graph and weight files for tests: small graphs with awkward shapes, written and read with h5py."""
import h5py
import numpy as np
import scipy.sparse as sp


class Graph:
    """In-neighbours as CSR (indptr, indices), features x (dense array or CSR), labels, and the ids of each split;
    edge_weight [E] and edge_features [E, D], in the order of indices, where edges have them."""

    edge_weight = edge_features = None

    def __init__(self, indptr, indices, x, labels, train, val, test, classes, name="test"):
        self.indptr, self.indices = np.asarray(indptr, np.int64), np.asarray(indices, np.int32)
        self.x, self.labels, self.classes, self.name = x, np.asarray(labels, np.int32), int(classes), name
        self.train, self.val, self.test = (np.asarray(ids, np.int64) for ids in (train, val, test))

    @property
    def n(self):
        return len(self.indptr) - 1

    def write(self, path):
        with h5py.File(path, "w") as f:
            f.attrs.update(format="distgat-graph", version=1, name=self.name, num_classes=self.classes,
                           num_features=self.x.shape[1])
            f["graph/indptr"], f["graph/indices"] = self.indptr, self.indices
            if sp.issparse(self.x):
                f["features/indptr"] = self.x.indptr.astype(np.int64)
                f["features/indices"] = self.x.indices.astype(np.int32)
                f["features/values"] = self.x.data.astype(np.float32)
            else:
                f["features/dense"] = self.x.astype(np.float32)
            f["labels"] = self.labels if self.labels.ndim == 1 else self.labels.astype(np.uint8)
            if self.labels.ndim == 2:
                f.attrs["task"] = "multilabel"
            for which in ("weight", "features"):
                if getattr(self, f"edge_{which}") is not None:
                    f[f"edges/{which}"] = getattr(self, f"edge_{which}").astype(np.float32)
            for split in ("train", "val", "test"):
                f[f"splits/public/{split}"] = getattr(self, split)

    def relabelled(self, new):
        """The same graph where node i is called new[i]."""
        old = np.argsort(new)
        rows = [np.arange(self.indptr[i], self.indptr[i + 1]) for i in old]
        edges = np.concatenate([row[np.argsort(new[self.indices[row]])] for row in rows])
        indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
        x = self.x[old]
        found = Graph(indptr, new[self.indices[edges]], x, self.labels[old], new[self.train], new[self.val],
                      new[self.test], self.classes, self.name)
        for which in ("edge_weight", "edge_features"):
            if getattr(self, which) is not None:
                setattr(found, which, getattr(self, which)[edges])
        return found


def read(path, split="public"):
    with h5py.File(path, "r") as f:
        n, columns = len(f["labels"]), int(f.attrs["num_features"])
        if "dense" in f["features"]:
            x = f["features/dense"][:]
        else:
            parts = [f["features/" + part][:] for part in ("values", "indices", "indptr")]
            x = sp.csr_matrix(tuple(parts), (n, columns))
        ids = [f[f"splits/{split}/{part}"][:] for part in ("train", "val", "test")]
        graph = Graph(f["graph/indptr"][:], f["graph/indices"][:], x, f["labels"][:], *ids, f.attrs["num_classes"])
        for which in f.get("edges", ()):
            setattr(graph, f"edge_{which}", f[f"edges/{which}"][:])
        return graph


def random_graph(n, features=6, classes=3, degree=3.0, dense=False, isolated=0, hub=False, symmetric=False, seed=0):
    """Directed unless symmetric; the last `isolated` nodes have no edges; a hub, node 0, is linked with all others."""
    rng = np.random.default_rng(seed)
    linked = n - isolated
    few = max(10**6 // n, 1)  # rows at a time: all pairs need not be in memory
    ends = [np.nonzero(rng.random((min(few, n - first), n)) < degree / max(linked, 1)) for first in range(0, n, few)]
    targets = np.concatenate([first + rows for first, (rows, _) in zip(range(0, n, few), ends)])
    sources = np.concatenate([columns for _, columns in ends])
    if hub:
        nodes, zeros = np.arange(n), np.zeros(n, int)
        targets, sources = np.concatenate([targets, zeros, nodes]), np.concatenate([sources, nodes, zeros])
    if symmetric:
        targets, sources = np.concatenate([targets, sources]), np.concatenate([sources, targets])
    kept = (targets != sources) & (targets < linked) & (sources < linked)
    csr = sp.csr_matrix((np.ones(np.count_nonzero(kept)), (targets[kept], sources[kept])), (n, n))
    csr.sum_duplicates()
    csr.sort_indices()
    x = rng.uniform(-1, 1, (n, features)).astype(np.float32)
    if not dense:
        x = sp.csr_matrix(np.where(rng.random((n, features)) < 0.3, x, 0))
        x.sort_indices()
    order = rng.permutation(n)
    part = max(n // 3, 1)
    return Graph(csr.indptr, csr.indices, x, rng.integers(0, classes, n), np.sort(order[:part]),
                 np.sort(order[part:2 * part]), np.sort(order[2 * part:]), classes)


def with_several(graph, seed=0):
    """The graph with any number of labels a node: 0 and 1 [N, C], the first class rare, the last one nobody's."""
    rng = np.random.default_rng(seed)
    share = np.linspace(0.1, 0.7, graph.classes)
    graph.labels = (rng.random((graph.n, graph.classes)) < share).astype(np.int32)
    graph.labels[:, -1] = 0
    return graph


def with_attributes(graph, features=3, seed=0):
    """The graph, its edges with weights in [0, 1) and features in [-1, 1)."""
    rng, n = np.random.default_rng(seed), len(graph.indices)
    graph.edge_weight = rng.random(n).astype(np.float32)
    graph.edge_features = rng.uniform(-1, 1, (n, features)).astype(np.float32)
    return graph


def write_weights(path, weights):
    with h5py.File(path, "w") as f:
        for name, value in weights.items():
            f[f"weights/{name}"] = np.asarray(value, np.float32)


def read_weights(path, group="weights"):
    with h5py.File(path, "r") as f:
        return {name: value[:] for name, value in f[group].items()}
