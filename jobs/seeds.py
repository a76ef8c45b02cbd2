#!/usr/bin/env python3
"""Sums up an array of trainings over seeds, as --runs does: mean and standard deviation of the test accuracy, seeds that
failed, and those that are not at their end. Ends with 3 where there are such."""
import argparse
import json
import math
import os
import statistics
import sys
from pathlib import Path

MEANINGS = {"2": "bad usage or input", "3": "failure at run time", "75": "saved after a signal, not gone on with",
            "137": "killed", "143": "ended by a signal before it could save"}


def last_result(path):
  """The result line of a log; None where there is none, or what stands there is no log."""
  try:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
  except (OSError, ValueError, RecursionError):
    return None
  return next((line for line in reversed(lines) if is_result(line)), None)


def is_result(line):
  """Whether all is there that is told of it; of a run that diverged the accuracy is None."""
  return (isinstance(line, dict) and line.get("event") == "result" and {"model", "dataset"} <= line.keys()
          and all(is_figure(line.get(name)) for name in ("test_acc", "val_acc")))


def is_figure(value):
  return value is None or isinstance(value, (int, float)) and math.isfinite(value)


class Seed:
  """One task: its seed, how it ended, its result."""

  def __init__(self, state_path):
    self.number = int(state_path.stem.split("-")[1])
    self.state = state_path.read_text(errors="replace").strip()
    self.result = last_result(state_path.with_suffix(".jsonl"))

  def problem(self):
    if self.state in ("", "running"):
      return "has not ended"
    if self.state != "0":
      diverged = self.result and self.result.get("test_acc") is None
      why = f"diverged: {self.result.get('stop_reason')}" if diverged else MEANINGS.get(self.state, "see its log")
      return f"failed with {self.state} ({why})"
    return None if self.result and self.result.get("test_acc") is not None else "left no result"


def states(folder):
  return [path for path in folder.glob("seed-*.state") if path.stem[len("seed-"):].isdecimal()]


def read(folder):
  return sorted(map(Seed, states(folder)), key=lambda seed: seed.number)


def summarize(seeds, tasks):
  """Lines of text, and whether all is done and well."""
  done = [seed for seed in seeds if seed.problem() is None]
  missing = max(0, (tasks or len(seeds)) - len(seeds))
  lines = []
  if done:
    accuracies = [100 * seed.result["test_acc"] for seed in done]
    spread = statistics.stdev(accuracies) if len(done) > 1 else 0
    first = done[0].result
    lines.append(f"{first['model']} on {first['dataset']}, {len(done)} runs: "
                 f"test accuracy {statistics.mean(accuracies):.2f} +- {spread:.2f} %")
    if len(done) < len(seeds) + missing:
      lines[0] += f" without {len(seeds) + missing - len(done)} of {len(seeds) + missing}"
    validated = [seed for seed in done if seed.result.get("val_acc") is not None]
    if validated:
      best = max(validated, key=lambda seed: seed.result["val_acc"])
      lines.append(f"best by validation: seed {best.number}, test accuracy {100 * best.result['test_acc']:.2f} %")
  else:
    lines.append(f"no result of {len(seeds) + missing} runs")
  lines += [f"seed {seed.number} {seed.problem()}" for seed in seeds if seed.problem()]
  if missing:
    lines.append(f"{missing} of {tasks} tasks have not begun")
  return lines, len(lines) > 0 and len(done) == len(seeds) + missing


def write(folder, tasks, out):
  """Writes the summary again until nothing has come meanwhile: tasks that end at once each see the other's end."""
  seeds = None
  while seeds is None or [seed.state for seed in seeds] != [seed.state for seed in read(folder)]:
    seeds = read(folder)
    part = out.with_name(f".{out.name}.{os.uname().nodename}.{os.getpid()}")
    part.write_text("\n".join(summarize(seeds, tasks)[0]) + "\n")
    part.replace(out)
  return seeds


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("folder", type=Path, help="NAME-JOB, which seeds.sbatch has made")
  parser.add_argument("--tasks", type=int, help="tasks of the array (default: those that have begun)")
  parser.add_argument("--out", type=Path, help="write it there, and print it only when all tasks have ended")
  arguments = parser.parse_args()
  if not states(arguments.folder):
    parser.exit(2, f"seeds.py: {arguments.folder}: no seeds of an array here; seeds.sbatch makes such a folder\n")
  seeds = write(arguments.folder, arguments.tasks, arguments.out) if arguments.out else read(arguments.folder)
  lines, well = summarize(seeds, arguments.tasks)
  ended = len(seeds) >= (arguments.tasks or 0) and all(seed.state not in ("", "running") for seed in seeds)
  if ended or not arguments.out:
    print("\n".join(lines))
  sys.exit(0 if well else 3)


if __name__ == "__main__":
  main()
