"""The models as users of PyTorch Geometric write them.

Variants: `pyg`, dense features and an edge list; `pyg-sparse`, the first linear map and its dropout on a sparse matrix;
`pyg-matrix`, GCN alone, whose adjacency is a sparse matrix, normalized once, and the features sparse where they can be.
"""
import torch
import torch.nn.functional as F
from torch_geometric.nn import GATConv, GATv2Conv, GCNConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm

import sparse


class Net(torch.nn.Module):
    def __init__(self, options, graph, variant):
        super().__init__()
        self.dropout, self.input_dropout = options.dropout, options.input_dropout
        self.is_sparse = variant != "pyg" and graph.csr is not None
        self.x = sparse.faster_layout(graph.csr, options.hidden) if self.is_sparse else graph.x
        self.edges = torch.stack([graph.src, graph.dst])
        if options.model == "gcn":
            matrix = variant == "pyg-matrix"
            widths = [graph.features] + [options.hidden] * (options.layers - 1) + [graph.classes]
            self.convs = torch.nn.ModuleList(GCNConv(*pair, cached=not matrix, normalize=not matrix)
                                             for pair in zip(widths[:-1], widths[1:]))
            self.activation = F.relu
            if matrix:
                (source, target), weight = gcn_norm(self.edges, None, graph.nodes)
                size = (graph.nodes, graph.nodes)
                self.edges = torch.sparse_coo_tensor(torch.stack([target, source]), weight, size).to_sparse_csr()
        else:
            conv = GATConv if options.model == "gat" else GATv2Conv
            widths = [graph.features] + [options.hidden * options.heads] * (options.layers - 1)
            self.convs = torch.nn.ModuleList(conv(width, options.hidden, heads=options.heads) for width in widths[:-1])
            self.convs.append(conv(widths[-1], graph.classes, heads=1, concat=False))
            self.activation = F.elu
        if self.is_sparse:
            sparse.replace_linear(self.convs[0], ("lin", "lin_l", "lin_r"))

    def forward(self):
        drop = sparse.dropout if self.is_sparse else F.dropout
        x = drop(self.x, self.input_dropout, self.training) if self.input_dropout else self.x
        x = self.convs[0](x, self.edges)
        for conv in self.convs[1:]:
            x = conv(F.dropout(self.activation(x), self.dropout, self.training), self.edges)
        return x
