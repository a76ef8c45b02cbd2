#!/usr/bin/env python3
"""What a job under mpirun does over four virtual hosts, a rank on each: where a rank is killed, where a host's link is cut for
10 seconds, and where it stays cut. The environment is that of jobs/mpi.env, which asks whether hosts are still there."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402
import ranks  # noqa: E402

HOSTS = 4
DEATH, CUT = 20, 45  # seconds within which a job must be over; jobs/README.md says 5 and about 30, on idle machines
CLUSTER = os.path.join(program.DATA, "cluster")
LOST_DAEMON = "unable to reliably start one or more daemons"
BRIDGE, CABLE = f"dg{os.getpid()}b", f"dg{os.getpid()}v"  # others may have virtual hosts, too


def reason_to_skip():
    if not os.path.exists(os.path.join(CLUSTER, "vnodes.sh")):
        return "shared/cluster is not here, its vnodes.sh starts the virtual hosts"
    if os.geteuid() != 0:
        return "virtual hosts need root"
    for tool in ("ip", "nsenter", "unshare", "mpirun"):
        if shutil.which(tool) is None:
            return f"{tool} is not here"
    if "(Open MPI) 4." not in program.execute(["mpirun", "--version"], 60).stdout:
        return "jobs/mpi.env knows how Open MPI 4 sees that a link is cut"
    probe = ["unshare", "--net", "--uts", "--mount", "ip", "link", "add", BRIDGE, "type", "bridge"]
    probed = subprocess.run(probe, capture_output=True, text=True, check=False)
    return f"network namespaces cannot be made here: {probed.stderr.strip()}" if probed.returncode else None


def processes(word):
    """Those whose command line has the word."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as f:
                words = f.read().split("\0")
        except OSError:  # gone
            continue
        if word in words and os.path.basename(words[0]) == os.path.basename(program.DISTGAT):
            found.append(int(pid))
    return found


def rank_of(pid):
    with open(f"/proc/{pid}/environ") as f:
        return int(re.search(r"\0OMPI_COMM_WORLD_RANK=(\d+)\0", f.read())[1])


class Job:
    """A training without end, a rank on each host."""

    def __init__(self, graph, folder, cluster):
        self.log = os.path.join(folder, "log.jsonl")
        self.said = tempfile.TemporaryFile("w+")
        command = [os.path.join(cluster, "mpin.sh"), "-np", str(HOSTS), "--map-by", "node", program.DISTGAT, "train", graph,
                   "--epochs", str(10**9), "--threads", "1", "--quiet", "--log", self.log]
        environment = {**program.MPI_ENVIRONMENT, **os.environ}
        environment.pop("OMPI_MCA_btl_tcp_if_include", None)  # "lo", in tests on one host
        # All hosts share one /tmp, from which a daemon of an earlier job, behind a cut link, may still clear its files.
        environment["OMPI_MCA_orte_tmpdir_base"] = folder
        self.launcher = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=self.said)

    def epochs(self):
        try:
            with open(self.log) as f:
                return sum('"epoch"' in line for line in f)
        except OSError:
            return 0

    def goes_on(self, seconds):
        """Whether it comes to further epochs."""
        before = self.epochs()
        return ranks.wait(lambda: self.epochs() > before + 1 or self.launcher.poll() is not None, seconds) and (
            self.launcher.poll() is None)

    def is_over(self, seconds):
        """Whether launcher and ranks end in time."""
        return ranks.wait(lambda: self.launcher.poll() is not None and not processes(self.log), seconds)

    def text(self):
        self.said.seek(0)
        return self.said.read()

    def destroy(self):
        for pid in processes(self.log):
            os.kill(pid, signal.SIGKILL)
        self.launcher.kill()
        self.launcher.wait()
        self.said.close()


class CutLinks(program.Case):
    @classmethod
    def setUpClass(cls):
        reason = reason_to_skip()
        if reason:
            raise unittest.SkipTest(reason)
        super().setUpClass()
        cls.addClassCleanup(cls.folder.cleanup)
        os.environ["VNODES_DIR"] = cls.path("hosts")
        shutil.copytree(CLUSTER, cls.path("cluster"))
        cls.rename_links(cls.path("cluster/vnodes.sh"))
        program.distgat("generate", "--nodes", 300, "--avg-degree", 4, "--features", 20, "--classes", 3, "--out",
                        cls.path("G.h5"), "--quiet")
        cls.addClassCleanup(cls.hosts, "down")
        cls.hosts("up", str(HOSTS), "veth")

    @classmethod
    def tearDownClass(cls):
        pass  # by the cleanups, after the hosts are down

    @staticmethod
    def rename_links(script):
        with open(script) as f:
            text = f.read()
        with open(script, "w") as f:
            f.write(re.sub(r"\bvb(?=\$)", CABLE, text).replace("br77", BRIDGE))

    @classmethod
    def hosts(cls, *words):
        subprocess.run([cls.path("cluster/vnodes.sh"), *words], check=True, timeout=60, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)

    def begin_job(self):
        self.job = Job(self.path("G.h5"), tempfile.mkdtemp(dir=self.folder.name), self.path("cluster"))
        self.addCleanup(self.job.destroy)
        self.assertTrue(ranks.wait(lambda: self.job.epochs() > 3 or self.job.launcher.poll() is not None), "no start")
        return self.job.launcher.poll() is None

    def setUp(self):
        """A job that runs. A launcher may not reach a host whose link was cut a moment ago: it tries again."""
        while not self.begin_job():
            self.assert_lost_daemon()

    def assert_lost_daemon(self):
        """The launcher says so and names no host; it does not happen again and again."""
        self.assertIn(LOST_DAEMON, self.job.text())
        self.tries = getattr(self, "tries", 0) + 1
        self.assertLess(self.tries, 4, self.job.text())
        time.sleep(2)

    def link(self, state):
        subprocess.run(["ip", "link", "set", f"{CABLE}{HOSTS}", state], check=True)

    def cut_for_good(self):
        self.link("down")
        self.assertTrue(self.job.is_over(CUT), f"goes on or waits after {CUT} s: {self.job.text()}")
        self.assertNotEqual(self.job.launcher.returncode, 0)

    def test_a_rank_that_dies_ends_all_and_is_named(self):
        victim = next(pid for pid in processes(self.job.log) if rank_of(pid) == 2)
        os.kill(victim, signal.SIGKILL)
        self.assertTrue(self.job.is_over(DEATH), self.job.text())
        self.assertNotEqual(self.job.launcher.returncode, 0)
        self.assertRegex(self.job.text(), r"rank 2 .*on node node3 exited on signal 9")

    def test_a_link_cut_for_ten_seconds_is_survived_and_for_good_ends_all_with_the_host_named(self):
        self.addCleanup(self.link, "up")
        self.link("down")
        time.sleep(1)
        self.assertFalse(self.job.goes_on(9), "the link is not cut")
        self.link("up")
        self.assertTrue(self.job.goes_on(40), f"not survived: {self.job.text()}")
        self.cut_for_good()
        # The daemon behind the cut may give up first. Of virtual hosts the launcher sees even that, and takes it for one that
        # did not start; of others it hears nothing then.
        while LOST_DAEMON in self.job.text():
            self.assert_lost_daemon()
            self.link("up")
            self.setUp()
            self.cut_for_good()
        self.assertRegex(self.job.text(), r"lost communication with a remote daemon[^§]*on node node4")


if __name__ == "__main__":
    program.main()
