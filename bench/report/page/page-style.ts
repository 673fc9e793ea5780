/** The page's style: light and dark, wide and narrow, on screen and on paper. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f24; --muted-text: #59636e; --muted: #98a1ab; --grid: #e7eaee; --line: #d5dae0;
  --shade: #f2f4f7; --raised: #f7f8fa; --warn: #9a4a00; --warn-back: #fff6e9; --warn-line: #f0c48a;
  --ramp-low: #2f6fb2; --ramp-mid: #8a4ea8; --ramp-high: #d4500f;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif;
  font-size: 16px; line-height: 1.5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --ink: #e8eaed; --muted-text: #a3acb6; --muted: #6d7782; --grid: #262b31; --line: #343a42;
    --shade: #1c2127; --raised: #1b1f24; --warn: #ffc078; --warn-back: #2a2116; --warn-line: #6b4c22;
    --ramp-low: #5aa9ee; --ramp-mid: #c18af0; --ramp-high: #ff8a3d;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); }
main { max-width: 72rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; letter-spacing: -0.015em; margin: 0 0 0.35rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; letter-spacing: -0.01em; margin: 0; }
h3 { font-size: 0.95rem; margin: 0; }
a { color: inherit; }
.lead { color: var(--muted-text); margin: 0; overflow-wrap: anywhere; }
.notes { list-style: none; margin: 1.5rem 0 0; padding: 0; border: 1px solid var(--warn-line); border-radius: 8px; background: var(--warn-back); }
.notes li { padding: 0.6rem 0.9rem; color: var(--warn); font-size: 0.92rem; overflow-wrap: anywhere; }
.notes li + li { border-top: 1px solid var(--warn-line); }
.key { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1px; margin: 1.5rem 0 0; background: var(--line); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
.key div { background: var(--paper); padding: 0.75rem 0.9rem; }
.key dt { color: var(--muted-text); font-size: 0.8rem; }
.key dd { margin: 0.1rem 0 0; font-size: 1.35rem; font-weight: 600; letter-spacing: -0.01em; font-variant-numeric: tabular-nums; }
.key small { font-size: 0.8rem; font-weight: 400; color: var(--muted-text); letter-spacing: 0; }
section { margin-top: 3rem; }
.head { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; align-items: baseline; justify-content: space-between; border-bottom: 1px solid var(--line); padding-bottom: 0.5rem; margin-bottom: 1.1rem; }
label { font-size: 0.88rem; color: var(--muted-text); }
select { font: inherit; font-size: 0.9rem; color: var(--ink); background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: 0.3rem 0.5rem; max-width: 100%; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(30rem, 100%), 1fr)); gap: 2rem 2.5rem; }
figure { margin: 0; min-width: 0; break-inside: avoid; }
figcaption { color: var(--muted-text); font-size: 0.85rem; margin-bottom: 0.5rem; min-height: 1.3em; }
.plot { min-width: 0; }
#plots-distribution { grid-template-columns: 1fr; }
.uplot { font-family: inherit !important; }
.u-legend { font-size: 0.8rem !important; color: var(--muted-text); text-align: left !important; margin: 0.1rem 0 0 !important; }
.u-legend th { font-weight: 400 !important; }
.u-legend .u-marker { height: 3px !important; border-radius: 2px; }
.u-legend .u-value { font-variant-numeric: tabular-nums; color: var(--ink); min-width: 3.2em; text-align: left; }
.u-inline.u-live th::after { content: "" !important; }
.u-inline tr { margin-right: 0.75rem !important; }
.uplot:not(:hover) .u-legend tr:first-child { visibility: hidden; }
.u-legend tr:first-child th { display: none; }
.u-legend tr:first-child { min-width: 3.4rem; }
.u-select { background: color-mix(in srgb, var(--ramp-low) 18%, transparent) !important; }
.scroll { overflow-x: auto; margin: 0 -1.25rem; padding: 0 1.25rem; }
table.figures { border-collapse: collapse; font-size: 0.86rem; font-variant-numeric: tabular-nums; min-width: 100%; }
table.figures th, table.figures td { padding: 0.36rem 0.7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--grid); }
table.figures th:first-child, table.figures td:first-child { text-align: left; padding-left: 0; }
table.figures th:last-child, table.figures td:last-child { padding-right: 0; }
table.figures thead th { color: var(--muted-text); font-weight: 500; vertical-align: bottom; border-bottom-color: var(--line); }
table.figures thead th[colspan] { text-align: center; }
table.figures tbody th { font-weight: 500; }
table.figures .bad { color: var(--ramp-high); font-weight: 600; }
.note { color: var(--muted-text); font-size: 0.82rem; margin: 0.6rem 0 0; }
details { margin-top: 1.2rem; }
summary { cursor: pointer; font-size: 0.95rem; font-weight: 500; }
details h3 { margin: 1.6rem 0 0.4rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); gap: 1.5rem 2.5rem; }
dl.pairs { display: grid; grid-template-columns: minmax(7rem, auto) 1fr; gap: 0.25rem 1rem; margin: 0.5rem 0 0; font-size: 0.88rem; }
dl.pairs dt { color: var(--muted-text); }
dl.pairs dd { margin: 0; overflow-wrap: anywhere; }
dl.words { font-size: 0.9rem; margin: 0; columns: 26rem 2; column-gap: 2.5rem; }
dl.words div { break-inside: avoid; padding-bottom: 0.7rem; }
dl.words dt { font-weight: 600; }
dl.words dd { margin: 0; color: var(--muted-text); }
footer { margin-top: 3rem; color: var(--muted-text); font-size: 0.82rem; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  table.figures th:first-child { position: sticky; left: -1.25rem; padding-left: 1.25rem; background: var(--paper); }
  main { padding-top: 1.5rem; }
  h1 { font-size: 1.4rem; }
  .key { grid-template-columns: repeat(2, 1fr); }
}
@media print {
  :root { color-scheme: light; font-size: 12px; }
  main { max-width: none; padding: 0; }
  select { border: 0; appearance: none; }
}
`;
