#!/usr/bin/env python3
"""What is given away: the Debian package, the module file, the recipe for Spack, versions that agree."""
import contextlib
import os
import re
import shutil
import subprocess
import sys
import types
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import program  # noqa: E402

BUILD = os.path.dirname(program.DISTGAT)
RECIPE = os.path.join(program.SOURCE, "jobs", "spack", "packages", "distgat", "package.py")


def read(*names):
    with open(os.path.join(program.SOURCE, *names), encoding="utf-8") as f:
        return f.read()


def called(words, **popen):
    done = subprocess.run(words, capture_output=True, text=True, **popen)
    if done.returncode != 0:
        raise AssertionError(f"{words} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


class Prefix(str):
    """A folder whose attributes are what lies in it."""

    def __getattr__(self, name):
        return Prefix(os.path.join(self, name))


class Skipped(Exception):
    pass


@contextlib.contextmanager
def nothing(_):
    yield


class Package:
    """What Spack's CMakePackage gives a recipe."""

    run_tests, build_directory, prefix = True, BUILD, Prefix(os.path.join(os.path.dirname(BUILD), "prefix"))
    spec = types.SimpleNamespace(satisfies=lambda _: True)

    def define(self, name, value):
        return f"-D{name}={value}"

    def define_from_variant(self, name, _):
        return self.define(name, True)


def load_recipe(which=None):
    """The class of the recipe and the directives that it gives, without Spack."""
    said = []
    spack = types.ModuleType("spack.package")
    for name in ("license", "version", "variant", "depends_on"):
        setattr(spack, name, lambda *words, _name=name, **options: said.append((_name, words[0])))
    spack.when = spack.working_dir = nothing
    spack.CMakePackage, spack.SkipTest, spack.which = Package, Skipped, which
    sys.modules.update({"spack": types.ModuleType("spack"), "spack.package": spack})
    names = {"__file__": RECIPE}
    exec(compile(read(RECIPE), RECIPE, "exec"), names)
    return names["Distgat"], said


class Given(program.Case):
    version = re.search(r"project\(distgat VERSION ([\d.]+)", read("CMakeLists.txt")).group(1)

    def test_versions_agree(self):
        self.assertEqual(re.search(r"^version: (\S+)$", read("CITATION.cff"), re.M).group(1), self.version)
        self.assertEqual(re.search(r"^## ([\d.]+)", read("CHANGELOG.md"), re.M).group(1), self.version)
        self.assertIn(("version", self.version), load_recipe()[1])
        self.assertIn(f"distgat@{self.version}", read(RECIPE))

    def test_the_recipe_for_spack_names_what_is_linked(self):
        recipe, said = load_recipe()
        wanted = {re.split(r"[@+]", word)[0] for what, word in said if what == "depends_on"}
        linked = re.findall(r"^distgat_find\((\w+)", read("cmake", "dependencies.cmake"), re.M)
        self.assertGreater(len(linked), 4)
        for name in ["mpi", "hdf5", *map(str.lower, linked)]:
            self.assertIn({"yaml": "libyaml"}.get(name, name), wanted)
        for word in recipe().cmake_args():
            options = read("CMakeLists.txt") + read("cmake", "program.cmake")
            self.assertRegex(options, rf"option\({re.search('-D(.*)=', word).group(1)} ")
        self.assertEqual(recipe.git, "file://" + os.path.abspath(program.SOURCE))

    def copy_tests(self):
        """A folder where ctest names the build's tests; in the build it would write over the log of the ctest that runs."""
        for folder in ("", "tests", os.path.join("tests", "bench")):
            os.makedirs(self.path(os.path.join("listed", folder)), exist_ok=True)
            shutil.copy(os.path.join(BUILD, folder, "CTestTestfile.cmake"), self.path(os.path.join("listed", folder)))
        return self.path("listed")

    def test_the_tests_of_the_recipe_for_spack(self):
        ran, listed = [], self.copy_tests()

        def which(name):
            program_of = {Package.prefix.bin.distgat: program.DISTGAT, "python3": sys.executable}.get(name, name)

            def execute(*words, output=None, error=None):
                ran.append(os.path.basename(name))
                listing = ["-N"] if name == "ctest" else []  # names them, and runs none
                return called([program_of, *words, *listing], cwd=self.folder.name if name != "ctest" else listed, env={
                    **os.environ, "PYTHONPATH": os.path.join(program.SOURCE, "src", "python")})
            return execute

        recipe, _ = load_recipe(which)
        recipe().check()
        recipe().test_train()
        if subprocess.run([sys.executable, "-c", "import h5py"], capture_output=True).returncode == 0:
            recipe().test_python()
        self.assertEqual(ran[:4], ["ctest", "distgat", "distgat", "distgat"])
        self.assertTrue(os.path.isfile(self.path("out.h5")))
        names = called(["ctest", "-N", "-R", r"^unit\."], cwd=listed)
        self.assertGreater(names.count("unit."), 5)

    def test_the_module_file_finds_its_prefix(self):
        if not shutil.which("tclsh"):
            self.skipTest("skipped: there is no tclsh")
        place = self.path(os.path.join("prefix", "share", "distgat", "modulefiles", "distgat", self.version))
        os.makedirs(os.path.dirname(place))
        shutil.copy(os.path.join(BUILD, "modulefile"), place)
        with open(self.path("try.tcl"), "w") as f:
            f.write("proc prepend-path {name value} { puts \"$name $value\" }\nproc setenv {name value} { puts \"$name $value\" }\n"
                    "proc conflict {args} {}\nproc module-whatis {text} {}\n"
                    f"set ModulesCurrentModulefile {place}\nsource {place}\n")
        said = dict(line.split(" ") for line in called(["tclsh", self.path("try.tcl")]).splitlines())
        self.assertEqual(said["PATH"], self.path(os.path.join("prefix", "bin")))
        self.assertEqual(said["DISTGAT_JOBS"], self.path(os.path.join("prefix", "share", "distgat", "jobs")))
        self.assertTrue(said["PKG_CONFIG_PATH"].startswith(self.path("prefix")))

    def test_the_debian_package_holds_a_program_that_runs_and_names_what_it_needs(self):
        for tool in ("cpack", "dpkg-deb", "dpkg-shlibdeps", "file"):
            if not shutil.which(tool):
                self.skipTest(f"skipped: there is no {tool}")
        called(["cpack", "-G", "DEB", "-B", self.path("packages"), "-D", "CPACK_DEBIAN_COMPRESSION_TYPE=gzip", "--config",
                os.path.join(BUILD, "CPackConfig.cmake")], cwd=self.folder.name)
        (name,) = [name for name in os.listdir(self.path("packages")) if name.endswith(".deb")]
        self.assertTrue(name.startswith(f"distgat_{self.version}_"))
        needs = called(["dpkg-deb", "--field", self.path(os.path.join("packages", name)), "Depends"])
        for library in ("libc6", "libhdf5", "libmetis", "libopenblas", "libpopt", "libjansson", "libyaml", "mpi"):
            self.assertIn(library, needs)
        self.assertRegex(needs, r"(openmpi-bin|mpich)\b")
        called(["dpkg-deb", "--extract", self.path(os.path.join("packages", name)), self.path("root")])
        usr = self.path(os.path.join("root", "usr"))
        self.assertTrue(called([os.path.join(usr, "bin", "distgat"), "--version"]).startswith(f"distgat {self.version}\n"))
        for file in ("share/man/man1/distgat-train.1.gz", "share/bash-completion/completions/distgat",
                     "share/zsh/vendor-completions/_distgat", "share/doc/distgat/copyright", "share/doc/distgat/CHANGELOG.md",
                     "share/distgat/jobs/train.sbatch", "share/distgat/data/import.py", "lib/libdistgat.so",
                     "lib/pkgconfig/distgat.pc", "lib/cmake/distgat/distgatConfig.cmake", "include/distgat/distgat.h",
                     f"share/distgat/modulefiles/distgat/{self.version}"):
            self.assertTrue(os.path.isfile(os.path.join(usr, file)), file)
        module = os.path.join(usr, "lib", "python3", "dist-packages")
        if subprocess.run([sys.executable, "-c", "import h5py"], capture_output=True).returncode == 0:
            found = called([sys.executable, "-c", "from distgat import program; print(program.find())"], cwd="/",
                           env={key: value for key, value in {**os.environ, "PYTHONPATH": module}.items() if key != "DISTGAT"})
            self.assertEqual(found.strip(), os.path.join(usr, "bin", "distgat"))


if __name__ == "__main__":
    program.main()
