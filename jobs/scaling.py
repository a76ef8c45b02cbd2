#!/usr/bin/env python3
"""Scaling studies: times training steps on growing numbers of ranks, and goes on where an earlier study stopped."""
import argparse
import csv
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import scaling_plot

HERE = Path(__file__).resolve().parent
PHASES = ("projection", "edge_forward", "loss", "edge_backward", "weight_gradient", "halo_wait", "all_reduce", "adam",
          "other")
COLUMNS = ("study", "graph", "graph_nodes", "graph_edges", "model", "options", "ranks", "threads", "nodes", "ranks_per_node",
           "hosts", "version", "repetitions", "step_ms", "step_ms_least", "step_ms_most", "step_ms_min", "speedup",
           "efficiency", "plan_ms", "imbalance", "bound_ms", "machine_busy", "halo_bytes_per_epoch",
           "allreduce_bytes_per_epoch", "messages_per_epoch", "peak_rss_bytes", "plan_bytes",
           *(f"{phase}_{which}" for phase in PHASES for which in ("least", "mean", "most")), "command", "status")
KEY = ("study", "graph", "model", "options", "ranks", "threads")
EPILOG = """
A strong study takes one graph to more and more ranks; --weak N makes for every number of ranks P a synthetic graph of
N x P nodes. Every point is run --repetitions times; step_ms is the median of the runs' median steps, the lower of two,
and least and most are those of the runs. DIR/scaling.csv is written after every point: what stands there with status "ok" is not run again,
what failed is, and a study with other graphs, ranks or options adds its rows. Ctrl-C or SIGTERM ends it with what is there.
Pictures: DIR/GRAPH.svg and .png.
"""


class Failure(Exception):
  """What ends the study, in one line."""


def shell(function, *arguments):
  """The command that runs a function of launch.sh."""
  return ["bash", "-c", '. "$0" && "$@"', str(HERE / "launch.sh"), function, *map(str, arguments)]


def ask(*command):
  """What a command prints; it must succeed."""
  done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
  if done.returncode != 0:
    raise Failure(last_line(done.stderr) or f"{command[0]} ended with {done.returncode}")
  return done.stdout.strip()


def execute(command, seconds=None):
  """As subprocess.run, but that a launcher with all its ranks is over before a next one starts: by itself, for the time was
  over, or for the study is."""
  pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
  with subprocess.Popen(command, text=True, start_new_session=True, **pipes) as process:
    try:
      said = process.communicate(timeout=seconds)
    except BaseException:
      end(process)
      raise
  return subprocess.CompletedProcess(command, process.returncode, *said)


def end(process):
  """A launcher that is told to end ends its ranks; what they say into is closed when all are gone."""
  os.killpg(process.pid, signal.SIGTERM)
  try:
    process.communicate(timeout=20)
  except subprocess.TimeoutExpired:
    os.killpg(process.pid, signal.SIGKILL)


def last_line(text):
  """What the program said last, else the launcher, which says its own around it between rules."""
  lines = [line.strip() for line in text.splitlines() if line.strip(" -")]
  said = [line for line in lines if line.startswith("distgat ")] or lines
  return said[-1] if said else ""


def default_ranks():
  """Powers of two up to the tasks of a Slurm job, else 1, 2, 4."""
  tasks = int(os.environ.get("SLURM_NTASKS") or os.environ.get("SLURM_JOB_NUM_NODES") or 4)
  return [2**k for k in range(tasks.bit_length())]


def positive(text):
  number = int(text)
  if number < 1:
    raise argparse.ArgumentTypeError(f"'{text}' is not 1 or more")
  return number


def numbers(text):
  found = [positive(word) for word in text.replace(",", " ").split()]
  if not found:
    raise argparse.ArgumentTypeError("no number is there")
  return found


def parse(arguments):
  cut = arguments.index("--") if "--" in arguments else len(arguments)
  parser = argparse.ArgumentParser(usage="jobs/scaling.py [options] [-- options of distgat bench]", description=__doc__,
                                   epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--graphs", nargs="+", default=["pubmed", "arxiv"], metavar="GRAPH",
                      help="files G.h5 or presets of 'distgat generate' (pubmed arxiv)")
  parser.add_argument("--weak", type=positive, metavar="N", help="a weak study instead, of N nodes a rank")
  parser.add_argument("--avg-degree", type=float, default=13.7, help="of weak graphs (%(default)s)")
  parser.add_argument("--features", type=positive, default=128, help="of weak graphs (%(default)s)")
  parser.add_argument("--classes", type=positive, default=40, help="of weak graphs (%(default)s)")
  parser.add_argument("--ranks", type=numbers, default=default_ranks(), metavar="LIST",
                      help="numbers of ranks (1 2 4; in a Slurm job the powers of two up to its tasks)")
  parser.add_argument("--threads", type=numbers, default=[int(os.environ.get("SLURM_CPUS_PER_TASK") or 1)],
                      metavar="LIST", help="threads of each rank, each with all numbers of ranks (1; Slurm: -c)")
  parser.add_argument("--steps", type=positive, default=200, help="training steps of a run (%(default)s)")
  parser.add_argument("--repetitions", type=positive, default=3, help="runs of every point (%(default)s)")
  parser.add_argument("--timeout", type=positive, default=3600, metavar="S", help="seconds of a run (%(default)s)")
  parser.add_argument("--latency-us", type=float, default=2, help="of the network, for the prediction (%(default)s)")
  parser.add_argument("--bandwidth-gbit", type=float, default=100, help="the same (%(default)s)")
  parser.add_argument("--no-plan", action="store_true", help="predict nothing by 'distgat plan'")
  parser.add_argument("--collect", action="store_true", help="run nothing: draw what scaling.csv has")
  parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder of the results (out/scaling)")
  options = parser.parse_args(arguments[:cut])
  options.bench = arguments[cut + 1:]
  return options


class Table:
  """The rows of scaling.csv, on disk after every change."""

  def __init__(self, path):
    self.path, self.rows = path, {}
    try:
      self.read()
      self.rate()
    except (KeyError, TypeError, ValueError, ZeroDivisionError, csv.Error) as error:
      raise Failure(f"{path} is no table of such studies ({type(error).__name__}: {error}): name another folder by --out") from error

  def read(self):
    if self.path.exists():
      with open(self.path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
          self.rows[self.key(row)] = row

  @staticmethod
  def key(row):
    return tuple(str(row[name]) for name in KEY)

  def has(self, row):
    return self.rows.get(self.key(row), {}).get("status") == "ok"

  def put(self, row):
    self.rows[self.key(row)] = row
    self.rate()
    unfinished = self.path.with_suffix(".part")
    with open(unfinished, "w", newline="", encoding="utf-8") as file:
      table = csv.DictWriter(file, COLUMNS)
      table.writeheader()
      table.writerows(self.rows.values())
    unfinished.replace(self.path)

  def rate(self):
    """Speed-up and efficiency, over the point with fewest ranks and threads of the same study."""
    for group in self.groups():
      base = min(group, key=cores)
      for row in group:
        speedup = scaling_plot.work_over(base, row) * float(base["step_ms"]) / float(row["step_ms"])
        row["speedup"], row["efficiency"] = round(speedup, 4), round(speedup * cores(base) / cores(row), 4)

  def groups(self):
    found = {}
    for row in self.rows.values():
      if row["status"] == "ok":
        found.setdefault((row["study"], scaling_plot.family(row), row["model"], row["options"]), []).append(row)
    return list(found.values())


def cores(row):
  return int(row["ranks"]) * int(row["threads"])


class Study:
  def __init__(self, options):
    self.options = options
    self.program = ask(*shell("distgat_program"))
    self.version = ask(self.program, "--version").splitlines()[0]
    self.out = options.out or Path(ask("bash", "-c", '. "$0" && echo "$distgat_out"', str(HERE / "launch.sh"))) / "scaling"
    self.out.mkdir(parents=True, exist_ok=True)
    self.table = Table(self.out / "scaling.csv")
    self.places, self.sizes = {}, {}

  def weak_name(self, ranks):
    o = self.options
    return f"weak-{o.weak * ranks}-{o.avg_degree:g}-{o.features}-{o.classes}"

  def generate(self, name, *sizes):
    path = self.out / f"{name}.h5"
    if not path.exists():
      print(f"{name}: generated by 'distgat generate'", file=sys.stderr)
      ask(self.program, "generate", *map(str, sizes), "--out", str(path), "--quiet")
    return path

  def graph(self, word, ranks):
    o = self.options
    if o.weak:
      return self.generate(self.weak_name(ranks), "--nodes", o.weak * ranks, "--avg-degree", o.avg_degree, "--features",
                           o.features, "--classes", o.classes, "--feature-density", 1)
    return Path(word) if word.endswith(".h5") else self.generate(word, "--preset", word)

  def size(self, path):
    if path not in self.sizes:
      info = json.loads(ask(self.program, "info", str(path), "--json"))
      self.sizes[path] = {"graph_nodes": str(info["nodes"]), "graph_edges": str(info["edges"])}
    return self.sizes[path]

  def check_name(self, name, path):
    """Rows of that name must be of this graph, as far as its sizes tell."""
    for row in self.table.rows.values():
      if row["graph"] == name and row.get("graph_nodes") and any(row[key] != size for key, size in self.size(path).items()):
        raise Failure(f"{path} is another graph than {name} in {self.table.path}, which has {row['graph_nodes']} nodes and "
                      f"{row['graph_edges']} edges: name another folder by --out")

  def place(self, ranks):
    """Where the launcher puts that many ranks: hosts with their numbers of ranks."""
    if ranks not in self.places:
      done = execute(shell("distgat_launch", ranks, "hostname"))
      self.places[ranks] = Counter(done.stdout.split()) if done.returncode == 0 else Counter()
    return self.places[ranks]

  def plan(self, path, ranks, threads):
    """Milliseconds of a step and bytes of a rank as predicted, or nothing."""
    if self.options.no_plan:
      return None, None
    here = self.place(ranks)
    command = [self.program, "plan", path, "--parts", ranks, "--threads", threads, "--json", "--quiet", "--latency-us",
               self.options.latency_us, "--bandwidth-gbit", self.options.bandwidth_gbit, *self.options.bench]
    if here:
      command += ["--ranks-per-node", max(here.values())]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
      print(f"no plan: {last_line(done.stderr)}", file=sys.stderr)
      return None, None
    point = json.loads(done.stdout)["points"][0]
    return point["step_ms"], point["memory_bytes"]

  def run(self, path, ranks, threads):
    """Bench results of the repetitions, and the status: ok, or why one failed."""
    o, results = self.options, []
    command = shell("distgat_launch", ranks, self.program, "bench", path, "--steps", o.steps, "--threads", threads,
                    "--json", "--quiet", *o.bench)
    for _ in range(o.repetitions):
      try:
        done = execute(command, o.timeout)
      except subprocess.TimeoutExpired:
        return results, f"no end after {o.timeout} s"
      if done.returncode != 0:
        return results, f"exit {done.returncode}: {last_line(done.stderr)}"
      results.append(json.loads(done.stdout))
    return results, "ok"

  def describe(self, word, ranks, threads):
    """What names a point, before it is run."""
    model = "gatv2"
    for name, value in zip(self.options.bench, self.options.bench[1:]):
      model = value if name == "--model" else model
    weak = self.options.weak
    name = self.weak_name(ranks) if weak else Path(word).stem
    return {"study": "weak" if weak else "strong", "graph": name, "model": model,
            "options": " ".join(self.options.bench), "ranks": ranks, "threads": threads}

  def point(self, word, ranks, threads):
    row = self.describe(word, ranks, threads)
    title = f"{row['graph']}: {ranks} rank{'s' * (ranks > 1)} of {threads} thread{'s' * (threads > 1)}"
    if Path(word).is_file():
      self.check_name(row["graph"], Path(word))
    if self.table.has(row):
      print(f"{title}: is there already", file=sys.stderr)
      return
    path = self.graph(word, ranks)
    results, status = self.run(path, ranks, threads)
    row.update(place_columns(self.place(ranks)), version=self.version, status=status)
    row["command"] = f"{os.environ.get('DISTGAT_LAUNCHER', '')} {ranks} x distgat bench {path.name} --steps " \
                     f"{self.options.steps} --threads {threads} {row['options']}".strip()
    if status == "ok":
      row.update(self.size(path), **result_columns(results))
      row["plan_ms"], row["plan_bytes"] = self.plan(path, ranks, threads)
    self.table.put(row)
    print(f"{title}: {row['step_ms']:.3f} ms a step" if status == "ok" else f"{title}: {status}", file=sys.stderr)

  def all_points(self):
    words = ["weak"] if self.options.weak else graph_words(self.options.graphs)
    for word in words:
      check_word(word)
    for word in words:
      for threads in self.options.threads:
        for ranks in self.options.ranks:
          self.point(word, ranks, threads)


def graph_words(words):
  """One graph each; a word may hold several, or be the path of one, with blanks in it."""
  return [part for word in words for part in ([word] if Path(word).exists() else word.split())]


def check_word(word):
  """What is no file is found before hours of other graphs."""
  if word.endswith(".h5") and not Path(word).exists():
    raise Failure(f"{word}: no such graph file")


def place_columns(hosts):
  return {"nodes": len(hosts) or "", "ranks_per_node": max(hosts.values(), default=""), "hosts": " ".join(sorted(hosts))}


def result_columns(results):
  """Columns of a point from its repetitions: medians, but for peaks; phases over ranks."""
  steps = [r["step_ms_median"] for r in results]
  middle = sorted(results, key=lambda r: r["step_ms_median"])[(len(results) - 1) // 2]
  row = {name: middle[name] for name in ("imbalance", "bound_ms", "machine_busy", "halo_bytes_per_epoch",
                                          "allreduce_bytes_per_epoch", "messages_per_epoch")}
  for phase in PHASES:
    for which, key in (("least", "phases_min"), ("mean", "phases"), ("most", "phases_max")):
      row[f"{phase}_{which}"] = middle[key].get(phase, 0)
  row.update(model=middle["model"], repetitions=len(results), step_ms=middle["step_ms_median"], step_ms_least=min(steps),
             step_ms_most=max(steps), step_ms_min=min(r["step_ms_min"] for r in results),
             peak_rss_bytes=max(r["peak_rss_bytes"] for r in results))
  return row


def print_table(table):
  wide = max([14, *(len(row["graph"]) for row in table.rows.values())])
  print(f"{'graph':>{wide}} {'ranks':>5} {'threads':>7} {'step ms':>10} {'speed-up':>8} {'efficiency':>10} {'plan ms':>10}  status")
  for row in table.rows.values():
    done = row["status"] == "ok"
    figures = [f"{float(row[name]):{width}}" if done and row[name] not in ("", None) else " " * int(width.split(".")[0])
               for name, width in (("step_ms", "10.3f"), ("speedup", "8.2f"), ("efficiency", "10.2f"), ("plan_ms", "10.3f"))]
    shared = ", on shared cores" if done and scaling_plot.on_shared_cores(row) else ""
    print(f"{row['graph']:>{wide}} {row['ranks']:>5} {row['threads']:>7} {' '.join(figures)}  {row['status']}{shared}")


def main():
  options = parse(sys.argv[1:])
  signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
  try:
    study = Study(options)
    if not options.collect:
      study.all_points()
    print_table(study.table)
    for picture in scaling_plot.draw(study.table.groups(), study.out):
      print(f"The picture is {picture}")
  except (Failure, OSError) as error:
    print(f"scaling.py: {error}", file=sys.stderr)
    return 2
  except KeyboardInterrupt:
    print("scaling.py: interrupted; the same command goes on with what is not in scaling.csv", file=sys.stderr)
    return 128 + signal.SIGINT
  return 0 if all(row["status"] == "ok" for row in study.table.rows.values()) else 3


if __name__ == "__main__":
  sys.exit(main())
