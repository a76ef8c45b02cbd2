"""What tests of the report share; goes on with the system's python where this one lacks the packages."""
import html.parser
import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(os.environ["DISTGAT_SOURCE"])
DISTGAT = os.environ["DISTGAT"]
REPORT = SOURCE / "jobs" / "report.py"
sys.path[:0] = [str(REPORT.parent)]
sys.dont_write_bytecode = True

try:
  import h5py  # noqa: F401
  import matplotlib  # noqa: F401
  import numpy as np  # noqa: F401
  import sklearn  # noqa: F401
except ImportError as missing:
  system_python = shutil.which("python3", path=os.defpath)
  if system_python and os.path.realpath(system_python) != os.path.realpath(sys.executable):
    os.execv(system_python, [system_python, *sys.argv])
  print(f"skipped: {missing}; the report needs python3-h5py, python3-matplotlib and python3-sklearn")
  sys.exit(77)


def distgat(*words):
  subprocess.run([DISTGAT, *map(str, words), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def report(*words, cache, nodes=60):
  """Exit code and standard error of report.py, which keeps its t-SNE in the folder `cache`."""
  command = [REPORT, *map(str, words), "--distgat", DISTGAT, "--tsne-nodes", str(nodes)]
  done = subprocess.run(command, capture_output=True, text=True, check=False,
                        env={**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONDONTWRITEBYTECODE": "1"})
  return done.returncode, done.stderr


class PageReader(html.parser.HTMLParser):
  """Collects what a browser would show or fetch."""

  def __init__(self, page):
    super().__init__()
    self.sections, self.headings, self.pictures, self.terms, self.ids, self.fetched = [], [], {}, {}, [], []
    self.open, self.paragraph = [], None
    self.feed(page)

  def handle_starttag(self, tag, attrs):
    attrs = dict(attrs)
    self.open.append(tag)
    if tag == "svg":
      self.pictures[self.headings[-1]][-1] += 1
    if tag == "figure":
      self.headings.append(None)
    if "id" in attrs:
      self.ids.append(attrs["id"])
    for name in ("src", "href", "xlink:href", "srcset", "data"):
      if not attrs.get(name, "#").startswith(("#", "data:image/")):
        self.fetched.append(attrs[name])
    if tag in ("script", "link", "iframe", "object"):
      self.fetched.append(tag)

  def handle_endtag(self, tag):
    while self.open and self.open.pop() != tag:
      pass

  def handle_data(self, data):
    where = self.open[-1:] + self.open[-2:-1]
    if where[:1] == ["h2"]:
      self.sections.append(data)
    elif where == ["h3", "figcaption"]:
      self.headings[-1] = data
      self.pictures.setdefault(data, []).append(0)
    elif where[:1] == ["dt"]:
      self.terms[data] = None
    elif where[:1] == ["dd"]:
      self.terms[list(self.terms)[-1]] = data
