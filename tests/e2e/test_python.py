#!/usr/bin/env python3
"""The Python module: training by the program, what it returns and raises, predictions, and weights by older names."""
import contextlib
import io
import os
import signal
import subprocess
import sys
import time
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

sys.path.insert(0, os.path.join(program.SOURCE, "src", "python"))
import distgat  # noqa: E402

os.environ["DISTGAT"] = program.DISTGAT
os.environ.setdefault("DISTGAT_LAUNCHER", f"{program.MPIRUN} -np")
REFERENCE = os.path.join(program.DATA, "parity")


def ring(n=40, **fields):
    """A directed ring of nodes of two classes, in one split."""
    edges = np.stack([np.arange(n), (np.arange(n) + 1) % n])
    x = np.random.default_rng(1).normal(size=(n, 6))
    masks = {f"{part}_mask": np.arange(n) % 3 == k for k, part in enumerate(("train", "val", "test"))}
    return distgat.make_graph(edges, x, **{**masks, "y": np.arange(n) % 2, "name": "ring", **fields})


def told(function, *arguments, **options):
    """What a call returns, and what it prints and says meanwhile."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        result = function(*arguments, **options)
    return result, out.getvalue(), err.getvalue()


class Train(program.Case):
    def test_alone_and_under_mpirun(self):
        models = []
        for ranks in (None, 2):
            model, out, err = told(distgat.train, ring(), epochs=20, dropout=0, ranks=ranks, eval_every=5)
            models.append(model)
            self.assertEqual(out.count("\n"), 2)
            self.assertRegex(out, r"\AEpoch   10 \| Train Loss: .* \| Val Acc: +[\d.]+%\nEpoch   20 \| ")
            self.assertEqual(err, "")
            self.assertEqual(model.result["ranks"], ranks or 1)
            self.assertEqual(model.result["dataset"], "ring")
            self.assertEqual(list(model.history["epoch"]), list(range(1, 21)))
            self.assertEqual(model.history["train_loss"][19], model.history["train_loss"].min())
            self.assertEqual(model.test_acc, model.result["test_acc"])
        np.testing.assert_allclose(models[0].history["train_loss"], models[1].history["train_loss"], rtol=1e-5)
        np.testing.assert_allclose(models[0].predict().logits, models[1].predict().logits, atol=1e-4)

    def test_progress(self):
        lines = []
        _, out, err = told(distgat.train, ring(), epochs=7, progress=lines.append, runs=2)
        self.assertEqual([line["epoch"] for line in lines], [*range(1, 8), *range(1, 8)])
        self.assertEqual((out, err), ("", ""))
        self.assertEqual(told(distgat.train, ring(), epochs=20, progress=False)[1:], ("", ""))

    def test_a_line_shows_while_the_program_trains(self):
        seen = []
        distgat.train(ring(), epochs=150000, hidden=2, heads=1, progress=lambda line: seen.append(time.monotonic()))
        self.assertGreater(seen[-1] - seen[0], 0.3)

    def test_options_are_pythons_own(self):
        """What is on or off may be True or False, and numbers of nodes any sequence."""
        model = distgat.train(ring(), model="gat", epochs=1, progress=False, attention_target=False, symmetric_norm=np.True_,
                              residual=np.False_, prune=False)
        self.assertEqual([model.options[name] for name in ("attention_target", "symmetric_norm", "residual")], ["off", 1, 0])
        self.assertEqual(distgat.train(ring(), model="gat", epochs=0, progress=False, attention_target=True).options["attention_target"],
                         "on")
        self.assertEqual(distgat.train(ring(), recipe="arxiv-gcn", epochs=0, progress=False, residual=False).options["residual"], 0)
        for nodes in ([3, 4], (3, 4), range(3, 5), np.array([3, 4])):
            self.assertEqual(set(model.predict(attention=True, nodes=nodes).attention["conv1"].edge_index[1]), {3, 4})

    def test_runs(self):
        model = distgat.train(ring(), epochs=3, runs=3, seed=5, progress=False)
        self.assertEqual([run["seed"] for run in model.runs], [5, 6, 7])
        self.assertEqual(model.summary["runs"], 3)
        self.assertAlmostEqual(model.summary["test_acc_mean"], np.mean([run["test_acc"] for run in model.runs]))

    def test_files(self):
        saved, log = self.path("kept.h5"), self.path("kept.jsonl")
        graph = ring()
        distgat.write_graph(self.path("ring.h5"), graph)
        model = distgat.train(self.path("ring.h5"), epochs=2, save=saved, log=log, progress=False)
        self.assertEqual(len(program.losses(log)), 2)
        folders = [model.folder.name, model.predict().folder.name]
        del model
        self.assertFalse([folder for folder in folders if os.path.exists(folder)], "temporary files stay")
        np.testing.assert_array_equal(distgat.Model(saved).predict(graph).prediction,
                                      distgat.predict(self.path("ring.h5"), saved).prediction)

    def test_failures(self):
        for ranks in (None, 2):
            for options, code, line in (({"lr": -3}, 2, "distgat train: --lr must be above 0, not -3"),
                                        ({"lerning_rate": 3}, 2, "distgat train: unknown option --lerning-rate"),
                                        ({"save": "/nowhere/m.h5"}, None, "distgat train: .*/nowhere/m.h5.*")):
                with self.subTest(ranks=ranks, options=options):
                    with self.assertRaisesRegex(distgat.Error, fr"\A{line}[^\n]*\Z") as caught:
                        distgat.train(ring(), ranks=ranks, progress=False, **options)
                    self.assertIn(caught.exception.code, (code,) if code else (2, 3))
        with self.assertRaisesRegex(distgat.Error, "program not found"):
            distgat.train(ring(), program="/nowhere/distgat")
        with self.assertRaisesRegex(distgat.Error, "/nowhere/mpirun: cannot be started"):
            distgat.train(ring(), ranks=2, launcher="/nowhere/mpirun -np")
        for ranks in (0, -1, 1.5):  # which launchers take for as many as there are cores
            self.assertRaisesRegex(ValueError, "1 or more are expected", distgat.train, ring(), ranks=ranks)

    def test_what_is_no_graph(self):
        model = distgat.train(ring(), epochs=1, progress=False)
        for call in (lambda: distgat.train({"x": 1}), lambda: distgat.Model(model.path).predict()):
            self.assertRaisesRegex(TypeError, "a graph file's path or a Graph is expected, not (dict|NoneType)", call)

    def test_warnings_are_passed_on(self):
        graph = ring(splits={"public": {"train": [0, 1, 2], "val": [2, 3], "test": [4]}}, train_mask=None,
                     val_mask=None, test_mask=None)
        _, _, err = told(distgat.train, graph, epochs=1)
        self.assertRegex(err, r"\Awarning: [^\n]*train and val 1[^\n]*\n\Z")

    def test_interrupt(self):
        """Ctrl-C lets the program write its checkpoint before the exception is seen."""
        code = ("import sys; sys.path[:0] = sys.argv[1:3]\nimport distgat\n"
                "try: distgat.train(sys.argv[3], epochs=10**9, checkpoint=sys.argv[4],\n"
                "  checkpoint_every=10**8)\n"
                "except KeyboardInterrupt: sys.exit(7)")
        graph = self.path("ring.h5")
        distgat.write_graph(graph, ring())
        command = [sys.executable, "-c", code, os.path.join(program.SOURCE, "src", "python"), program.HERE, graph,
                   self.path("run.h5")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.readline()  # an epoch is done
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(30), 7)
        with h5py.File(self.path("run.h5")) as file:
            self.assertIn("weights", file)


class Columns(dict):
    """As much of a DataFrame."""

    def insert(self, _, name, values):
        self[name] = values


class Predict(program.Case):
    def test_all_that_a_prediction_holds(self):
        graph = ring(node_ids=[f"n{k}" for k in range(40)], class_names=["even", "odd"])
        model = distgat.train(graph, model="gat", heads=3, hidden=4, epochs=3, progress=False)
        plain, full = model.predict(), model.predict(embeddings=True, attention=True, ranks=2)
        self.assertIsNone(plain.embedding)
        self.assertEqual(plain.attention, {})
        np.testing.assert_allclose(plain.logits, full.logits, atol=1e-5)
        np.testing.assert_array_equal(plain.prediction, plain.logits.argmax(axis=1))
        np.testing.assert_allclose(plain.probabilities.sum(axis=1), 1, atol=1e-6)
        self.assertEqual(full.embedding.shape, (40, 12))
        edges, alpha = full.attention["conv1"]
        pairs = {(k, (k + 1) % 40) for k in range(40)} | {(k, k) for k in range(40)}
        self.assertEqual(set(zip(*edges.tolist())), pairs)
        np.testing.assert_allclose([np.bincount(edges[1], head) for head in alpha.T], np.ones((3, 40)), atol=1e-5)
        self.assertEqual((full.classes, list(full.node_ids[:2])), (["even", "odd"], ["n0", "n1"]))
        read = distgat.read_prediction(full.path)
        np.testing.assert_array_equal(read.logits, full.logits)
        self.assertEqual((plain.summary["test_acc"], read.summary), (model.test_acc, {}))
        some = model.predict(attention=True, nodes=[3, 17]).attention["conv1"]
        self.assertEqual(set(some.edge_index[1]), {3, 17})
        initial = model.predict(weights="initial")
        self.assertTrue((initial.logits != plain.logits).any())

    def test_several_labels(self):
        y = np.stack([np.arange(40) % 2, np.arange(40) % 3 == 0, np.arange(40) < 25], axis=1)
        graph = ring(y=y, class_names=["odd", "third", "early"], num_classes=3)
        path = self.path("several.h5")
        with self.subTest("written and read"):
            distgat.write_graph(path, graph.edge_index, graph.x, y)
            np.testing.assert_array_equal(distgat.read_graph(path).y, y)
        model = distgat.train(graph, model="gcn", epochs=5, progress=False)
        found = model.predict()
        self.assertTrue(found.several)
        np.testing.assert_array_equal(found.prediction, found.logits > 0)
        np.testing.assert_allclose(found.probabilities, 1 / (1 + np.exp(-found.logits.astype(float))), atol=1e-6)
        self.assertEqual(found.summary["test_micro_f1"], model.result["test_micro_f1"])
        self.assertEqual(distgat.read_prediction(found.path).prediction.shape, (40, 3))
        with unittest.mock.patch.object(distgat.models, "frame", lambda columns, index: Columns(columns)):
            self.assertEqual(found.frame()["prediction"][7],
                             [name for name, there in zip(found.classes, found.prediction[7]) if there])

    def test_frames_without_pandas_say_so(self):
        with unittest.mock.patch.dict(sys.modules, pandas=None):
            with self.assertRaisesRegex(ImportError, "need pandas"):
                distgat.models.frame({"a": [1]})

    def test_frames(self):
        try:
            import pandas  # noqa: F401
        except ImportError:
            self.skipTest("needs python3-pandas")
        graph = ring(node_ids=[f"n{k}" for k in range(40)], class_names=["even", "odd"])
        model = distgat.train(graph, model="gat", heads=3, hidden=4, epochs=3, progress=False)
        prediction = model.predict(embeddings=True, attention=True)
        table = prediction.frame()
        self.assertEqual(list(table.columns), ["prediction", "even", "odd"])
        k = prediction.prediction[7]
        self.assertEqual(table.loc["n7", "prediction"], ["even", "odd"][k])
        self.assertEqual(table.loc["n7", ["even", "odd"][k]], prediction.probabilities[7, k])
        self.assertEqual(prediction.embedding_frame().loc["n3", 2], prediction.embedding[3, 2])
        edges = prediction.attention_frame("conv1")
        self.assertEqual(list(edges.columns), ["src", "dst", "head0", "head1", "head2"])
        self.assertEqual(set(edges[edges.dst == "n5"].src), {"n4", "n5"})
        self.assertAlmostEqual(edges[edges.dst == "n5"].head1.sum(), 1, places=5)
        self.assertEqual(model.history_frame().loc[2, "train_loss"], model.history["train_loss"][1])


def renamed(**names):
    """A layer by other names, separated by spaces where there are several; the keys have __ for a dot."""
    def rename(layer):
        return {new: value for old, value in layer.items()
                for new in names.get(old.replace(".", "__"), old).split()}
    return rename


def turned(layer):
    """GCNConv and GATConv of the first versions: matrices [in, out], attention vectors in one, the target's first."""
    layer = dict(layer)
    layer["weight"] = layer.pop("lin.weight").T
    if "att_dst" in layer:
        layer["att"] = np.concatenate([layer.pop("att_dst"), layer.pop("att_src")], axis=-1)
    return layer


OLD = {"gat": [renamed(lin__weight="lin_src.weight lin_dst.weight"), renamed(lin__weight="lin_src.weight"),
               renamed(lin__weight="lin_l.weight lin_r.weight", att_src="att_l", att_dst="att_r"), turned],
       "gcn": [turned], "gatv2": [], "mlp": []}
LAYERS = [lambda k: f"conv{k}", lambda k: f"convs.{k - 1}", lambda k: f"layers.{k - 1}.conv",
          lambda k: "abcdefghijk"[-k]]


def other_names(weights, change=dict, layer_name=LAYERS[0]):
    """Weights as another model has them, layers in their order."""
    layers = {}
    for name, value in weights.items():
        layer, tensor = name.split(".", 1)
        layers.setdefault(int(layer[4:]), {})[tensor] = value
    return {f"{layer_name(k)}.{tensor}": value for k in sorted(layers) for tensor, value in change(layers[k]).items()}


class Weights(program.Case):
    def random(self, kind, layers=11):
        """Weights that the program draws: of eleven layers, as conv10 stands before conv2 in a file."""
        model = distgat.train(ring(), model=kind, hidden=5, layers=layers, epochs=2, progress=False)
        return model, distgat.read_weights(model.path)

    def test_older_names(self):
        for kind, changes in OLD.items():
            _, weights = self.random(kind)
            forms = [(change, LAYERS[0]) for change in changes] + [(dict, layer_name) for layer_name in LAYERS]
            for number, (change, layer_name) in enumerate(forms):
                with self.subTest(kind=kind, form=number):
                    other = other_names(weights, change, layer_name)
                    distgat.save_weights(self.path("w.h5"), other)
                    with h5py.File(self.path("w.h5")) as file:
                        self.assertEqual(set(file["weights"]), set(weights))
                    for name, value in distgat.read_weights(self.path("w.h5")).items():
                        np.testing.assert_array_equal(value, weights[name], err_msg=name)
                    back = distgat.state_dict(self.path("w.h5"), like=other)
                    self.assertEqual(list(back), list(other))
                    for name, value in back.items():
                        np.testing.assert_array_equal(np.asarray(value), other[name], err_msg=name)

    def test_square_weights_of_an_early_gcn_are_named(self):
        weights = {"a.weight": np.arange(4).reshape(2, 2), "a.bias": np.ones(2)}
        for model, want in ((None, "conv1.weight"), ("mlp", "conv1.weight"), ("gcn", "conv1.lin.weight")):
            distgat.save_weights(self.path("w.h5"), weights, model=model)
            found = distgat.read_weights(self.path("w.h5"))
            np.testing.assert_array_equal(found[want], weights["a.weight"].T if model == "gcn" else weights["a.weight"])

    def test_what_cannot_be(self):
        model, weights = self.random("gat", 2)
        ends = {name.replace("lin.", "lin_src."): value for name, value in weights.items()}
        ends["conv1.lin_dst.weight"] = weights["conv1.lin.weight"] + 1
        without = {name: value for name, value in weights.items() if not name.endswith("bias")}
        for given, like, words in ((ends, None, "lin_dst.weight: differs"),
                                   ({"embedding.table": np.ones(3)}, None, "embedding.table: is no tensor"),
                                   ({}, None, "no weights"),
                                   ({**weights, "conv2.lin.bias": np.ones(3)}, None, "conv2: has lin.bias, which no layer of gat"),
                                   ({"a.lin.weight": np.ones((2, 2)), "a.lin.bias": np.ones(2)}, None, "a: has lin.bias"),
                                   ({**weights, "norm1.weight": np.ones(5), "norm2.weight": np.ones(3)}, None,
                                    "2 norms, norm1 the first, for 2 layers"),
                                   (weights, without, "has no place for bias"),
                                   (weights, {"conv1.lin.weight": np.ones((2, 2))}, "2 layers"),
                                   (weights, {**weights, "conv1.att_src": np.ones((1, 8, 4))}, "att_src: of shape")):
            with self.assertRaisesRegex(ValueError, words):
                distgat.state_dict(given, like=like)
        with self.assertRaisesRegex(ValueError, "no group /weights"):
            distgat.state_dict(model.graph)

    def test_linear_layers_beside_others_are_skips(self):
        """Theirs and their layer's biases are one in the file, and go where there is one."""
        draws = np.random.default_rng(2)
        sizes = ((5, 4), (3, 5))
        given = {}
        for k, (out, width) in enumerate(sizes):
            given.update({f"convs.{k}.lin.weight": (out, width), f"convs.{k}.bias": (out,), f"norms.{k}.weight": (out,),
                          f"norms.{k}.bias": (out,), f"skips.{k}.weight": (out, width), f"skips.{k}.bias": (out,)})
        given = {name: draws.normal(size=size).astype(np.float32) for name, size in given.items() if "norms.1" not in name}
        found = distgat.state_dict(given)
        for k in range(2):
            np.testing.assert_array_equal(found[f"conv{k + 1}.res.weight"], given[f"skips.{k}.weight"])
            np.testing.assert_allclose(found[f"conv{k + 1}.bias"], given[f"convs.{k}.bias"] + given[f"skips.{k}.bias"], rtol=1e-6)
        self.assertEqual(found["norm1.weight"].shape, (5,))
        distgat.save_weights(self.path("w.h5"), given)
        back = distgat.state_dict(self.path("w.h5"), like=given)
        self.assertEqual(list(back), list(given))
        np.testing.assert_array_equal(back["skips.1.weight"], given["skips.1.weight"])
        self.assertFalse(np.asarray(back["skips.1.bias"]).any())
        bare = {name: value for name, value in given.items() if not (name.startswith("convs") and name.endswith("bias"))}
        back = distgat.state_dict(self.path("w.h5"), like=bare)
        np.testing.assert_array_equal(back["skips.0.bias"], found["conv1.bias"])
        for lost in ("skips.0.weight", "skips.0.bias"):
            given.pop(lost)
        self.assertRaisesRegex(ValueError, "1 linear layers beside 2 of a graph, skips.1 the first", distgat.state_dict, given)

    def test_settings_beside_tensors(self):
        """Of what looks like a torch module: its slope and activation are options; what the program does not compute is
        refused."""
        model, weights = self.random("gat", 2)

        def module(*kinds, **settings):
            homes = {kind: {"__module__": "torch.nn.modules.activation"} for kind in ("ReLU", "ELU", "Tanh", "Sigmoid")}
            parts = [(name, type(kind, (), {**settings, **homes.get(kind, {})})())
                     for name, kind in zip(("conv1", "conv2", "norm1"), kinds)]
            return type("Net", (), {"state_dict": lambda _: weights, "named_modules": lambda _: [("", None), *parts]})()

        gats = module("GATConv", "GATConv", negative_slope=0.4, fill_value="mean", edge_dim=None)
        again = distgat.train(model.graph, init=gats, epochs=0, progress=False)
        self.assertEqual(again.options["negative_slope"], 0.4)
        self.assertEqual(distgat.train(model.graph, init=gats, epochs=0, progress=False, negative_slope=0.3).options["negative_slope"],
                         0.3)
        for kind, want in (("ReLU", "relu"), ("ELU", "elu"), ("Sigmoid", "elu")):  # the last one is no hidden layer's
            net = module("GATConv", "GATConv", kind, negative_slope=0.2)
            self.assertEqual(distgat.train(model.graph, init=net, epochs=0, progress=False).options["activation"], want)
        for kinds, words in ((("GATConv", "Tanh"), "conv2: activate by Tanh"), (("GATConv", "ReLU", "ELU"), "conv2, norm1: activate by")):
            with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                distgat.train(model.graph, init=module(*kinds, negative_slope=0.2), epochs=0, progress=False)
        with self.assertWarnsRegex(UserWarning, "conv1: adds no self-loops"):
            distgat.state_dict(model, like=module("GATConv", "GATConv", edge_dim=None, add_self_loops=False))
        for kinds, settings in ((("GCNConv", "GCNConv"), {"improved": True}), (("GCNConv", "GCNConv", "PairNorm"), {}),
                                (("GCNConv",), {"normalize": False}), (("GATConv",), {"aggr": "max"}),
                                (("SAGEConv",), {"aggr": "mean", "project": True}), (("SAGEConv",), {"root_weight": False}),
                                (("GATv2Conv",), {"flow": "target_to_source"}), (("GINConv",), {"propagate": None}),
                                (("BasicGNN", "GCNConv", "BatchNorm1d"), {"act_first": True}), (("MLP",), {"plain_last": False}),
                                (("GATConv",), {"fill_value": 0.0, "edge_dim": 2, "add_self_loops": True}),
                                (("GCNConv", "GCNConv", "LayerNorm"), {"mode": "graph"}),
                                (("GCNConv", "GCNConv", "BatchNorm1d"), {"affine": False})):
            own = len(kinds) < 3 or kinds[0] == "BasicGNN"
            words = f"conv1: is a {kinds[0]}" if own else f"norm1: is a {kinds[-1]}"
            for call in (lambda net: distgat.train(model.graph, init=net, progress=False),
                         lambda net: distgat.state_dict(model, like=net), lambda net: distgat.save_weights(self.path("w.h5"), net)):
                with self.subTest(words), self.assertRaisesRegex(ValueError, words):
                    call(module(*kinds, **settings))
        distgat.state_dict(model, like=module("GATConv", "GATConv", "BatchNorm1d", eps=1e-5, affine=True, momentum=0.01))

    def test_saved_models_are_trained_on_as_they_are(self):
        """Without their options being told again; what is told is what counts."""
        draws = np.random.default_rng(5)
        graph = ring(edge_weight=draws.random(40), edge_attr=draws.normal(size=(40, 2)))
        for options in ({"model": "gat", "activation": "relu", "negative_slope": 0.5, "edge_attributes": "features"},
                        {"model": "gcn", "edge_attributes": "weight", "norm": "layer", "normalize": "standardize", "layers": 3},
                        {"model": "gat", "attention_target": "off", "symmetric_norm": True, "residual": True},
                        {"model": "sage", "use_labels": 0.5, "label_iterations": 1, "norm": "batch"},
                        {"model": "mlp", "layers": 1}):
            model = distgat.train(graph, epochs=3, progress=False, **options)
            want = model.predict().logits
            for init in (model, model.path):
                with self.subTest(options=options, init=type(init)):
                    again = distgat.train(graph, init=init, epochs=0, progress=False)
                    np.testing.assert_array_equal(again.predict().logits, want)
        other = distgat.train(graph, init=model, epochs=0, progress=False, activation="elu")
        self.assertEqual(other.options["activation"], "elu")

    def test_biases_that_are_not_there_are_zero(self):
        for kind in OLD:
            _, weights = self.random(kind, 2)
            without = {name: value for name, value in weights.items() if not name.endswith("bias")}
            found = distgat.state_dict(without)
            self.assertEqual({name: tuple(value.shape) for name, value in found.items()},
                             {name: value.shape for name, value in weights.items()})
            self.assertFalse(any(np.asarray(value).any() for name, value in found.items() if name.endswith("bias")))

    def test_reference_logits(self):
        """PyTorch Geometric's weights of Cora, by older names, give its logits."""
        cora = program.planetoid("cora", self.folder.name)
        if cora is None or not os.path.isdir(REFERENCE):
            self.skipTest("needs planetoid/ and parity/ in DISTGAT_DATA")
        for name in ("mlp", "gcn", "gat", "gatv2", "gat_avg", "gatv2_avg"):
            kind = name.partition("_")[0]
            with self.subTest(name), h5py.File(os.path.join(REFERENCE, f"cora_{name}.h5")) as file:
                weights = {key: value[:] for key, value in file["weights"].items()}
                for change in (dict, *OLD[kind]):
                    model = distgat.train(cora, init=other_names(weights, change), epochs=0, progress=False)
                    self.assertLess(np.abs(model.predict().logits - file["forward/logits"][:]).max(), 1e-5)
                trained = distgat.state_dict({key: value[:] for key, value in file["trained"].items()})
                self.assertEqual(set(trained), set(weights))

    def test_weights_tell_that_edges_have_attributes(self):
        cora = program.planetoid("cora", self.folder.name)
        if cora is None or not os.path.isdir(REFERENCE + "-deep"):
            self.skipTest("needs planetoid/ and parity-deep/ in DISTGAT_DATA")
        for name, which in (("gat_edge", "features"), ("gatv2_edge", "features"), ("gatv2_weight", "weight")):
            with self.subTest(name), h5py.File(os.path.join(REFERENCE + "-deep", f"cora_{name}.h5")) as file:
                with h5py.File(cora, "a") as graph:
                    graph.pop(f"edges/{which}", None)
                    graph[f"edges/{which}"] = file[f"edges/{which}"][:]
                weights = {key: value[:] for key, value in file["weights"].items()}
                model = distgat.train(cora, init=weights, epochs=0, progress=False)
                self.assertEqual(model.options["edge_attributes"], which)
                self.assertLess(np.abs(model.predict().logits - file["forward/logits"][:]).max(), 2e-5)


class Shown(program.Case):
    """What the README and the example show runs as it stands."""

    def python(self, *arguments, **environment):
        module = os.path.join(program.SOURCE, "src", "python")
        done = subprocess.run([sys.executable, *arguments], cwd=self.folder.name, capture_output=True, text=True,
                              timeout=300, env={**os.environ, "PYTHONPATH": module, "MPLBACKEND": "Agg", **environment})
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        return done.stdout

    def test_version(self):
        self.assertRegex(program.distgat("--version"), rf"\Adistgat {distgat.__version__}\n")

    def test_readme(self):
        os.makedirs(self.path("data"), exist_ok=True)
        if program.planetoid("cora", self.path("data")) is None:
            self.skipTest("needs planetoid/ in DISTGAT_DATA")
        with open(os.path.join(program.SOURCE, "README.md"), encoding="utf-8") as file:
            code = file.read().partition("```python\n")[2].partition("```")[0]
        out = self.python("-c", code)
        self.assertIn("Epoch  200 |", out)
        self.assertIn("'conv2.att': (1, 1, 7)", out)

    def test_tutorial(self):
        try:
            import matplotlib  # noqa: F401
            import sklearn  # noqa: F401
        except ImportError as missing:
            self.skipTest(f"needs python3-matplotlib and python3-sklearn: {missing}")
        program.distgat("generate", "--nodes", 120, "--avg-degree", 4, "--features", 40, "--classes", 3,
                        "--out", self.path("small.h5"))
        out = self.python(os.path.join(program.SOURCE, "src", "examples", "tutorial.py"),
                          DISTGAT_GRAPH=self.path("small.h5"))
        for line in ("Number of nodes:     120", "GCN test accuracy: ", "GATv2 test accuracy: ", "Degree  Nodes  Acc",
                     "One or two neighbours: ", "GATv2: 5772 parameters", "Epoch 0, validation accuracy: "):
            self.assertIn(line, out)
        for name in ("MLP", "GCN", "GAT"):
            self.assertRegex(out, rf"(?m)^{name}: [0-9.]+ ± [0-9.]+ %, published none; [0-9.]+ s a run$")
        self.assertEqual(out.count("Epoch  200"), 2)


if __name__ == "__main__":
    program.main()
