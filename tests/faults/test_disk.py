#!/usr/bin/env python3
"""A system that fails to read or write, or does half of it: the exit code, one line in its words, older files as they were;
what is merely interrupted or short succeeds."""
import errno
import os
import pathlib
import sys
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402

DONE, BAD, FAILED = 0, 2, 3
HALF = 0  # no error
TRAIN = ("train", "G.h5", "--epochs", 2, "--save", "new.h5", "--log", "log.jsonl")
PREDICT = ("predict", "G.h5", "--model-file", "M.h5", "--out", "new.h5", "--csv", "T.csv", "--probabilities")
RESUME = ("train", "G.h5", "--epochs", 4, "--checkpoint", "C.h5", "--resume", "--log", "log.jsonl")


class Disk(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.library = cls.path("fail_calls.so")
        program.build_library("fail_calls.c", cls.library)
        program.distgat("generate", "--nodes", 300, "--avg-degree", 4, "--features", 20, "--classes", 3, "--out",
                        cls.path("G.h5"), "--quiet")
        program.distgat("train", cls.path("G.h5"), "--epochs", 4, "--quiet", "--save", cls.path("M.h5"), "--checkpoint",
                        cls.path("C.h5"), "--checkpoint-every", 2)

    def run_with(self, call, count, error, end, *arguments, ranks=None):
        fault = {"FAIL_CALL": f"{call}:{count}:{error}:{end}"}
        through = ("env", f"LD_PRELOAD={self.library}")
        with unittest.mock.patch.dict(os.environ, fault):
            return program.run(*arguments, "--quiet", ranks=ranks, through=through, timeout=30, cwd=self.folder.name)

    def fails(self, words, *call, may_end=False, **options):
        """Which of the older files are as they were; None where there is no such call and that may be."""
        with self.subTest(call=call, **options):
            for name in ("new.h5", "T.csv"):
                pathlib.Path(self.path(name)).write_text("older")
            before = sorted(os.listdir(self.folder.name))
            done = self.run_with(*call, **options)
            if may_end and done.returncode == DONE:
                return None
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (FAILED, 1), done.stderr)
            self.assertIn(words, done.stderr)
            self.assertEqual(sorted(set(os.listdir(self.folder.name)) - {"log.jsonl"}),
                             [name for name in before if name != "log.jsonl"])
            return [pathlib.Path(self.path(name)).read_bytes() == b"older" for name in ("new.h5", "T.csv")]

    def test_what_cannot_be_read(self):
        """Wherever it is: what the system does not read is neither damaged nor absent."""
        count, words = 1, "G.h5: cannot be read: Input/output error"
        while (kept := self.fails(words, "pread", count, errno.EIO, "G.h5", *TRAIN, may_end=True)) is not None:
            self.assertEqual(kept, [True, True])
            count += 1
        self.assertGreater(count, 30)
        for count in (1, 40):
            self.fails("G.h5: cannot be read: Input/output error", "pread", count, errno.EIO, "G.h5", *TRAIN, ranks=3)
        self.fails("M.h5: cannot be read: Input/output error", "pread", 30, errno.EIO, "M.h5", *PREDICT)

    def test_what_cannot_be_opened(self):
        """The file may be good: exit code 3, for whichever rank."""
        count, words = 1, "G.h5: cannot be read: Too many open files"
        while self.fails(words, "open", count, errno.EMFILE, "G.h5", *TRAIN, may_end=True) is not None:
            count += 1
        self.assertGreater(count, 2)
        for count in (1, 2):
            self.fails(words, "open", count, errno.EMFILE, "G.h5", *TRAIN, ranks=3)

    def test_text_that_cannot_be_read(self):
        """It is not damaged either; a folder is the user's mistake."""
        part = ("partition", "G.h5", "--parts", 3, "--method", "file", "--out", "new.h5", "--from")
        for command in (part, ("train", "G.h5", "--config")):
            for source, code, words in (("/proc/self/mem", FAILED, "Input/output error"), ("/proc", BAD, "Is a directory")):
                with self.subTest(command=command, source=source):
                    done = program.run(*command, source, "--quiet", timeout=30, cwd=self.folder.name)
                    self.assertEqual((done.returncode, done.stdout), (code, ""))
                    self.assertEqual(done.stderr, f"distgat {command[0]}: {source}: cannot be read: {words}\n")

    def test_what_cannot_be_written(self):
        for call, error, words in (("pwrite", errno.ENOSPC, "No space left"), ("fsync", errno.EIO, "Input/output error"),
                                   ("close", errno.EDQUOT, "quota exceeded"), ("rename", errno.EIO, "Input/output error")):
            kept = self.fails("new.h5: cannot be written: ", call, 2 if call == "close" else 1, error, "new.h5", *TRAIN)
            self.assertEqual(kept, [True, True])
        for call in ("fsync", "rename"):
            kept = self.fails("T.csv: cannot be written: Input/output error", call, 1, errno.EIO, "T.csv", *PREDICT)
            self.assertEqual(kept, [False, True])  # the prediction itself is complete

    def test_what_is_interrupted_or_short(self):
        self.assertEqual(program.run(*PREDICT, "--quiet", cwd=self.folder.name).returncode, DONE)
        usual = [pathlib.Path(self.path(name)).read_bytes() for name in ("new.h5", "T.csv")]
        for call, count, error, end in (("pread", 3, errno.EINTR, "G.h5"), ("pread", 40, HALF, "G.h5"),
                                        ("pwrite", 2, errno.EINTR, "new.h5"), ("pwrite", 3, HALF, "new.h5"),
                                        ("fsync", 1, errno.EINTR, "new.h5"), ("close", 2, errno.EINTR, "new.h5"),
                                        ("fsync", 1, errno.EINTR, "T.csv")):
            with self.subTest(call=call, error=error, end=end):
                done = self.run_with(call, count, error, end, *PREDICT)
                self.assertEqual((done.returncode, done.stderr), (DONE, ""))
                self.assertEqual([pathlib.Path(self.path(name)).read_bytes() for name in ("new.h5", "T.csv")], usual)

    def test_a_checkpoint_that_cannot_be_read(self):
        """The one before it is used."""
        whole = pathlib.Path(self.path("C.h5")).read_bytes()
        done = self.run_with("pread", 20, errno.EIO, "/C.h5", *RESUME)
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertEqual(done.stderr, "")
        pathlib.Path(self.path("C.h5")).write_bytes(whole)


if __name__ == "__main__":
    program.main()
