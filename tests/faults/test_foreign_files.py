#!/usr/bin/env python3
"""Files from elsewhere: the HDF5 library crashes on some, loops on others, would read other files for some: each is
refused with exit code 2 and one line, whatever the verb and the number of ranks, in a few seconds."""
import fcntl
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

CASES = os.path.join(program.DATA, "cases")
N, F, CLASSES = 24, 5, 3


def replace(name, **options):
    """Stores a data set in another way."""
    def edit(f):
        data = f[name][()]
        del f[name]
        f.create_dataset(name, data=data, **options)
    return edit


def typed(name, dtype):
    def edit(f):
        data = f[name][()]
        del f[name]
        f.create_dataset(name, data=data.astype(dtype))
    return edit


def link(name, to):
    def edit(f):
        del f[name]
        f[name] = to
    return edit


def unwritten(name, shape, **options):
    def edit(f):
        dtype = f[name].dtype
        del f[name]
        f.create_dataset(name, shape, dtype, **options)
    return edit


def external(name, other):
    def edit(f):
        data = f[name][()]
        del f[name]
        data.tofile(other)
        f.create_dataset(name, data.shape, data.dtype, external=[(other, 0, data.nbytes)])
    return edit


def virtual(name):
    def edit(f):
        data = f[name][()]
        f["kept"] = data
        del f[name]
        layout = h5py.VirtualLayout(data.shape, data.dtype)
        layout[...] = h5py.VirtualSource(".", "kept", data.shape)
        f.create_virtual_dataset(name, layout)
    return edit


def odd_type(name, change):
    """A data set whose type is that of its data but for one property."""
    def edit(f):
        data = f[name][()]
        del f[name]
        kind = h5py.h5t.py_create(data.dtype).copy()
        change(kind)
        space = h5py.h5s.create_simple(data.shape)
        h5py.h5d.create(f.id, name.encode(), kind, space).write(h5py.h5s.ALL, h5py.h5s.ALL, data, kind)
    return edit


def scaled(f):
    data = f["labels"][()]
    del f["labels"]
    f.create_dataset("labels", data=data, scaleoffset=0, chunks=True)


def huge_chunks(f):
    del f["labels"]
    f.create_dataset("labels", (N,), np.int32, chunks=(1 << 28,), maxshape=(None,))


class ForeignFiles(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.graph = graphs.random_graph(N, features=F, classes=CLASSES, dense=True, symmetric=True, seed=3)
        cls.good = cls.path("good.h5")
        cls.graph.write(cls.good)

    def refused(self, words, *arguments, seconds=10, **options):
        start = time.monotonic()
        done = program.run(*arguments, timeout=60, **options)
        self.assertLess(time.monotonic() - start, seconds)
        lines = [line for line in done.stderr.splitlines() if line.startswith("distgat ")]
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(len(lines), 1, done.stderr)
        if not options.get("ranks"):
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(words, lines[0])
        self.assertEqual(done.stdout, "")

    def edited(self, edit):
        path = self.path("edited.h5")
        self.graph.write(path)
        with h5py.File(path, "r+") as f:
            edit(f)
        return path

    def test_damaged_files_end_with_one_line_at_any_number_of_ranks(self):
        folder = os.path.join(CASES, "damaged")
        if not os.path.isdir(folder):
            self.skipTest(f"no damaged files: {folder} is absent")
        for name in sorted(os.listdir(folder)):
            path, verb = os.path.join(folder, name), name.split("-")[-1].split(".")[0]
            arguments = {"info": ["info", path], "train": ["train", path, "--epochs", "1"],
                         "partition": ["partition", os.path.join(CASES, "graphs", "good.h5"), "--parts", "3",
                                       "--method", "file", "--from", path, "--out", self.path("p.h5")]}[verb]
            for ranks in (None, 3):
                with self.subTest(file=name, ranks=ranks):
                    self.refused(name, *arguments, ranks=ranks)

    def test_a_damaged_copy_that_one_rank_sees_ends_with_one_line(self):
        folder = os.path.join(CASES, "damaged")
        if not os.path.isdir(folder):
            self.skipTest(f"no damaged files: {folder} is absent")
        for name in sorted(name for name in os.listdir(folder) if name.endswith("train.h5")):
            usual, other = ["train", self.good, "--epochs", "1"], ["train", os.path.join(folder, name), "--epochs", "1"]
            with self.subTest(file=name):
                done = program.launch((1, usual), (1, other), (1, usual), timeout=30)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertIn(name, done.stderr)

    def test_what_lies_elsewhere_is_not_read(self):
        other = self.path("other.h5")
        self.graph.write(other)
        for name, edit, words in (
                ("soft", link("labels", h5py.SoftLink("/graph/indptr")), "labels is a soft link"),
                ("external", link("graph/indices", h5py.ExternalLink(other, "/graph/indices")), "is an external link"),
                ("group", link("graph", h5py.ExternalLink(other, "/graph")), "graph is an external link"),
                ("raw", external("labels", self.path("labels.raw")), "labels is stored in another file"),
                ("virtual", virtual("labels"), "labels is virtual")):
            path = self.edited(edit)
            for verb in (["info", path], ["train", path, "--epochs", "1"],
                         ["partition", path, "--parts", "2", "--out", self.path("p.h5")], ["bench", path]):
                with self.subTest(name=name, verb=verb[0]):
                    self.refused(words, *verb)

    def test_models_and_partitions_are_looked_at_as_graphs_are(self):
        model, partition = self.path("model.h5"), self.path("part.h5")
        program.distgat("train", self.good, "--model", "gcn", "--epochs", "1", "--quiet", "--save", model)
        program.distgat("partition", self.good, "--parts", "1", "--out", partition)
        for path, name in ((model, "weights/conv1.bias"), (partition, "part")):
            for edit, words in ((link(name, h5py.ExternalLink(self.good, "/labels")), "is an external link"),
                                (external(name, self.path("raw")), "is stored in another file"),
                                (virtual(name), "is virtual"),
                                (odd_type(name, lambda kind: kind.set_precision(1)), "must hold numbers")):
                bad = self.path("bad.h5")
                shutil.copy(path, bad)
                with h5py.File(bad, "r+") as f:
                    if words != "must hold numbers":
                        edit(f)
                    else:
                        link(name, np.array([b"text"]))(f)
                uses = ([["train", self.good, "--model", "gcn", "--init", bad],
                         ["predict", self.good, "--model-file", bad, "--out", self.path("o.h5")]]
                        if path == model else [["train", self.good, "--partition", bad]])
                for arguments in uses:
                    with self.subTest(name=name, words=words, verb=arguments[0]):
                        self.refused(words, *arguments)

    def test_claims_beyond_what_is_stored_are_refused_at_once(self):
        limit = 1 << 31
        for name, edit in (
                ("contiguous", unwritten("labels", (N,))),
                ("chunks", unwritten("graph/indptr", (limit,), chunks=(1 << 20,))),
                ("small_chunks", unwritten("graph/indptr", (limit,), chunks=(1024,))),
                ("features", unwritten("features/dense", (N, limit), chunks=(1, 1 << 20))),
                ("overflow", unwritten("features/dense", (1 << 40, 1 << 40), chunks=(1024, 1024))),
                ("chunk", huge_chunks)):
            path = self.edited(edit)
            with self.subTest(name=name):
                self.refused("larger than what the file stores", "info", path)
                self.refused("larger than what the file stores", "train", path, "--epochs", "1")
        case = os.path.join(CASES, "graphs", "nodes-2p31-huge.h5")
        if os.path.exists(case):
            self.refused("larger than what the file stores", "info", case)

    def test_types_that_are_no_numbers_are_named(self):
        table = np.dtype([("a", np.int32), ("b", np.int32)])
        for name, edit, words in (
                ("compound", lambda f: link("labels", np.zeros(N, table))(f), "labels must hold numbers"),
                ("opaque", lambda f: link("labels", np.zeros(N, "V4"))(f), "labels must hold numbers"),
                ("complex", lambda f: link("labels", np.zeros(N, np.complex64))(f), "labels must hold numbers"),
                ("mask", lambda f: link("splits/public/train", np.ones(N, bool))(f), "ids where it is true"),
                ("bytes", lambda f: link("splits/public/train", np.ones(N, np.uint8))(f), "is it a mask?"),
                ("group", lambda f: (f.__delitem__("labels"), f.create_group("labels")), "is not a data set"),
                ("null", lambda f: link("labels", h5py.Empty("i4"))(f), "dimensions"),
                ("filter", scaled, "HDF5 filter 6")):
            path = self.edited(edit)
            for verb in ("info", "train"):
                with self.subTest(name=name, verb=verb):
                    self.refused(words, verb, path)

    def test_other_ways_to_store_the_same_graph_are_read(self):
        said = program.distgat("info", self.good, "--json")
        for name, edit in (("big_endian", typed("labels", ">i8")), ("short", typed("graph/indices", "<u2")),
                           ("wide", typed("graph/indptr", ">u4")), ("double", typed("features/dense", ">f8")),
                           ("gzip", replace("features/dense", chunks=True, compression=4, shuffle=True,
                                            fletcher32=True)),
                           ("chunks", replace("graph/indices", chunks=(4,), maxshape=(None,)))):
            path = self.edited(edit)
            with self.subTest(name=name):
                self.assertEqual(program.distgat("info", path, "--json"), said)
        half = self.edited(typed("features/dense", np.float16))
        self.assertIn('"nonzero_features":120', program.distgat("info", half, "--json"))

    def test_every_verb_says_the_same_of_a_split_that_none_asked_for(self):
        def lists(name, train=(0, 1), val=(2, 3), test=(4, 5)):
            def edit(f):
                for part, ids in (("train", train), ("val", val), ("test", test)):
                    f[f"splits/{name}/{part}"] = np.array(ids)
            return edit
        for name, edit, words in (
                ("empty", lambda f: f.create_group("splits/other"), "splits/other/train is missing"),
                ("long", lists("\u00e9" * 128), "has 256 bytes, it may have 255"),
                ("beyond", lists("other", val=(2, N)), "splits/other/val[1] is 24"),
                ("twice", lists("other", test=(4, 4)), "node 4 is in the list twice"),
                ("mask", lists("other", train=[True] * N), "ids where it is true")):
            path = self.edited(edit)
            for verb in (["info", path], ["train", path], ["bench", path],
                         ["partition", path, "--parts", "2", "--out", self.path("p.h5")]):
                with self.subTest(name=name, verb=verb[0]):
                    self.refused(words, *verb)
        path = self.edited(lists("\u00e9" * 127))
        for verb in (["info", path], ["train", path, "--epochs", "1", "--split", "\u00e9" * 127]):
            program.distgat(*verb)

    def test_nodes_in_two_lists_are_counted(self):
        def overlap(f):
            link("splits/public/val", f["splits/public/train"][:3])(f)
            link("splits/public/test", f["splits/public/train"][2:4])(f)
        path = self.edited(overlap)
        words = "split public: nodes in two lists: train and val 3, train and test 2, val and test 1; what"
        for ranks in (None, 3):
            for arguments in (["info", path, "--json"], ["train", path, "--epochs", "1", "--json"]):
                done = program.run(*arguments, ranks=ranks)
                self.assertEqual((done.returncode, done.stderr.count(words)), (0, 1), done.stderr)
        said = program.distgat("info", path, "--json")
        self.assertIn('"overlaps":{"train_val":3,"train_test":2,"val_test":1}', said)
        self.assertNotIn("overlap", program.run("info", self.good).stderr)

    def test_names_are_printed_harmless(self):
        for name, printed in (("a\nb\x1b[31m\x07\x7f", "a?b?[31m??"), ("\u009b31m", "?31m"), ("\u202etxt", "?txt"),
                              ("K\u00f6ln", "K\u00f6ln")):
            path = self.edited(lambda f: (f.attrs.__setitem__("name", name), f.move("splits/public", "splits/" + name)))
            with self.subTest(name=name):
                said = program.distgat("info", path)
                self.assertIn(f"Dataset: {printed}\n", said)
                self.assertIn(f"Split {printed}\n", said)
                self.assertIn(f"gatv2 on {printed}:", program.distgat("train", path, "--epochs", "1"))

    def test_a_file_that_is_being_written_is_named_so(self):
        path = self.edited(lambda f: None)
        with open(path, "rb") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            self.refused("HDF5_USE_FILE_LOCKING", "info", path)
            free = dict(os.environ, HDF5_USE_FILE_LOCKING="FALSE")
            done = subprocess.run([program.DISTGAT, "info", path], env=free, capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_file_systems_without_locks_are_read_and_written(self):
        source, library = os.path.join(CASES, "nolock.c"), self.path("nolock.so")
        if not os.path.exists(source):
            self.skipTest(f"no library without locks: {source} is absent")
        subprocess.run(["gcc", "-shared", "-fPIC", "-w", "-o", library, source, "-ldl"], check=True)
        preload = " ".join(filter(None, [os.environ.get("LD_PRELOAD"), library]))
        for number in ("37", "95"):
            environment = {**program.MPI_ENVIRONMENT, **os.environ, "LD_PRELOAD": preload, "NOLOCK_ERRNO": number}
            for arguments in (["info", self.good], ["train", self.good, "--epochs", "2", "--save", self.path("w.h5")],
                              ["predict", self.good, "--model-file", self.path("w.h5"), "--out", self.path("o.h5")],
                              ["partition", self.good, "--parts", "2", "--out", self.path("p.h5")]):
                done = subprocess.run([program.DISTGAT] + arguments, env=environment, capture_output=True, timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_what_was_freed_is_not_used(self):
        """The C library fills it with a pattern. The HDF5 library uses a file driver that was given up."""
        model = self.path("freed.h5")
        for arguments in (["info", self.good], ["partition", self.good, "--parts", "2", "--out", self.path("p.h5")],
                          ["train", self.good, "--epochs", "1", "--save", model],
                          ["predict", self.good, "--model-file", model, "--out", self.path("o.h5")]):
            done = program.execute(["env", "MALLOC_PERTURB_=85", program.DISTGAT, *arguments], timeout=60)
            self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    program.main()
