/** A result store that takes nothing more, and a log that gives nothing. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { test } from "node:test";
import { TransportError, type Transport } from "../../../shared/transport/transport.ts";
import { alteredTransport } from "../../support/altered-transport.ts";
import { idsOf, JobWorld, upTo } from "../../support/job-world.ts";

const ROWS = 1_500;

/** Waits until nothing was in flight at the endpoint for a while: whoever sends requests has stopped. */
async function quiet(world: JobWorld): Promise<void> {
  for (let still = 0; still < 40;) {
    await pause(10);
    const { inFlight, answers } = world.simulator.stats();
    still = inFlight === 0 && answers > 0 ? still + 1 : 0;
  }
}

void test(
  "while the result store is full no more rows are paid for; when it has space again the job goes on",
  { timeout: 60_000 },
  async () => {
    await using world = await JobWorld.open(ROWS);
    let isFull = true;
    const running = world.run(world.spec(), {
      settings: {
        wrapTransport: (inner) =>
          alteredTransport(inner, {
            results: (store) => ({
              put: async (job, shard, bytes) => {
                if (isFull) throw new TransportError("full", "No space.");
                return store.put(job, shard, bytes);
              },
            }),
          }),
      },
    });
    await quiet(world);
    const { answers } = world.simulator.stats();
    assert.ok(answers <= 200, `${answers} rows were answered with nowhere to go`);
    isFull = false;
    assert.deepEqual((await running).rows, { accepted: ROWS, failed: 0, total: ROWS });
    assert.deepEqual(idsOf(await world.rows()), upTo(ROWS));
    assert.equal(world.simulator.stats().answers, ROWS);
  },
);

for (const how of ["drain", "stop"] as const) {
  void test(`a job whose result store stays full ends when it is told to ${how}`, { timeout: 60_000 }, async () => {
    await using world = await JobWorld.open(200);
    const asked = new AbortController();
    const running = world.run(world.spec({ run: { grace: "200ms" } }), {
      [how]: asked.signal,
      settings: {
        wrapTransport: (inner) =>
          alteredTransport(inner, {
            results: () => ({ put: () => Promise.reject(new TransportError("full", "No space.")) }),
          }),
      },
    });
    await quiet(world);
    asked.abort();
    assert.equal((await running).outcome, "interrupted");
  });
}

void test("a resumed job can be stopped before its log was read", { timeout: 30_000 }, async () => {
  await using world = await JobWorld.open(64, { hangPrompts: ["question 3."] });
  const stop = new AbortController();
  const first = world.run(world.spec(), { stop: stop.signal });
  while (world.simulator.stats().answers < 63) await pause(10);
  stop.abort();
  assert.equal((await first).outcome, "interrupted");

  const drain = new AbortController();
  const second = await world.run(world.spec(), {
    drain: drain.signal,
    settings: {
      wrapTransport: (inner) =>
        alteredTransport(inner, {
          log: () => ({
            read: async function* (_job, _from, signal) {
              setTimeout(() => drain.abort(), 100);
              await new Promise((resolve) => signal.addEventListener("abort", resolve));
              yield* [];
            },
          }),
        }),
    },
  });
  assert.equal(second.outcome, "interrupted");
});

void test("batches of landed shards that are in the store again do not keep it full", { timeout: 60_000 }, async () => {
  await using world = await JobWorld.open(600, { latency: { distribution: "fixed", medianMs: 20 } });
  let transport: Transport | null = null;
  let landed: { readonly job: string; readonly shard: number } | null = null;
  const filling: { done: Promise<void> | null } = { done: null };
  /** As a store that was rolled back does, or owners that died behind their manifests: no space is left to others. */
  async function fill({ results }: Transport): Promise<void> {
    assert.ok(landed !== null);
    for (let fulls = 0; fulls < 100;) {
      try {
        await results.put(landed.job, landed.shard, new Uint8Array(500));
      } catch (error) {
        assert.ok(error instanceof TransportError && error.fault === "full", String(error));
        fulls += 1;
        await pause(10);
      }
    }
  }
  const report = await world.run(world.spec({ output: { part_bytes: 10_000 } }), {
    onStep(step) {
      if (step !== "batches-dropped" || filling.done !== null || transport === null) return;
      filling.done = fill(transport);
    },
    settings: {
      resultsBudgetBytes: 400_000,
      wrapTransport(inner) {
        transport = inner;
        return alteredTransport(inner, {
          results: (store) => ({
            drop(job, shard, last) {
              if (last === undefined) landed ??= { job, shard };
              return store.drop(job, shard, last);
            },
          }),
        });
      },
    },
  });
  assert.ok(filling.done !== null);
  await filling.done;
  assert.deepEqual(report.rows, { accepted: 600, failed: 0, total: 600 }, JSON.stringify(report.error));
  assert.deepEqual(idsOf(await world.rows()), upTo(600));
});
