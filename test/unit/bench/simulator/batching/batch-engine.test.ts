import assert from "node:assert/strict";
import { test } from "node:test";
import { BatchEngine } from "../../../../../bench/simulator/batching/batch-engine.ts";
import { parseBatchOptions } from "../../../../../bench/simulator/batching/batch-options.ts";
import type { BatchInput } from "../../../../../bench/simulator/batching/batch-options.ts";
import { wordIds } from "../../../../../bench/simulator/batching/token-ids.ts";
import { stepsOf, tokenTimes } from "./virtual-run.ts";
import type { TimedRequest, TimedStep } from "./virtual-run.ts";

/** Ten milliseconds a step, without graphs: one more for each sequence, and 0.1 for each prompt token. */
const PLAIN: BatchInput = {
  stepTime: {
    graphs: { baseMs: 10, sequenceMs: 1 },
    eager: { baseMs: 10, sequenceMs: 1 },
    prefillTokenMs: 0.1,
  },
  kvTokens: 10_001,
};

function engine(options: Partial<BatchInput> = {}): BatchEngine {
  return new BatchEngine(parseBatchOptions({ ...PLAIN, ...options }));
}

function request(id: number, more: Partial<TimedRequest> = {}): TimedRequest {
  return { id, atMs: 0, promptTokens: 10, maxNewTokens: 3, outputTokens: 3, ...more };
}

function admittedIds(steps: readonly TimedStep[]): number[][] {
  return steps.map(({ admitted }) => admitted.map(({ id }) => id));
}

function near(found: number, expected: number): void {
  assert.ok(Math.abs(found - expected) < 1e-9, `${found} is not ${expected}`);
}

void test("an empty batch has no step", () => {
  assert.equal(engine().startStep(0), null);
});

void test("one request: prefill emits its first token, each decode step one more", () => {
  const steps = stepsOf(engine(), [request(7)]);
  assert.deepEqual(
    steps.map(({ kind, sequences, prefillTokens }) => [kind, sequences, prefillTokens]),
    [
      ["prefill", 1, 10],
      ["decode", 1, 0],
      ["decode", 1, 0],
    ],
  );
  assert.deepEqual(tokenTimes(steps), new Map([[7, [12, 23, 34]]]));
  assert.deepEqual(
    steps.flatMap(({ emitted }) => emitted.map(({ ended }) => ended)),
    [false, false, true],
  );
});

void test("a request ends at its allowed tokens where its answer is longer", () => {
  const steps = stepsOf(engine(), [request(1, { maxNewTokens: 2, outputTokens: 50 })]);
  assert.equal(steps.length, 2);
  assert.equal(steps.at(-1)!.emitted[0]!.ended, true);
});

void test("step time jumps where graphs end, and steps with prefill have none", () => {
  const stepTime = {
    graphs: { baseMs: 5, sequenceMs: 0 },
    eager: { baseMs: 50, sequenceMs: 1 },
    graphSequences: 2,
  };
  const durations = (count: number) =>
    stepsOf(
      engine({ stepTime }),
      Array.from({ length: count }, (_, id) => request(id, { maxNewTokens: 2 })),
    ).map(({ durationMs }) => durationMs);
  assert.deepEqual(durations(2), [52, 5]);
  assert.deepEqual(durations(3), [53, 53]);
});

void test("the context of every sequence can cost time", () => {
  const stepTime = { ...PLAIN.stepTime, prefillTokenMs: 0, kvTokenMs: 1 };
  const steps = stepsOf(engine({ stepTime }), [request(1), request(2)]);
  // Two times ten tokens of prompt, then one token more each.
  assert.deepEqual(
    steps.map(({ durationMs }) => durationMs),
    [12 + 20, 12 + 22, 12 + 24],
  );
});

void test("work that comes during a step waits for the next one, and its wait is told", () => {
  const steps = stepsOf(engine(), [request(1), request(2, { atMs: 5 })]);
  assert.deepEqual(admittedIds(steps), [[1], [2], [], []]);
  assert.equal(steps[1]!.startMs, 12);
  assert.equal(steps[1]!.admitted[0]!.queuedMs, 7);
  assert.equal(steps[1]!.concat, "chunking");
});

void test("with chunks, requests let in are computed beside the running ones, which lose no step", () => {
  const steps = stepsOf(engine(), [request(1, { maxNewTokens: 5, outputTokens: 5 }), request(2, { atMs: 5 })]);
  const joined = steps[1]!;
  assert.deepEqual([joined.sequences, joined.prefillTokens], [2, 10]);
  assert.deepEqual(
    joined.emitted.map(({ id }) => id),
    [1, 2],
  );
});

void test("between two admissions there is always a decode step", () => {
  const requests = Array.from({ length: 100 }, (_, id) =>
    request(id, { atMs: id * 40, maxNewTokens: 20, outputTokens: 20 }),
  );
  for (const chunkedPrefill of [true, false]) {
    const steps = stepsOf(engine({ chunkedPrefill, waitingServedRatio: 0 }), requests);
    const joins = steps.flatMap((step, index) => (step.concat === null ? [] : [steps[index - 1]!]));
    assert.ok(joins.length > 8);
    // Only what starts a batch may be followed by a join at once.
    for (const before of joins) assert.ok(before.kind === "decode" || before.concat === null);
  }
});

void test("a prompt beyond the budget is computed in chunks and emits nothing before its last", () => {
  const steps = stepsOf(engine({ maxBatchPrefillTokens: 100 }), [request(1, { promptTokens: 250, maxNewTokens: 1 })]);
  assert.deepEqual(
    steps.map(({ prefillTokens, emitted }) => [prefillTokens, emitted.length]),
    [
      [100, 0],
      [100, 0],
      [50, 1],
    ],
  );
});

void test("running requests decode beside every chunk, and their tokens count against its budget", () => {
  const steps = stepsOf(engine({ maxBatchPrefillTokens: 100 }), [
    request(1, { maxNewTokens: 9, outputTokens: 9 }),
    request(2, { atMs: 1, promptTokens: 250, maxNewTokens: 1 }),
  ]);
  assert.deepEqual(
    steps.slice(0, 5).map(({ prefillTokens, emitted }) => [prefillTokens, emitted.map(({ id }) => id)]),
    [
      [10, [1]],
      [99, [1]],
      [99, [1]],
      [52, [1, 2]],
      [0, [1]],
    ],
  );
});

void test("while a prompt is pending no other is let in beyond the budget", () => {
  const steps = stepsOf(engine({ maxBatchPrefillTokens: 100 }), [
    request(1, { promptTokens: 450, maxNewTokens: 1 }),
    request(2, { atMs: 1, promptTokens: 10, maxNewTokens: 1 }),
  ]);
  const joined = steps.findIndex(({ admitted }) => admitted.some(({ id }) => id === 2));
  // 350, 250, 150 and 50 tokens of the first are left: only the last leaves room.
  assert.equal(joined, 4);
  assert.equal(steps[joined]!.prefillTokens, 60);
});

void test("without chunks a prefill stands alone and the running requests stall", () => {
  const steps = stepsOf(engine({ chunkedPrefill: false, waitingServedRatio: 0 }), [
    request(1, { maxNewTokens: 9, outputTokens: 9 }),
    request(2, { atMs: 1 }),
  ]);
  assert.deepEqual(
    steps[1]!.emitted.map(({ id }) => id),
    [2],
  );
  assert.deepEqual([steps[1]!.sequences, steps[1]!.concat], [1, "backpressure"]);
  assert.equal(steps[2]!.sequences, 2);
});

void test("without chunks the running requests are held up only for enough waiting ones, or after max_waiting_tokens", () => {
  const running = Array.from({ length: 10 }, (_, id) => request(id, { maxNewTokens: 60, outputTokens: 60 }));
  const joinStep = (waiting: number): number =>
    stepsOf(engine({ chunkedPrefill: false, waitingServedRatio: 0.3, maxWaitingTokens: 20 }), [
      ...running,
      ...Array.from({ length: waiting }, (_, index) => request(100 + index, { atMs: 1 })),
    ]).findIndex(({ admitted }) => admitted.some(({ id }) => id >= 100));
  assert.equal(joinStep(3), 1);
  assert.equal(joinStep(2), 20); // One prefill, then 19 decode steps: the count starts at 1.
});

void test("memory for prompt and allowed tokens is taken at once, and the head of the line blocks", () => {
  // Block 0 is the server's own: 100 tokens remain.
  const steps = stepsOf(engine({ kvTokens: 101 }), [
    request(1, { promptTokens: 50, maxNewTokens: 11, outputTokens: 3 }),
    request(2, { promptTokens: 50, maxNewTokens: 11, outputTokens: 3 }),
    request(3, { promptTokens: 5, maxNewTokens: 3 }),
  ]);
  // Request 3 would fit beside request 1, and waits behind request 2 all the same.
  assert.deepEqual(admittedIds(steps), [[1], [], [], [2, 3], [], []]);
});

void test("of the allowed tokens at most 1,024 are allotted", () => {
  const batch = engine({ kvTokens: 2_101 });
  batch.submit(request(1, { promptTokens: 10, maxNewTokens: 5_000, outputTokens: 2 }), 0);
  batch.submit(request(2, { promptTokens: 10, maxNewTokens: 5_000, outputTokens: 2 }), 0);
  assert.equal(batch.startStep(0)!.admitted.length, 2);
  assert.equal(batch.gauges().kvTakenTokens, 2 * (10 + 1_024 - 1));
});

void test("a request that could never run is refused loudly", () => {
  const batch = engine({ kvTokens: 101, maxBatchPrefillTokens: 80 });
  assert.throws(() => batch.submit(request(1, { promptTokens: 99 }), 0), { code: "USAGE" });
  assert.throws(
    () => engine({ chunkedPrefill: false, maxBatchPrefillTokens: 80 }).submit(request(1, { promptTokens: 81 }), 0),
    { code: "USAGE" },
  );
  assert.equal(batch.startStep(0), null);
});

void test("after 1,024 new tokens a request goes to the end of the queue and is computed again", () => {
  const steps = stepsOf(engine(), [request(1, { maxNewTokens: 3_000, outputTokens: 1_030 })]);
  assert.equal(tokenTimes(steps).get(1)!.length, 1_030);
  const again = steps.filter(({ admitted }) => admitted.length > 0).at(-1)!;
  assert.deepEqual(again.admitted, [{ id: 1, queuedMs: 0, cachedTokens: 0, continued: true }]);
  assert.equal(again.prefillTokens, 10 + 1_024);
  assert.equal(steps.indexOf(again), 1_024);
});

void test("a request that comes back stands behind those that wait", () => {
  // Room for one at a time.
  const steps = stepsOf(engine({ kvTokens: 2_600 }), [
    request(1, { promptTokens: 500, maxNewTokens: 2_000, outputTokens: 1_030 }),
    request(2, { atMs: 50, promptTokens: 1_200, maxNewTokens: 100, outputTokens: 100 }),
  ]);
  assert.deepEqual(
    steps.flatMap(({ admitted }) => admitted.map(({ id }) => id)),
    [1, 2, 1],
  );
});

void test("with a prefix cache, coming back a second time finds what was computed the first", () => {
  const steps = stepsOf(engine(), [
    request(1, { maxNewTokens: 3_000, outputTokens: 2_060, prefix: wordIds("a b c d e f g h i j") }),
  ]);
  const back = steps.flatMap(({ admitted }) => admitted.map(({ cachedTokens }) => cachedTokens));
  // The cache holds prompts only: first the ten words, then these and the 1,024 that came back as prompt.
  assert.deepEqual(back, [0, 10, 10 + 1_024]);
});

void test("a request that cannot come back, for memory or total tokens, ends after 1,024 tokens", () => {
  for (const limit of [{ kvTokens: 1_500 }, { maxTotalTokens: 1_500 }]) {
    const steps = stepsOf(engine(limit), [request(1, { promptTokens: 400, maxNewTokens: 3_000, outputTokens: 2_000 })]);
    assert.equal(tokenTimes(steps).get(1)!.length, 1_024);
    assert.equal(steps.at(-1)!.emitted[0]!.ended, true);
  }
});

void test("a prompt's prefix is shared once an earlier request with it ended, not before", () => {
  const prefix = wordIds("one two three four five six seven eight nine ten");
  const steps = stepsOf(engine(), [
    request(1, { prefix }),
    request(2, { prefix }),
    request(3, { atMs: 200, prefix }),
    request(4, { atMs: 200 }),
  ]);
  const found = new Map(steps.flatMap(({ admitted }) => admitted.map(({ id, cachedTokens }) => [id, cachedTokens])));
  assert.deepEqual(
    found,
    new Map([
      [1, 0],
      [2, 0],
      [3, 10],
      [4, 0],
    ]),
  );
  // Of a prompt that is held as a whole, one token is still computed.
  assert.equal(steps.find(({ startMs }) => startMs >= 200)!.prefillTokens, 1 + 10);
});

void test("a client that leaves frees its place: in the queue at once, in the batch with the next step", () => {
  const batch = engine({ kvTokens: 101 });
  const large = { promptTokens: 80, maxNewTokens: 10, outputTokens: 10 };
  batch.submit(request(1, large), 0);
  batch.submit(request(2, large), 0);
  batch.submit(request(3, large), 0);
  batch.startStep(0);
  batch.cancel(2);
  assert.deepEqual([batch.gauges().running, batch.gauges().queued], [1, 1]);
  batch.cancel(1);
  assert.deepEqual(
    batch.startStep(20)!.admitted.map(({ id }) => id),
    [3],
  );
  batch.cancel(3);
  batch.cancel(3);
  assert.equal(batch.startStep(40), null);
  assert.equal(batch.gauges().kvTakenTokens, 0);
});

void test("more than the concurrent requests are refused, until one ends or leaves", () => {
  const batch = engine({ maxConcurrentRequests: 2 });
  assert.equal(batch.submit(request(1, { maxNewTokens: 1 }), 0), true);
  assert.equal(batch.submit(request(2), 0), true);
  assert.equal(batch.submit(request(3), 0), false);
  batch.cancel(2);
  assert.equal(batch.submit(request(3), 0), true);
  assert.equal(batch.submit(request(4), 0), false);
  assert.equal(batch.startStep(0)!.emitted[0]!.ended, true);
  assert.equal(batch.submit(request(4), 5), true);
});

void test("a failed batch loses the running requests and keeps the waiting ones", () => {
  const batch = engine({ kvTokens: 101 });
  for (const id of [1, 2]) batch.submit(request(id, { promptTokens: 80 }), 0);
  batch.startStep(0);
  assert.deepEqual(batch.failBatch(), [1]);
  assert.deepEqual(
    batch.startStep(20)!.admitted.map(({ id }) => id),
    [2],
  );
});

void test("the largest batch is kept where prefill is not chunked", () => {
  const requests = Array.from({ length: 7 }, (_, id) => request(id));
  const steps = stepsOf(engine({ chunkedPrefill: false, maxBatchSize: 3 }), requests);
  assert.equal(Math.max(...steps.map(({ sequences }) => sequences)), 3);
});

void test("gauges tell the queue, the batch and the memory", () => {
  const batch = engine({ kvTokens: 101 });
  batch.submit(request(1, { promptTokens: 40, maxNewTokens: 11 }), 0);
  batch.submit(request(2, { promptTokens: 80 }), 0);
  batch.startStep(0);
  assert.deepEqual(batch.gauges(), {
    queued: 1,
    running: 1,
    batchMaxTokens: 51,
    kvTokens: 100,
    kvTakenTokens: 50,
    kvCachedTokens: 0,
  });
});

void test("options that do not fit are named", () => {
  assert.throws(() => parseBatchOptions({ ...PLAIN, kvTokens: 0, blockTokens: 1.5 }), {
    code: "USAGE",
    message: /kvTokens: .*blockTokens: /,
  });
});

void test("the same work gives the same steps, and times add up without drift", () => {
  const requests = Array.from({ length: 60 }, (_, id) =>
    request(id, {
      atMs: id * 7,
      promptTokens: 1 + ((id * 37) % 90),
      maxNewTokens: 80,
      outputTokens: 1 + ((id * 13) % 70),
    }),
  );
  const options = { kvTokens: 1_200, maxBatchPrefillTokens: 64 };
  const first = stepsOf(engine(options), requests);
  assert.deepEqual(stepsOf(engine(options), requests), first);
  const times = tokenTimes(first);
  for (const { id, outputTokens } of requests) assert.equal(times.get(id)!.length, outputTokens);
  for (let index = 1; index < first.length; index++) {
    const idle = first[index]!.startMs - first[index - 1]!.endMs;
    if (idle !== 0) assert.ok(idle > 0 && first[index]!.sequences === first[index]!.admitted.length);
  }
  near(first.at(-1)!.endMs, first.at(-1)!.startMs + first.at(-1)!.durationMs);
});
