"""A distgat graph file as the tensors that users of PyTorch Geometric and DGL start from."""
import types
import warnings

import h5py
import numpy as np
import torch

warnings.filterwarnings("ignore", "Sparse CSR tensor support")


def read(path):
    """Edges src → dst, labels y, ids of the split, and features: x dense, and csr as well where the file has them so."""
    with h5py.File(path, "r") as f:
        indptr, src = f["graph/indptr"][:], f["graph/indices"][:].astype(np.int64)
        nodes, width = len(indptr) - 1, int(f.attrs["num_features"])
        splits = f["splits"]
        split = splits["public" if "public" in splits else next(iter(splits))]
        graph = types.SimpleNamespace(
            nodes=nodes, features=width, classes=int(f.attrs["num_classes"]), src=torch.from_numpy(src),
            dst=torch.repeat_interleave(torch.arange(nodes), torch.from_numpy(np.diff(indptr))),
            y=torch.from_numpy(f["labels"][:].astype(np.int64)), csr=None,
            **{name: torch.from_numpy(split[name][:]) for name in ("train", "val", "test")})
        if "dense" in f["features"]:
            graph.x = torch.from_numpy(f["features/dense"][:])
        else:
            rows, columns, values = (f["features/" + name][:] for name in ("indptr", "indices", "values"))
            graph.csr = torch.sparse_csr_tensor(rows, columns.astype(np.int64), values, (nodes, width))
            graph.x = graph.csr.to_dense()
    return graph
