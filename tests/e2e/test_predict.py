#!/usr/bin/env python3
"""What a prediction tells, and the tables and attention that are asked for."""
import csv
import json
import os
import pathlib
import resource
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)

import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

CLASSES = ["plain", 'with "quotes"', "with, comma", " spaced"]


class Predict(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        graphs.random_graph(9000, features=12, classes=4, degree=3, seed=4).write(cls.path("graph.h5"))
        with h5py.File(cls.path("graph.h5"), "a") as file:
            file["nodes/id"] = np.array([f"node {i}".encode() for i in range(9000)])
            file["classes/name"] = np.array([name.encode() for name in CLASSES])
        cls.trained = json.loads(program.distgat("train", cls.path("graph.h5"), "--epochs", 5, "--save",
                                                 cls.path("model.h5"), "--json"))

    def predict(self, *options, graph="graph.h5", ranks=1):
        return program.distgat("predict", self.path(graph), "--model-file", self.path("model.h5"), "--out",
                               self.path("out.h5"), *options, ranks=ranks)

    def test_accuracies_are_those_of_training(self):
        for ranks in (1, 3):
            said = json.loads(self.predict("--json", ranks=ranks))
            for figure in ("dataset", "model", "test_acc", "val_acc", "train_acc"):
                self.assertEqual(said[figure], self.trained[figure], figure)
            self.assertEqual((said["split"], said["nodes"], said["ranks"]), ("public", 9000, ranks))
        text = self.predict()
        self.assertIn(f"test {100 * self.trained['test_acc']:.2f}%", text)
        self.assertIn(f"validation {100 * self.trained['val_acc']:.2f}%", text)

    def test_a_graph_may_have_no_split_or_several(self):
        for splits, options, wanted in (([], (), None), (["a", "b"], (), None), (["a", "b"], ("--split", "b"), "b")):
            with h5py.File(self.path("graph.h5")) as source, h5py.File(self.path("other.h5"), "w") as file:
                for name in ("graph", "features", "labels"):
                    source.copy(name, file)
                file.attrs.update(source.attrs)
                for split in splits:
                    source.copy("splits/public", file, f"splits/{split}")
            said = json.loads(self.predict("--json", *options, graph="other.h5"))
            self.assertEqual(said["split"], wanted)
            self.assertEqual(said["test_acc"], self.trained["test_acc"] if wanted else None)

    def test_tables_have_names_and_probabilities(self):
        tables = []
        for ranks in (1, 3):
            self.predict("--probabilities", "--csv", self.path("out.csv"), ranks=ranks)
            with open(self.path("out.csv"), newline="") as file:
                tables.append(list(csv.reader(file)))
            with h5py.File(self.path("out.h5")) as file:
                logits, best, share = (file[name][:] for name in ("logits", "prediction", "probabilities"))
            expected = np.exp(logits.astype(float) - logits.max(1, keepdims=True))
            expected /= expected.sum(1, keepdims=True)
            np.testing.assert_allclose(share, expected, atol=1e-6)
            header, *rows = tables[-1]
            self.assertEqual(header, ["node", "prediction", "label", "split", *CLASSES])
            self.assertEqual([row[:2] for row in rows], [[f"node {i}", CLASSES[c]] for i, c in enumerate(best)])
            np.testing.assert_allclose(np.array([row[4:] for row in rows], float), share, rtol=1e-6)
        self.assertEqual([row[:2] for row in tables[0]], [row[:2] for row in tables[1]])

    def test_tables_have_labels_and_lists(self):
        """Unknown labels are empty, nodes in two lists are told, and those of another split are its."""
        graph = graphs.read(self.path("graph.h5"))
        graph.labels[graph.test[:3]] = -1
        graph.val = np.sort(np.append(graph.val, graph.train[5]))
        graph.test = graph.test[4:]
        graph.write(self.path("labels.h5"))
        with h5py.File(self.path("labels.h5"), "a") as file:
            file["splits/other/train"], file["splits/other/val"] = graph.test, graph.val
            file["splits/other/test"] = np.zeros(0, np.int64)
        for options, lists in (((), {"train": graph.train, "val": graph.val, "test": graph.test}),
                               (("--split", "other"), {"train": graph.test, "val": graph.val})):
            self.predict("--csv", self.path("out.csv"), *options, graph="labels.h5")
            with open(self.path("out.csv"), newline="") as file:
                rows = list(csv.DictReader(file))
            wanted = ["" if label < 0 else str(label) for label in graph.labels]
            self.assertEqual([row["label"] for row in rows], wanted)
            self.assertEqual([row["split"] for row in rows], self.lists_of(lists))

    @staticmethod
    def lists_of(lists):
        names = [[] for _ in range(9000)]
        for name, nodes in lists.items():
            for i in nodes:
                names[i].append(name)
        return ["+".join(name) for name in names]

    def test_a_table_needs_no_names(self):
        with h5py.File(self.path("graph.h5")) as source, h5py.File(self.path("bare.h5"), "w") as file:
            for name in ("graph", "features", "labels", "splits"):
                source.copy(name, file)
            file.attrs.update(source.attrs)
        self.predict("--csv", self.path("out.csv"), graph="bare.h5")
        with open(self.path("out.csv")) as file, h5py.File(self.path("out.h5")) as out:
            rows = list(csv.reader(file))
            self.assertEqual([row[:2] for row in rows[1:]], [[str(i), str(c)] for i, c in enumerate(out["prediction"])])

    def test_names_are_those_that_were_meant(self):
        """Numbers beyond the signed ones, and texts padded with blanks."""
        big = [2**64 - 1 - i for i in range(9000)]
        blanks = np.array([f"n{i}".ljust(9) for i in range(9000)], "S9")
        padded = h5py.h5t.C_S1.copy()
        padded.set_size(9)
        padded.set_strpad(h5py.h5t.STR_SPACEPAD)
        for kind in ("big", "blanks"):
            with h5py.File(self.path("graph.h5")) as source, h5py.File(self.path("named.h5"), "w") as file:
                for name in ("graph", "features", "labels", "splits"):
                    source.copy(name, file)
                file.attrs.update(source.attrs)
                nodes = file.create_group("nodes")
                if kind == "big":
                    nodes["id"] = np.array(big, np.uint64)
                else:
                    space = h5py.h5s.create_simple((9000,))
                    h5py.h5d.create(nodes.id, b"id", padded, space).write(h5py.h5s.ALL, h5py.h5s.ALL, blanks, padded)
            self.predict("--csv", self.path("out.csv"), graph="named.h5")
            with open(self.path("out.csv"), newline="") as file:
                names = [row[0] for row in csv.reader(file)][1:]
            self.assertEqual(names, [str(i) for i in big] if kind == "big" else [f"n{i}" for i in range(9000)])

    def test_half_a_table_is_none(self):
        program.distgat("predict", self.path("graph.h5"), "--model-file", self.path("model.h5"), "--out",
                        self.path("out.h5"), "--probabilities", "--csv", self.path("out.csv"))
        size = os.path.getsize(self.path("out.h5")), os.path.getsize(self.path("out.csv"))
        pathlib.Path(self.path("out.csv")).write_text("older")
        before = sorted(os.listdir(self.folder.name))

        def narrow():
            resource.setrlimit(resource.RLIMIT_FSIZE, (size[0], size[0]))

        self.assertGreater(size[1], size[0])  # so that the table alone does not fit
        alone = ("env", "UCX_TLS=self")  # no file for others, which MPICH would write
        done = program.run("predict", self.path("graph.h5"), "--model-file", self.path("model.h5"), "--out",
                           self.path("out.h5"), "--probabilities", "--csv", self.path("out.csv"), through=alone,
                           preexec_fn=narrow)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("out.csv", done.stderr)
        self.assertEqual(pathlib.Path(self.path("out.csv")).read_text(), "older")
        self.assertEqual(sorted(os.listdir(self.folder.name)), before)

    def test_attention_of_some_nodes(self):
        wanted = [0, 7, 100, 101, 102, 8999]
        self.predict("--attention")
        with h5py.File(self.path("out.h5")) as file:
            every = {name: file[f"attention/conv2/{name}"][:] for name in ("src", "dst", "alpha")}
        chosen = np.isin(every["dst"], wanted)
        for ranks in (1, 3):
            self.predict("--attention", "--nodes", "0,8999,100-102,7", ranks=ranks)
            with h5py.File(self.path("out.h5")) as file:
                for name, values in every.items():
                    np.testing.assert_allclose(file[f"attention/conv2/{name}"][:], values[chosen], atol=1e-6)

    def test_attention_by_ids(self):
        self.predict("--attention", "--nodes", "7,8999")
        with h5py.File(self.path("out.h5")) as file:
            wanted = {name: file[f"attention/conv2/{name}"][:] for name in ("src", "dst", "alpha")}
        for options in (("--ids", "node 8999,node 7,node 7"), ("--ids", "node 7", "--nodes", "8999")):
            for ranks in (1, 3):
                self.predict("--attention", *options, ranks=ranks)
                with h5py.File(self.path("out.h5")) as file:
                    for name, values in wanted.items():
                        np.testing.assert_allclose(file[f"attention/conv2/{name}"][:], values, atol=1e-6)

    def test_another_file_is_no_model(self):
        graphs.random_graph(50, features=9, classes=3, degree=3, seed=4).write(self.path("small.h5"))
        self.predict()
        program.distgat("partition", self.path("graph.h5"), "--parts", 2, "--out", self.path("parts.h5"))
        program.distgat("train", self.path("small.h5"), "--epochs", 2, "--save", self.path("small-model.h5"))
        graphs.write_weights(self.path("weights.h5"), graphs.read_weights(self.path("model.h5")))
        with h5py.File(self.path("graph.h5")) as source, h5py.File(self.path("bare.h5"), "w") as file:
            for name in ("graph", "features", "splits"):
                source.copy(name, file)
            file.attrs.update(source.attrs)
        predict = ("predict", "graph.h5", "--out", "o.h5", "--model-file")
        train = ("train", "graph.h5", "--init")
        other = ("was trained on another graph, test, which has 9 features and 3 classes; this one has 12 features and 4 "
                 "classes")
        for command, word in (((*predict, "graph.h5"), "is a graph, not a model"), ((*train, "graph.h5"), "is a graph, not"),
                              ((*predict, "out.h5"), "is a prediction, not a model"),
                              ((*train, "parts.h5"), "is a partition, not a model"),
                              ((*predict, "weights.h5"), "does not say of what model it is"),
                              ((*predict, "small-model.h5"), other), ((*train, "small-model.h5"), other),
                              (("info", "model.h5"), "is a model, not a graph"),
                              (("train", "out.h5"), "is a prediction, not a graph"),
                              (("train", "bare.h5"), "has no labels: data set labels")):
            for ranks in (1, 3):
                with self.subTest(command=command, ranks=ranks):
                    done = program.run(*command, ranks=ranks, cwd=self.folder.name)
                    self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1), done.stderr)
                    self.assertIn(word, done.stderr)

    def test_the_file_says_what_it_is_of(self):
        self.predict()
        info = json.loads(program.distgat("info", self.path("graph.h5"), "--json"))
        with h5py.File(self.path("out.h5")) as file:
            said = {name: value.decode() if isinstance(value, bytes) else value for name, value in file.attrs.items()}
        self.assertEqual(said["graph_fingerprint"], info["fingerprint"])
        self.assertEqual((said["graph"], said["model"], said["heads"], said["weights"]),
                         (self.trained["dataset"], "gatv2", 8, "trained"))
        self.assertIn(said["program"], program.distgat("--version"))

    def test_what_makes_no_sense_is_refused(self):
        for options, word in ((("--nodes", "3"), "--nodes is for --attention"),
                              (("--ids", "node 3"), "--ids is for --attention"),
                              (("--attention", "--ids", "node 3,eve"), "no node of id 'eve'"),
                              (("--attention", "--nodes", "3,"), "numbers of nodes, from 0"),
                              (("--attention", "--nodes", "5-3"), "numbers of nodes, from 0"),
                              (("--attention", "--nodes", "9000"), "nodes 0 to 8999"),
                              (("--split", "none"), "has no split none"),
                              (("--csv", self.path("graph.h5")), "graph.h5"),
                              (("--csv", self.path("no/out.csv")), "no/out.csv")):
            for ranks in (1, 3):
                with self.subTest(options=options, ranks=ranks):
                    done = program.run("predict", self.path("graph.h5"), "--model-file", self.path("model.h5"), "--out",
                                       self.path("out.h5"), *options, ranks=ranks)
                    self.assertIn(done.returncode, (2, 3))
                    self.assertEqual((done.stdout, done.stderr.count("distgat predict: ")), ("", 1), done.stderr)
                    self.assertIn(word, done.stderr)


if __name__ == "__main__":
    program.main()
