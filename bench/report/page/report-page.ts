import type { BenchReport, StageReport } from "../bench-report.ts";
import { DEFINITIONS } from "../definitions.ts";
import { shownMs, shownNumber, shownShare } from "../numbers.ts";
import { stagesInOrder } from "../stage-order.ts";
import { distributionPlots } from "./distribution-plots.ts";
import { htmlPage, plotSection, section } from "./html-page.ts";
import type { PageParts } from "./html-page.ts";
import { escaped } from "./html.ts";
import type { Html } from "./html.ts";
import { loadPlots } from "./load-plots.ts";
import { describeSlo, setupFacts, stageDetails, stageTable } from "./page-tables.ts";
import { timelinePlots } from "./timeline-plots.ts";

/** The whole report as one HTML file. */
export function reportPage(given: BenchReport, parts: PageParts): Html {
  const report = { ...given, stages: [...stagesInOrder(given)] };
  const { endpoint, stages } = report;
  const groups = stages.length === 0 ? [] : [loadPlots(report), timelinePlots(report), distributionPlots(report)];
  const [load, ...others] = groups;
  const server = [endpoint.server, endpoint.server_version].filter((text) => text !== null).join(" ");
  const title = `${endpoint.model} on ${server}`;
  return htmlPage(
    {
      title: `${title}: benchmark`,
      heading: title,
      lead: describeRun(report),
      notes: report.headlines,
      figures: keyFigures(report),
      sections: [
        ...(load === undefined ? [] : [plotSection(load)]),
        section("stages", "Stages", stageTable(report) + details(stages)),
        ...others.map(plotSection),
        section("setup", "What was measured, and how", `<div class="facts">${setupFacts(report)}</div>`),
        section("definitions", "What the figures mean", definitions()),
      ],
      groups,
      run: report,
      beside: "report.json, stages.csv, requests.jsonl",
    },
    parts,
  );
}

function describeRun({ stages, started_at: startedAt, seconds, endpoint, prompts, slo }: BenchReport): string {
  const count = `${stages.length} ${stages.length === 1 ? "stage" : "stages"} in ${shownNumber(seconds)} s`;
  const day = startedAt.slice(0, 16).replace("T", " ");
  const limits = slo === null ? [] : [describeSlo(slo)];
  return [`${day} UTC`, count, `${endpoint.url} ${endpoint.route}`, `prompts: ${prompts.source}`, ...limits].join(
    " · ",
  );
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
