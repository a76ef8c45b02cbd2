"""What all pictures share: size, colours and words. They are narrow, so that a phone shows them at their own size."""
import dataclasses
import warnings

import matplotlib
import numpy as np
from matplotlib.figure import Figure

INK = "#010203"  # stands for the page's text colour, light or dark
BLUE, ORANGE, GREY = "#3b82c4", "#d9822b", "#8a94a0"
WIDTH = 4.2

warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # of names; the browser has other fonts
matplotlib.rcParams.update({
  "svg.fonttype": "none", "svg.hashsalt": "distgat", "font.family": "sans-serif", "font.size": 9.5,
  "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
  "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": INK, "grid.alpha": 0.12,
  "axes.axisbelow": True, "axes.titlesize": 10, "axes.titlelocation": "left", "legend.frameon": False,
  "figure.constrained_layout.use": True,
})


@dataclasses.dataclass
class Picture:
  """Panels that belong together, [(label, figure)], and a paragraph on what they show."""
  title: str
  words: str
  panels: list


def panel(height=3.0, **settings):
  """A figure of the width of all, and its axes."""
  figure = Figure(figsize=(WIDTH, height))
  axes = figure.subplots()
  axes.set(**settings)
  return figure, axes


def class_colours(classes):
  if classes <= 10:
    return matplotlib.colormaps["tab10"].colors[:classes]
  return matplotlib.colormaps["turbo"](np.linspace(0, 1, classes))


def shades(share, colour=BLUE, most=0.75):
  """Colours between none and `most` of one, so that ink is read on them, light or dark. [..., 4]"""
  tinted = np.empty((*np.shape(share), 4))
  tinted[..., :3] = matplotlib.colors.to_rgb(colour)
  tinted[..., 3] = most * np.clip(np.nan_to_num(share), 0, 1)
  return tinted


def grid_of(axes, shares, texts=None, size=8):
  """A field of shaded squares with their texts."""
  rows, columns = np.shape(shares)
  axes.imshow(shades(shares), aspect="auto", interpolation="nearest")
  axes.grid(False)
  axes.set(xticks=range(columns), yticks=range(rows))
  axes.tick_params(length=0)
  for spine in axes.spines.values():
    spine.set_visible(False)
  for (row, column), words in np.ndenumerate(np.empty((0, 0)) if texts is None else np.asarray(texts, object)):
    axes.text(column, row, words, ha="center", va="center", fontsize=size)


def short(name, most=16):
  """A name as pictures write it, where a dollar sign would begin a formula."""
  return (name if len(name) <= most else name[:most - 1] + "…").replace("$", r"\$")


def distinct(names, most=16):
  """The same of names that must stay apart: those that differ only behind that are cut in their middle."""
  cut = [short(name, most) for name in names]
  if len(set(cut)) == len(set(names)):
    return cut
  head = (most - 1) // 3
  return [short(name if len(name) <= most else name[:head] + "…" + name[head + 1 - most:], most) for name in names]


def percent(share):
  return f"{100 * share:.1f} %"
