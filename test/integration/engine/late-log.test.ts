/** A sink that reads the commit log later than others write it: what it has not read yet is not lost. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { test } from "node:test";
import { decodeCommitRecord } from "../../../shared/protocol/commit-record.ts";
import type { CommitLog } from "../../../shared/transport/transport.ts";
import { alteredTransport } from "../../support/altered-transport.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";

const FAST = { leaseMs: 600, reconcileMs: 50 };

void test("rows whose records are read late are not run again", async () => {
  await using world = await JobWorld.open(16);
  const written: string[] = [];
  const late = (log: CommitLog): Partial<CommitLog> => ({
    async append(job, shard, after, body) {
      written.push(decodeCommitRecord(body).type);
      return log.append(job, shard, after, body);
    },
    async *read(job, from, signal) {
      for await (const entry of log.read(job, from, signal)) {
        // Several looks of the reconciler at a shard without progress, which it takes every 100 ms.
        if (decodeCommitRecord(entry.body).type === "rows") await pause(600);
        yield entry;
      }
    },
  });
  const report = await world.run(world.spec(), {
    settings: { ...FAST, wrapTransport: (inner) => alteredTransport(inner, { log: late }) },
  });
  assert.deepEqual(report.rows, { accepted: 16, failed: 0, total: 16 }, JSON.stringify(report.error));
  assert.deepEqual(idsOf(await world.rows()), upTo(16));
  assert.deepEqual(
    written.filter((type) => type === "reopen"),
    [],
  );
  assert.equal(world.simulator.stats().answers, 16);
});
