import assert from "node:assert/strict";
import { test } from "node:test";
import { schedule } from "../../../../bench/load/arrivals.ts";
import { recordNeverSent } from "../../../../bench/load/record-request.ts";
import { LOAD, tallyOf } from "../../../support/measured-requests.ts";

void test("a record is measured where the tally counts it, however its time was rounded", () => {
  // 79 / 15.8 is a hair less than 5.
  const due = [...schedule({ ...LOAD, arrivals: { kind: "constant", rate: 15.8 } })][79]!;
  const window = { startMs: 5_000, endMs: 10_000 };
  assert.ok(due.dueMs < window.startMs);
  const context = { stage: "edge", window, eventsAreTokens: true, secrets: [] };
  const record = recordNeverSent({ index: due.index, prompt: 0, dueMs: due.dueMs }, context);
  const tally = tallyOf([{ record, stamps: new Float64Array(0), tokensOfEvents: null }], window);
  assert.equal(record.measured, tally.due.outcomes["never-sent"] === 1);
});
