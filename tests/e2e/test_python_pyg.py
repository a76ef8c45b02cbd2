#!/usr/bin/env python3
"""The Python module and PyTorch Geometric itself: graphs, and weights in both directions, whose models agree to 1e-5;
and graphs of networkx and DGL. Where this python lacks PyTorch Geometric, it runs with that of DISTGAT_PYG, or of
tests/bench/peers."""
import importlib.util
import os
import sys
import warnings

sys.dont_write_bytecode = True
if importlib.util.find_spec("torch_geometric") is None:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    known = os.environ.get("DISTGAT_PYG") or os.path.join(cache, "distgat-peers", "pyg", "bin", "python")
    if not os.path.exists(known) or os.environ.get("DISTGAT_PYG_TRIED"):
        print("skipped: needs torch and torch_geometric; DISTGAT_PYG names a python that has them")
        sys.exit(77)
    os.environ["DISTGAT_PYG_TRIED"] = "1"
    os.execv(known, [known] + sys.argv)

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "..", "src", "python")]
warnings.filterwarnings("ignore")  # of torch about its own parts
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch_geometric.nn as nn  # noqa: E402
from torch_geometric.data import Data  # noqa: E402

import distgat  # noqa: E402
import program  # noqa: E402

NODES, FEATURES, CLASSES, HIDDEN, HEADS = 60, 12, 4, 5, 3


class Net(torch.nn.Module):
    """The tutorial's form of a model; the layers' names are a user's."""

    def __init__(self, layers, edges=True):
        super().__init__()
        self.first, self.second, self.edges = *layers, edges

    def forward(self, x, edge_index):
        more = (edge_index,) if self.edges else ()
        hidden = self.first(x, *more)
        attends = isinstance(self.first, (nn.GATConv, nn.GATv2Conv))
        hidden = torch.nn.functional.elu(hidden) if attends else hidden.relu()
        return self.second(hidden, *more)


def attention(conv, out_heads=1, **options):
    return Net([conv(FEATURES, HIDDEN, heads=HEADS, **options),
                conv(HEADS * HIDDEN, CLASSES, heads=out_heads, concat=False, **options)])


def models():
    yield "gat", attention(nn.GATConv)
    yield "gat", attention(nn.GATConv, 2)
    yield "gatv2", attention(nn.GATv2Conv)
    yield "gatv2", attention(nn.GATv2Conv, 2)
    yield "gcn", Net([nn.GCNConv(FEATURES, HIDDEN), nn.GCNConv(HIDDEN, CLASSES)])
    yield "mlp", Net([torch.nn.Linear(FEATURES, HIDDEN), torch.nn.Linear(HIDDEN, CLASSES)], edges=False)
    yield "gcn", nn.GCN(FEATURES, HIDDEN, 3, CLASSES)
    yield "gat", nn.GAT(FEATURES, HIDDEN, 3, CLASSES, act="elu")
    yield "gatv2", nn.GAT(FEATURES, HIDDEN, 2, CLASSES, v2=True, act="elu")


def narrower_models():
    """Of fewer parameters than distgat trains."""
    yield "gat", attention(nn.GATConv, bias=False)
    yield "gatv2", attention(nn.GATv2Conv, bias=False)
    yield "gatv2", attention(nn.GATv2Conv, share_weights=True)


def random_data():
    draws = np.random.default_rng(3)
    pairs = np.unique(draws.integers(0, NODES, (2, 200)), axis=1)
    pairs = torch.from_numpy(pairs[:, pairs[0] != pairs[1]])
    masks = {f"{part}_mask": torch.arange(NODES) % 3 == k for k, part in enumerate(("train", "val", "test"))}
    return Data(edge_index=pairs, x=torch.from_numpy(draws.normal(size=(NODES, FEATURES)).astype(np.float32)),
                y=torch.from_numpy(draws.integers(0, CLASSES, NODES)), **masks)


class Exchange(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.environ["DISTGAT"] = program.DISTGAT
        torch.manual_seed(7)
        cls.data = random_data()
        cls.graph = cls.path("graph.h5")
        distgat.from_pyg(cls.data, cls.graph)

    def logits(self, net):
        with torch.no_grad():
            return net.eval()(self.data.x, self.data.edge_index).numpy()

    def close(self, got, want):
        self.assertEqual(got.shape, want.shape)
        self.assertLess(np.abs(got - want).max(), 1e-5)

    def trained(self, net, **options):
        return distgat.train(self.graph, init=net, progress=False, **options)

    def test_weights_to_distgat_and_back(self):
        for kind, net in (*models(), *narrower_models()):
            with self.subTest(str(net)):
                for name, value in net.named_parameters():
                    if name.endswith("bias"):  # they start at zero
                        torch.nn.init.normal_(value)
                model = self.trained(net, epochs=0)
                self.assertEqual(model.result["model"], kind)
                self.close(model.predict().logits, self.logits(net))
                for name, value in distgat.state_dict(model, like=net).items():
                    torch.testing.assert_close(value, net.state_dict()[name], rtol=0, atol=0)

    def test_trained_weights(self):
        for _, net in models():
            with self.subTest(str(net)):
                model = self.trained(net, epochs=5, dropout=0.2)
                net.load_state_dict(distgat.state_dict(model, like=net))
                self.close(model.predict().logits, self.logits(net))

    def test_weights_that_a_model_has_no_place_for(self):
        for _, net in narrower_models():
            with self.subTest(str(net)), self.assertRaisesRegex(ValueError, "has no place for|is shared with"):
                distgat.state_dict(self.trained(net, epochs=2), like=net)

    def test_names_of_what_stands_beside_layers(self):
        """Skips, norms, edge features and SAGE by the file's names, and back."""
        gat = {f"{name}.{tensor}" for name in ("conv1", "conv2")
               for tensor in ("lin.weight", "att_src", "att_dst", "bias", "res.weight", "lin_edge.weight", "att_edge")}
        norm = {f"norm1.{tensor}" for tensor in ("weight", "bias", "running_mean", "running_var")}
        sage = {f"conv{k}.{tensor}" for k in (1, 2) for tensor in ("lin_l.weight", "lin_l.bias", "lin_r.weight")}
        zero = {"conv1.bias", "conv2.bias"}
        for net, names in (
                (nn.GAT(FEATURES, HIDDEN, 2, CLASSES, norm="batch", residual=True, edge_dim=2), gat | norm),
                (nn.GCN(FEATURES, HIDDEN, 2, CLASSES, norm="layer", norm_kwargs={"mode": "node"}),
                 {"conv1.lin.weight", "conv2.lin.weight", "norm1.weight", "norm1.bias"} | zero),
                (nn.GraphSAGE(FEATURES, HIDDEN, 2, CLASSES), sage)):
            with self.subTest(str(net)):
                wanted = net.state_dict()
                self.assertEqual(set(distgat.state_dict(net)), names)
                distgat.save_weights(self.path("w.h5"), net)
                back = distgat.state_dict(self.path("w.h5"), like=net)
                self.assertEqual(list(back), list(wanted))
                for name, value in back.items():
                    torch.testing.assert_close(value, wanted[name], rtol=0, atol=0)

    def test_settings_of_layers_are_taken_or_refused(self):
        """What tensors do not tell: slopes are options, what the program does not compute is said."""
        net = attention(nn.GATv2Conv, negative_slope=0.35)
        self.close(self.trained(net, epochs=0).predict().logits, self.logits(net))
        for act, kind in (("relu", nn.GAT), ("elu", nn.GCN)):
            net = kind(FEATURES, HIDDEN, 2, CLASSES, act=act)
            self.close(self.trained(net, epochs=0).predict().logits, self.logits(net))
        conv = [nn.GATConv(FEATURES, HIDDEN, heads=HEADS, negative_slope=slope) for slope in (0.1, 0.2)]
        graph_wide, per_node = (nn.GCN(FEATURES, HIDDEN, 2, CLASSES, norm="layer", norm_kwargs={"mode": mode})
                                for mode in ("graph", "node"))
        for net, words in ((graph_wide, r"norms\.0: is a LayerNorm of mode='graph'; the program computes that of mode='node'"),
                           (nn.GCN(FEATURES, HIDDEN, 2, CLASSES, norm="graph_norm"), "norms.0: is a GraphNorm"),
                           (nn.GAT(FEATURES, HIDDEN, 2, CLASSES, norm="pair_norm"), "norms.0: is a PairNorm"),
                           (nn.GCN(FEATURES, HIDDEN, 2, CLASSES, improved=True), "convs.0: is a GCNConv of improved=True"),
                           (nn.GraphSAGE(FEATURES, HIDDEN, 2, CLASSES, aggr="max"), "convs.0: is a SAGEConv of aggr='max'"),
                           (nn.GraphSAGE(FEATURES, HIDDEN, 2, CLASSES, normalize=True), "SAGEConv of normalize=True"),
                           (nn.GCN(FEATURES, HIDDEN, 2, CLASSES, normalize=False), "convs.0: is a GCNConv of normalize=False"),
                           (nn.GAT(FEATURES, HIDDEN, 2, CLASSES, aggr="max"), "convs.0: is a GATConv of aggr='max'"),
                           (nn.GraphSAGE(FEATURES, HIDDEN, 2, CLASSES, project=True), "convs.0: is a SAGEConv of project=True"),
                           (nn.GraphSAGE(FEATURES, HIDDEN, 2, CLASSES, flow="target_to_source"), "of flow='target_to_source'"),
                           (nn.GCN(FEATURES, HIDDEN, 2, CLASSES, norm="batch", act_first=True), "BasicGNN of act_first=True"),
                           (nn.MLP([FEATURES, HIDDEN, CLASSES], plain_last=False), "MLP of plain_last=False"),
                           (nn.GIN(FEATURES, HIDDEN, 2, CLASSES), "convs.0: is a GINConv"),
                           (Net([nn.SGConv(FEATURES, HIDDEN, K=2), nn.SGConv(HIDDEN, CLASSES, K=2)]), "first: is a SGConv"),
                           (nn.GCN(FEATURES, HIDDEN, 2, CLASSES, act="tanh"), "act: activate by Tanh"),
                           (Net(conv), "negative slopes of their own, 0.1, 0.2"),
                           (nn.GCN(FEATURES, HIDDEN, 2, CLASSES, norm="batch", norm_kwargs={"eps": 1e-3}),
                            "BatchNorm1d of eps=0.001")):
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                self.trained(net, epochs=0)
        for value in per_node.norms.parameters():
            torch.nn.init.normal_(value)
        model = self.trained(per_node, epochs=0)
        self.close(model.predict().logits, self.logits(per_node))
        self.assertRaisesRegex(ValueError, "mode='graph'", distgat.state_dict, model, like=graph_wide)

    def test_attention(self):
        _, net = next(models())
        prediction = distgat.train(self.graph, init=net, epochs=0, progress=False).predict(attention=True)
        with torch.no_grad():
            _, (edges, alpha) = net.first(self.data.x, self.data.edge_index, return_attention_weights=True)
        got = prediction.attention["conv1"]
        order = np.lexsort(edges.numpy())
        np.testing.assert_array_equal(got.edge_index[:, np.lexsort(got.edge_index)], edges.numpy()[:, order])
        self.close(got.alpha[np.lexsort(got.edge_index)], alpha.numpy()[order])


class EdgeNet(torch.nn.Module):
    def __init__(self, first, second):
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x, edge_index, **edges):
        hidden = self.first(x, edge_index, **edges)
        attends = isinstance(self.first, (nn.GATConv, nn.GATv2Conv))
        return self.second(torch.nn.functional.elu(hidden) if attends else hidden.relu(), edge_index, **edges)


def edge_models(channels):
    """Models whose scores see attributes of edges of so many channels."""
    for kind, conv in (("gat", nn.GATConv), ("gatv2", nn.GATv2Conv)):
        for out_heads in (1, 2):
            for residual in (False, True):
                options = {"edge_dim": channels, "residual": residual}
                yield kind, EdgeNet(conv(FEATURES, HIDDEN, heads=HEADS, **options),
                                    conv(HEADS * HIDDEN, CLASSES, heads=out_heads, concat=False, **options))
        yield kind, nn.GAT(FEATURES, HIDDEN, 3, CLASSES, v2=kind == "gatv2", act="elu", edge_dim=channels)


class Deep(torch.nn.Module):
    """Layers of one kind, with norms between them."""

    def __init__(self, layers, norms, skips=()):
        super().__init__()
        self.layers, self.norms, self.skips = map(torch.nn.ModuleList, (layers, norms, skips))

    def forward(self, x, edge_index, **edges):
        for k, layer in enumerate(self.layers):
            x = layer(x, edge_index, **edges) + (self.skips[k](x) if len(self.skips) else 0)
            if k + 1 < len(self.layers):
                x = self.norms[k](x) if len(self.norms) else x
                x = x.relu()
        return x


def drawn(seed):
    """Returns the kind of a model, a Deep of any sizes, its data, and what its layers are told of edges."""
    draws = np.random.default_rng(seed)
    kind, count = draws.choice(["gat", "gatv2", "gcn", "sage"]), int(draws.integers(1, 6))
    n, width, hidden, classes = (int(draws.choice(sizes)) for sizes in ([2, 9, 60], [1, 3, 17], [3, 17, 50, 250], [2, 7, 41]))
    heads, out_heads = map(int, draws.integers(1, 8, 2))
    channels = int(draws.choice([0, 1, 3])) if kind.startswith("gat") else int(kind == "gcn" and draws.random() < 0.5)
    residual = bool(draws.random() < 0.5)
    norm = [None, torch.nn.BatchNorm1d, nn.BatchNorm, torch.nn.LayerNorm][draws.integers(4)]
    layers, norms, skips, biases = [], [], [], draws.random(2) < 0.5
    for k in range(count):
        out = classes if k + 1 == count else hidden
        if kind.startswith("gat"):
            layers.append((nn.GATConv if kind == "gat" else nn.GATv2Conv)(
                width, out, heads=out_heads if k + 1 == count else heads, concat=k + 1 < count, residual=residual,
                edge_dim=channels or None))
            out *= heads if k + 1 < count else 1
        else:
            biases = biases if residual else [True, False]  # what the program gives a layer has a place in one of the two
            layers.append((nn.GCNConv if kind == "gcn" else nn.SAGEConv)(width, out, bias=bool(biases[0] or not biases[1])))
            skips += [torch.nn.Linear(width, out, bias=bool(biases[1]))] if residual else []
        if k + 1 < count and norm:
            norms.append(norm(out))
        width = out
    net = Deep(layers, norms, skips)
    for name, value in (*net.named_parameters(), *net.named_buffers()):
        if value.ndim == 1:
            torch.nn.init.uniform_(value, 0.5 if name.endswith("var") else -0.5, 1.5)
    pairs = np.unique(draws.integers(0, n, (2, int(draws.choice([0, n, 5 * n])))), axis=1)
    pairs = torch.from_numpy(pairs[:, pairs[0] != pairs[1]])
    x = torch.from_numpy(draws.normal(size=(n, layers[0].in_channels)).astype(np.float32))
    data = Data(x=x, edge_index=pairs, y=torch.from_numpy(draws.integers(0, classes, n)), train_mask=torch.arange(n) % 2 == 0)
    edges = {}
    if channels:
        edges = {"edge_weight": torch.rand(pairs.shape[1])} if kind == "gcn" else {"edge_attr": torch.randn(pairs.shape[1], channels)}
    data.update(edges)
    return kind, net, data, classes, edges


class Drawn(program.Case):
    def test_any_depth_and_width(self):
        """Weights to distgat, some steps there on some ranks, and back."""
        os.environ["DISTGAT"] = program.DISTGAT
        for seed in range(24):
            torch.manual_seed(seed)
            kind, net, data, classes, edges = drawn(seed)
            graph = distgat.from_pyg(data, num_classes=classes)
            more = {"edge_attributes": "weight"} if "edge_weight" in edges else {}
            for epochs, ranks in ((0, None), (3, (None, 2, 3, 5)[seed % 4])):
                with self.subTest(seed=seed, net=str(net), ranks=ranks):
                    model = distgat.train(graph, init=net, epochs=epochs, activation="relu", progress=False, ranks=ranks, **more)
                    self.assertEqual(model.result["model"], kind)
                    net.load_state_dict(distgat.state_dict(model, like=net))
                    with torch.no_grad():
                        want = net.eval()(data.x, data.edge_index, **edges).numpy()
                    got = model.predict().logits
                    self.assertLess(np.abs(got - want).max(), 1e-5 * max(1, np.abs(want).max()))


class Edges(program.Case):
    """Weights of models of edges with attributes, both ways; self-loops get the means of a node's edges."""

    def setUp(self):
        os.environ["DISTGAT"] = program.DISTGAT
        torch.manual_seed(8)
        self.data = random_data()

    def exchange(self, kind, net, name, **edges):
        """Weights to distgat, some steps there, and back; the logits of either side each time."""
        for parameter, value in net.named_parameters():
            if parameter.endswith("bias"):
                torch.nn.init.normal_(value)
        for epochs in (0, 5):
            model = distgat.train(self.path(name), init=net, epochs=epochs, dropout=0.2, progress=False)
            self.assertEqual(model.result["model"], kind)
            net.load_state_dict(distgat.state_dict(model, like=net))
            with torch.no_grad():
                wanted = net.eval()(self.data.x, self.data.edge_index, **edges).numpy()
            found = model.predict().logits
            self.assertLess(np.abs(found - wanted).max(), 1e-5)

    def test_attributes(self):
        for channels in (1, 3):  # one is what the file calls a weight
            attributes = torch.randn(self.data.num_edges, channels)
            distgat.from_pyg(self.data, self.path("edges.h5"), edge_attr=attributes)
            for kind, net in edge_models(channels):
                with self.subTest(f"{net}, {channels}"):
                    self.exchange(kind, net, "edges.h5", edge_attr=attributes)
                    plain = net(self.data.x, self.data.edge_index, edge_attr=0 * attributes)
                    seen = net(self.data.x, self.data.edge_index, edge_attr=attributes)
                    self.assertGreater((plain - seen).abs().max().item(), 1e-3)  # else nothing was compared

    def test_weights_of_gcn(self):
        weight = torch.rand(self.data.num_edges) + 0.1
        distgat.from_pyg(self.data, self.path("weights.h5"), edge_weight=weight)
        net = EdgeNet(nn.GCNConv(FEATURES, HIDDEN), nn.GCNConv(HIDDEN, CLASSES))
        with torch.no_grad():
            wanted = net(self.data.x, self.data.edge_index, edge_weight=weight).numpy()
        model = distgat.train(self.path("weights.h5"), init=net, epochs=0, edge_attributes="weight", progress=False)
        self.assertLess(np.abs(model.predict().logits - wanted).max(), 1e-5)

    def test_attention(self):
        attributes = torch.randn(self.data.num_edges, 3)
        distgat.from_pyg(self.data, self.path("edges.h5"), edge_attr=attributes)
        for _, net in edge_models(3):
            if not isinstance(net, EdgeNet):
                continue
            model = distgat.train(self.path("edges.h5"), init=net, epochs=0, progress=False)
            got = model.predict(attention=True).attention["conv1"]
            with torch.no_grad():
                _, (edges, alpha) = net.first(self.data.x, self.data.edge_index, attributes, return_attention_weights=True)
            mine, its = np.lexsort(got.edge_index), np.lexsort(edges.numpy())
            np.testing.assert_array_equal(got.edge_index[:, mine], edges.numpy()[:, its])
            self.assertLess(np.abs(got.alpha[mine] - alpha.numpy()[its]).max(), 1e-5)


class Graphs(program.Case):
    """What other libraries hold gives the same graph."""

    def same(self, graph, data):
        want = distgat.from_pyg(data)
        for name in ("indptr", "indices", "labels", "x"):
            np.testing.assert_array_equal(getattr(graph, name), getattr(want, name), err_msg=name)
        for part in ("train", "val", "test"):
            np.testing.assert_array_equal(graph.splits["public"][part], want.splits["public"][part])

    def test_pyg(self):
        data = random_data()
        graph = distgat.from_pyg(data, self.path("graph.h5"))
        pairs = data.edge_index.numpy()
        np.testing.assert_array_equal(graph.edge_index, pairs[:, np.lexsort(pairs)])
        np.testing.assert_array_equal(graph.splits["public"]["val"], np.arange(1, NODES, 3))
        self.same(distgat.read_graph(self.path("graph.h5")), data)
        other = random_data()
        other.adj_t = torch.sparse_coo_tensor(other.edge_index.flip(0), torch.ones(other.num_edges), (NODES, NODES))
        other.edge_index = None
        self.same(distgat.from_pyg(other), data)
        other = random_data()
        other.edge_index = torch.sparse_coo_tensor(other.edge_index, torch.ones(other.num_edges), (NODES, NODES))
        self.same(distgat.make_graph(other.edge_index, data.x, data.y, **{
            f"{part}_mask": data[f"{part}_mask"] for part in ("train", "val", "test")}), data)
        for sparse in ("to_sparse", "to_sparse_csr", "to_sparse_csc"):
            other = random_data()
            other.x = getattr(other.x, sparse)()
            self.same(distgat.from_pyg(other), data)
        other = random_data()
        other.edge_index, other.x, other.train_mask = other.edge_index.int(), other.x.double(), other.train_mask.byte()
        self.same(distgat.from_pyg(other), data)

    def test_networkx(self):
        try:
            import networkx
        except ImportError:
            self.skipTest("needs networkx")
        data = random_data()
        graph = networkx.DiGraph()
        for k in range(NODES):
            graph.add_node(k, x=data.x[k].numpy(), y=int(data.y[k]), split=("train", "val", "test")[k % 3])
        graph.add_edges_from(data.edge_index.T.tolist())
        self.same(distgat.from_networkx(graph), data)
        club = distgat.from_networkx(networkx.karate_club_graph(), y="club", weight=None)
        self.assertEqual((club.num_nodes, club.num_edges, club.class_names), (34, 156, ["Mr. Hi", "Officer"]))

    def test_dgl(self):
        os.environ.setdefault("DGLBACKEND", "pytorch")
        try:
            import dgl
        except ImportError:
            self.skipTest("needs dgl")
        data = random_data()
        graph = dgl.graph((data.edge_index[0], data.edge_index[1]), num_nodes=NODES)
        graph.ndata.update(feat=data.x, label=data.y, train_mask=data.train_mask, val_mask=data.val_mask,
                           test_mask=data.test_mask)
        self.same(distgat.from_dgl(graph), data)


if __name__ == "__main__":
    program.main()
