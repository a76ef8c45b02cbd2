"""What the tests of data/import.py share; goes on with the system's python where this one lacks the packages."""

import contextlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

try:
  import h5py
  import numpy as np
  import scipy.sparse  # noqa: F401
except ImportError:
  system_python = shutil.which("python3", path=os.defpath)
  if system_python and os.path.realpath(system_python) != os.path.realpath(sys.executable):
    os.execv(system_python, [system_python] + sys.argv)
  print("skipped: needs the packages python3-numpy python3-scipy python3-h5py")
  sys.exit(77)

ROOT = os.environ.get("DISTGAT_SOURCE") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.environ.get("DISTGAT_DATA") or os.path.join(os.path.dirname(ROOT), "shared")
CASES = os.path.join(DATA, "cases")
IMPORT = os.path.join(ROOT, "data", "import.py")


def load(path):
  """Returns attributes and data sets of a graph file."""
  with h5py.File(path, "r") as file:
    sets = {}
    file.visititems(lambda name, item: sets.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return dict(file.attrs), sets


def load_script():
  """Returns import.py as a module."""
  sys.path.insert(0, os.path.dirname(IMPORT))
  spec = importlib.util.spec_from_file_location("import_script", IMPORT)
  script = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(script)
  return script


SCRIPT = load_script()


class Folder(unittest.TestCase):
  """A test in a folder of its own."""

  def setUp(self):
    self.folder = tempfile.mkdtemp()
    self.addCleanup(shutil.rmtree, self.folder)
    self.out = self.path("graph.h5")

  def path(self, name):
    return os.path.join(self.folder, name)

  def run_import(self, *arguments):
    """As `import.py arguments`, without the second that a new process takes."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), mock.patch("signal.signal"):
      with mock.patch("sys.argv", [IMPORT, *arguments]):
        try:
          code = SCRIPT.main()
        except SystemExit as left:
          code = left.code
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

  def imported(self, *arguments, warning="", told=()):
    """Returns attributes and data sets; `warning` and `told` are patterns of what is said."""
    done = self.run_import(*arguments, "--out", self.out)
    self.assertEqual(done.returncode, 0, done.stderr)
    self.assertRegex(done.stderr, fr"\A(import\.py: warning: .*{warning}.*\n)\Z" if warning else r"\A\Z")
    self.assertEqual(done.stdout.count("\n"), 1)
    for word in told:
      self.assertRegex(done.stdout, word)
    return load(self.out)

  def refused(self, *arguments, code=2, words=(), out=None):
    before = sorted(os.listdir(self.folder))
    done = self.run_import(*arguments, "--out", out or self.out)
    self.assertEqual(done.returncode, code, done.stderr)
    self.assertEqual(done.stdout, "")
    self.assertRegex(done.stderr, r"\Aimport\.py: [^\n]+\n\Z")
    for word in words:
      self.assertIn(word, done.stderr)
    self.assertEqual(sorted(os.listdir(self.folder)), before, "leaves nothing behind")

  def assert_simple(self, indptr, indices):
    """Both directions, ascending, each once, no self-loops."""
    targets = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    pairs = targets * (len(indptr) - 1) + indices
    self.assertTrue((np.diff(pairs) > 0).all())
    self.assertTrue((targets != indices).all())
    self.assertTrue(np.array_equal(np.sort(indices * np.int64(len(indptr) - 1) + targets), pairs))


class Call:
  """Pickles as a call of `function` on `arguments`."""

  def __init__(self, function, *arguments):
    self.call = function, arguments

  def __reduce__(self):
    return self.call


def main():
  """Runs the tests of the script, or those that DISTGAT_TEST_PART names."""
  part = os.environ.get("DISTGAT_TEST_PART")
  arguments = sys.argv + (["--failfast", "-k", part] if part else [])
  result = unittest.main(exit=False, verbosity=1, argv=arguments).result
  sys.exit(1 if not result.wasSuccessful() else 77 if result.skipped else 0)
