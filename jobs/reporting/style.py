"""The pages' style sheet: light and dark, narrow and wide, and on paper."""

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2733; --faint: #55626f; --line: #d8dee5; --card: #f6f8fa;
  --link: #1f5f9e; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14191f; --ink: #e4e9ee; --faint: #a3b0bd; --line: #333d48; --card: #1b222a; --link: #7db8f0; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 66rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
p { max-width: 46rem; margin: .6rem 0; }
a { color: var(--link); }
.note { color: var(--faint); font-size: .92rem; }
h1 { font-size: 1.8rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.4rem; line-height: 1.3; margin: 3rem 0 .6rem; border-top: 1px solid var(--line);
  padding-top: 1.2rem; }
h3 { font-size: 1.1rem; margin: 1.8rem 0 .5rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: 1rem 0; }

figure { margin: 1.4rem 0; padding: 1rem 1.2rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; }
figcaption h3 { margin: 0; }
figcaption p { margin: .3rem 0 .8rem; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: .8rem 1.6rem; }
svg { display: block; width: 100%; max-width: 28rem; height: auto; margin: 0 auto; color: var(--ink); }

pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; margin: 1rem 0;
  max-width: 46rem; font-size: .82rem; line-height: 1.45; white-space: pre-wrap; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 9.6rem), 1fr)); gap: .1rem 1.6rem;
  margin: 1rem 0; }
dl div { border-bottom: 1px solid var(--line); padding: .3rem 0; }
dt { color: var(--faint); font-size: .85rem; }
dd { margin: 0; }

table { border-collapse: collapse; margin: 1.2rem 0; max-width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
th, td { padding: .3rem 0 .3rem 1.1rem; text-align: right; vertical-align: bottom; border-bottom: 1px solid var(--line);
  font-weight: 400; }
th:first-child { text-align: left; padding-left: 0; min-width: 6rem; overflow-wrap: anywhere; }
thead th { color: var(--faint); font-size: .85rem; }
td { white-space: nowrap; }

@media (min-width: 56rem) {
  figure.single { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1.25fr); gap: 1.6rem;
    align-items: center; }
}
@media screen and (max-width: 40rem) {
  body { padding: 1rem; }
  figure { padding: .8rem; }
  table { font-size: .92rem; }
  th, td { padding-left: .7rem; }
  .many thead { display: none; }
  .many, .many caption, .many tbody, .many tr, .many th, .many td { display: block; }
  .many tr { border: 1px solid var(--line); border-radius: 8px; padding: .5rem .8rem; margin: .6rem 0; }
  .many th, .many td { border: 0; padding: .1rem 0; text-align: left; white-space: normal; }
  .many th { font-weight: 600; }
  .many td { display: flex; justify-content: space-between; gap: 1rem; }
  .many td::before { content: attr(data-label); color: var(--faint); }
}
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --faint: #444; --line: #bbb; --card: #fff; --link: #000;
    font-size: 9pt; }
  @page { margin: 14mm; }
  body { padding: 0; max-width: none; font-size: 1rem; }
  p, pre { max-width: none; }
  figure { padding: .5rem .8rem; margin: .8rem 0; }
  p { orphans: 3; widows: 3; }
  nav { display: none; }
  h2 { margin-top: 1.6rem; }
  h2, h3, caption, figcaption { break-after: avoid; }
  figure, pre, dl, tr, table.short { break-inside: avoid; }
  th, td { padding: .2rem 0 .2rem .8rem; }
  thead { display: table-header-group; }
  dl + .note { break-before: avoid; }
  .panels { grid-template-columns: repeat(2, 1fr); }
  figure.single .panels { grid-template-columns: 1fr; }
  svg { max-width: 7.6cm; }
}
"""
