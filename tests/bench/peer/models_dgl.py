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
        self.first = torch.nn.Identity()
        self.input_drop = (sparse.Dropout if is_sparse else torch.nn.Dropout)(options.input_dropout)
        self.drop = torch.nn.Dropout(options.dropout)
        if options.model == "gcn":
            if is_sparse:  # GraphConv scales its input rows, which must be dense: the linear map goes before it
                self.first = sparse.Linear(torch.nn.Linear(graph.features, options.hidden, bias=False))
            inputs = options.hidden if is_sparse else graph.features
            self.conv1 = GraphConv(inputs, options.hidden, weight=not is_sparse, activation=F.relu)
            self.conv2 = GraphConv(options.hidden, graph.classes)
        else:
            conv = GATConv if options.model == "gat" else GATv2Conv
            self.conv1 = conv(graph.features, options.hidden, options.heads, activation=F.elu)
            self.conv2 = conv(options.hidden * options.heads, graph.classes, 1)
        if is_sparse:
            sparse.replace_linear(self.conv1, ("fc", "fc_src", "fc_dst"))

    def forward(self):
        x = self.conv1(self.graph, self.first(self.input_drop(self.x))).flatten(1)
        return self.conv2(self.graph, self.drop(x)).flatten(1)
