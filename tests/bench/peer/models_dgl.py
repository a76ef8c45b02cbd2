"""The models as users of DGL write them.

Variants: `dgl`, dense features; `dgl-sparse`, the first linear map and its dropout on a sparse matrix.
"""
import dgl
import torch
import torch.nn.functional as F
from dgl.nn import GATConv, GATv2Conv, GraphConv

import sparse


class Net(torch.nn.Module):
    def __init__(self, options, graph, variant):
        super().__init__()
        self.graph = dgl.add_self_loop(dgl.graph((graph.src, graph.dst), num_nodes=graph.nodes))
        self.graph.create_formats_()
        is_sparse = variant == "dgl-sparse"
        self.x = sparse.faster_layout(graph.csr, options.hidden) if is_sparse else graph.x
        self.first, self.activation = torch.nn.Identity(), F.relu if options.model == "gcn" else F.elu
        self.input_drop = (sparse.Dropout if is_sparse else torch.nn.Dropout)(options.input_dropout)
        self.drop = torch.nn.Dropout(options.dropout)
        if options.model == "gcn":
            if is_sparse:  # GraphConv scales its input rows, which must be dense: the linear map goes before it
                self.first = sparse.Linear(torch.nn.Linear(graph.features, options.hidden, bias=False))
            self.convs = torch.nn.ModuleList([GraphConv(options.hidden if is_sparse else graph.features, options.hidden,
                                                        weight=not is_sparse)])
            self.convs.extend(GraphConv(options.hidden, options.hidden) for _ in range(options.layers - 2))
            self.convs.append(GraphConv(options.hidden, graph.classes))
        else:
            conv = GATConv if options.model == "gat" else GATv2Conv
            widths = [graph.features] + [options.hidden * options.heads] * (options.layers - 1)
            self.convs = torch.nn.ModuleList(conv(width, options.hidden, options.heads) for width in widths[:-1])
            self.convs.append(conv(widths[-1], graph.classes, 1))
        if is_sparse:
            sparse.replace_linear(self.convs[0], ("fc", "fc_src", "fc_dst"))

    def forward(self):
        x = self.convs[0](self.graph, self.first(self.input_drop(self.x))).flatten(1)
        for conv in self.convs[1:]:
            x = conv(self.graph, self.drop(self.activation(x))).flatten(1)
        return x
