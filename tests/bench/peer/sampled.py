"""Runs inside a peer's environment: trains on sampled neighbourhoods as its users do; after each evaluation one JSON line.

usage: sampled.py LIBRARY MODEL GRAPH --hidden D --heads H --epochs N --fanout A,B --batch N ...; LIBRARY is dgl or pyg
"""
import argparse
import json
import math
import sys
import time

import torch
import torch.nn.functional as F

import data

SKIPPED = 77


def parse():
    parser = argparse.ArgumentParser()
    for name in ("library", "model", "graph"):
        parser.add_argument(name)
    for name in ("--hidden", "--heads", "--threads", "--workers", "--epochs", "--evaluations", "--batch", "--seed"):
        parser.add_argument(name, type=int, required=True)
    for name in ("--dropout", "--lr"):
        parser.add_argument(name, type=float, required=True)
    parser.add_argument("--fanout", type=lambda text: [int(n) for n in text.split(",")], required=True)
    return parser.parse_args()


def loading(options):
    """Of a loader: shuffled batches, sampled ahead by processes that outlive an epoch, or by the training process itself."""
    return dict(batch_size=options.batch, shuffle=True, num_workers=options.workers, persistent_workers=options.workers > 0)


def widths(options, graph):
    """In and out of each layer, heads side by side in hidden ones; there is a layer for each number of the fan-out."""
    hidden = [options.hidden * (options.heads if options.model.startswith("gat") else 1)] * (len(options.fanout) - 1)
    return list(zip([graph.features, *hidden], [*[options.hidden] * len(hidden), graph.classes]))


class Net(torch.nn.Module):
    """Convolutions, each on a graph of its own; heads of a hidden one lie side by side, of the last there is one."""
    def __init__(self, options, convs):
        super().__init__()
        self.convs, self.dropout = torch.nn.ModuleList(convs), options.dropout
        self.activation = F.elu if options.model.startswith("gat") else F.relu

    def forward(self, x, call):
        for k, conv in enumerate(self.convs):
            x = F.dropout(self.activation(x), self.dropout, self.training) if k else x
            x = call(conv, k, x).flatten(1)
        return x


class Dgl:
    """Layers on DGL's blocks."""
    def __init__(self, options, graph):
        import dgl
        from dgl.nn import GATConv, GATv2Conv, GraphConv, SAGEConv
        self.graph = dgl.graph((graph.src, graph.dst), num_nodes=graph.nodes)
        if options.model != "sage":
            self.graph = dgl.add_self_loop(self.graph)
        self.graph.create_formats_()
        self.x, self.y, shapes = graph.x, graph.y, widths(options, graph)
        if options.model.startswith("gat"):
            conv = GATConv if options.model == "gat" else GATv2Conv
            layers = [conv(*shape, options.heads if k < len(shapes) - 1 else 1) for k, shape in enumerate(shapes)]
        elif options.model == "gcn":
            layers = [GraphConv(*shape) for shape in shapes]
        else:
            layers = [SAGEConv(*shape, "mean") for shape in shapes]
        self.net = Net(options, layers)
        sampler = dgl.dataloading.NeighborSampler(options.fanout)
        self.loader = dgl.dataloading.DataLoader(self.graph, graph.train, sampler, **loading(options))

    def batches(self):
        for sources, targets, blocks in self.loader:
            yield self.net(self.x[sources], lambda conv, k, x: conv(blocks[k], x)), self.y[targets]

    def logits(self):
        return self.net(self.x, lambda conv, k, x: conv(self.graph, x))


class Pyg:
    """Layers on PyTorch Geometric's NeighborLoader, which needs pyg-lib or torch-sparse beside it."""
    def __init__(self, options, graph):
        from torch_geometric.data import Data
        from torch_geometric.loader import NeighborLoader
        from torch_geometric.nn import GATConv, GATv2Conv, GCNConv, SAGEConv
        self.data = Data(x=graph.x, y=graph.y, edge_index=torch.stack([graph.src, graph.dst]))
        kind = {"gat": GATConv, "gatv2": GATv2Conv, "gcn": GCNConv, "sage": SAGEConv}[options.model]
        shapes, heads = widths(options, graph), [options.heads] if options.model.startswith("gat") else []
        self.net = Net(options, [*[kind(*shape, *heads) for shape in shapes[:-1]], kind(*shapes[-1])])
        self.loader = NeighborLoader(self.data, options.fanout, graph.train, **loading(options))

    def forward(self, part):
        return self.net(part.x, lambda conv, k, x: conv(x, part.edge_index))

    def batches(self):
        for part in self.loader:
            yield self.forward(part)[:part.batch_size], part.y[:part.batch_size]

    def logits(self):
        return self.forward(self.data)


def evaluate(model, graph):
    model.net.eval()
    with torch.no_grad():
        right = (model.logits().argmax(1) == graph.y).float()
    model.net.train()
    return dict(val_acc=float(right[graph.val].mean()), test_acc=float(right[graph.test].mean()))


def train(model, graph, options):
    """Yields a line of figures after each evaluation, whose own time is in none of their seconds."""
    optimizer = torch.optim.Adam(model.net.parameters(), lr=options.lr)
    batches = math.ceil(len(graph.train) / options.batch)
    evaluated = {math.ceil(batches * (k + 1) / options.evaluations) for k in range(options.evaluations)}
    seconds, start = 0, time.perf_counter()
    for epoch in range(options.epochs):
        for batch, (logits, y) in enumerate(model.batches(), 1):
            optimizer.zero_grad()
            F.cross_entropy(logits, y).backward()
            optimizer.step()
            if batch in evaluated:
                seconds += time.perf_counter() - start
                yield dict(epoch=epoch + batch / batches, seconds=seconds, **evaluate(model, graph))
                start = time.perf_counter()


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    graph = data.read(options.graph)
    try:
        model = {"dgl": Dgl, "pyg": Pyg}[options.library](options, graph)
        next(iter(model.loader))
    except ImportError as error:
        print(error, file=sys.stderr)
        sys.exit(SKIPPED)
    for line in train(model, graph, options):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
