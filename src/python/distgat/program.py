"""Runs the program, alone or under a launcher."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

SECONDS_TO_END = 10
EPOCHS = "training "  # lines of progress that whoever follows the log knows already
HERE = os.path.dirname(os.path.realpath(__file__))


class Error(RuntimeError):
  """A failure of the program: its line, and as `code` its exit code: 2 usage or input, 3 run time, 75 stopped by a
  signal after saving a checkpoint."""

  def __init__(self, line, code):
    super().__init__(line)
    self.code = code


def find(given=None):
  """Returns the program's path: `given`, $DISTGAT, installed or built beside this module, or on the path."""
  beside = [os.path.join(HERE, *way) for way in (("..", "..", "..", "..", "bin", "distgat"),
                                                ("..", "..", "..", "build", "release", "distgat"))]
  for candidate in [given] if given else [os.environ.get("DISTGAT"), *beside, "distgat"]:
    found = candidate and shutil.which(candidate)
    if found:
      return os.path.realpath(found)
  raise Error(f"{given or 'distgat'}: program not found; put it on the PATH, or name it by DISTGAT or program=", 2)


def run(words, *, ranks=None, launcher=None, program=None, watch=None):
  """Runs `distgat words` and returns its standard output; what it says meanwhile goes to sys.stderr, wherever that
  leads. With `ranks` it runs under `launcher`, $DISTGAT_LAUNCHER or `mpirun -np`. `watch` is called ten times a
  second, and at the end. Raises Error; an interrupt ends the program too."""
  program = find(program)
  command = [program, *map(str, words)]
  if ranks is not None:
    if int(ranks) != ranks or ranks < 1:
      raise ValueError(f"ranks={ranks}; 1 or more are expected, or None for the program alone")
    command = [*shlex.split(launcher or os.environ.get("DISTGAT_LAUNCHER") or "mpirun -np"), str(ranks), *command]
  with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
    speaker = Speaker(err, f"distgat {words[0]}: ")
    with started(command, program, out, err) as process:
      while process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
          process.wait(0.1)
        speaker.relay()
        if watch:
          watch()
    if process.returncode:
      raise Error(speaker.failure() or f"{command[0]}: ended with {process.returncode}", process.returncode)
    out.seek(0)
    return out.read().decode("utf-8", "replace")


@contextlib.contextmanager
def started(command, program, out, err):
  """The running command, which does not outlive the block; signals of the terminal reach it from here alone."""
  try:
    process = subprocess.Popen(command, env={**mpi_settings(program), **os.environ}, stdin=subprocess.DEVNULL,
                               stdout=out, stderr=err, start_new_session=True)
  except OSError as error:
    raise Error(f"{command[0]}: cannot be started: {error.strerror}", 3) from error
  try:
    yield process
  except BaseException:
    process.send_signal(signal.SIGINT)
    try:
      process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
      process.kill()
      process.wait()
    raise


def mpi_settings(program):
  """Returns what jobs/mpi.env sets beside the program: ranks may outnumber cores and may belong to root."""
  for way in ((os.pardir, "share", "distgat"), (os.pardir, os.pardir)):
    with contextlib.suppress(OSError):
      with open(os.path.join(os.path.dirname(program), *way, "jobs", "mpi.env"), encoding="utf-8") as lines:
        return dict(line.rstrip("\n").split("=", 1) for line in lines if "=" in line)
  return {}


class Speaker:
  """Passes on what the program says on standard error, but for a failure, which becomes an exception, and what
  launchers add to it."""

  def __init__(self, file, failure):
    self.file, self.start, self.line, self.told = file, failure, "", 0

  def relay(self):
    for line in self.lines(self.told):
      self.told += len(line)
      text = line.decode("utf-8", "replace")
      if text.startswith(self.start) and not self.line:
        self.line = text.strip()
      elif not self.line and not text.startswith(EPOCHS):
        print(text, end="", file=sys.stderr)

  def lines(self, start):
    """Whole lines from a place on; reads beside the position where the program writes."""
    content = os.pread(self.file.fileno(), os.fstat(self.file.fileno()).st_size - start, start)
    return content[:content.rfind(b"\n") + 1].splitlines(keepends=True)

  def failure(self):
    """The program's own line, else the last one said."""
    said = [line.decode("utf-8", "replace").strip() for line in self.lines(0)]
    return self.line or next((line for line in reversed(said) if line.strip("-")), "")
