import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { tidyRecords } from "../../../jobs/tidy-records.ts";
import { encodeMessage } from "../../../shared/protocol/message.ts";
import { encodeStanding, type Standing } from "../../../shared/protocol/standing-record.ts";
import { openEmbeddedTransport } from "../../../shared/transport/embedded/embedded-transport.ts";

function standing(id: string, state: Standing["state"]): Uint8Array {
  const facts = { order: 1, coordinator: "c", epoch: 1, job: null, waitingFor: null };
  return encodeStanding({ id, state, ...facts, progress: null, report: null, error: null });
}

void test("silent workers and jobs that ended long ago are removed, and nothing else", async (t) => {
  const directory = await mkdtemp(path.join(tmpdir(), "tiding-tidy-"));
  t.after(() => rm(directory, { recursive: true }));
  await using transport = await openEmbeddedTransport({ directory, epoch: 1 });
  const { state } = transport;
  const put = (key: string, body: Uint8Array): Promise<number> => state.swap(key, body, null);
  for (const key of ["worker.a", "coordinator.b", "job.other-version", "submission.done", "submission.open"])
    await put(key, encodeMessage({ version: 99 }));
  await put("standing.done", standing("done", "finished"));
  await put("standing.open", standing("open", "paused"));
  const keys = async (): Promise<readonly string[]> => (await state.list("")).map(({ key }) => key).toSorted();
  const all = await keys();

  await tidyRecords(state, { silent: 60_000, ended: 60_000 });
  assert.deepEqual(await keys(), all);
  await tidyRecords(state, { silent: -1, ended: 60_000 });
  const withoutSilent = ["job.other-version", "standing.done", "standing.open", "submission.done", "submission.open"];
  assert.deepEqual(await keys(), withoutSilent);
  await tidyRecords(state, { silent: -1, ended: -1 });
  assert.deepEqual(await keys(), ["job.other-version", "standing.open", "submission.open"]);
});
