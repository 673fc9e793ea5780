/** What all pages of benchmarks share: one HTML file with plots, that loads nothing from anywhere. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { escaped, scriptJson } from "./html.ts";
import type { Html } from "./html.ts";
import { PAGE_STYLE } from "./page-style.ts";
import type { PlotGroup } from "./plot.ts";

const require = createRequire(import.meta.url);

/** What a page is made of beside the report: read once, however often pages are written. */
export interface PageParts {
  readonly plotter: string;
  readonly plotterStyle: string;
  readonly script: string;
}

/** From the packages as they are installed, and from beside this file. */
export async function readPageParts(): Promise<PageParts> {
  const uplot = dirname(require.resolve("uplot"));
  const [plotter, plotterStyle, script] = await Promise.all([
    readFile(join(uplot, "uPlot.iife.min.js"), "utf8"),
    readFile(join(uplot, "uPlot.min.css"), "utf8"),
    readFile(new URL("./page.browser.js", import.meta.url), "utf8"),
  ]);
  return { plotter, plotterStyle, script: script.replace(/^\/\/# sourceMappingURL=.*$/m, "") };
}

/** Nothing is loaded from anywhere, and the browser is told so. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:";

export interface HtmlPage {
  readonly title: string;
  readonly heading: string;
  /** One line under the heading. */
  readonly lead: string;
  /** What limits the figures; they stand above them. */
  readonly notes: readonly string[];
  readonly figures?: Html;
  readonly sections: readonly Html[];
  /** Drawn into the sections of `plotSection`. */
  readonly groups: readonly PlotGroup[];
  readonly run: { readonly tiding: string; readonly started_at: string; readonly id: string };
  /** The names of files. */
  readonly beside: string;
}

export function htmlPage(page: HtmlPage, { plotter, plotterStyle, script }: PageParts): Html {
  const { run } = page;
  const tiding = escaped(run.tiding);
  const notes = page.notes.map((note) => `<li>${escaped(note)}</li>`).join("");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Tiding ${tiding}">
<title>${escaped(page.title)}</title>
<style>${plotterStyle}${PAGE_STYLE}</style>
</head>
<body>
<main>
<header>
<h1>${escaped(page.heading)}</h1>
<p class="lead">${escaped(page.lead)}</p>
${notes === "" ? "" : `<ul class="notes" aria-label="What limits these figures">${notes}</ul>`}
${page.figures ?? ""}
</header>
${page.sections.join("\n")}
<footer>Measured by Tiding ${tiding}, ${escaped(run.started_at)}, run ${escaped(run.id)}. Beside this page: ${escaped(page.beside)}.</footer>
</main>
<script type="application/json" id="plots">${scriptJson(page.groups)}</script>
<script>${plotter}</script>
<script type="module">${script}</script>
</body>
</html>
`;
}

export function section(id: string, title: string, content: Html, tool: Html = ""): Html {
  return `<section id="${id}" aria-labelledby="${id}-title"><div class="head"><h2 id="${id}-title">${escaped(title)}</h2>${tool}</div>\n${content}\n</section>`;
}

/** Where the page's script draws a group, with its picker. */
export function plotSection({ id, title, picker, variants, initial }: PlotGroup): Html {
  const options = variants.map(
    ({ label }, index) => `<option value="${index}"${index === initial ? " selected" : ""}>${escaped(label)}</option>`,
  );
  const tool =
    picker === null
      ? ""
      : `<label>${escaped(picker)} <select id="pick-${id}" autocomplete="off">${options.join("")}</select></label>`;
  const without = "<noscript><p>The plots need JavaScript; the tables hold their figures.</p></noscript>";
  return section(id, title, `<div class="plots" id="plots-${id}"></div>${without}`, tool);
}
