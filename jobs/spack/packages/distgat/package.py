"""A recipe for Spack, to be built from a source tree: spack repo add jobs/spack; spack dev-build distgat@0.1.0"""
from spack.package import *

try:  # newer releases keep build systems apart
    from spack_repo.builtin.build_systems.cmake import CMakePackage
except ImportError:
    pass


class Distgat(CMakePackage):
    """Distributed (MPI) training of graph attention networks on whole graphs, on CPUs."""

    license("MIT")
    version("0.1.0")

    variant("python", default=True, description="Importers, report and the Python module: what they need")

    depends_on("c", type="build")
    depends_on("cmake@3.21:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi")
    depends_on("hdf5")
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
        return [self.define("DISTGAT_TESTS", False)]

    def setup_run_environment(self, env):
        env.prepend_path("PYTHONPATH", self.prefix.share.distgat.python)
        env.set("DISTGAT_JOBS", self.prefix.share.distgat.jobs)
