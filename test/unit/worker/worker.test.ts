import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Bitmap } from "../../../shared/rows/bitmap.ts";
import type { CommitRecord } from "../../../shared/protocol/commit-record.ts";
import { isTidingError } from "../../../shared/errors.ts";
import { HandLLM } from "../../support/hand-llm.ts";
import { openGateway, until } from "../../support/open-gateway.ts";
import { withResolvers } from "../../support/with-resolvers.ts";
import { JOB, SHARD, WorkerWorld } from "../../support/worker-world.ts";

const isOver = (record: CommitRecord): boolean => Bitmap.fromText(record.size, record.done).isFull;
/** As `open 1`: the record's type and its epoch. */
const inShort = ({ type, epoch }: CommitRecord): string => `${type} ${epoch}`;

/** Never answers; rejects when it is told that nobody wants the answer. */
function never(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
}

for (const late of ["claim", "input", "tail"] as const) {
  void test(`a worker that sleeps for a lease before the answer about the ${late} takes the shard from nobody`, async () => {
    await using world = await WorkerWorld.open({ rows: 2, leaseMs: 60_000, answer: () => undefined });
    const owner = await world.other();
    assert.ok(owner !== null);
    await world.dispatch();
    const slept = withResolvers<void>();
    world.onAnswer = (what) => {
      if (what !== late || world.sleptMs > 0) return;
      world.sleptMs = 60_000;
      slept.resolve();
    };
    const worker = world.work();
    await slept.promise;
    await worker.drain(0, AbortSignal.abort());
    await owner.start(0);
    assert.deepEqual(world.calls, [0, 0]);
    assert.deepEqual(world.faults, []);
    assert.equal(await world.transport.tasks.isPending(JOB, SHARD), true, "the task comes again");
  });
}

void test("a worker that is handed a shard which it holds goes on with it, and pays for nothing twice", async () => {
  const answers = withResolvers<void>();
  const isHandedAgain = withResolvers<void>();
  await using world = await WorkerWorld.open({ rows: 3, leaseMs: 60_000, answer: () => answers.promise });
  let claims = 0;
  world.onAnswer = (what) => {
    if (what === "claim") claims += 1;
    else if (what === "tail" && claims === 2) isHandedAgain.resolve();
  };
  await world.dispatch();
  await world.dispatch();
  world.work();
  await isHandedAgain.promise;
  // Behind whatever it does with what it read.
  await pause(20);
  answers.resolve();
  const records = await world.recordsUntil(isOver);
  assert.deepEqual(new Set(records.map(({ epoch }) => epoch)), new Set([1]));
  assert.deepEqual(world.calls, [1, 1, 1]);
});

void test("a worker that is handed a shard which another opened since stops its own rows and opens it anew", async () => {
  const stopped = withResolvers<void>();
  let isAnswered = false;
  await using world = await WorkerWorld.open({
    rows: 1,
    leaseMs: 60_000,
    answer: (_number, signal) => (isAnswered ? undefined : never(signal).finally(() => stopped.resolve())),
  });
  await world.dispatch();
  world.work();
  while (world.calls[0] === 0) await pause(1);
  await world.other();
  isAnswered = true;
  await world.dispatch();
  await stopped.promise;
  const records = await world.recordsUntil(isOver);
  assert.deepEqual(records.map(inShort), ["open 1", "open 2", "open 3", "rows 3"]);
  assert.deepEqual(world.faults, []);
});

/** A worker whose last row runs when the broker goes: rows before it are answered and not committed. */
async function openOutage() {
  const running = withResolvers<AbortSignal>();
  const again = withResolvers<void>();
  let stragglers = 0;
  const world = await WorkerWorld.open({
    rows: 3,
    leaseMs: 300,
    answer: (number, signal) => {
      if (number < 2) return;
      stragglers += 1;
      if (stragglers > 1) return again.resolve();
      world.isAway = true;
      running.resolve(signal);
      return never(signal);
    },
  });
  /** Until the straggler is given up. */
  const untilLost = async (): Promise<void> => {
    const signal = await running.promise;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
  };
  return { world, untilLost, again: again.promise, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

void test("what was answered before a lease was lost is committed when the broker is back, unless another opened the shard", async () => {
  await using outage = await openOutage();
  const { world } = outage;
  await world.dispatch();
  world.work();
  await outage.untilLost();
  world.isAway = false;
  const records = await world.recordsUntil(isOver);
  assert.deepEqual(records.map(inShort), ["open 1", "rows 1", "release 1", "open 2", "rows 2"]);
  assert.deepEqual(world.calls, [1, 1, 2], "only the row that ran is run again");
  assert.deepEqual(world.faults, []);
});

void test("what was answered before a lease was lost is dropped when another opened the shard", async () => {
  await using outage = await openOutage();
  const { world } = outage;
  await world.dispatch();
  world.work();
  await outage.untilLost();
  const other = await world.other();
  assert.ok(other !== null);
  world.isAway = false;
  // The task comes to this worker again, which by then has learned that it was fenced.
  await outage.again;
  const records = await world.recordsUntil(isOver);
  assert.deepEqual(records.map(inShort), ["open 1", "open 2", "open 3", "rows 3"]);
  assert.deepEqual(world.calls, [2, 2, 2]);
  await assert.rejects(other.release(), (error) => isTidingError(error) && error.code === "FENCED");
  assert.deepEqual(world.faults, []);
});

void test("a row that ran alone when the lease was lost over an outage is under no suspicion for it", async () => {
  await using outage = await openOutage();
  const { world } = outage;
  // Three owners were lost without a commit.
  for (let lost = 0; lost < 3; lost++) await world.other();
  await world.dispatch();
  world.work({ runsForeignCode: true });
  await outage.untilLost();
  world.isAway = false;
  const records = await world.recordsUntil(isOver);
  assert.deepEqual(
    records.flatMap(({ type, suspect }) => (suspect === null ? [] : [type])),
    [],
  );
  assert.deepEqual(world.calls, [1, 1, 2]);
});

void test("a worker begins few rows more than it has slots, though its task is a while on its way to the first call", async () => {
  const slots = 8;
  const llm = new HandLLM();
  await using open = openGateway(llm, { slots });
  const answer = (): Promise<void> => pause(1);
  await using world = await WorkerWorld.open({ rows: 200, leaseMs: 60_000, answer, gateway: open.gateway });
  const begun = (): number => world.calls.filter((calls) => calls > 0).length;
  await world.dispatch();
  world.work();
  let answered = 0;
  for (; answered < 40; answered++) {
    await until("a row asks", () => llm.inFlight.length > 0);
    llm.inFlight[0]?.answer();
    await pause(2);
    assert.ok(begun() <= answered + 4 * slots, `${begun()} rows begun, ${answered} answered`);
  }
});
