/** Result batches that vanish from the store between their record and their landing. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { test } from "node:test";
import { decodeCommitRecord } from "../../../shared/protocol/commit-record.ts";
import { TransportError, type BlobRef, type BlobStore, type Transport } from "../../../shared/transport/transport.ts";
import { alteredTransport } from "../../support/altered-transport.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";

const FAST = { leaseMs: 3_000, reconcileMs: 50 };
const patience = { timeout: 30_000 };

/** Drops a batch from the store for good, as a store that was rolled back has. */
async function lose(store: BlobStore, job: string, ref: BlobRef): Promise<null> {
  await store.drop(job, 0, ref);
  return null;
}

void test("a batch that is lost is run again while others land, and every row lands once", patience, async () => {
  const sizes: number[] = [];
  let records = 0;
  let gets = 0;
  let inputsLeft = -1;
  let loses = false;
  const wrapTransport = (inner: Transport): Transport =>
    alteredTransport(inner, {
      log: (log) => ({
        append: async (job, shard, after, body) => {
          const position = await log.append(job, shard, after, body);
          if (decodeCommitRecord(body).type === "rows") records += 1;
          return position;
        },
        drop: async (job) => {
          inputsLeft = (await inner.inputs.usage()).bytes;
          await log.drop(job);
        },
      }),
      results: (store) => ({
        put: async (job, shard, bytes) => {
          sizes.push(bytes.byteLength);
          return store.put(job, shard, bytes);
        },
        get: async (ref) => {
          if (!loses) return store.get(ref);
          gets += 1;
          if (gets === 1) {
            // The small shard waits for the end when the large one turns out to be gone …
            while (records < 2) await pause(5);
            await pause(100);
            return null;
          }
          // … and that one is back before the small one has landed.
          while (records < 3) await pause(5);
          await pause(300);
          return store.get(ref);
        },
      }),
    });
  const run = { flush_interval: "10s" };
  {
    await using learnt = await JobWorld.open(24);
    await learnt.run(learnt.spec({ run }), { settings: { wrapTransport } });
  }
  const [small = 0, large = 0] = sizes.toSorted((a, b) => a - b);
  await using world = await JobWorld.open(24);
  [records, loses] = [0, true];
  const output = { part_bytes: Math.ceil((small + large) / 2) };
  const report = await world.run(world.spec({ run, output }), { settings: { ...FAST, wrapTransport } });
  assert.deepEqual(report.rows, { accepted: 24, failed: 0, total: 24 });
  assert.deepEqual(idsOf(await world.rows()), upTo(24));
  assert.equal(world.simulator.stats().answers, 24 + 16);
  assert.equal(inputsLeft, 0);
});

void test("a repair that meets a record it did not know of is tried again", patience, async () => {
  await using world = await JobWorld.open(16);
  let gets = 0;
  let conflicts = 0;
  const report = await world.run(world.spec({ run: { flush_interval: "10s" } }), {
    settings: {
      ...FAST,
      wrapTransport: (inner) =>
        alteredTransport(inner, {
          log: (log) => ({
            append: async (job, shard, after, body) => {
              if (decodeCommitRecord(body).type === "reopen" && conflicts++ === 0) {
                throw new TransportError("conflict", "Another wrote in between.", { tail: await log.tail(job, shard) });
              }
              return log.append(job, shard, after, body);
            },
          }),
          results: (store) => ({ get: async (ref) => (gets++ === 0 ? null : store.get(ref)) }),
        }),
    },
  });
  assert.deepEqual(report.rows, { accepted: 16, failed: 0, total: 16 }, JSON.stringify(report.error));
  assert.equal(conflicts, 2);
  assert.deepEqual(idsOf(await world.rows()), upTo(16));
});

void test("rows that were run again for a lost batch are not paid a third time after a stop", patience, async () => {
  await using world = await JobWorld.open(16);
  const spec = world.spec({ run: { flush_interval: "10s" } });
  const stop = new AbortController();
  let job = "";
  let gets = 0;
  const first = await world.run(spec, {
    stop: stop.signal,
    settings: {
      ...FAST,
      wrapTransport: (inner) =>
        alteredTransport(inner, {
          results: (store) => ({
            get: async (ref) => {
              gets += 1;
              if (gets === 1) return lose(store, job, ref);
              stop.abort();
              throw new TransportError("closed", "The process is about to end.");
            },
            put: async (key, shard, bytes) => {
              job = key;
              return store.put(key, shard, bytes);
            },
          }),
        }),
    },
  });
  assert.equal(first.outcome, "interrupted");
  assert.equal(world.simulator.stats().answers, 32);
  const second = await world.run(spec, { settings: FAST });
  assert.deepEqual(second.rows, { accepted: 16, failed: 0, total: 16 });
  assert.equal(world.simulator.stats().answers, 32);
});
