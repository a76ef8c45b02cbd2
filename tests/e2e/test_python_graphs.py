#!/usr/bin/env python3
"""The Python module's graphs: from arrays and from other libraries' graphs; what cannot be is refused."""
import os
import subprocess
import sys
import types
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402
import scipy.sparse as sp  # noqa: E402

import program  # noqa: E402

sys.path.insert(0, os.path.join(program.SOURCE, "src", "python"))
import distgat  # noqa: E402

# 0 -> 1, 2 -> 1, 1 -> 0, 3 -> 2, given in no order
EDGES = np.array([[2, 3, 1, 0], [1, 2, 0, 1]])
INDPTR, INDICES = [0, 1, 3, 4, 4], [1, 0, 2, 3]
X = np.arange(1, 9, dtype=float).reshape(4, 2)


class Arrays(program.Case):
    def written(self, *arguments, **fields):
        distgat.write_graph(self.path("g.h5"), *arguments, **fields)
        with h5py.File(self.path("g.h5")) as file:
            found = {}
            file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
            return dict(file.attrs), found

    def equal(self, got, want):
        np.testing.assert_array_equal(np.asarray(got), np.asarray(want))

    def test_everything(self):
        attributes, sets = self.written(
            EDGES, X, ["b", None, "a", "b"], train_mask=[True, False, False, False], val_mask=np.array([0, 0, 1, 0]),
            test_mask=[3], name="tiny", node_ids=["w", "x", "y", "zß"], edge_weight=[21, 32, 10, 1])
        self.assertEqual(attributes, {"format": b"distgat-graph", "name": b"tiny", "version": 1, "num_classes": 2,
                                      "num_features": 2})
        self.equal(sets["graph/indptr"], INDPTR)
        self.equal(sets["graph/indices"], INDICES)
        self.equal(sets["edges/weight"], [10, 1, 21, 32])
        self.equal(sets["features/dense"], X)
        self.equal(sets["labels"], [1, -1, 0, 1])
        self.equal(sets["classes/name"], [b"a", b"b"])
        self.equal(sets["nodes/id"], [b"w", b"x", b"y", "zß".encode()])
        for part, ids in (("train", [0]), ("val", [2]), ("test", [3])):
            self.equal(sets[f"splits/public/{part}"], ids)
        for name, kind in (("graph/indptr", "i8"), ("graph/indices", "i4"), ("labels", "i4"), ("features/dense", "f4")):
            self.assertEqual(sets[name].dtype, kind, name)
        self.assertIn("tiny", program.distgat("info", self.path("g.h5")))

    def test_read_again(self):
        splits = {"a": {"train": [0], "valid": [1]}}
        given = distgat.write_graph(self.path("g.h5"), EDGES, X, [0, 1, 1, 0], splits=splits,
                                    edge_attr=np.arange(8).reshape(4, 2), node_ids=[7, 5, 3, 1], class_names=["u", "v"])
        read = distgat.read_graph(self.path("g.h5"))
        for graph in (given, read):
            self.equal(graph.edge_index, [[1, 0, 2, 3], [0, 1, 1, 2]])
            self.equal(graph.x, X)
            self.equal(graph.y, [0, 1, 1, 0])
            self.equal(graph.degree, [1, 2, 1, 0])
            self.equal(graph.edge_features, [[4, 5], [6, 7], [0, 1], [2, 3]])
            self.equal(graph.node_ids, [7, 5, 3, 1])
            self.assertEqual((graph.num_nodes, graph.num_edges, graph.num_features, graph.num_classes), (4, 4, 2, 2))
            self.assertEqual(list(graph.class_names), ["u", "v"])
            self.equal(graph.splits["a"]["val"], [1])
            self.equal(graph.splits["a"]["test"], [])
        distgat.write_graph(self.path("again.h5"), read)
        with open(self.path("g.h5"), "rb") as one, open(self.path("again.h5"), "rb") as other:
            self.assertEqual(one.read(), other.read())

    def test_features(self):
        """Sparse where that is smaller, whatever they were; without any, each node has its own."""
        mostly = np.where(X == 3, 3, 0)
        messy = sp.csr_matrix((np.array([1.0, 2, 0]), np.array([0, 0, 1]), np.array([0, 0, 2, 3, 3])), (4, 2))
        for x, dense in ((mostly, mostly), (sp.csc_matrix(mostly), mostly), (messy, mostly), (None, np.eye(4)),
                         (X, X), (sp.csr_matrix(X), X), (X[:, 0], X[:, :1])):
            attributes, sets = self.written(EDGES, x, [0, 1, 1, 0])
            self.assertEqual(attributes["num_features"], dense.shape[1])
            self.assertEqual("features/dense" in sets, 2 * np.count_nonzero(dense) > dense.size)
            if "features/dense" not in sets:
                self.equal(sp.csr_matrix(tuple(sets[f"features/{part}"] for part in ("values", "indices", "indptr")),
                                         dense.shape).toarray(), dense)
            self.equal(distgat.read_graph(self.path("g.h5")).x, dense)

    def test_directions_and_repetitions(self):
        loops = np.concatenate([EDGES, [[0, 0], [0, 1]]], axis=1)
        with self.assertWarnsRegex(UserWarning, "tiny: left out: 1 self-loops, which layers add, 1 repeated edges"):
            graph = distgat.make_graph(loops, X, name="tiny", edge_weight=[21, 32, 10, 1, 9, 1])
        self.equal(graph.indices, INDICES)
        self.equal(graph.edge_weight, [10, 1, 21, 32])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            graph = distgat.make_graph(EDGES[:, [0, 1, 2]], X, undirected=True, edge_attr=[21, 32, 10])
            self.equal(graph.edge_index, [[1, 0, 2, 1, 3, 2], [0, 1, 1, 2, 2, 3]])
            self.equal(graph.edge_weight, [10, 10, 21, 21, 32, 32])
            matrix = sp.coo_matrix(([1, 1, 1, 1], EDGES), (4, 4))
            self.equal(distgat.make_graph(matrix).indices, INDICES)
            self.assertIsNone(distgat.make_graph(matrix).edge_weight)
            self.equal(distgat.make_graph(matrix * 3).edge_weight, [3, 3, 3, 3])
            self.equal(distgat.make_graph([[], []], num_nodes=3).indptr, [0, 0, 0, 0])

    def test_labels(self):
        for y, labels, classes in (([2, 0, 1, -1], [2, 0, 1, -1], 3), ([0.0, np.nan, 1, 1], [0, -1, 1, 1], 2),
                                   ([[1], [0], [1], [1]], [1, 0, 1, 1], 2), (None, [-1] * 4, 1),
                                   (np.array([[1, 0, 1]] * 4), [[1, 0, 1]] * 4, 3)):
            attributes, sets = self.written(EDGES, X, y)
            self.equal(sets["labels"], labels)
            self.assertEqual(attributes["num_classes"], classes)
            self.assertEqual(attributes.get("task"), b"multilabel" if np.ndim(labels) == 2 else None)
        self.assertEqual(self.written(EDGES, X, [0, 0, 0, 0], num_classes=5)[0]["num_classes"], 5)

    def test_numbers_among_which_some_are_missing(self):
        """They are no names, of which 10 is less than 2."""
        class Missing:  # as pandas.NA
            def __ne__(self, other):
                return self

            def __bool__(self):
                raise TypeError

        for unknown in (None, np.nan, Missing()):
            graph = distgat.make_graph(EDGES, X, np.array([10, unknown, np.int32(2), 0], object))
            self.equal(graph.y, [10, -1, 2, 0])
            self.assertIsNone(graph.class_names)
            graph = distgat.make_graph(EDGES, X, ["b", unknown, "a", 3])
            self.equal(graph.y, [2, -1, 1, 0])
            self.assertEqual(graph.class_names, ["3", "a", "b"])

    def test_one_hot(self):
        for kind in (bool, int, float):
            with self.assertWarnsRegex(UserWarning, "each row has a single 1, one-hot"):
                graph = distgat.make_graph(EDGES, X, np.eye(4, dtype=kind)[[2, 0, 0, 1]])
            self.equal(graph.y, [2, 0, 0, 1])
            self.assertEqual(graph.num_classes, 4)
        for rows in ([[1, 0], [1, 0], [0, 0], [0, 1]], [[1, 1], [1, 0], [0, 1], [0, 1]]):
            self.equal(distgat.make_graph(EDGES, X, rows).y, rows)

    def test_numbers_as_objects(self):
        """As pandas makes them of its own types."""
        self.equal(distgat.make_graph(EDGES, X.astype(object)).x, X)
        for odd in ("x", None):
            self.assertRaisesRegex(ValueError, "x: features of shape .* type object", distgat.make_graph, EDGES,
                                   np.array([[1, 2], [3, 4], [5, 6], [7, odd]], object))

    def test_no_features(self):
        for x in (np.zeros((4, 0)), sp.csr_matrix((4, 0))):
            self.equal(distgat.make_graph([[0], [1]], x).x, np.eye(4))

    def test_ids_beyond_int64(self):
        for ids, read in (([2**63 - 1, 0, 1, 2], [2**63 - 1, 0, 1, 2]), ([2**63, 0, 1, 2], [str(2**63), "0", "1", "2"]),
                          ([2**70, 0, 1, 2], [str(2**70), "0", "1", "2"])):
            distgat.write_graph(self.path("g.h5"), EDGES, X, node_ids=ids)
            self.assertEqual(list(distgat.read_graph(self.path("g.h5")).node_ids), read)

    def test_several_splits(self):
        masks = np.eye(4, 2, dtype=bool)
        graph = distgat.make_graph(EDGES, X, train_mask=masks, test_mask=[False, False, False, True])
        self.assertEqual(list(graph.splits), ["0", "1"])
        self.equal([graph.splits["0"]["train"], graph.splits["1"]["train"]], [[0], [1]])
        self.equal([graph.splits[k]["test"] for k in "01"], [[3], [3]])
        turned = distgat.make_graph(EDGES, X, train_mask=masks.T, test_mask=masks)
        self.equal([[turned.splits[k][part] for part in ("train", "test")] for k in "01"], [[[0], [0]], [[1], [1]]])
        graph = distgat.make_graph(EDGES, X, splits={"train": [2, 0], "valid": [1], "test": [3]})
        self.equal([graph.splits["public"][part] for part in ("val", "test")], [[1], [3]])
        self.equal(graph.splits["public"]["train"], [0, 2])

    def test_refused(self):
        for words, arguments, fields in (
                ("edge_index: names node 4, but the nodes are 0 to 3", ([[0, 4], [1, 1]], X), {}),
                ("edge_index: names node -1", ([[0, -1], [1, 1]], X), {}),
                (r"edge_index: of shape \(3, 2\)", ([[0, 1], [1, 0], [2, 2]], X), {}),
                ("edge_index: .*float64", ([[0.5], [1]], X), {}),
                (r"edge_index: of shape \(3, 2\).*: transpose it", ([[0, 1], [1, 0], [2, 2]], X), {}),
                (r"edge_index: of shape \(3, 3\).*, or a sparse matrix", (np.eye(3),), {}),
                (r"edge_attr: of shape \(4, 2, 1\)", (EDGES, X), {"edge_attr": np.zeros((4, 2, 1))}),
                (r"edge_attr: of shape \(4, 0\)", (EDGES, X), {"edge_attr": np.zeros((4, 0))}),
                ("edge_attr: holds numbers that are not finite", (EDGES, X), {"edge_attr": np.full((4, 2), np.nan)}),
                ("edge_weight: holds numbers that are not finite", (EDGES, X), {"edge_weight": [1, 2, 3, 1e39]}),
                ("edge_weight: of type <U1; numbers", (EDGES, X), {"edge_weight": list("abcd")}),
                ("number of nodes: x says 4, y says 3", (EDGES, X, [0, 1, 1]), {}),
                ("x: holds numbers that are not finite", (EDGES, X * 1e38), {}),
                ("x: features of shape", (EDGES, X.reshape(4, 2, 1)), {}),
                ("y: names class 3, but the classes are 0 to 1", (EDGES, X, [0, 1, 3, 0]), {"num_classes": 2}),
                ("y: names class -2", (EDGES, X, [0, 1, -2, 0]), {}),
                ("y: of shape", (EDGES, X, [0, 1.5, 1, 0]), {}),
                ("y: of shape .* type datetime64", (EDGES, X, np.zeros(4, "M8[s]")), {}),
                ("class_names: 1 names for 2 classes", (EDGES, X), {"class_names": "a", "num_classes": 2}),
                ("split public: train: names node 4", (EDGES, X), {"train_mask": [4]}),
                ("split public: val: a mask of 3 entries for 4", (EDGES, X), {"val_mask": [True, False, True]}),
                ("split public: test: expected is a mask of 4 entries", (EDGES, X), {"test_mask": [1, 1]}),
                ("edge weight: 3 values for 4 edges", (EDGES, X), {"edge_weight": [1, 2, 3]}),
                ("named more than once has different", ([[0, 0], [1, 1]], X), {"edge_weight": [1, 2]}),
                ("has no nodes", ([[], []],), {})):
            with self.subTest(words), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.assertRaisesRegex(ValueError, rf"\A.*{words}.*\Z", distgat.make_graph, *arguments, **fields)
        self.assertRaisesRegex(OSError, "'/nowhere/g.h5'", distgat.write_graph, "/nowhere/g.h5", EDGES, X)

    def test_attributes_of_no_edges(self):
        for shape in ((0, 3), (0, 1), (0,)):
            graph = distgat.make_graph(np.zeros((2, 0), int), X, edge_attr=np.zeros(shape))
            found = graph.edge_features if shape == (0, 3) else graph.edge_weight
            self.assertEqual(found.shape, (0, 3) if shape == (0, 3) else (0,))
        with h5py.File(self.path("other.h5"), "w") as file:
            file["graph/indptr"] = [0]
        with self.assertRaisesRegex(ValueError, "not a distgat graph"):
            distgat.read_graph(self.path("other.h5"))


    def test_numpy_and_h5py_alone(self):
        code = ("import sys\nfor name in ('scipy', 'torch', 'pandas', 'networkx', 'dgl', 'torch_geometric'):\n"
                "  sys.modules[name] = None\n"
                "sys.path.insert(0, sys.argv[1])\nimport distgat\n"
                "distgat.write_graph(sys.argv[2], [[0, 1], [1, 0]], None, ['b', 'a'])\n"
                "print(distgat.read_graph(sys.argv[2]).x.tolist())\n"
                "distgat.save_weights(sys.argv[2], {'conv1.weight': [[2.0]], 'conv1.bias': [1]})\n"
                "print(distgat.state_dict(sys.argv[2])['conv1.weight'].tolist())\n")
        done = subprocess.run([sys.executable, "-c", code, os.path.dirname(os.path.dirname(distgat.__file__)),
                               self.path("alone.h5")], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.stdout, done.stderr), ("[[1.0, 0.0], [0.0, 1.0]]\n[[2.0]]\n", ""))


class Tensor:
    """What the module asks of a torch tensor on a device."""

    def __init__(self, values):
        self.values = np.asarray(values)

    def detach(self):
        return self

    def cpu(self):
        return self.values


class Libraries(program.Case):
    """By stand-ins that have what the module asks for; test_python_pyg has the libraries themselves."""

    def check(self, graph, edge_index=EDGES):
        want = distgat.make_graph(edge_index, X, [0, 1, 1, 0], train_mask=[0, 1])
        for name in ("indptr", "indices", "labels", "x"):
            np.testing.assert_array_equal(getattr(graph, name), getattr(want, name), err_msg=name)
        np.testing.assert_array_equal(graph.splits["public"]["train"], [0, 1])

    def test_pyg(self):
        data = types.SimpleNamespace(edge_index=Tensor(EDGES), x=Tensor(X), y=Tensor([0, 1, 1, 0]), num_nodes=4,
                                     train_mask=Tensor([True, True, False, False]),
                                     edge_attr=Tensor([[1], [2], [3], [4]]))
        graph = distgat.from_pyg(data, self.path("g.h5"), name="mine", class_names=["a", "b"])
        self.check(graph)
        self.check(distgat.read_graph(self.path("g.h5")))
        np.testing.assert_array_equal(graph.edge_weight, [3, 4, 1, 2])
        self.assertEqual((graph.name, graph.class_names), ("mine", ["a", "b"]))
        self.assertRaisesRegex(ValueError, r"data.to_homogeneous\(\)", distgat.from_pyg, types.SimpleNamespace(node_types=["a"]))
        self.assertRaisesRegex(TypeError, r"a Data is expected, not list; dataset\[0\]", distgat.from_pyg, [data])

    def test_dgl(self):
        def edges(order):
            return [Tensor(EDGES[0]), Tensor(EDGES[1])] if order == "eid" else None
        graph = types.SimpleNamespace(
            is_homogeneous=True, edges=edges, num_nodes=lambda: 4, edata={"weight": Tensor([1, 2, 3, 4])},
            ndata={"feat": Tensor(X), "label": Tensor([0, 1, 1, 0]), "train_mask": Tensor([1, 1, 0, 0])})
        found = distgat.from_dgl(graph)
        self.check(found)
        np.testing.assert_array_equal(found.edge_weight, [3, 4, 1, 2])
        for name, where in (("x", "nodes"), ("y", "nodes"), ("weight", "edges"), ("edge_features", "edges")):
            self.assertRaisesRegex(ValueError, f"no {where} have an attribute 'odd'; they have", distgat.from_dgl, graph, **{name: "odd"})
        self.assertIsNone(distgat.from_dgl(graph, weight=None).edge_weight)
        graph.is_homogeneous = False
        self.assertRaisesRegex(ValueError, "several kinds", distgat.from_dgl, graph)

    def test_networkx(self):
        class Graph(dict):
            name = "letters"

            def nodes(self, data):
                return self.items()

            def edges(self, data=False):
                return [("c", "b", {"weight": 5}), ("d", "c", {}), ("b", "a", {})] if data else [
                    ("c", "b"), ("d", "c"), ("b", "a")]

            def is_directed(self):
                return False

        graph = Graph({name: {"x": X[k], "y": ["u", "v", "v", "u"][k], **({"split": "train"} if k < 2 else {})}
                       for k, name in enumerate("abcd")})
        found = distgat.from_networkx(graph)
        self.check(found, np.concatenate([[[2, 3, 1], [1, 2, 0]], [[1, 2, 0], [2, 3, 1]]], axis=1))
        self.assertEqual((found.name, found.node_ids, found.class_names), ("letters", list("abcd"), ["u", "v"]))
        np.testing.assert_array_equal(found.edge_weight, [1, 1, 5, 5, 1, 1])
        for name, where in (("x", "nodes"), ("y", "nodes"), ("split", "nodes"), ("weight", "edges")):
            self.assertRaisesRegex(ValueError, f"no {where} have an attribute 'odd'; they have", distgat.from_networkx, graph, **{name: "odd"})
        alike = Graph({"c": {}, "b": {}, "d": {}, "a": {}, 1: {}, "1": {}})
        with self.assertWarnsRegex(UserWarning, "several nodes have the same name"):
            self.assertEqual(distgat.from_networkx(alike).node_ids[4:], ["1", "1"])
        del graph["d"]["x"]
        self.assertRaisesRegex(ValueError, "1 of 4 nodes have no attribute 'x'", distgat.from_networkx, graph)
        graph["d"].update(x=X[3], split="valid")
        np.testing.assert_array_equal(distgat.from_networkx(graph).splits["public"]["val"], [3])
        graph["d"]["split"] = "dev"
        self.assertRaisesRegex(ValueError, "the attribute 'split' of a node is 'dev'", distgat.from_networkx, graph)
        graph["d"].update(split=None, y=[1, 0])
        self.assertRaisesRegex(ValueError, "labels of several shapes", distgat.from_networkx, graph)


if __name__ == "__main__":
    program.main()
