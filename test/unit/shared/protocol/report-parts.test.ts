import assert from "node:assert/strict";
import { test } from "node:test";
import { JobReportSchema } from "../../../../shared/protocol/report-parts.ts";
import { jobReport } from "../../../support/cli-world.ts";

void test("a report travels with the endpoints that may run on, and without them from a coordinator that knew of none", () => {
  const left = {
    endpoint: "ada/writer",
    since: "2026-11-20T08:00:00.000Z",
    pricePerHour: 1.25,
    problem: "refused",
    command: "tiding endpoints pause writer --namespace ada",
  };
  const report = jobReport({ endpoints: [left] });
  assert.deepEqual(JobReportSchema.parse(JSON.parse(JSON.stringify(report))), report);
  const { endpoints: _, ...older } = report;
  assert.deepEqual(JobReportSchema.parse(older), { ...older, endpoints: [] });
});
