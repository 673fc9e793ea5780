/** Rows that are taken back, by a reconciler that found their batch gone, at the moment in which they land. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { test } from "node:test";
import { reopenRecord } from "../../../coordinator/reopen-record.ts";
import { decodeCommitRecord } from "../../../shared/protocol/commit-record.ts";
import { Bitmap } from "../../../shared/rows/bitmap.ts";
import type { Transport } from "../../../shared/transport/transport.ts";
import { alteredTransport } from "../../support/altered-transport.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";

void test("a shard that is taken back while it lands, lands whole", { timeout: 30_000 }, async () => {
  await using world = await JobWorld.open(32);
  let hasReopened = false;
  let isRead = false;
  const wrapTransport = (inner: Transport): Transport => {
    let job = "";
    return alteredTransport(inner, {
      log: (log) => ({
        async *read(key, from, signal) {
          job = key;
          for await (const entry of log.read(key, from, signal)) {
            yield entry;
            // Whoever asks for the next one has dealt with this one.
            if (decodeCommitRecord(entry.body).type === "reopen") isRead = true;
          }
        },
      }),
      results: (store) => ({
        async get(ref) {
          if (!hasReopened) {
            hasReopened = true;
            // The first shard is being read: the second one's turn comes behind it.
            const tail = await inner.log.tail(job, 1);
            assert.ok(tail !== null);
            await inner.log.append(job, 1, tail.position, reopenRecord(decodeCommitRecord(tail.body), new Bitmap(16)));
            while (!isRead) await pause(5);
          }
          return store.get(ref);
        },
      }),
    });
  };
  // Both are complete at once, and land together at the end.
  const report = await world.run(world.spec({ run: { flush_interval: "10s" }, output: { part_age: "1h" } }), {
    settings: { leaseMs: 600, reconcileMs: 50, wrapTransport },
  });
  assert.ok(hasReopened);
  assert.deepEqual(report.rows, { accepted: 32, failed: 0, total: 32 }, JSON.stringify(report.error));
  assert.deepEqual(idsOf(await world.rows()), upTo(32));
});
