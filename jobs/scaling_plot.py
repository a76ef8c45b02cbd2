"""The pictures of a scaling study."""
import os
import shutil
import sys

try:
  import matplotlib
  import matplotlib.ticker
  from matplotlib.figure import Figure
except ImportError as missing:
  # The first python3 on the path need not be the one that the distribution's packages belong to.
  system_python = shutil.which("python3", path=os.defpath)
  if system_python and os.path.realpath(system_python) != os.path.realpath(sys.executable):
    os.execv(system_python, [system_python, *sys.argv])
  print(f"scaling.py: {missing}; install the package python3-matplotlib", file=sys.stderr)
  sys.exit(2)

# From the bottom of a bar: computing, then what there is only because there are many ranks.
STACK = (("projection", "#4c78a8"), ("edge_forward", "#72b7b2"), ("loss", "#b279a2"), ("edge_backward", "#54a24b"),
         ("weight_gradient", "#88d27a"), ("adam", "#9d755d"), ("other", "#bab0ac"), ("halo_wait", "#f58518"),
         ("all_reduce", "#e45756"), ("imbalance", "#ffbf79"))


def number(row, name):
  return float(row[name]) if row.get(name) not in ("", None) else None


def on_shared_cores(row):
  """Whether some thread did not have a core to itself, for want of cores or by other work."""
  return row.get("machine_busy") in (True, "True")


def by_threads(group):
  found = {}
  for row in sorted(group, key=lambda row: int(row["ranks"])):
    found.setdefault(int(row["threads"]), []).append(row)
  return found


def mark_nodes(axes, rows):
  """A line where a second node begins."""
  for before, after in zip(rows, rows[1:]):
    if before["nodes"] and after["nodes"] and int(before["nodes"]) == 1 < int(after["nodes"]):
      axes.axvline((int(before["ranks"]) * int(after["ranks"]))**0.5, color="0.6", linewidth=1)
      axes.annotate("more than one node", ((int(before["ranks"]) * int(after["ranks"]))**0.5, 0.02),
                    xycoords=("data", "axes fraction"), rotation=90, ha="right", va="bottom", fontsize=7, color="0.4")


def rank_axis(axes, group, label):
  ranks = sorted({int(row["ranks"]) for row in group})
  axes.set_xscale("log", base=2)
  axes.set_xticks(ranks, [str(p) for p in ranks])
  axes.minorticks_off()
  axes.set_xlabel(label)
  axes.grid(alpha=0.2)


def draw_speed(axes, group):
  """Speed-up over the smallest point, what is planned, hollow where cores were shared, and triangles where a step takes longer than with fewer ranks."""
  base = min(group, key=lambda row: int(row["ranks"]) * int(row["threads"]))
  base_cores = int(base["ranks"]) * int(base["threads"])
  for colour, (threads, rows) in enumerate(by_threads(group).items()):
    ranks = [int(row["ranks"]) for row in rows]
    speed = [float(row["speedup"]) for row in rows]
    axes.plot(ranks, [p * threads / base_cores for p in ranks], color=f"C{colour}", linestyle=":", label="ideal")
    axes.plot(ranks, speed, marker="o", color=f"C{colour}", label=f"measured, {threads} thread{'s' * (threads > 1)}")
    shared = [(p, s) for p, s, row in zip(ranks, speed, rows) if on_shared_cores(row)]
    if shared:
      axes.plot(*zip(*shared), color=f"C{colour}", linestyle="", marker="o", markerfacecolor="white", label="on shared cores")
    planned = [(p, work_over(base, row) * float(base["step_ms"]) / number(row, "plan_ms"))
               for p, row in zip(ranks, rows) if number(row, "plan_ms")]
    if planned:
      axes.plot(*zip(*planned), color=f"C{colour}", linestyle="--", marker="x", label="planned")
    slower = [(p, s) for p, s, before in zip(ranks[1:], speed[1:], speed) if s < before]
    if slower:
      axes.plot(*zip(*slower), color="#d62728", linestyle="", marker="v", markersize=10, label="slower than before")
    mark_nodes(axes, rows)
  axes.set_yscale("log", base=2)
  axes.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda y, _: f"{y:g}"))
  axes.set(title="Scaled speed-up of a step" if base["study"] == "weak" else "Speed-up of a step", ylabel="speed-up")
  rank_axis(axes, group, "ranks")
  axes.legend(frameon=False, fontsize=8)


def draw_phases(axes, group):
  rows = sorted(group, key=lambda row: (int(row["threads"]), int(row["ranks"])))
  bottom = [0.0] * len(rows)
  for phase, colour in STACK:
    height = [number(row, phase if phase == "imbalance" else f"{phase}_mean") or 0 for row in rows]
    if max(height) > 0:
      axes.bar(range(len(rows)), height, bottom=bottom, color=colour, label=phase.replace("_", " "), width=0.7)
    bottom = [b + h for b, h in zip(bottom, height)]
  axes.errorbar(range(len(rows)), [number(row, "step_ms") for row in rows],
                yerr=[[number(row, "step_ms") - number(row, "step_ms_least") for row in rows],
                      [number(row, "step_ms_most") - number(row, "step_ms") for row in rows]],
                fmt="none", ecolor="0.2", capsize=3, linewidth=1)
  axes.set_xticks(range(len(rows)), [f"{row['ranks']}×{row['threads']}" for row in rows])
  axes.set(title="A step by phases, mean of ranks", xlabel="ranks × threads", ylabel="ms")
  handles, labels = axes.get_legend_handles_labels()
  axes.set_ylim(top=1.5 * axes.get_ylim()[1])  # room for the names
  axes.legend(handles[::-1], labels[::-1], frameon=False, fontsize=7, ncols=2, loc="upper right")


def draw_memory(axes, group):
  for colour, (threads, rows) in enumerate(by_threads(group).items()):
    ranks = [int(row["ranks"]) for row in rows]
    axes.plot(ranks, [number(row, "peak_rss_bytes") / 1e6 for row in rows], marker="o", color=f"C{colour}",
              label=f"measured, {threads} thread{'s' * (threads > 1)}")
    planned = [(p, number(row, "plan_bytes") / 1e6) for p, row in zip(ranks, rows) if number(row, "plan_bytes")]
    if planned:
      axes.plot(*zip(*planned), color=f"C{colour}", linestyle="--", marker="x", label="planned, training")
    mark_nodes(axes, rows)
  axes.set(title="Memory of the largest rank", ylabel="MB", ylim=(0, None))
  rank_axis(axes, group, "ranks")
  axes.legend(frameon=False, fontsize=8)


def family(row):
  """What a study is of: its graph, or weak-N and the other sizes of graphs with N nodes a rank."""
  if row["study"] != "weak":
    return row["graph"]
  weak, nodes, *sizes = row["graph"].split("-")
  return "-".join([weak, str(int(nodes) // int(row["ranks"])), *sizes])


def work_over(base, row):
  """How much more is done in a step of one point: in a weak study nodes grow with ranks, whatever threads these have."""
  return int(row["ranks"]) / int(base["ranks"]) if row["study"] == "weak" else 1


def name_of(group):
  """A file name for a study: that of its graph, and its options where it has any."""
  row = group[0]
  words = [family(row), *row["options"].replace("--", "").split()]
  return "-".join("".join(c for c in word if c.isalnum() or c in "._-") for word in words)


def draw(groups, folder):
  """Draws every study; returns the files."""
  matplotlib.rcParams.update({"svg.hashsalt": "distgat", "figure.constrained_layout.use": True})
  files = []
  for group in groups:
    figure = Figure(figsize=(13, 4.2))
    speed, phases, memory = figure.subplots(1, 3)
    row = group[0]
    title = f"{family(row).split('-')[1]} nodes a rank" if row["study"] == "weak" else row["graph"]
    figure.suptitle(f"{row['model']} on {title}")
    draw_speed(speed, group), draw_phases(phases, group), draw_memory(memory, group)
    path = folder / f"{name_of(group)}.svg"
    figure.savefig(path, metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=150)
    files.append(path)
  return files
