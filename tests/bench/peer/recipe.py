"""Runs inside DGL's environment: trains a published model of the Open Graph Benchmark as its example does; prints one JSON line.

usage: recipe.py NAME GRAPH --epochs N --threads N --seed S
"""
import argparse
import json
import math
import sys

import dgl
import dgl.function as fn
import torch
import torch.nn.functional as F
from dgl.nn import GraphConv
from dgl.nn.functional import edge_softmax

import data

GAT = dict(heads=3, hidden=250, dropout=0.75, from_source=True, symmetric=True, labels=0.5, warmup=50, lr=0.002,
           optimizer=torch.optim.RMSprop, keeps="val_loss")
RECIPES = {
    "arxiv-gcn": dict(heads=0, hidden=256, dropout=0.5, input_dropout=0.1, edge_dropout=0, labels=0.5, reuse=0, warmup=50, lr=0.005,
                      optimizer=torch.optim.AdamW, keeps="val_loss"),
    "arxiv-gat": dict(GAT, input_dropout=0.1, edge_dropout=0.1, reuse=0),
    "arxiv-gat-reuse": dict(GAT, input_dropout=0.25, edge_dropout=0.3, reuse=1),
    "products-gat": dict(heads=4, hidden=120, dropout=0.5, input_dropout=0.1, edge_dropout=0.1, from_source=False, symmetric=False,
                         labels=0, reuse=0, warmup=0, lr=0.01, optimizer=torch.optim.AdamW, keeps="val_acc"),
}
LAYERS = 3


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("graph")
    for name in ("--epochs", "--threads", "--seed"):
        parser.add_argument(name, type=int, required=True)
    return parser.parse_args()


class Attention(torch.nn.Module):
    """Heads of which each weighs its edges by a softmax of scores, by the source alone where `from_source`."""
    def __init__(self, n_in, n_out, heads, of):
        super().__init__()
        self.shape, self.of = (-1, heads, n_out), of
        self.project = torch.nn.Linear(n_in, heads * n_out, bias=False)
        self.score = torch.nn.Parameter(torch.empty(1, heads, n_out))
        self.score_target = None if of["from_source"] else torch.nn.Parameter(torch.empty(1, heads, n_out))
        for weight in (self.project.weight, self.score, self.score_target):
            if weight is not None:
                torch.nn.init.xavier_normal_(weight, gain=torch.nn.init.calculate_gain("relu"))

    def forward(self, graph, x):
        with graph.local_scope():
            z = self.project(x).view(self.shape)
            if self.of["symmetric"]:
                z = z * graph.out_degrees().float().pow(-0.5)[:, None, None]
            graph.srcdata.update(z=z, source=(z * self.score).sum(-1, keepdim=True))
            graph.apply_edges(fn.copy_u("source", "e"))
            e = graph.edata["e"]
            if self.score_target is not None:
                graph.dstdata["target"] = (z * self.score_target).sum(-1, keepdim=True)
                graph.apply_edges(fn.e_add_v("e", "target", "sum"))
                e = graph.edata["sum"]
            e = F.leaky_relu(e, 0.2)
            if self.training and self.of["edge_dropout"]:
                own = graph.edges()[0] == graph.edges()[1]
                stays = (torch.rand(len(e)) >= self.of["edge_dropout"]) | own
                e = e.masked_fill(~stays[:, None, None], -math.inf)
            graph.edata["a"] = edge_softmax(graph, e)
            graph.update_all(fn.u_mul_e("z", "a", "m"), fn.sum("m", "out"))
            out = graph.dstdata["out"]
            return out * graph.in_degrees().float().pow(0.5)[:, None, None] if self.of["symmetric"] else out


class Net(torch.nn.Module):
    """Convolutions beside linear skips, a norm behind each hidden one, and a bias at the very end."""
    def __init__(self, n_in, n_classes, of):
        super().__init__()
        self.of, heads = of, max(of["heads"], 1)
        widths = [n_in] + [of["hidden"] * heads] * (LAYERS - 1)
        self.convs, self.skips = torch.nn.ModuleList(), torch.nn.ModuleList()
        for k, width in enumerate(widths):
            n_out, n_heads = (n_classes, 1) if k == LAYERS - 1 else (of["hidden"], heads)
            self.convs.append(Attention(width, n_out, n_heads, of) if of["heads"] else GraphConv(width, n_out, bias=False))
            self.skips.append(torch.nn.Linear(width, n_out * n_heads, bias=False))
        self.norms = torch.nn.ModuleList(torch.nn.BatchNorm1d(width) for width in widths[1:])
        self.bias = torch.nn.Parameter(torch.zeros(n_classes))

    def forward(self, graph, x):
        x = F.dropout(x, self.of["input_dropout"], self.training)
        for k, (conv, skip) in enumerate(zip(self.convs, self.skips)):
            x = conv(graph, x).flatten(1) + skip(x)
            if k < LAYERS - 1:
                x = F.dropout(F.relu(self.norms[k](x)), self.of["dropout"], self.training)
        return x + self.bias


class Training:
    def __init__(self, graph, of):
        self.of, self.data = of, graph
        self.graph = dgl.add_self_loop(dgl.graph((graph.src, graph.dst), num_nodes=graph.nodes))
        self.graph.create_formats_()
        self.net = Net(graph.features + (graph.classes if of["labels"] else 0), graph.classes, of)
        self.optimizer = of["optimizer"](self.net.parameters(), lr=of["lr"], weight_decay=0)

    def logits(self, known):
        """With the labels of the nodes that are known as input, and then its own predictions as those of the others."""
        d = self.data
        if not self.of["labels"]:
            return self.net(self.graph, d.x)
        labels, others = torch.zeros(d.nodes, d.classes), torch.ones(d.nodes, dtype=torch.bool)
        labels[known, d.y[known]], others[known] = 1, False
        out = self.net(self.graph, torch.cat([d.x, labels], 1))
        for _ in range(self.of["reuse"]):
            labels[others] = F.softmax(out.detach()[others], 1)
            out = self.net(self.graph, torch.cat([d.x, labels], 1))
        return out

    def loss(self, logits, ids):
        epsilon = 1 - math.log(2)
        losses = F.cross_entropy(logits[ids], self.data.y[ids], reduction="none")
        return (torch.log(epsilon + losses) - math.log(epsilon)).mean()

    def step(self, epoch):
        train = self.data.train
        given = torch.rand(len(train)) < self.of["labels"]
        self.net.train()
        if self.of["warmup"]:
            for group in self.optimizer.param_groups:
                group["lr"] = self.of["lr"] * min(1, epoch / self.of["warmup"])
        self.optimizer.zero_grad()
        self.loss(self.logits(train[given]), train[~given]).backward()
        self.optimizer.step()

    @torch.no_grad()
    def evaluate(self):
        self.net.eval()
        logits, d = self.logits(self.data.train), self.data
        right = (logits.argmax(1) == d.y).float()
        return dict(val_loss=float(self.loss(logits, d.val)), val_acc=float(right[d.val].mean()),
                    test_acc=float(right[d.test].mean()))


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    of = RECIPES[options.recipe]
    training, best = Training(data.read(options.graph), of), None
    sign = -1 if of["keeps"] == "val_acc" else 1
    for epoch in range(1, options.epochs + 1):
        training.step(epoch)
        now = training.evaluate()
        if best is None or sign * now[of["keeps"]] < sign * best[of["keeps"]]:
            best = dict(now, best_epoch=epoch)
    print(json.dumps(best))


if __name__ == "__main__":
    sys.exit(main())
