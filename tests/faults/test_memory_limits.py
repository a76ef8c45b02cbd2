#!/usr/bin/env python3
"""Limits on address space (ulimit -v): a run is done, or it ends at once with exit code 3 and one line that says so."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import science  # noqa: E402,F401 (finds numpy and h5py)
import h5py  # noqa: E402
import numpy as np  # noqa: E402

import graphs  # noqa: E402
import program  # noqa: E402

DONE, FAILED = 0, 3
AT_ONCE = 20         # seconds, on a machine that others use too
MB = 1000            # ulimit counts kB
PLENTY = 4000
SHORT = (0.45, 0.7, 0.85)  # of what a start takes
ONLY_LAST = '[ "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}" = 2 ] || exec "$0" "$@"; '  # of three ranks
ROOM = (5, 15, 25, 35, 45, 65, 105)  # beyond it, where runs of small graphs begin to have enough

class MemoryLimits(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        graphs.random_graph(400, features=50, degree=4, symmetric=True, seed=3).write(cls.path("G.h5"))
        graphs.random_graph(400, features=50, degree=4, dense=True, symmetric=True, seed=3).write(cls.path("dense.h5"))
        program.distgat("train", cls.path("G.h5"), "--epochs", 1, "--quiet", "--save", cls.path("M.h5"))
        with h5py.File(cls.path("dense.h5"), "r+") as f:
            x = np.resize(f["features/dense"][:], (400, 50000))
            del f["features/dense"]
            f.create_dataset("features/dense", data=x, chunks=x.shape, compression="gzip", compression_opts=1)
            f.attrs["num_features"] = x.shape[1]
        os.rename(cls.path("dense.h5"), cls.path("chunk.h5"))
        cls.start = cls.find_start()

    @classmethod
    def find_start(cls):
        """Megabytes that `info` of a small graph needs: nearly all are the libraries', which differ by system."""
        low, high = 0, PLENTY
        while high - low > 3:
            middle = (low + high) // 2
            done = cls.run_limited(middle, None, "info", "G.h5")
            low, high = (low, middle) if done.returncode == DONE else (middle, high)
        return high

    @classmethod
    def run_limited(cls, megabytes, ranks, *arguments, stack="$(ulimit -s)", those=""):
        """Without the test's own variables for threads: the program must find what it needs by itself."""
        limit = f'unset OPENBLAS_NUM_THREADS OMP_WAIT_POLICY; {those}ulimit -s {stack} -v {megabytes * MB} && exec "$0" "$@"'
        return program.run(*arguments, ranks=ranks, through=("bash", "-c", limit), timeout=AT_ONCE, cwd=cls.folder.name)

    def check(self, megabytes, ranks, *arguments, **options):
        with self.subTest(megabytes=megabytes, ranks=ranks, arguments=arguments):
            done = self.run_limited(megabytes, ranks, *arguments, **options)
            if done.returncode == 127 and "loading shared libraries" in done.stderr:
                return "too little for the loader"
            self.assertIn(done.returncode, (DONE, FAILED), done.stderr)
            if done.returncode == DONE:
                self.assertEqual(done.stderr, "")
                return DONE
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertRegex(done.stderr, f"^distgat {arguments[0]}: .*(out of memory|cannot start thread)")
            self.assertNotIn("damaged", done.stderr)
            return done.stderr
        return None

    def sweep(self, short, room, ranks, *arguments):
        """Too little, then enough."""
        limits = [int(part * self.start) for part in short] + [self.start + more for more in room]
        found = [self.check(limit, ranks, *arguments) for limit in limits]
        self.assertNotEqual(found[0], DONE)
        self.assertEqual(self.check(PLENTY, ranks, *arguments), DONE)

    def test_train_alone(self):
        self.sweep(SHORT, ROOM, None, "train", "G.h5", "--epochs", 2, "--threads", 2, "--quiet")

    def test_train_on_three_ranks(self):
        self.sweep(SHORT[1:], ROOM[::2], 3, "train", "G.h5", "--epochs", 2, "--quiet")

    def test_other_verbs(self):
        for command in (("info", "G.h5"), ("partition", "G.h5", "--parts", 3, "--out", "P.h5", "--quiet"),
                        ("predict", "G.h5", "--model-file", "M.h5", "--out", "O.h5", "--quiet"),
                        ("generate", "--preset", "cora", "--out", "N.h5", "--quiet")):
            self.sweep(SHORT[1:2], ROOM[:3:2], None, *command)

    def test_more_threads_than_fit(self):
        said = self.check(self.start + 55, None, "train", "G.h5", "--epochs", 1, "--threads", 60, "--quiet")
        self.assertRegex(said, "cannot start thread [0-9]+ of 60")

    def test_threads_of_libraries_with_large_stacks(self):
        for ranks, more in ((None, -25), (None, 125), (None, 425), (3, 125)):
            said = self.check(self.start + more, ranks, "train", "G.h5", "--epochs", 1, "--quiet", stack=400000)
            self.assertIn("to start MPI", said)

    def test_one_rank_without_room_ends_all(self):
        said = self.check(self.start + 125, 3, "train", "G.h5", "--epochs", 1, "--quiet", stack=400000, those=ONLY_LAST)
        self.assertIn("to start MPI", said)

    def test_advice_fits_what_was_asked_for(self):
        rows = self.check(self.start + 25, None, "train", "chunk.h5", "--epochs", 1, "--quiet")
        self.assertIn("more ranks need less each", rows)
        weights = self.check(self.start + 225, None, "train", "G.h5", "--model", "gcn", "--hidden", 10**6, "--threads",
                             1, "--epochs", 1, "--quiet")
        self.assertIn("which every rank holds whole", weights)

    def test_a_library_that_never_starts(self):
        """Newer OpenBLAS asks for ever for memory that it does not get."""
        library = self.path("waits.so")
        code = "__attribute__((constructor)) static void wait(void) { for (volatile int i = 0;; i = 0) {} }"
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=code, text=True, check=True)
        limit = f'ulimit -v {PLENTY * MB} && LD_PRELOAD={library} exec "$0" "$@"'
        for ranks, limit in ((None, limit), (3, limit), (3, ONLY_LAST + limit)):
            done = program.run("info", "G.h5", ranks=ranks, through=("bash", "-c", limit), timeout=60, cwd=self.folder.name)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (FAILED, 1), done.stderr)
            self.assertIn("distgat info: out of memory: ", done.stderr)

    def test_a_large_chunk_is_not_called_damaged(self):
        for more in (25, 75, 125):  # for the chunk as stored, and for steps of its way to what it holds
            self.assertIn("out of memory", self.check(self.start + more, None, "info", "chunk.h5"))
        self.assertEqual(self.check(PLENTY, None, "info", "chunk.h5"), DONE)


if __name__ == "__main__":
    program.main()
