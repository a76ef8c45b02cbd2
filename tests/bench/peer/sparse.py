"""A first layer on sparse features: dropout of the stored values, and a linear map by a sparse product."""
import time

import torch
import torch.nn.functional as F


def dropout(x, p, training):
    if x.layout == torch.sparse_csr:
        return torch.sparse_csr_tensor(x.crow_indices(), x.col_indices(), F.dropout(x.values(), p, training), x.shape)
    return torch.sparse_coo_tensor(x.indices(), F.dropout(x.values(), p, training), x.shape, is_coalesced=True)


class Dropout(torch.nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        return dropout(x, self.p, self.training)


class Linear(torch.nn.Module):
    """Takes the place of a dense linear map, whose parameters it keeps."""

    def __init__(self, dense):
        super().__init__()
        self.weight, self.bias = dense.weight, dense.bias

    def forward(self, x):
        out = torch.sparse.mm(x, self.weight.t())
        return out if self.bias is None else out + self.bias


def replace_linear(conv, names):
    """Puts sparse maps in the place of those of a layer's linear maps that it has under these names."""
    for name in names:
        if isinstance(getattr(getattr(conv, name, None), "weight", None), torch.Tensor):
            setattr(conv, name, Linear(getattr(conv, name)))


def seconds(x, width):
    """Least time of a dropout, a product and its gradient."""
    weight, times = torch.rand(width, x.shape[1], requires_grad=True), []
    for _ in range(3):
        before = time.perf_counter()
        torch.sparse.mm(dropout(x, 0.5, True), weight.t()).sum().backward()
        times.append(time.perf_counter() - before)
    return min(times)


def faster_layout(csr, width):
    """The features in the layout, CSR or COO, that this torch trains faster with: neither always wins."""
    return min((csr, csr.to_sparse_coo().coalesce()), key=lambda x: seconds(x, width))
