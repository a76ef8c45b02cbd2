#!/usr/bin/env python3
"""The report in headless Chromium: on a phone, on a wide screen, and printed, nothing is cut or scrolls sideways."""
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pages  # noqa: E402
import program  # noqa: E402
from pages import PageReader, distgat  # noqa: E402
import h5py  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE, WIDE = 390, 1280
LEAST_TEXT = 7.0  # pixels, in pictures on a phone

# Loads the page in frames of both widths and writes what is wrong with each. Frames, as windows have a least width.
WATCHER = """<!DOCTYPE html><body><script>
const page = PAGE_TEXT, found = {}, widths = [390, 1280];
function problems(frame, width) {
  const doc = frame.contentDocument, wrong = [];
  const wide = doc.documentElement.scrollWidth;
  if (wide > width) wrong.push("the page scrolls sideways: " + wide);
  for (const e of doc.body.querySelectorAll("*:not(svg *)")) {
    const box = e.getBoundingClientRect();
    if (box.right > width + 0.5) wrong.push(e.tagName + " is cut: " + e.textContent.slice(0, 40));
    if (e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0 && getComputedStyle(e).overflowX != "visible")
      wrong.push(e.tagName + " scrolls: " + e.textContent.slice(0, 40));
  }
  for (const svg of doc.querySelectorAll("svg")) {
    const edge = svg.getBoundingClientRect(), scale = edge.width / svg.viewBox.baseVal.width;
    const name = "'" + svg.getAttribute("aria-label") + "'";
    for (const text of svg.querySelectorAll("text")) {
      const box = text.getBoundingClientRect(), size = parseFloat(getComputedStyle(text).fontSize) * scale;
      if (box.left < edge.left - 1 || box.right > edge.right + 1 || box.top < edge.top - 1 || box.bottom > edge.bottom + 1)
        wrong.push("text is cut in " + name + ": " + text.textContent);
      if (width == 390 && size < LEAST_TEXT) wrong.push("text of " + size + " px in " + name);
    }
  }
  return [...new Set(wrong)];
}
const columns = panels => getComputedStyle(panels).gridTemplateColumns.split(" ").length;
for (const width of widths) {
  const frame = document.createElement("iframe");
  frame.width = width; frame.height = 900; frame.style.border = 0;
  frame.onload = () => {
    found[width] = {wrong: problems(frame, width),
                    columns: Math.max(...[...frame.contentDocument.querySelectorAll(".panels")].map(columns))};
    if (Object.keys(found).length == widths.length) {
      const out = document.createElement("pre");
      out.id = "found"; out.textContent = JSON.stringify(found);
      document.body.append(out);
    }
  };
  frame.srcdoc = page;
  document.body.append(frame);
}
</script></body>"""


def chromium(folder, *words):
  command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=20000", *map(str, words)]
  done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240,
                        env={**os.environ, "HOME": str(folder)})
  assert done.returncode == 0, done.stderr[-2000:]
  return done.stdout


class Browser(unittest.TestCase):
  @classmethod
  def setUpClass(cls):
    cls.folder = Path(tempfile.mkdtemp(prefix="distgat-test-"))
    cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
    graph, cls.page = cls.folder / "graph.h5", cls.folder / "report.html"
    distgat("generate", "--nodes", 400, "--avg-degree", 3, "--features", 40, "--classes", 7, "--out", graph)
    with h5py.File(graph, "r+") as file:
      file["classes/name"] = ["Neural_Networks", "Probabilistic_Methods", "Diabetes Mellitus, Experimental", "Theory",
                              "x", "Rule_Learning", "A_class_with_a_name_longer_than_all_the_others"]
    models = {kind: cls.folder / f"a-model-with-a-long-name-{kind}.h5" for kind in ("gcn", "gat", "gatv2")}
    logs = [model.with_suffix(".jsonl") for model in models.values()]
    for (kind, model), log in zip(models.items(), logs):
      distgat("train", graph, "--model", kind, "--epochs", 20, "--runs", 3, "--save", model, "--log", log)
    code, told = pages.report(graph, *models.values(), "--out", cls.page, "--logs", *logs, cache=cls.folder / "cache")
    assert code == 0, told
    cls.text = cls.page.read_text()

  def watch(self, page):
    watcher = self.folder / "watcher.html"
    text = json.dumps(page).replace("</", "<\\/")
    watcher.write_text(WATCHER.replace("LEAST_TEXT", str(LEAST_TEXT)).replace("PAGE_TEXT", text))
    shown = chromium(self.folder, "--window-size=1400,1000", "--dump-dom", watcher.as_uri())
    return json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', shown).group(1)))

  def test_nothing_is_cut_or_scrolls_on_a_phone_and_on_a_wide_screen(self):
    found = self.watch(self.text)
    self.assertEqual({width: seen["wrong"] for width, seen in found.items()}, {str(PHONE): [], str(WIDE): []})
    self.assertEqual(found[str(PHONE)]["columns"], 1)
    self.assertGreater(found[str(WIDE)]["columns"], 1)

  def test_a_table_that_is_too_wide_would_be_seen(self):
    wide = "<table><tr>" + "<td>" + "</td><td>".join(["123456789"] * 20) + "</td></tr></table></main>"
    found = self.watch(self.text.replace("</main>", wide))
    self.assertTrue(any("sideways" in words for words in found[str(PHONE)]["wrong"]), found)

  def test_the_printed_page_has_all_and_headings_stay_with_what_they_head(self):
    if not shutil.which("pdftotext"):
      self.skipTest("no pdftotext (poppler-utils)")
    pdf = self.folder / "report.pdf"
    chromium(self.folder, "--no-pdf-header-footer", f"--print-to-pdf={pdf}", self.page.as_uri())
    printed = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, text=True, check=True).stdout
    words = set(re.findall(r"\w+", printed))
    shown = re.sub(r"<style.*?</style>|<nav>.*?</nav>|<[^>]*>", " ", self.text, flags=re.S)
    missing = set(re.findall(r"\w+", html.unescape(shown))) - words
    self.assertEqual(missing, set())
    reader = PageReader(self.text)
    headings = {*reader.sections, *reader.pictures, *re.findall(r"<caption>(.*?)</caption>", self.text)}
    for sheet in printed.split("\f"):
      lines = [line.strip() for line in sheet.splitlines() if line.strip()]
      self.assertTrue(not lines or lines[-1] not in headings, f"a heading ends a sheet: {lines[-1:]}")


if __name__ == "__main__":
  if CHROMIUM is None:
    print("skipped: no chromium")
    sys.exit(77)
  program.main()
