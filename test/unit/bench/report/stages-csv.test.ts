import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "csv-parse/sync";
import { STAGE_COLUMNS, stagesCsv } from "../../../../bench/report/stages-csv.ts";
import { benchReport, sweepReport } from "../../../support/bench-reports.ts";

type Line = Record<string, string>;

void test("there is a line a stage, under names that stay as they are", () => {
  const report = sweepReport();
  const lines = parse<Line>(stagesCsv(report), { columns: true });
  assert.deepEqual(
    lines.map((line) => line["stage"]),
    report.stages.map(({ name }) => name),
  );
  assert.equal(lines[2]?.["rate"], "3");
  assert.equal(Number(lines[2]?.["ttft_response_ms_p50"]), report.stages[2]?.metrics.ttft_response.p50);
  // Programs read these by name: to rename one is to break them.
  assert.deepEqual(STAGE_COLUMNS.slice(0, 12), [
    "run",
    "stage",
    "kind",
    "concurrency",
    "rate",
    "window_s",
    "scheduled",
    "ok",
    "errors",
    "incomplete",
    "never_sent",
    "error_rate",
  ]);
  assert.equal(new Set(STAGE_COLUMNS).size, STAGE_COLUMNS.length);
});

void test("what is not known is empty, and a name with a comma or a quote stays one field", () => {
  const [stage] = benchReport().stages;
  const report = benchReport({ stages: [{ ...stage!, name: `a, "b"` }] });
  const [line] = parse<Line>(stagesCsv(report), { columns: true });
  assert.equal(line?.["stage"], `a, "b"`);
  assert.equal(line?.["rate"], "");
  assert.equal(line?.["slo_attainment"], "");
  assert.equal(line?.["ttft_response_ms_p99"], "");
});
