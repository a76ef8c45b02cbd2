#!/usr/bin/env python3
"""Bad input and bad usage: one clear line, the exit code, at once, on one rank and on four, and no files left."""
import json
import os
import pathlib
import resource
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import oracle  # noqa: E402
import program  # noqa: E402

BAD, FAILED = 2, 3
AT_ONCE = 20         # seconds, on a machine that others use too
FOREVER = 10**9      # epochs: a fault must not wait for the end of training


def small_graph():
    return graphs.random_graph(30, features=6, degree=3, isolated=2, hub=True, symmetric=True, seed=11)


def replace(f, name, value):
    del f[name]
    f[name] = value


def set_entry(name, index, value):
    def edit(f):
        f[name][index] = value
    return edit


def cut(name, shorter):
    def edit(f):
        replace(f, name, f[name][:shorter])
    return edit


def set_attribute(name, value):
    def edit(f):
        f.attrs[name] = value
    return edit


def delete(name):
    def edit(f):
        del f[name]
    return edit


def foreign_filter(name):
    """Stores a data set as if a filter had compressed it that no library has."""
    def edit(f):
        values = f[name][:]
        del f[name]
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_chunk(values.shape)
        layout.set_filter(511, h5py.h5z.FLAG_OPTIONAL)
        space, kind = h5py.h5s.create_simple(values.shape), h5py.h5t.py_create(values.dtype)
        stored = h5py.h5d.create(f.id, name.encode(), kind, space, dcpl=layout)
        stored.write_direct_chunk((0,), values.tobytes())
    return edit


# Edits that make a good graph file a bad one. Node 0 is the hub: the first row has many neighbours.
BAD_GRAPHS = {
    "foreign_format": set_attribute("format", "something-else"),
    "later_version": set_attribute("version", 99),
    "no_features_attribute": lambda f: f.attrs.__delitem__("num_features"),
    "wrong_features_attribute": set_attribute("num_features", 3),
    "edge_to_nowhere": set_entry("graph/indices", 0, 30),
    "edge_to_negative": set_entry("graph/indices", 0, -1),
    "self_loop": set_entry("graph/indices", 0, 0),
    "duplicate_edge": set_entry("graph/indices", 0, 2),
    "edges_out_of_order": set_entry("graph/indices", 0, 5),
    "indptr_decreases": set_entry("graph/indptr", 2, 0),
    "indptr_too_long": set_entry("graph/indptr", -1, 10**6),
    "edges_cut": cut("graph/indices", 10),
    "no_edges": delete("graph/indices"),
    "no_features": delete("features"),
    "no_labels": delete("labels"),
    "labels_cut": cut("labels", 10),
    "label_too_large": set_entry("labels", 5, 3),
    "label_too_small": set_entry("labels", 5, -2),
    "nan_feature": set_entry("features/values", 4, np.nan),
    "infinite_feature": set_entry("features/values", 4, np.inf),
    "feature_column_outside": set_entry("features/indices", 0, 6),
    "features_cut": cut("features/values", 3),
    "feature_indptr_decreases": set_entry("features/indptr", 2, 10**6),
    "empty_training_split": lambda f: replace(f, "splits/public/train", np.array([], np.int64)),
    "split_outside": set_entry("splits/public/train", 0, 30),
    "split_repeats": lambda f: replace(f, "splits/public/val", [4, 5, 4]),
    "no_splits": delete("splits"),
    "too_many_classes": set_attribute("num_classes", 2**20 + 1),
    "missing_filter": foreign_filter("labels"),
}

USAGE = {
    "unknown_option": ("train", "G", "--no-such-option", 3),
    "no_value": ("train", "G", "--lr"),
    "malformed_real": ("train", "G", "--lr", "fast"),
    "malformed_integer": ("train", "G", "--epochs", "1.5"),
    "negative_epochs": ("train", "G", "--epochs", -1),
    "not_a_number": ("train", "G", "--lr", "nan"),
    "zero_layers": ("train", "G", "--layers", 0),
    "zero_heads": ("train", "G", "--heads", 0),
    "dropout_of_one": ("train", "G", "--dropout", 1),
    "negative_dropout": ("train", "G", "--attention-dropout", -0.1),
    "unknown_model": ("train", "G", "--model", "transformer"),
    "unknown_recipe": ("train", "G", "--recipe", "magic"),
    "seed_out_of_range": ("train", "G", "--seed", 2**63 - 1, "--runs", 2),
    "layer_too_wide": ("train", "G", "--hidden", 10**6, "--heads", 32),
    "too_many_generated": ("generate", "--nodes", 10, "--avg-degree", 1, "--features", 4, "--classes", 2**31 - 1, "--out",
                           "O"),
    "unknown_split": ("train", "G", "--split", "private"),
    "no_graph": ("train",),
    "two_graphs": ("train", "G", "G"),
    "no_model_file": ("predict", "G", "--out", "O"),
    "no_out": ("predict", "G", "--model-file", "M"),
    "unknown_weights": ("predict", "G", "--model-file", "M", "--out", "O", "--weights", "best"),
    "zero_parts": ("partition", "G", "--parts", 0, "--out", "O"),
    "unknown_preset": ("generate", "--preset", "facebook", "--out", "O"),
    "missing_yaml": ("train", "G", "--config", "absent.yaml"),
    "unknown_yaml_option": ("train", "G", "--config", "unknown.yaml"),
    "malformed_yaml": ("train", "G", "--config", "malformed.yaml"),
    "nested_yaml": ("train", "G", "--config", "nested.yaml"),
    "endless_yaml": ("train", "G", "--config", "endless.yaml"),
}

UNWRITABLE = {
    "save": ("train", "G", "--epochs", FOREVER, "--save", "absent/M.h5"),
    "log": ("train", "G", "--epochs", FOREVER, "--log", "absent/log.jsonl"),
    "save_is_folder": ("train", "G", "--epochs", FOREVER, "--save", "folder"),
    "predict": ("predict", "G", "--model-file", "M", "--out", "absent/O.h5"),
    "partition": ("partition", "G", "--parts", 2, "--out", "absent/P.h5"),
    "generate": ("generate", "--preset", "cora", "--out", "absent/G.h5"),
    "log_disk_full": ("train", "G", "--epochs", FOREVER, "--log", "/dev/full"),
}
OVERWRITING = (
    ("train", "G", "--save", "G"),
    ("train", "G", "--log", "G"),
    ("train", "link.h5", "--log", "hard.h5"),
    ("train", "G", "--save-gradients", "link.h5"),
    ("train", "G", "--partition", "P1.h5", "--save", "P1.h5"),
    ("train", "G", "--partition", "P1.h5", "--log", "P1.h5"),
    ("train", "G", "--config", "good.yaml", "--log", "good.yaml"),
    ("train", "G", "--init", "M", "--log", "M"),
    ("train", "G", "--save", "new.h5", "--log", "folder/../new.h5"),
    ("train", "G", "--save", "new.h5", "--log", "dangling"),
    ("train", "G", "--save", "M", "--save-gradients", "M"),
    ("predict", "G", "--model-file", "M", "--out", "G"),
    ("predict", "G", "--model-file", "M", "--out", "M"),
    ("predict", "G", "--model-file", "M", "--out", "P1.h5", "--partition", "P1.h5"),
    ("partition", "G", "--parts", 1, "--out", "hard.h5"),
    ("partition", "G", "--parts", 1, "--method", "file", "--from", "P1.h5", "--out", "P1.h5"),
)
SERIAL = ("partition", "info")  # verbs that run on one process only


class Faults(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.graph = small_graph()
        cls.graph.write(cls.path("G.h5"))
        os.mkdir(cls.path("folder"))
        with open(cls.path("unknown.yaml"), "w") as f:
            f.write("hiden: 8\n")
        with open(cls.path("malformed.yaml"), "w") as f:
            f.write("hidden: [8\n")
        with open(cls.path("nested.yaml"), "w") as f:
            f.write("[" * 10**6)
        with open(cls.path("endless.yaml"), "w") as f:
            f.write("# options\n" * 2**17)
        program.distgat("train", cls.path("G.h5"), "--epochs", 1, "--save", cls.path("M.h5"), timeout=AT_ONCE)

    def fails(self, code, *arguments, ranks=(None, 4), words="", **options):
        """The command ends with `code` and one line that holds `words`, and leaves the folder as it was."""
        names = {"G": self.path("G.h5"), "M": self.path("M.h5"), "O": self.path("out.h5")}
        arguments = [names.get(a, a) for a in arguments]
        before = self.listing()
        for n in ranks if arguments[0] not in SERIAL else (None,):
            done = program.run(*arguments, ranks=n, timeout=AT_ONCE, cwd=self.folder.name, **options)
            what = f"{' '.join(map(str, arguments))}, ranks {n}: {done.stderr}"
            self.assertEqual(done.returncode, code, what)
            lines = [line for line in done.stderr.splitlines() if line.startswith("distgat")]
            self.assertEqual(len(lines), 1, what)
            self.assertEqual(done.stderr.splitlines(), lines, what)
            self.assertGreater(len(lines[0]), 20, what)
            self.assertIn(words, lines[0])
            self.assertEqual(self.listing(), before, what)

    def listing(self):
        """Every file of the folder with its content; a link to nothing has none."""
        paths = [os.path.join(at, name) for at, _, files in os.walk(self.folder.name) for name in files]
        return {path: pathlib.Path(path).read_bytes() if os.path.exists(path) else None for path in paths}

    def edited(self, edit, name="bad.h5", of=None):
        """A copy of the file `of`, of the graph where there is none, that is not what it was."""
        path = self.path(name)
        if of:
            shutil.copy(self.path(of), path)
        else:
            self.graph.write(path)
        with h5py.File(path, "r+") as f:
            edit(f)
        return path

    def bad_graph(self, name):
        return self.edited(BAD_GRAPHS[name])

    def test_missing_graph(self):
        for verb in ("train", "info"):
            self.fails(BAD, verb, "absent.h5")
        self.fails(BAD, "partition", "absent.h5", "--parts", 2, "--out", "O")
        self.fails(BAD, "predict", "absent.h5", "--model-file", "M", "--out", "O")
        self.fails(BAD, "train", "folder")

    def test_truncated_graph(self):
        with open(self.path("G.h5"), "rb") as f:
            content = f.read()
        for size in (0, 100, len(content) // 2):
            with open(self.path("truncated.h5"), "wb") as f:
                f.write(content[:size])
            with self.subTest(size=size):
                self.fails(BAD, "train", "truncated.h5")

    def test_not_hdf5(self):
        with open(self.path("text.h5"), "w") as f:
            f.write("this is no graph\n" * 100)
        self.fails(BAD, "train", "text.h5")
        self.fails(BAD, "train", "M")  # another kind of file of this program

    def test_bad_graphs(self):
        for name in BAD_GRAPHS:
            with self.subTest(name=name):
                self.fails(BAD, "train", self.bad_graph(name), "--epochs", FOREVER)

    def test_bad_graphs_elsewhere(self):
        self.fails(BAD, "predict", self.bad_graph("nan_feature"), "--model-file", "M", "--out", "O")
        self.fails(BAD, "partition", self.bad_graph("edge_to_nowhere"), "--parts", 2, "--out", "O")
        self.fails(BAD, "info", self.bad_graph("edge_to_nowhere"))

    def test_messages(self):
        """The line names the file and the place, or the option and its value."""
        for name, words in (("split_repeats", "bad.h5: splits/public/val: node 4 is in the list twice"),
                            ("too_many_classes", "bad.h5: root attribute num_classes is 1048577, it must be 1 to"),
                            ("missing_filter", "bad.h5: data set labels needs HDF5 filter 511")):
            for verb in ("train", "info"):
                self.fails(BAD, verb, self.bad_graph(name), ranks=(None,), words=words)
        self.fails(BAD, "train", "G", "--seed", 2**63 - 1, "--runs", 2, ranks=(None,), words="--seed 922337203685477580")
        self.fails(BAD, "train", "G", "--heads", 300, ranks=(None,), words="--heads must be")
        wide = self.edited(set_attribute("num_classes", 2**20))
        self.fails(BAD, "train", wide, "--out-heads", 17, ranks=(None,), words="layer 2 has 17 heads of 1048576")
        self.fails(BAD, "generate", "--preset", "none", "--out", "O", ranks=(None,), words="distgat generate: unknown")

    def test_foreign_name(self):
        """A name in another encoding than UTF-8 spoils no output; what cannot be read is shown as '?'."""
        def rename(f):
            f.attrs["name"] = np.bytes_("K\u00f6ln \u20ac".encode() + b"\xe9\xff\xed\xa0\x80")
        graph = self.edited(rename)
        part = self.path("foreign.h5")
        for command in (("info",), ("train", "--epochs", 1), ("bench", "--steps", 1),
                        ("partition", "--parts", 1, "--out", part)):
            with self.subTest(verb=command[0]):
                done = json.loads(program.distgat(command[0], graph, *command[1:], "--json"))
                self.assertEqual(done.get("dataset", done.get("name")), "K\u00f6ln \u20ac?????")

    def test_no_epochs(self):
        self.assertNotIn("nan", program.distgat("train", self.path("G.h5"), "--epochs", 0))

    def test_usage(self):
        for name, command in USAGE.items():
            with self.subTest(name=name):
                self.fails(BAD, *command)
        self.fails(BAD, "no-such-verb")

    def test_initial_weights(self):
        good = oracle.random_weights("gatv2", 6, 3)
        wrong_shape = dict(good, **{"conv1.lin_l.weight": np.zeros((64, 7), np.float32)})
        missing = {name: value for name, value in good.items() if name != "conv2.att"}
        infinite = dict(good, **{"conv2.bias": np.full(3, np.inf, np.float32)})
        other = oracle.random_weights("gat", 6, 3)
        for name, weights in dict(wrong_shape=wrong_shape, missing=missing, infinite=infinite, other=other).items():
            graphs.write_weights(self.path("init.h5"), weights)
            with self.subTest(name=name):
                self.fails(BAD, "train", "G", "--init", "init.h5", "--epochs", FOREVER, words="init.h5: ")
        self.fails(BAD, "train", "G", "--init", "absent.h5")
        self.fails(BAD, "train", "G", "--init", "G")

    def test_bad_models(self):
        self.fails(BAD, "predict", "G", "--model-file", "absent.h5", "--out", "O")
        self.fails(BAD, "predict", "G", "--model-file", "G", "--out", "O")
        other = graphs.random_graph(20, features=9, seed=2)
        other.write(self.path("other.h5"))
        self.fails(BAD, "predict", "other.h5", "--model-file", "M", "--out", "O")

    def test_edited_models(self):
        """Options that do not go together, weights beyond single precision, weights whose logits are."""
        def weights(value):
            def edit(f):
                replace(f, "weights/conv1.lin_l.weight", np.full(f["weights/conv1.lin_l.weight"].shape, value))
            return edit
        for edit, words in ((set_attribute("version", 2), "model of version 2, this program reads version 1"),
                            (set_attribute("residual", 2), "residual must be 0 or 1, not 2"),
                            (set_attribute("label_iterations", 1), "--label-iterations is for --use-labels"),
                            (lambda f: f.attrs.update(model="mlp", edge_attributes="weight"), "--edge-attributes is for"),
                            (weights(1e300), "weights/conv1.lin_l.weight holds a number that is not finite"),
                            (weights(3e38), "gives node ")):
            edited = self.edited(edit, "edited.h5", "M.h5")
            with self.subTest(words=words):
                self.fails(BAD, "predict", "G", "--model-file", edited, "--out", "O", words="edited.h5: " + words)

    def test_edited_checkpoints(self):
        """A run before the first is none that could be gone on with."""
        options = ("G", "--epochs", 2, "--split", "all", "--checkpoint")
        program.distgat("train", self.path("G.h5"), *options[1:], self.path("C.h5"))
        for index in (-1, -2**40):
            edited = self.edited(lambda f: replace(f, "run/index", np.array([index])), "edited.h5", "C.h5")
            self.fails(BAD, "train", *options, edited, "--resume", words=f"edited.h5: goes on with run {index}")

    def test_unwritable(self):
        for name, command in UNWRITABLE.items():
            with self.subTest(name=name):
                self.fails(FAILED, *command)

    def test_outputs_destroy_nothing(self):
        """No output may be an input or another output, by whatever name; but a model may go on from itself."""
        program.distgat("partition", self.path("G.h5"), "--parts", 1, "--out", self.path("P1.h5"))
        with open(self.path("good.yaml"), "w") as f:
            f.write("hidden: 4\n")
        for name, make in (("link.h5", os.symlink), ("hard.h5", os.link)):
            make(self.path("G.h5"), self.path(name))
        os.symlink(self.path("new.h5"), self.path("dangling"))
        for command in OVERWRITING:
            with self.subTest(command=command):
                self.fails(BAD, *command)
        program.distgat("train", self.path("G.h5"), "--epochs", 1, "--init", self.path("M.h5"), "--save",
                        self.path("M.h5"))

    def test_log_is_kept(self):
        """An older log is replaced once all input is accepted, not before; a new one is not begun."""
        graphs.write_weights(self.path("wrong.h5"), oracle.random_weights("gat", 6, 3))
        unwatched = self.edited(lambda f: replace(f, "splits/public/val", np.array([], np.int64)), "unwatched.h5")
        with open(self.path("old.jsonl"), "w") as f:
            f.write("older\n")
        for log in ("old.jsonl", "new.jsonl"):
            for command in (("absent.h5",), (self.bad_graph("nan_feature"),), ("G", "--init", "wrong.h5"),
                            ("G", "--partition", "absent.h5"), ("G", "--split", "private"),
                            (unwatched, "--early-stop", "gat")):
                with self.subTest(log=log, command=command):
                    self.fails(BAD, "train", *command, "--log", log)
        program.distgat("train", self.path("G.h5"), "--epochs", 1, "--log", self.path("old.jsonl"))
        self.assertEqual(len(program.losses(self.path("old.jsonl"))), 1)

    def test_disk_full(self):
        """A file that may not grow stands for a full disk, with room for what MPI writes; Python leaves SIGXFSZ ignored."""
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))
        wide = ("--hidden", 128, "--heads", 8, "--layers", 3)
        self.fails(FAILED, "train", "G", *wide, "--epochs", 1, "--save", "full.h5", ranks=(None,),
                   restore_signals=False, preexec_fn=limit)

    def test_bad_partitions(self):
        def write_part(part, parts):
            with h5py.File(self.path("P.h5"), "w") as f:
                f["part"] = np.asarray(part, np.int32)
                f.attrs.update(parts=parts, edge_cut=0, halo_nodes=0, method="file")
                f.attrs.update(node_imbalance=1.0, edge_imbalance=1.0)
        bad = {"other_graph": (np.zeros(29), 1), "outside": (np.full(30, 7), 1), "negative": (np.full(30, -1), 1),
               "too_many": (np.arange(30), 30)}
        for name, (part, parts) in bad.items():
            write_part(part, parts)
            with self.subTest(name=name):
                self.fails(BAD, "train", "G", "--partition", "P.h5", "--epochs", FOREVER)
        self.fails(BAD, "train", "G", "--partition", "absent.h5")
        self.fails(BAD, "train", "G", "--partition", "G")
        self.fails(BAD, "partition", "G", "--parts", 2, "--method", "file", "--out", "O")
        self.fails(BAD, "partition", "G", "--parts", 2, "--method", "file", "--from", "unknown.yaml", "--out", "O")

    def test_overwriting(self):
        """A failed run leaves an older output as it was; a good one replaces it."""
        path = self.path("kept.h5")
        with open(path, "w") as f:
            f.write("older")
        self.fails(BAD, "predict", "G", "--model-file", "absent.h5", "--out", "kept.h5")
        with open(path) as f:
            self.assertEqual(f.read(), "older")
        program.distgat("predict", self.path("G.h5"), "--model-file", self.path("M.h5"), "--out", path)
        with h5py.File(path) as f:
            self.assertEqual(f["logits"].shape, (30, 3))

    def test_predict_needs_no_split(self):
        """Inference looks at no split: none need be there, and none need be chosen among several."""
        def rename(f):
            f.move("splits/public", "splits/a")
            f.copy("splits/a", "splits/b")
        wanted = self.predicted(self.path("G.h5"), None)
        for name, edit in (("none.h5", delete("splits")), ("several.h5", rename)):
            graph = self.edited(edit, name)
            for ranks in (None, 3):
                with self.subTest(name=name, ranks=ranks):
                    np.testing.assert_allclose(self.predicted(graph, ranks), wanted, rtol=1e-5, atol=1e-6)

    def predicted(self, graph, ranks):
        out = self.path("predicted.h5")
        program.distgat("predict", graph, "--model-file", self.path("M.h5"), "--out", out, ranks=ranks)
        with h5py.File(out) as f:
            return f["logits"][:]

    def test_small_graphs_work(self):
        """More ranks than nodes, more ranks than parts; more parts than nodes are a mistake."""
        tiny, part = self.path("tiny.h5"), self.path("tiny_part.h5")
        graphs.random_graph(3, features=4, classes=2, degree=1, seed=5).write(tiny)
        for method in ("metis", "random", "block"):
            self.fails(BAD, "partition", tiny, "--parts", 4, "--method", method, "--out", part)
            program.distgat("partition", tiny, "--parts", 3, "--method", method, "--out", part, timeout=AT_ONCE)
            with h5py.File(part) as f:
                self.assertEqual(sorted(f["part"]), [0, 1, 2])
                self.assertEqual(f.attrs["parts"], 3)
        for options in ((), ("--partition", part)):
            program.distgat("train", tiny, "--epochs", 2, *options, ranks=9, timeout=60)


if __name__ == "__main__":
    program.main()
