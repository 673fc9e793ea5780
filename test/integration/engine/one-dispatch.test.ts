/** Plan, reconciler and workers must not get in each other's way: a shard is handed out once. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { test } from "node:test";
import { decodeCommitRecord } from "../../../shared/protocol/commit-record.ts";
import type { Transport } from "../../../shared/transport/transport.ts";
import { alteredTransport } from "../../support/altered-transport.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";
import { withResolvers } from "../../support/with-resolvers.ts";

const SLOW = { latency: { distribution: "fixed", medianMs: 20 } } as const;

void test("shards that a former run left open are handed out once, however long the plan takes", async () => {
  await using world = await JobWorld.open(256, SLOW);
  const drain = new AbortController();
  const spec = world.spec({ run: { grace: "0s", shard_rows: 64 } });
  const first = await world.run(spec, {
    drain: drain.signal,
    onStep: (step) => {
      if (step === "batch-recorded") drain.abort();
    },
  });
  assert.equal(first.outcome, "interrupted");
  const dispatched: number[] = [];
  const wrapTransport = (inner: Transport): Transport => {
    const { tasks, inputs } = inner;
    return {
      capabilities: inner.capabilities,
      log: inner.log,
      results: inner.results,
      state: inner.state,
      tasks: {
        put(job, shard, body) {
          dispatched.push(shard);
          return tasks.put(job, shard, body);
        },
        replace(job, shard, body) {
          dispatched.push(shard);
          return tasks.replace(job, shard, body);
        },
        claim: (job, options) => tasks.claim(job, options),
        counts: (job) => tasks.counts(job),
        isPending: (job, shard) => tasks.isPending(job, shard),
        drop: (job) => tasks.drop(job),
      },
      inputs: {
        // Several looks of the reconciler at a shard that shows no progress, which it takes every 100 ms.
        async put(job, shard, bytes) {
          await pause(400);
          return inputs.put(job, shard, bytes);
        },
        get: (ref) => inputs.get(ref),
        drop: (job, shard, last) => inputs.drop(job, shard, last),
        dropGroup: (job, group) => inputs.dropGroup(job, group),
        dropJob: (job) => inputs.dropJob(job),
        usage: () => inputs.usage(),
      },
      onHealth: (listener) => inner.onHealth(listener),
      close: () => inner.close(),
      [Symbol.asyncDispose]: () => inner.close(),
    };
  };
  const second = await world.run(spec, { settings: { leaseMs: 600, reconcileMs: 50, wrapTransport } });
  assert.deepEqual(second.rows, { accepted: 256, failed: 0, total: 256 }, JSON.stringify(second.error));
  assert.deepEqual(idsOf(await world.rows()), upTo(256));
  assert.deepEqual(dispatched, [0, 1, 2, 3]);
});

void test("a shard that completes while the reconciler looks at it is not handed out again", async () => {
  // One shard after the other, so that the job does not end with the first.
  await using world = await JobWorld.open(32, { latency: { distribution: "fixed", medianMs: 400 } });
  const committed = withResolvers<void>();
  const put: string[] = [];
  const wrapTransport = (inner: Transport): Transport =>
    alteredTransport(inner, {
      tasks: (tasks) => ({
        async isPending(job, shard) {
          await committed.promise;
          // The sink reads the record, and the worker ends the task.
          await pause(100);
          return tasks.isPending(job, shard);
        },
        replace(job, shard, body) {
          put.push(`shard ${shard} once more`);
          return tasks.replace(job, shard, body);
        },
      }),
      log: (log) => ({
        async append(job, shard, after, body) {
          const position = await log.append(job, shard, after, body);
          if (decodeCommitRecord(body).type === "rows") committed.resolve();
          return position;
        },
      }),
    });
  const spec = world.spec({ llm: { slots: 16 } });
  const report = await world.run(spec, { settings: { leaseMs: 600, reconcileMs: 50, wrapTransport } });
  assert.deepEqual(report.rows, { accepted: 32, failed: 0, total: 32 }, JSON.stringify(report.error));
  assert.deepEqual(put, []);
});
