import assert from "node:assert/strict";
import { test } from "node:test";
import type { BenchReport } from "../../../../bench/report/bench-report.ts";
import { DEFINITIONS } from "../../../../bench/report/definitions.ts";
import { distributionPlots } from "../../../../bench/report/page/distribution-plots.ts";
import { loadPlots } from "../../../../bench/report/page/load-plots.ts";
import type { Plot, PlotGroup } from "../../../../bench/report/page/plot.ts";
import { readPageParts } from "../../../../bench/report/page/html-page.ts";
import { reportPage } from "../../../../bench/report/page/report-page.ts";
import { timelinePlots } from "../../../../bench/report/page/timeline-plots.ts";
import { benchReport, stageReport, sweepReport } from "../../../support/bench-reports.ts";

const parts = await readPageParts();

/** What the page's own script would read. */
function groupsIn(page: string): PlotGroup[] {
  const [, json] = /<script type="application\/json" id="plots">([^]*?)<\/script>/.exec(page) ?? [];
  assert.ok(json !== undefined);
  return JSON.parse(json) as PlotGroup[];
}

function plotsOf(groups: readonly PlotGroup[]): Map<string, Plot> {
  const all = groups.flatMap(({ variants }) => variants.flatMap(({ plots }) => plots));
  return new Map(all.map((plot) => [plot.id, plot]));
}

/** Tags must nest; the page is made of strings, so this is where a slip would show. */
function assertNested(page: string): void {
  const empty = new Set(["meta", "link", "br", "input"]);
  const bare = page.replaceAll(/<(script|style)[^>]*>[^]*?<\/\1>/g, "").replace("<!doctype html>", "");
  const open: string[] = [];
  for (const [, slash, name = ""] of bare.matchAll(/<(\/?)([a-z][a-z0-9]*)\b[^>]*>/g)) {
    if (empty.has(name)) continue;
    if (slash === "") open.push(name);
    else assert.equal(open.pop(), name);
  }
  assert.deepEqual(open, []);
}

void test("the page loads nothing from anywhere, and tells the browser so", () => {
  const page = reportPage(sweepReport(), parts);
  assert.doesNotMatch(page, /\b(src|href)\s*=/);
  assert.doesNotMatch(page, /@import|url\(/);
  assert.doesNotMatch(page, /\bfetch\(|XMLHttpRequest|import\(|sourceMappingURL/);
  assert.match(page, /Content-Security-Policy" content="default-src 'none';/);
});

void test("the page's tags nest, its scripts are whole, and what has an id has one of its own", () => {
  for (const report of [sweepReport(), benchReport(), benchReport({ stages: [] })]) {
    const page = reportPage(report, parts);
    assertNested(page);
    assert.equal(page.match(/<script\b/g)?.length, page.match(/<\/script>/g)?.length);
    const ids = [...page.replaceAll(/<script[^>]*>[^]*?<\/script>/g, "").matchAll(/ id="([^"]+)"/g)].map(
      ([, id]) => id,
    );
    assert.equal(new Set(ids).size, ids.length);
  }
});

void test("what a server says of itself can not become part of the page", () => {
  const evil = `</script><script>alert(1)</script><img src=x onerror="alert(2)">`;
  const report = benchReport({
    endpoint: { ...benchReport().endpoint, model: evil, info: { name: evil } },
    headlines: [evil],
    stages: benchReport().stages.map((stage) => ({ ...stage, name: `${evil} ${stage.name}` })),
  });
  const page = reportPage(report, parts);
  assert.equal(page.match(/<script\b/g)?.length, 3);
  assert.doesNotMatch(page, /<img/);
  assert.doesNotMatch(page, /alert\(1\)<\/script>/);
  assertNested(page);
  // Still told, as text.
  assert.match(page, /&lt;\/script&gt;&lt;script&gt;alert\(1\)/);
  assert.ok(groupsIn(page)[1]?.variants[0]?.label.startsWith(evil));
});

void test("all that is plotted is in the page, and every figure of the tables", () => {
  const report = sweepReport();
  const page = reportPage(report, parts);
  assert.deepEqual(
    groupsIn(page),
    JSON.parse(JSON.stringify([loadPlots(report), timelinePlots(report), distributionPlots(report)])),
  );
  for (const { name } of report.stages) assert.ok(page.includes(`<th scope="row">${name}</th>`));
  for (const { name } of DEFINITIONS) assert.ok(page.includes(`<dt>${name.replaceAll("'", "&#39;")}</dt>`), name);
  assert.match(page, /TTFT ≤ 500 ms, TPOT ≤ 50 ms for 99 %/);
});

void test("rates stand on the axis in their order, and a sweep's closed loops are not joined with them", () => {
  const plots = plotsOf([loadPlots(sweepReport())]);
  for (const id of ["load-ttft", "load-itl", "load-e2e", "load-tokens", "load-requests", "load-errors", "load-slo"]) {
    assert.deepEqual(plots.get(id)?.xs, [3, 6, 9, 12, 15, 18, 21, 24], id);
  }
  assert.deepEqual(plots.get("load-requests")?.lines, [{ axis: "x", at: 18, label: "knee = SLO" }]);
  assert.deepEqual(plots.get("load-ttft")?.shades, [{ from: 19.5, to: 24, label: "queue grows" }]);
  assert.ok(plots.get("load-ttft")?.lines.some(({ axis, at }) => axis === "y" && at === 500));
});

void test("without rates the axis is what is in flight, and no plot of an SLO is there without one", () => {
  const plots = plotsOf([loadPlots(benchReport())]);
  assert.deepEqual(plots.get("load-ttft")?.xs, [1, 32]);
  assert.equal(plots.get("load-ttft")?.x.scale, "log2");
  assert.ok(!plots.has("load-slo"));
});

void test("every series has a value or a gap for each place on its axis, and no logarithm is taken of nothing", () => {
  const silent = stageReport({ name: "silent", kind: "constant", value: 2, reqS: 0, ttftMs: 40, itlMs: 9, errors: 12 });
  const reports: BenchReport[] = [sweepReport(), benchReport(), benchReport({ profile: "constant", stages: [silent] })];
  for (const report of reports) {
    for (const plot of plotsOf([loadPlots(report), timelinePlots(report), distributionPlots(report)]).values()) {
      assert.deepEqual(
        plot.xs,
        [...plot.xs].toSorted((a, b) => a - b),
        plot.id,
      );
      for (const { values } of plot.series) {
        assert.equal(values.length, plot.xs.length, plot.id);
        if (plot.y.scale === "log10") assert.ok(values.every((value) => value === null || value > 0));
      }
    }
  }
});

void test("a distribution's curve is the histogram's, and ends where two requests lie beyond", () => {
  const report = benchReport();
  const plot = plotsOf([distributionPlots(report)]).get("distribution-ttft");
  const [, busy] = report.stages;
  const curve = plot?.series[1]?.values ?? [];
  const at = (share: number): number => plot!.xs.findIndex((nines) => Math.abs(1 - 10 ** -nines - share) < 1e-9);
  const p90 = busy?.metrics.ttft_response.p90 ?? 0;
  assert.ok(Math.abs((curve[at(0.9)] ?? 0) - p90) < p90 * 0.002);
  const last = curve.findLastIndex((value) => value !== null);
  const n = busy?.metrics.ttft_response.n ?? 0;
  assert.ok(n * 10 ** -plot!.xs[last]! >= 2);
  assert.ok(n * 10 ** -plot!.xs[last + 1]! < 2 || last === plot!.xs.length - 1);
});

void test("the stage that a sweep recommends is the one whose course is shown first", () => {
  const { variants, initial } = timelinePlots(sweepReport());
  assert.equal(variants[initial]?.label, "18 req/s");
  const [flight] = variants[initial]?.plots ?? [];
  assert.deepEqual(flight?.shades, [{ from: 0, to: 10, label: "warm-up" }]);
});
