/** A sink that reads the commit log later than others write it: what it has not read yet is not lost. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { test } from "node:test";
import { decodeCommitRecord } from "../../../shared/protocol/commit-record.ts";
import { TransportError, type CommitLog } from "../../../shared/transport/transport.ts";
import { alteredTransport } from "../../support/altered-transport.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";

const FAST = { leaseMs: 600, reconcileMs: 50 };

void test("rows whose records are read late are not run again", async () => {
  await using world = await JobWorld.open(16);
  const written: string[] = [];
  let isLate = false;
  const late = (log: CommitLog): Partial<CommitLog> => ({
    async append(job, shard, after, body) {
      written.push(decodeCommitRecord(body).type);
      return log.append(job, shard, after, body);
    },
    async *read(job, from, signal) {
      for await (const entry of log.read(job, from, signal)) {
        // Several looks of the reconciler at a shard without progress, which it takes every 100 ms. Once: a slow machine
        // writes more records.
        if (!isLate && decodeCommitRecord(entry.body).type === "rows") {
          isLate = true;
          await pause(600);
        }
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

void test("rows that are committed right after an outage, and read a little later, are not run again", async () => {
  // Longer than the leases for which a record may lie unread.
  await using world = await JobWorld.open(8, { latency: { distribution: "fixed", medianMs: 4 * FAST.leaseMs } });
  const written: string[] = [];
  const isAway = (): boolean => !written.includes("rows");
  const report = await world.run(world.spec(), {
    settings: {
      ...FAST,
      wrapTransport: (inner) =>
        alteredTransport(inner, {
          tasks: (tasks) => ({
            isPending(job, shard) {
              if (isAway()) throw new TransportError("unreachable", "The broker is away.");
              return tasks.isPending(job, shard);
            },
          }),
          log: (log) => ({
            async append(job, shard, after, body) {
              const position = await log.append(job, shard, after, body);
              written.push(decodeCommitRecord(body).type);
              return position;
            },
            async *read(job, from, signal) {
              for await (const entry of log.read(job, from, signal)) {
                if (decodeCommitRecord(entry.body).type === "rows") await pause(FAST.leaseMs / 2);
                yield entry;
              }
            },
          }),
        }),
    },
  });
  assert.deepEqual(report.rows, { accepted: 8, failed: 0, total: 8 }, JSON.stringify(report.error));
  assert.ok(!written.includes("reopen"), written.join());
  assert.equal(world.simulator.stats().answers, 8);
});
