"""What the pages need of Python beside its own library."""
import importlib
import importlib.util
import os
import shutil
import sys

MODULES = ("h5py", "matplotlib", "sklearn")
PACKAGES = "python3-h5py python3-matplotlib python3-sklearn"


def complete(script):
  """Goes on with the system's Python where this one lacks a module; where that lacks it too, ends with 2 and a line."""
  missing = [name for name in MODULES if importlib.util.find_spec(name) is None]
  if not missing:
    return
  # The first python3 on the path need not be the one that the distribution's packages belong to.
  system_python = shutil.which("python3", path=os.defpath)
  if system_python and system_python != sys.executable:
    os.execv(system_python, [system_python, *sys.argv])
  print(f"{script}: no Python module {', '.join(missing)}; install the packages {PACKAGES}", file=sys.stderr)
  sys.exit(2)


def run(script, page, arguments):
  """Makes a page and returns the exit code; an expected failure is one line."""
  module = importlib.import_module(f"reporting.{page}")  # after complete()
  files = importlib.import_module("reporting.files")
  try:
    module.make(arguments)
  except files.Failure as failure:
    print(f"{script}: {failure}", file=sys.stderr)
    return failure.code
  except KeyError as error:  # h5py names the data set or attribute that is not there
    print(f"{script}: {error.args[0]}", file=sys.stderr)
    return 2
  except OSError as error:
    print(f"{script}: {error}", file=sys.stderr)
    return 3
  except KeyboardInterrupt:
    return 130
  return 0
