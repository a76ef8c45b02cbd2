"""A recipe for Spack; of this source tree, or of the last commit of the clone that it lies in:

    spack repo add jobs/spack
    spack dev-build distgat@0.1.0
    spack install distgat@main

`--test=root` builds the unit tests and runs them, `spack test run distgat` trains with what is installed."""
import os

from spack.package import *

try:  # newer releases keep build systems apart
    from spack_repo.builtin.build_systems.cmake import CMakePackage
except ImportError:
    pass


class Distgat(CMakePackage):
    """Distributed (MPI) training of graph attention networks on whole graphs, on CPUs."""

    git = "file://" + os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 4))

    license("MIT")
    version("main", branch="main")
    version("0.1.0")

    variant("python", default=True, description="Importers, report and the Python module: what they need")
    variant("manual", default=True, description="Man pages and completion for shells, which the program prints as it is built")

    depends_on("c", type="build")
    depends_on("cmake@3.21:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("cmocka", type="test")
    depends_on("mpi@3:")
    depends_on("hdf5@1.10:")
    depends_on("metis@5:")
    depends_on("openblas")
    depends_on("popt")
    depends_on("jansson")
    depends_on("libyaml")
    with when("+python"):
        depends_on("python@3.8:", type="run")
        depends_on("py-numpy", type="run")
        depends_on("py-h5py", type="run")
        depends_on("py-scipy", type="run")
        depends_on("py-matplotlib", type="run")
        depends_on("py-scikit-learn", type="run")

    def cmake_args(self):
        return [self.define("DISTGAT_TESTS", self.run_tests), self.define_from_variant("DISTGAT_MANUAL", "manual")]

    def check(self):
        """The tests of one process alone: the others want ranks, and half an hour."""
        with working_dir(self.build_directory):
            which("ctest")("-R", r"^unit\.", "--output-on-failure")

    def setup_run_environment(self, env):
        env.prepend_path("PYTHONPATH", self.prefix.share.distgat.python)
        env.set("DISTGAT_JOBS", self.prefix.share.distgat.jobs)

    def test_train(self):
        """make a graph, train on it, predict"""
        distgat = which(self.prefix.bin.distgat)
        distgat("generate", "--preset", "cora", "--out", "cora.h5")
        said = distgat("train", "cora.h5", "--epochs", "20", "--save", "model.h5", output=str.split, error=str.split)
        assert "test accuracy" in said, said
        distgat("predict", "cora.h5", "--model-file", "model.h5", "--out", "out.h5")

    def test_python(self):
        """import the Python module"""
        if not self.spec.satisfies("+python"):
            raise SkipTest("of distgat~python")
        which("python3")("-c", "import distgat")
