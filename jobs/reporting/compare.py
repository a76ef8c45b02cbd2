"""Models side by side: accuracy and time, with their spread over seeds."""
import re

import numpy as np

from .canvas import BLUE, GREY, INK, ORANGE, Picture, panel, short
from .files import Failure, read_log

COLUMNS = ("model", "runs", "test %", "validation %", "training %", "parameters", "epochs", "seconds", "ms a step")


def add_logs(models, paths):
  """Runs of a log belong to the model that is one of them."""
  for path in paths:
    runs = read_log(path)
    owner = next((model for model in models if any(same_run(run, model.result) for run in runs)), None)
    if owner is None:
      raise Failure(f"{path}: none of its runs is one of the models given; --logs takes the log of a model's own "
                    "training")
    owner.runs = runs


def same_run(a, b):
  return all(a.get(key) == b.get(key) for key in ("dataset", "split", "model", "seed", "epochs", "val_acc", "test_acc"))


def join_seeds(models):
  """Models that differ in their seed alone, and in a number in their names, become one: the one that validates best."""
  groups = {}
  for model in models:
    like = re.sub(r"\d+", "#", model.name), model.kind, sorted(map(str, model.options.items())), model.shapes
    groups.setdefault(repr(like), []).append(model)
  joined = []
  for members in groups.values():
    seeds = [model.result.get("seed") for model in members]
    if len(members) == 1 or None in seeds or len(set(seeds)) < len(seeds) or any(len(m.runs) > 1 for m in members):
      joined += members
      continue
    best = max(members, key=lambda model: model.result.get("val_acc") or 0)
    best.runs = [model.result for model in members]
    joined.append(best)
  return joined


def spread(values, scale=1.0, digits=1):
  """Mean, and standard deviation where there are several."""
  if not len(values):
    return "–"
  mean = f"{scale * values.mean():,.{digits}f}"
  return mean if len(values) == 1 else f"{mean} ± {scale * values.std(ddof=1):,.{digits}f}"


def rows(models):
  return [(model.title, len(model.runs), spread(model.values("test_acc"), 100),
           spread(model.values("val_acc"), 100), spread(model.values("train_acc"), 100), f"{model.parameters:,}",
           spread(model.values("epochs"), digits=0), spread(model.values("seconds"), digits=2),
           spread(model.values("step_ms_median"), digits=2)) for model in models]


def picture(models):
  """Accuracy and time of all models; None where they have neither."""
  names = [short(model.name) for model in models]
  panels = [(title, bars(names, [scale * model.values(key) for model in models], label, (colour, digits)))
            for title, key, scale, label, colour, digits in (
              ("test accuracy", "test_acc", 100, "test accuracy (%)", BLUE, 1),
              ("time", "seconds", 1, "seconds a run", ORANGE, 2)) if any(len(model.values(key)) for model in models)]
  return Picture("Accuracy and time", words(models), panels) if panels else None


def bars(names, values, label, look):
  """A bar for each mean, with its deviation and a dot for each seed."""
  colour, digits = look
  figure, axes = panel(0.9 + 0.42 * len(names), xlabel=label)
  top = max((found.max() for found in values if len(found)), default=1) or 1
  for place, found in enumerate(values):
    if not len(found):
      continue
    mean, deviation = found.mean(), found.std(ddof=1) if len(found) > 1 else 0
    axes.barh(place, mean, height=0.7, color=colour)
    if deviation:
      axes.errorbar(mean, place, xerr=deviation, color=INK, capsize=3, linewidth=1.2)
      axes.plot(found, np.full(len(found), place + 0.28), ".", color=GREY, markersize=3)
    end = max(mean + deviation, found.max()) + 0.02 * top
    axes.text(end, place, spread(found, digits=digits), va="center", fontsize=9)
  axes.set_yticks(range(len(names)), names)
  axes.set(xlim=(0, 1.5 * top), ylim=(len(names) - 0.5, -0.5))
  axes.locator_params(axis="x", nbins=5)  # so that labels of three decimals have room
  axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= 1.05 * top])
  axes.grid(axis="y", visible=False)
  return figure


def words(models):
  said = ("Accuracy on the test nodes and the time of a whole run, training and validation. Where a model was trained "
          "several times, with other seeds or splits, a bar is the mean, the line the standard deviation, and a dot one "
          "run.")
  known = [model for model in models if len(model.values("test_acc"))]
  if all(len(model.runs) == 1 for model in models):
    said += (" Each model was trained once here, and another seed may well give a point more or less: --runs with "
             "--log, and that log in --logs, or saved models of several seeds, show the spread.")
  if len(known) < 2:
    return said
  first, second = sorted(known, key=lambda model: -model.values("test_acc").mean())[:2]
  lead = 100 * (first.values("test_acc").mean() - second.values("test_acc").mean())
  if lead < 0.05:
    return said + f" {first.name} and {second.name} are equally good" + (", and none is better." if len(known) > 2 else ".")
  said += f" Best is {first.name}, {lead:.1f} points before {second.name}"
  deviations = [100 * model.values("test_acc").std(ddof=1) for model in (first, second) if len(model.runs) > 1]
  no_lead = len(deviations) == 2 and lead < min(deviations)
  return said + (", less than either deviates by: no real lead." if no_lead else ".")
