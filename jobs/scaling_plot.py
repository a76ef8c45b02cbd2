#!/usr/bin/env python3
"""Turns the measurements of jobs/scaling.sh (DIR/bench.jsonl) into scaling.csv, scaling.svg and scaling.png."""
import csv
import json
import os
import shutil
import sys
from pathlib import Path

try:
  import matplotlib
  from matplotlib.figure import Figure
except ImportError as missing:
  # The first python3 on the path need not be the one that the distribution's packages belong to.
  system_python = shutil.which("python3", path=os.defpath)
  if system_python and system_python != sys.executable:
    os.execv(system_python, [system_python, *sys.argv])
  print(f"scaling_plot.py: {missing}; install the package python3-matplotlib", file=sys.stderr)
  sys.exit(2)

COLUMNS = ("graph", "ranks", "threads", "step_ms_median", "step_ms_min", "speedup", "halo_share", "allreduce_share",
           "bound_ms", "halo_bytes_per_epoch", "peak_rss_bytes")


def read(path):
  """One row per measurement; speed-up counts from the graph's first row, shares are of all phases' time."""
  rows, first = [], {}
  for line in path.read_text(encoding="utf-8").splitlines():
    entry = json.loads(line)
    bench = entry["bench"]
    total = sum(bench["phases"].values()) or 1
    base = first.setdefault(entry["graph"], bench)
    rows.append({
      "graph": entry["graph"], "speedup": round(base["step_ms_median"] / bench["step_ms_median"], 3),
      "halo_share": round(bench["phases"].get("halo_wait", 0) / total, 4),
      "allreduce_share": round(bench["phases"].get("all_reduce", 0) / total, 4),
      **{key: bench.get(key) for key in COLUMNS if key in bench},
    })
  return rows


def draw(rows, folder):
  figure = Figure(figsize=(10, 4))
  speed, share = figure.subplots(1, 2)
  graphs = list(dict.fromkeys(row["graph"] for row in rows))
  ranks = sorted({row["ranks"] for row in rows})
  speed.plot(ranks, [p / ranks[0] for p in ranks], color="grey", linestyle=":", label="ideal")
  for number, graph in enumerate(graphs):
    of = [row for row in rows if row["graph"] == graph]
    place = [row["ranks"] for row in of]
    colour = f"C{number}"
    speed.plot(place, [row["speedup"] for row in of], marker="o", color=colour, label=graph)
    share.plot(place, [100 * row["halo_share"] for row in of], marker="o", color=colour, label=f"{graph}, halo wait")
    share.plot(place, [100 * row["allreduce_share"] for row in of], marker="s", linestyle="--", color=colour,
               label=f"{graph}, all-reduce")
  speed.set(title="Speed-up of a training step", ylabel=f"speed-up over {ranks[0]} rank" + "s" * (ranks[0] > 1))
  share.set(title="Share of communication", ylabel="share of the step (%)", ylim=(0, None))
  for axes in (speed, share):
    axes.set_xscale("log", base=2)
    axes.set_xticks(ranks, [str(p) for p in ranks])
    axes.set_xlabel(f"ranks, each of {rows[0]['threads']} thread" + "s" * (rows[0]["threads"] > 1))
    axes.grid(alpha=0.2)
    axes.legend(frameon=False)
  figure.savefig(folder / "scaling.svg", metadata={"Date": None})
  figure.savefig(folder / "scaling.png", dpi=150)


def main():
  if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
    print(f"usage: scaling_plot.py DIR\n{__doc__}")
    return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
  folder = Path(sys.argv[1])
  matplotlib.rcParams.update({"svg.hashsalt": "distgat", "figure.constrained_layout.use": True})
  try:
    rows = read(folder / "bench.jsonl")
    with open(folder / "scaling.csv", "w", newline="", encoding="utf-8") as file:
      table = csv.DictWriter(file, COLUMNS)
      table.writeheader()
      table.writerows(rows)
    draw(rows, folder)
  except (OSError, KeyError, IndexError, json.JSONDecodeError) as error:
    print(f"scaling_plot.py: {folder / 'bench.jsonl'}: {error}", file=sys.stderr)
    return 2
  print((folder / "scaling.csv").read_text(encoding="utf-8"), end="")
  print(f"The picture is {folder / 'scaling.svg'}")
  return 0


if __name__ == "__main__":
  sys.exit(main())
