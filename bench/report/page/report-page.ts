import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { BenchReport, StageReport } from "../bench-report.ts";
import { DEFINITIONS } from "../definitions.ts";
import { shownMs, shownNumber, shownShare } from "../numbers.ts";
import { stagesInOrder } from "../stage-order.ts";
import { distributionPlots } from "./distribution-plots.ts";
import { escaped, scriptJson } from "./html.ts";
import type { Html } from "./html.ts";
import { loadPlots } from "./load-plots.ts";
import { PAGE_STYLE } from "./page-style.ts";
import { describeSlo, setupFacts, stageDetails, stageTable } from "./page-tables.ts";
import type { PlotGroup } from "./plot.ts";
import { timelinePlots } from "./timeline-plots.ts";

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

/** The whole report as one HTML file. */
export function reportPage(given: BenchReport, parts: PageParts): Html {
  const report = { ...given, stages: [...stagesInOrder(given)] };
  const { endpoint, stages } = report;
  const groups = stages.length === 0 ? [] : [loadPlots(report), timelinePlots(report), distributionPlots(report)];
  const [load, ...others] = groups;
  const server = [endpoint.server, endpoint.server_version].filter((text) => text !== null).join(" ");
  const title = `${endpoint.model} on ${server}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Tiding ${escaped(report.tiding)}">
<title>${escaped(title)}: benchmark</title>
<style>${parts.plotterStyle}${PAGE_STYLE}</style>
</head>
<body>
<main>
<header>
<h1>${escaped(title)}</h1>
<p class="lead">${escaped(describeRun(report))}</p>
${headlines(report)}
${keyFigures(report)}
</header>
${load === undefined ? "" : plotSection(load)}
${section("stages", "Stages", stageTable(report) + details(stages))}
${others.map(plotSection).join("\n")}
${section("setup", "What was measured, and how", `<div class="facts">${setupFacts(report)}</div>`)}
${section("definitions", "What the figures mean", definitions())}
<footer>Measured by Tiding ${escaped(report.tiding)}, ${escaped(report.started_at)}, run ${escaped(report.id)}. Beside this page: report.json, stages.csv, requests.jsonl.</footer>
</main>
<script type="application/json" id="plots">${scriptJson(groups)}</script>
<script>${parts.plotter}</script>
<script type="module">${parts.script}</script>
</body>
</html>
`;
}

function describeRun({ stages, started_at: startedAt, seconds, endpoint, prompts, slo }: BenchReport): string {
  const count = `${stages.length} ${stages.length === 1 ? "stage" : "stages"} in ${shownNumber(seconds)} s`;
  const day = startedAt.slice(0, 16).replace("T", " ");
  const limits = slo === null ? [] : [describeSlo(slo)];
  return [`${day} UTC`, count, `${endpoint.url} ${endpoint.route}`, `prompts: ${prompts.source}`, ...limits].join(
    " · ",
  );
}

function headlines({ headlines: sentences }: BenchReport): Html {
  if (sentences.length === 0) return "";
  return `<ul class="notes" aria-label="What limits these figures">${sentences.map((text) => `<li>${escaped(text)}</li>`).join("")}</ul>`;
}

/** The figures that one would quote: a sweep's rates, then the best of the stages. */
function keyFigures({ stages, sweep }: BenchReport): Html {
  const first = stages[0];
  const busiest = stages.reduce<StageReport | undefined>(
    (best, stage) => (best === undefined || stage.throughput.out_tok_s > best.throughput.out_tok_s ? stage : best),
    undefined,
  );
  if (first === undefined || busiest === undefined) return "";
  const itl = first.metrics.itl.p50;
  const figures: (readonly [string, string, string])[] = [];
  if (sweep?.slo_req_s != null) figures.push(["Highest rate in the SLO", shownNumber(sweep.slo_req_s), "req/s"]);
  if (sweep?.knee_req_s != null) figures.push(["Knee", shownNumber(sweep.knee_req_s), "req/s"]);
  figures.push(["Most output tokens", shownNumber(busiest.throughput.out_tok_s), "tok/s"]);
  if (sweep === null)
    figures.push([
      "Most requests",
      shownNumber(Math.max(...stages.map(({ throughput }) => throughput.req_s))),
      "req/s",
    ]);
  figures.push([`TTFT p50, ${first.name}`, ...unitApart(shownMs(first.metrics.ttft_response.p50))]);
  figures.push([`ITL p50, ${first.name}`, ...unitApart(shownMs(itl))]);
  const failed = stages.reduce((sum, { counts }) => sum + counts.errors, 0);
  const due = stages.reduce((sum, { counts }) => sum + counts.scheduled, 0);
  figures.push(["Failed, all stages", ...unitApart(shownShare(due === 0 ? 0 : failed / due))]);
  const cells = figures.map(
    ([name, value, unit]) =>
      `<div><dt>${escaped(name)}</dt><dd>${escaped(value)} <small>${escaped(unit)}</small></dd></div>`,
  );
  return `<dl class="key">${cells.join("")}</dl>`;
}

function unitApart(text: string): [value: string, unit: string] {
  const [value = "", unit = ""] = text.split(" ");
  return [value, unit];
}

function section(id: string, title: string, content: Html, tool: Html = ""): Html {
  return `<section id="${id}" aria-labelledby="${id}-title"><div class="head"><h2 id="${id}-title">${escaped(title)}</h2>${tool}</div>\n${content}\n</section>`;
}

function plotSection({ id, title, picker, variants, initial }: PlotGroup): Html {
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

function details(stages: readonly StageReport[]): Html {
  if (stages.length === 0) return "";
  const all = stages.map((stage) => `<h3>${escaped(stage.name)}</h3>\n${stageDetails(stage)}`);
  return `<details><summary>Every figure of each stage</summary>${all.join("\n")}</details>`;
}

function definitions(): Html {
  const entries = DEFINITIONS.map(
    ({ name, meaning }) => `<div><dt>${escaped(name)}</dt><dd>${escaped(meaning)}</dd></div>`,
  );
  return `<dl class="words">${entries.join("")}</dl>`;
}
