#!/usr/bin/env python3
"""A signal to a run that writes checkpoints, at any moment: all ranks end within seconds with exit code 75, one line says
after which epoch, and the run goes on from there as if it had never ended."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402
import ranks  # noqa: E402

BAD, STOPPED = 2, 75
LIMIT, AT_ONCE = 10, 3  # seconds; 5 on a machine that has nothing else to do
LINE = r"distgat train: stopped by signal {} (after epoch \d+|before (the first|another) epoch); continue with --resume"
RUN = ("--epochs", 120, "--threads", 1, "--model", "gcn")


class Stop(program.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        program.distgat("generate", "--nodes", 20000, "--avg-degree", 8, "--features", 40, "--classes", 5, "--out",
                        cls.path("G.h5"), "--quiet")

    def setUp(self):
        for name in os.listdir(self.folder.name):
            if name != "G.h5" and not name.startswith("a."):
                os.remove(self.path(name))

    def start(self, *options, np=None, through=()):
        launcher = [program.MPIRUN, "-np", str(np), *through] if np else []
        arguments = ("train", self.path("G.h5"), "--quiet", "--checkpoint", self.path("c.h5"), "--checkpoint-every", 20,
                     "--resume", *RUN, "--save", self.path("b.h5"), "--log", self.path("b.jsonl"), *options)
        process = subprocess.Popen([*launcher, program.DISTGAT, *map(str, arguments)], text=True, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, env={**program.MPI_ENVIRONMENT, **os.environ})
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def ranks_of(self, process, np):
        return ranks.below(process.pid) if np else [process.pid]

    def wait_for_epoch(self, process):
        self.assertTrue(ranks.wait(lambda: os.path.exists(self.path("c.h5")) or process.poll() is not None))
        self.assertIsNone(process.poll())

    def has_begun(self, log="b.jsonl"):
        return os.path.exists(self.path(log)) and os.path.getsize(self.path(log)) > 0

    def unwritten(self, name):
        """Options in a file that nobody writes: they are read for ever."""
        os.mkfifo(self.path(name))
        return self.path(name)

    def wait_for_reader(self, fifo):
        found = []

        def is_read():
            with contextlib.suppress(OSError):
                found.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))  # and stays open: no end of file
            return bool(found)
        self.assertTrue(ranks.wait(is_read))
        self.addCleanup(os.close, found[0])

    def end(self, process, number, codes=(STOPPED,), limit=LIMIT):
        """What was said, of a process that ends in time and leaves nothing unfinished."""
        began = time.monotonic()
        code = process.wait(60)
        self.assertLess(time.monotonic() - began, limit)
        self.assertIn(code, codes)
        said = [line for line in process.stderr.read().splitlines() if line.startswith("distgat")]
        self.assertLessEqual(len(said), 1, said)
        if said:
            self.assertRegex(said[0], r"\A" + LINE.format(number.name) + r"\Z")
        self.assertEqual([name for name in os.listdir(self.folder.name) if ".tmp." in name], [])
        return "".join(said)

    def assert_goes_on(self, np=None):
        """What is left of the run gives the losses of a run that never ended."""
        undisturbed = self.path(f"a.{np}.jsonl")
        if not os.path.exists(undisturbed):
            program.distgat("train", self.path("G.h5"), *RUN, "--log", undisturbed, ranks=np)
        process = self.start(np=np)
        self.assertEqual(process.wait(120), 0)
        self.assertEqual(program.losses(self.path("b.jsonl")), program.losses(undisturbed))
        self.assertTrue(os.path.exists(self.path("b.h5")))

    def test_in_training(self):
        for np in (None, 3):
            for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
                with self.subTest(np=np, signal=number.name):
                    self.setUp()
                    process = self.start("--epochs", 10**6, np=np)
                    self.wait_for_epoch(process)
                    for pid in self.ranks_of(process, np):
                        os.kill(pid, number)
                    said = self.end(process, number)
                    epoch = int(re.search(r"after epoch (\d+);", said).group(1))
                    self.assertEqual(len(program.losses(self.path("b.jsonl"))), epoch)
                    self.assertFalse(os.path.exists(self.path("b.h5")))
        self.start("--epochs", epoch + 1, np=3).wait(60)
        self.assertEqual(len(program.losses(self.path("b.jsonl"))), epoch + 1)

    def test_of_one_rank_or_of_the_launcher(self):
        for tell in (lambda p: os.kill(ranks.below(p.pid)[-1], signal.SIGUSR1), lambda p: p.send_signal(signal.SIGUSR1)):
            self.setUp()
            process = self.start("--epochs", 10**6, np=3)
            self.wait_for_epoch(process)
            tell(process)
            self.assertIn("after epoch", self.end(process, signal.SIGUSR1))

    def test_what_was_sent_is_told(self):
        """Not SIGTERM, by which a launcher ends the other ranks."""
        process = self.start("--epochs", 10**6, np=3)
        self.wait_for_epoch(process)
        first, *others = self.ranks_of(process, 3)
        for pid in (first, *others):  # none ends in between
            os.kill(pid, signal.SIGSTOP)
        os.kill(first, signal.SIGUSR1)
        for pid in others:
            os.kill(pid, signal.SIGTERM)
        for pid in (first, *others):
            os.kill(pid, signal.SIGCONT)
        self.assertIn("SIGUSR1", self.end(process, signal.SIGUSR1))

    def test_the_first_of_two_is_told(self):
        """Both wait until the process, which others kept from running, goes on, and its threads meet them at once; several
        processes, for threads race."""
        kept = [self.start("--config", self.unwritten(f"options{i}.yaml")) for i in range(4)]
        logs = [f"lost{i}.jsonl" for i in range(2)]
        lost = [subprocess.Popen([program.DISTGAT, "train", self.path("G.h5"), "--epochs", "1000000", "--log", self.path(log),
                                  "--quiet"], stderr=subprocess.PIPE, text=True) for log in logs]
        for process in lost:
            self.addCleanup(process.communicate)
            self.addCleanup(process.kill)
        for log in logs:
            self.assertTrue(ranks.wait(lambda log=log: self.has_begun(log)))
        for i in range(len(kept)):
            self.wait_for_reader(self.path(f"options{i}.yaml"))
        for process in kept + lost:
            process.send_signal(signal.SIGSTOP)
            self.assertTrue(ranks.wait(lambda p=process: ranks.state(p.pid) == "T"))
            for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGCONT):
                process.send_signal(number)
        for process in kept:
            self.assertIn("before the first epoch", self.end(process, signal.SIGUSR1))
        for process in lost:
            self.assertEqual(process.wait(20), -signal.SIGUSR1)
            self.assertIn("SIGUSR1 after epoch", process.stderr.read())

    def test_at_any_moment(self):
        for np, number in ((None, signal.SIGTERM), (3, signal.SIGUSR1)):
            self.setUp()
            began = time.monotonic()
            self.assert_goes_on(np)
            whole = (time.monotonic() - began) / 2
            for part in (0.2, 0.6, 1):
                with self.subTest(np=np, part=part):
                    self.setUp()
                    process = self.start(np=np)
                    self.assertTrue(ranks.wait(lambda: len(self.ranks_of(process, np)) == (np or 1)))
                    time.sleep(0.15 + part * whole)
                    for pid in self.ranks_of(process, np):
                        os.kill(pid, number)
                    self.end(process, number, (STOPPED, 0))
                    self.assert_goes_on(np)

    def test_before_the_first_epoch(self):
        """An older checkpoint is as it was."""
        for np in (None, 3):
            self.setUp()
            with open(self.path("c.h5"), "w") as f:
                f.write("older")
            process = self.start("--config", self.unwritten("options.yaml"), np=np)
            self.wait_for_reader(self.path("options.yaml"))
            for pid in self.ranks_of(process, np):
                os.kill(pid, signal.SIGTERM)
            self.assertIn("before the first epoch", self.end(process, signal.SIGTERM, limit=LIMIT if np else AT_ONCE))
            with open(self.path("c.h5")) as f:
                self.assertEqual(f.read(), "older")

    def test_while_rank_0_divides(self):
        """What was sent is told, to whichever rank; and other ranks, which are faster, do not leave before it is: their end
        is where a launcher loses its patience with rank 0. METIS's own handler of SIGTERM hears of none."""
        if program.launcher_is_hydra():
            self.skipTest("Hydra kills the other ranks by SIGKILL, at once")
        library, began = self.path("a.so"), self.path("began")
        program.build_library("end_in_metis.c", library)
        for tell, number in ((lambda p: p.send_signal(signal.SIGTERM), signal.SIGTERM),
                             (lambda p: p.send_signal(signal.SIGUSR1), signal.SIGUSR1),
                             (lambda p: os.kill(ranks.below(p.pid)[-1], signal.SIGUSR1), signal.SIGUSR1),
                             (lambda p: os.kill(ranks.below(p.pid)[-1], signal.SIGINT), signal.SIGINT)):
            with self.subTest(signal=number.name):
                self.setUp()
                process = self.start(np=3, through=("env", f"LD_PRELOAD={library}", f"METIS_BEGAN={began}"))
                self.assertTrue(ranks.wait(lambda: os.path.exists(began)))
                time.sleep(0.5)
                tell(process)
                self.assertIn("before the first epoch", self.end(process, number, (STOPPED, 1)))

    def test_ranks_that_cannot_agree(self):
        """One of them does not answer: the others do not wait for it for ever, and what was written last is there."""
        process = self.start("--epochs", 10**6, np=3)
        self.wait_for_epoch(process)
        found = self.ranks_of(process, 3)
        os.kill(found[2], signal.SIGSTOP)
        time.sleep(1)  # rank 0 may be writing
        self.assertTrue(ranks.wait(lambda: not any(".tmp." in name for name in os.listdir(self.folder.name))))
        shutil.copy(self.path("c.h5"), self.path("kept.h5"))
        for pid in found[:2]:
            os.kill(pid, signal.SIGTERM)
        self.assertRegex(self.end(process, signal.SIGTERM), r"after epoch \d+")
        with open(self.path("c.h5"), "rb") as a, open(self.path("kept.h5"), "rb") as b:
            self.assertEqual(a.read(), b.read())

    def test_without_a_checkpoint(self):
        """What is lost is told, and the process dies by the signal."""
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
            process = subprocess.Popen([program.DISTGAT, "train", self.path("G.h5"), "--epochs", "1000000", "--log",
                                        self.path("b.jsonl"), "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                       text=True)
            self.assertTrue(ranks.wait(self.has_begun))
            process.send_signal(number)
            said = process.communicate(timeout=20)[1]
            self.assertEqual(process.returncode, -number)
            self.assertRegex(said, rf"\Adistgat train: stopped by signal {number.name} after epoch \d+; nothing of it is kept, "
                                   r"for there was no --checkpoint FILE\n\Z")
            self.setUp()

    def test_twice(self):
        """As a scheduler and its launcher both send it."""
        process = self.start("--epochs", 10**6, np=3)
        self.wait_for_epoch(process)
        found = self.ranks_of(process, 3)
        os.kill(found[2], signal.SIGSTOP)  # none ends in between
        for _ in range(2):
            for pid in found[:2]:
                os.kill(pid, signal.SIGTERM)
            time.sleep(0.2)
        os.kill(found[2], signal.SIGCONT)
        self.assertIn("after epoch", self.end(process, signal.SIGTERM))

    def test_words_that_nobody_reads(self):
        """As in a pager, or a terminal that Ctrl-S holds: a signal ends in time what says them, or would."""
        reads, writes = os.pipe()
        self.addCleanup(os.close, reads)
        os.set_blocking(writes, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writes, b"x")
        os.set_blocking(writes, True)
        long, kept = ("--epochs", 10**6), ("--checkpoint", self.path("c.h5"))
        commands = ((("G.h5", *long, *kept, "--quiet"), STOPPED), (("G.h5", *long, *kept, "--progress", "lines"), STOPPED),
                    (("absent.h5", *kept, "--quiet"), BAD), (("G.h5", *long, "--quiet"), -signal.SIGTERM))
        for (graph, *options), code in commands:
            with self.subTest(options=options):
                process = subprocess.Popen([program.DISTGAT, "train", self.path(graph), "--threads", "1", "--log",
                                            self.path("b.jsonl"), *map(str, options)], stdout=subprocess.DEVNULL, stderr=writes)
                self.addCleanup(process.wait)
                self.addCleanup(process.kill)
                self.assertTrue(ranks.wait(lambda p=process: self.has_begun() or ranks.writes_to(p.pid, 2)))
                time.sleep(0.5)
                process.terminate()
                self.assertEqual(process.wait(LIMIT), code)
            self.setUp()
        os.close(writes)

    def test_without_a_checkpoint_on_ranks(self):
        """One line, of the rank that speaks: also of what was sent to another."""
        ways = [(lambda p: p.send_signal(signal.SIGINT), "SIG(INT|TERM)"),
                (lambda p: os.kill(ranks.below(p.pid)[-1], signal.SIGUSR1), "SIGUSR1")]
        for tell, name in ways[:1] if program.launcher_is_hydra() else ways:  # Hydra kills the others by SIGKILL, at once
            self.setUp()
            process = subprocess.Popen([program.MPIRUN, "-np", "3", program.DISTGAT, "train", self.path("G.h5"), "--epochs",
                                        "1000000", "--log", self.path("b.jsonl"), "--quiet"], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, text=True,
                                       # where others take the processor a second is too short for all ranks to agree
                                       env={**program.MPI_ENVIRONMENT, **os.environ, "OMPI_MCA_odls_base_sigkill_timeout": "4"})
            self.assertTrue(ranks.wait(self.has_begun))
            tell(process)
            said = process.communicate(timeout=60)[1]
            self.assertNotEqual(process.returncode, 0)
            self.assertEqual(said.count("; nothing of it is kept"), 1, said)
            self.assertRegex(said, rf"stopped by signal {name} after epoch")


if __name__ == "__main__":
    program.main()
