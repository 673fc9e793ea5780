/** A job that is gone on with: the plan and the reconciler must not both hand out the same shard. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { test } from "node:test";
import type { Transport } from "../../../shared/transport/transport.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";

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
