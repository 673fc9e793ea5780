import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { RemoteCrew } from "../../../jobs/remote-crew.ts";
import { isTidingError } from "../../../shared/errors.ts";
import { decodeJobRecord, jobRecordKey } from "../../../shared/protocol/job-record.ts";
import { openEmbeddedTransport } from "../../../shared/transport/embedded/embedded-transport.ts";
import type { Transport } from "../../../shared/transport/transport.ts";

function muster(transport: Transport, epoch: number): Promise<RemoteCrew> {
  const work = { name: "job", spec: {}, folder: "/", inputColumns: [], code: [], round: 0, settled: false, graceMs: 0 };
  return RemoteCrew.muster({
    transport,
    job: "job",
    record: { ...work, epoch },
    onFault: (error) => assert.fail(error),
    onNotice: () => undefined,
    givesUp: new AbortController().signal,
  });
}

void test("an owner that was asleep does not speak over its successor", async () => {
  const directory = await mkdtemp(join(tmpdir(), "tiding-crew-"));
  try {
    await using transport = await openEmbeddedTransport({ directory, epoch: 1, leaseMs: 1_000 });
    const sleeper = await muster(transport, 1);
    const successor = await muster(transport, 2);
    const before = await transport.state.get(jobRecordKey("job"));
    const isLoss = (error: unknown): boolean => isTidingError(error) && error.code === "OWNERSHIP_LOST";
    await assert.rejects(muster(transport, 1), isLoss);
    await assert.rejects(sleeper.drain(0, AbortSignal.abort()), isLoss);
    await sleeper.close();
    assert.deepEqual(await transport.state.get(jobRecordKey("job")), before);
    await successor.dismiss();
    const after = await transport.state.get(jobRecordKey("job"));
    assert.equal(after === null ? null : decodeJobRecord(after.value).state, "over");
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
