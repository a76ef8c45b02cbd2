"""A self-contained HTML page: words, tables and pictures as inline SVG, in light and dark, on screens and on paper."""
import html
import io
import os
import re

from .canvas import INK
from .files import Failure
from .style import STYLE

MANY_COLUMNS, SHORT = 5, 24  # a table of more columns becomes cards on a phone; one of few rows stays on one sheet


def drawn(figure, **settings):
  buffer = io.StringIO()
  figure.savefig(buffer, format="svg", dpi=160, metadata={"Date": None}, **settings)
  return buffer.getvalue()


def inline(figure, label, number):
  """An SVG element for HTML: no prolog, no addresses, ids of its own, ink in the page's text colour."""
  svg = drawn(figure, transparent=True)
  svg = svg[svg.index("<svg"):]
  svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
  svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
  svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>f{number}-", svg).replace(INK, "currentColor")
  return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)


def file_name(*words):
  return re.sub(r"[^a-z0-9]+", "-", " ".join(map(str, words)).lower()).strip("-")


class Page:
  def __init__(self, title, pictures=None):
    """`pictures`: a folder that gets every panel as an SVG and a PNG file, too."""
    self.title, self.body, self.sections, self.figures, self.pictures = title, [], [], 0, pictures
    self.contents_at = None
    self.add(f"<h1>{html.escape(title)}</h1>")

  def add(self, piece):
    self.body.append(piece)

  def contents(self):
    """Links to all sections, at this place."""
    self.contents_at = len(self.body)
    self.add("")

  def section(self, words):
    self.sections.append(words)
    self.add(f'<h2 id="s{len(self.sections)}">{html.escape(words)}</h2>')

  def heading(self, words):
    self.add(f"<h3>{html.escape(words)}</h3>")

  def say(self, words):
    self.add(f"<p>{html.escape(words)}</p>")

  def note(self, words):
    self.add(f'<p class="note">{html.escape(words)}</p>')

  def printed(self, lines):
    self.add(f"<pre>{html.escape(lines)}</pre>")

  def card(self, rows):
    """Names and values."""
    pairs = (tuple(html.escape(str(cell)) for cell in row) for row in rows)
    self.add("<dl>" + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs) + "</dl>")

  def table(self, caption, head, rows):
    names = [html.escape(name) for name in head]
    cells = "".join(f'<th scope="col">{name}</th>' for name in names)
    lines = ""
    for first, *rest in rows:
      values = "".join(f'<td data-label="{name}">{html.escape(str(cell))}</td>' for name, cell in zip(names[1:], rest))
      lines += f'<tr><th scope="row">{html.escape(str(first))}</th>{values}</tr>\n'
    kinds = " ".join(["many"] * (len(head) > MANY_COLUMNS) + ["short"] * (len(rows) <= SHORT))
    self.add(f'<table class="{kinds}"><caption>{html.escape(caption)}</caption>\n<thead><tr>{cells}</tr></thead>\n'
             f"<tbody>{lines}</tbody></table>")

  def picture(self, made, of):
    """A canvas.Picture, of a graph or a model that is named; nothing where there is none."""
    if made is None:
      return
    panels = "".join(self.draw(label, figure, of) for label, figure in made.panels)
    kind = ' class="single"' if len(made.panels) == 1 else ""
    caption = f"<h3>{html.escape(made.title)}</h3><p>{html.escape(made.words)}</p>"
    self.add(f"<figure{kind}><figcaption>{caption}</figcaption>\n"
             f'<div class="panels">{panels}</div></figure>')

  def draw(self, label, figure, of):
    self.figures += 1
    drawing = inline(figure, f"{label}, {of}", self.figures) + "\n"  # first, as the layout settles with each drawing
    if self.pictures:
      name = self.pictures / file_name(f"{self.figures:02}", of, label)
      name.with_suffix(".svg").write_text(drawn(figure, facecolor="white"), encoding="utf-8")
      figure.savefig(name.with_suffix(".png"), dpi=160, facecolor="white", metadata={"Software": None})
    return drawing

  def write(self, path):
    links = " ".join(f'<a href="#s{k}">{html.escape(words)}</a>' for k, words in enumerate(self.sections, 1))
    if self.contents_at is not None:
      self.body[self.contents_at] = f"<nav>{links}</nav>"
    page = ('<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{html.escape(self.title)}</title>\n<style>{STYLE}</style></head>\n<body>\n<main>\n"
            + "\n".join(self.body) + "\n</main>\n</body>\n</html>\n")
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
      part.write_text(page, encoding="utf-8")
      part.replace(path)
    except OSError as error:
      part.unlink(missing_ok=True)
      raise Failure(f"{path}: cannot write ({error.strerror})", 3) from error
