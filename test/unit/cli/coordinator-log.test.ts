import assert from "node:assert/strict";
import { test } from "node:test";
import { CoordinatorLog } from "../../../cli/coordinator-log.ts";
import type { Standing } from "../../../shared/protocol/standing-record.ts";
import { PROTOCOL_VERSION } from "../../../shared/protocol/version.ts";
import { jobProgress, jobReport } from "../../support/cli-world.ts";

function standing(changes: Partial<Standing>): Standing {
  const facts = { order: 1, coordinator: "c", epoch: 1, job: null, waitingFor: null };
  return {
    version: PROTOCOL_VERSION,
    id: "a-1",
    state: "running",
    ...facts,
    progress: null,
    report: null,
    error: null,
    ...changes,
  };
}

void test("a line when a job's state changes, and one every ten seconds while it runs", () => {
  const lines: string[] = [];
  let nowMs = 0;
  const log = new CoordinatorLog(
    (line) => lines.push(line),
    () => nowMs,
  );
  const show = (changes: Partial<Standing>): void => log.show(standing(changes), "answers");
  show({ state: "queued", waitingFor: "8 other jobs run." });
  show({ state: "queued", waitingFor: "8 other jobs run." });
  show({});
  for (; nowMs < 21_000; nowMs += 1_000) show({ progress: jobProgress() });
  show({ state: "finished", report: jobReport() });
  show({ id: "b-2", state: "stopped", error: { code: "NO_ENDPOINT", message: "None.", mend: null, place: null } });
  assert.deepEqual(
    lines.map((line) => line.slice(0, 40)),
    [
      "a-1: queued. 8 other jobs run.",
      "a-1: started (answers)",
      "a-1: 1m 23s running, rows 40 of 100 (40.",
      "a-1: 1m 23s running, rows 40 of 100 (40.",
      "a-1: finished, 100 rows accepted, 0 fail",
      "b-2: stopped. NO_ENDPOINT None.",
    ],
  );
});
