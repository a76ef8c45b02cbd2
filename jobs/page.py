"""A self-contained HTML page: tables, notes and figures as inline SVG, in light and dark."""
import html
import io
import os
import re

INK = "#010203"  # stands for the page's text colour, light or dark

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2733; --faint: #5d6b7a; --line: #d8dee5; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14191f; --ink: #e4e9ee; --faint: #9aa7b4; --line: #333d48; --card: #1b222a; }
}
body { margin: 0 auto; padding: 1.5rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { margin: 2.5rem 0 .6rem; font-size: 1.3rem; }
figure { margin: 1.2rem 0; padding: 1rem; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
figcaption { margin-bottom: .6rem; } figcaption b { display: block; } figcaption span, .note { color: var(--faint); }
svg { display: block; width: 100%; height: auto; max-width: 58rem; margin: 0 auto; color: var(--ink); }
.table { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
th, td { padding: .3rem .9rem .3rem 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } thead th { color: var(--faint); font-weight: 500; }
"""


class Failure(Exception):
  """An expected failure: one line for the user, and the exit code."""

  def __init__(self, message, code=2):
    super().__init__(message)
    self.code = code


def inline(figure, label, number):
  """An SVG element for HTML: no prolog, no addresses, ids of its own, ink in the page's text colour."""
  buffer = io.StringIO()
  figure.savefig(buffer, format="svg", transparent=True, dpi=160, metadata={"Date": None})
  svg = buffer.getvalue()
  svg = svg[svg.index("<svg"):]
  svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
  svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
  svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>f{number}-", svg).replace(INK, "currentColor")
  return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)


class Page:
  def __init__(self, title, pictures=None):
    """`pictures`: a folder that gets every figure as a PNG file too."""
    self.title, self.body, self.figures, self.pictures = title, [], 0, pictures

  def add(self, piece):
    self.body.append(piece)

  def heading(self, words):
    self.add(f"<h2>{html.escape(words)}</h2>")

  def note(self, words):
    self.add(f'<p class="note">{html.escape(words)}</p>')

  def table(self, caption, head, rows):
    cells = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in head)
    lines = ""
    for first, *rest in rows:
      values = "".join(f"<td>{html.escape(str(cell))}</td>" for cell in rest)
      lines += f'<tr><th scope="row">{html.escape(str(first))}</th>{values}</tr>\n'
    self.add(f'<div class="table"><table><caption>{html.escape(caption)}</caption>\n<thead><tr>{cells}</tr></thead>\n'
             f"<tbody>{lines}</tbody></table></div>")

  def picture(self, made, of):
    if made is None:
      return
    title, remark, figure = made
    self.figures += 1
    svg = inline(figure, f"{title}, {of}", self.figures)
    if self.pictures:
      name = re.sub(r"[^a-z0-9]+", "-", f"{self.figures} {title} {of}".lower()).strip("-")
      figure.savefig(self.pictures / f"{name}.png", dpi=120, facecolor="white", metadata={"Software": None})
    self.add(f"<figure><figcaption><b>{html.escape(title)}</b> <span>{html.escape(remark)}</span></figcaption>\n"
             f"{svg}</figure>")

  def write(self, path):
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
