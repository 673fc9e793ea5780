import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointModel, ModelCall } from "../../../../bench/plan/endpoint-model.ts";
import { StepClock } from "../../../../bench/plan/step-clock.ts";
import { seededRandom } from "../../../../bench/plan/seeded-random.ts";
import { BatchEngine } from "../../../../bench/simulator/batching/batch-engine.ts";
import { parseBatchOptions } from "../../../../bench/simulator/batching/batch-options.ts";
import { stepMs } from "../../../../bench/simulator/batching/step-time.ts";

const plain: EndpointModel = {
  stepMs: () => 10,
  prefillMsPerToken: 0.1,
  prefillBudget: Infinity,
  overheadMs: 0,
  kvTokens: Infinity,
  stepsBetweenAdmissions: 0,
};

function call(promptTokens: number, outputTokens: number, reservedTokens = 0): ModelCall {
  return { promptTokens, outputTokens, reservedTokens };
}

void test("a request alone takes one step that reads its prompt and a step for each further token", () => {
  const clock = new StepClock(plain);
  clock.submit(call(100, 5), 7);
  const ends: number[] = [];
  while (clock.nextMs() < Infinity) {
    const atMs = clock.nextMs();
    if (clock.advance().length > 0) ends.push(atMs);
  }
  // From 7: 10 + 0.1 × 100 for the prompt and the first token, then four steps of 10.
  assert.deepEqual(ends, [67]);
});

void test("a request that comes within a step joins when it ends, and its prompt holds the others up", () => {
  const clock = new StepClock(plain);
  const [first, second] = [call(100, 5), call(200, 2)];
  clock.submit(first, 0);
  assert.equal(clock.nextMs(), 20);
  clock.advance();
  assert.equal(clock.nextMs(), 60, "four steps more, as nothing else is there");
  clock.submit(second, 24);
  assert.equal(clock.nextMs(), 30, "looked at when the step that runs has ended");
  assert.deepEqual(clock.advance(), []);
  assert.equal(clock.nextMs(), 60, "10 and 0.1 × 200 for the prompt");
  clock.advance();
  assert.deepEqual([clock.nextMs(), clock.advance()], [70, [second]]);
  assert.deepEqual([clock.nextMs(), clock.advance()], [80, [first]]);
  assert.equal(clock.nextMs(), Infinity);
});

void test("a request for which there is no room waits at the head of the line, and those behind it with it", () => {
  const clock = new StepClock({ ...plain, prefillMsPerToken: 0, kvTokens: 100 });
  const calls = [call(1, 3, 60), call(1, 1, 60), call(1, 1, 1)];
  for (const each of calls) clock.submit(each, 0);
  const ended: (readonly [number, readonly ModelCall[]])[] = [];
  while (clock.nextMs() < Infinity) ended.push([clock.nextMs(), clock.advance()]);
  assert.deepEqual(
    ended.filter(([, of]) => of.length > 0),
    [
      [30, [calls[0]]],
      [40, [calls[1], calls[2]]],
    ],
  );
});

/** The closed loop that `loop` drives, over the simulator's engine. */
function engineLoop(
  options: ReturnType<typeof parseBatchOptions>,
  calls: readonly ModelCall[],
  slots: number,
  maxNewTokens: number,
): number[] {
  const engine = new BatchEngine(options);
  const arrivals: { readonly id: number; readonly atMs: number }[] = [];
  const ends: number[] = [];
  let next = 0;
  let nowMs = 0;
  const submitDue = (): void => {
    while (arrivals.length > 0 && arrivals[0]!.atMs <= nowMs + 1e-9) {
      const { id, atMs } = arrivals.shift()!;
      engine.submit({ id, maxNewTokens, ...calls[id]! }, atMs);
    }
  };
  for (; next < slots; next++) arrivals.push({ id: next, atMs: OVERHEAD_MS });
  while (ends.length < calls.length) {
    submitDue();
    const step = engine.startStep(nowMs);
    if (step === null) {
      nowMs = arrivals[0]!.atMs;
      continue;
    }
    nowMs += step.durationMs;
    for (const { ended } of step.emitted) {
      if (!ended) continue;
      ends.push(nowMs);
      if (next < calls.length) arrivals.push({ id: next++, atMs: nowMs + OVERHEAD_MS });
    }
  }
  return ends;
}

const OVERHEAD_MS = 0.7;

function clockLoop(model: EndpointModel, calls: readonly ModelCall[], slots: number): number[] {
  const clock = new StepClock<ModelCall>(model);
  const arrivals: { readonly of: ModelCall; readonly atMs: number }[] = [];
  const ends: number[] = [];
  let next = 0;
  for (; next < slots; next++) arrivals.push({ of: calls[next]!, atMs: OVERHEAD_MS });
  while (ends.length < calls.length) {
    const arrival = arrivals[0];
    const atMs = clock.nextMs();
    if (arrival !== undefined && arrival.atMs <= atMs) {
      while (arrivals[0]?.atMs === arrival.atMs) clock.submit(arrivals.shift()!.of, arrival.atMs);
      continue;
    }
    for (const _ of clock.advance()) {
      ends.push(atMs);
      if (next < calls.length) arrivals.push({ of: calls[next++]!, atMs: atMs + OVERHEAD_MS });
    }
  }
  return ends;
}

for (const [name, kvTokens] of [
  ["with room for all", 1_000_000],
  ["with a cache that is full", 9_000],
] as const) {
  void test(`a closed loop ends its requests when the simulator's batch engine does, ${name}`, () => {
    const stepTime = {
      graphs: { baseMs: 9.15, sequenceMs: 0.084 },
      eager: { baseMs: 13.3, sequenceMs: 0.094 },
      prefillTokenMs: 0.052,
    };
    const options = parseBatchOptions({ stepTime, kvTokens, maxBatchPrefillTokens: 60_000 });
    const random = seededRandom(3);
    const maxNewTokens = 300;
    const calls = Array.from({ length: 600 }, () => {
      const promptTokens = 50 + Math.floor(random() * 200);
      const outputTokens = 20 + Math.floor(random() * 200);
      return { promptTokens, outputTokens, reservedTokens: promptTokens + maxNewTokens - 1 };
    });
    const model: EndpointModel = {
      stepMs: (sequences, readsPrompts) =>
        stepMs(options.stepTime, { sequences, prefillTokens: readsPrompts ? Number.EPSILON : 0, contextTokens: 0 }),
      prefillMsPerToken: stepTime.prefillTokenMs,
      prefillBudget: options.maxBatchPrefillTokens,
      overheadMs: OVERHEAD_MS,
      kvTokens: kvTokens - 1, // TGI keeps one block for itself.
      stepsBetweenAdmissions: 1,
    };
    const byEngine = engineLoop(options, calls, 64, maxNewTokens);
    const byClock = clockLoop(model, calls, 64);
    for (const at of [0, 63, 64, 300, 599]) {
      const difference = Math.abs(byClock[at]! - byEngine[at]!);
      assert.ok(difference < 1e-6, `request ${at}: ${byClock[at]} against ${byEngine[at]}`);
    }
  });
}
