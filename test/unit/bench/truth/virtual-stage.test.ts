import assert from "node:assert/strict";
import { test } from "node:test";
import type { KnownAnswer } from "../../../../bench/engine/truth/known-answers.ts";
import { playStage } from "../../../../bench/engine/truth/virtual-stage.ts";
import type { PlayedRequest } from "../../../../bench/engine/truth/virtual-stage.ts";
import type { StageLoad } from "../../../../bench/load/stage-load.ts";
import { FixedEngine } from "../../../../bench/simulator/batching/fixed-engine.ts";

/** 90 ms an answer of 5 tokens, three places: 33.3 answers a second. */
const TRUTH = { fixedTtftMs: 50, stepMs: 10, maxBatch: 3, maxConcurrentRequests: 0 };
const SERVICE_MS = 90;

const LOAD: StageLoad = {
  name: "played",
  arrivals: { kind: "constant", rate: 20 },
  seconds: null,
  requests: 40,
  warmUpSeconds: 0,
  coolDownSeconds: 0,
  rampSeconds: 0,
  maxInFlight: 1_000,
  graceSeconds: 60,
  seed: 1,
};

function answer(changes: Partial<KnownAnswer> = {}): KnownAnswer {
  return {
    key: "",
    promptTokens: 7,
    outputTokens: 5,
    maxTokens: 100,
    finishReason: "eos_token",
    fault: null,
    ...changes,
  };
}

function play(load: Partial<StageLoad>, options: { maxBatch?: number; fault?: (index: number) => KnownAnswer } = {}) {
  const { maxBatch = TRUTH.maxBatch, fault = () => answer() } = options;
  return playStage({ ...LOAD, ...load }, { engine: new FixedEngine({ ...TRUTH, maxBatch }), answerOf: fault });
}

function assertNear(found: number | null | undefined, expected: number, what: string): void {
  assert.ok(typeof found === "number" && Math.abs(found - expected) < 1e-6, `${what}: ${found} is not ${expected}`);
}

function assertAnswers(requests: readonly PlayedRequest[], sentMs: (index: number) => number, waitMs = 0): void {
  for (const [index, request] of requests.entries()) {
    assert.equal(request.outcome, "ok");
    assertNear(request.sentMs, sentMs(index), `sent ${index}`);
    assertNear(request.tokensMs[0], sentMs(index) + waitMs + 50, `first token of ${index}`);
    assertNear(request.endMs, sentMs(index) + waitMs + SERVICE_MS, `end of ${index}`);
    assert.equal(request.tokensMs.length, 5);
  }
}

void test("below the knee every answer takes what the server takes for one", () => {
  assertAnswers(play({}), (index) => index * 50);
});

void test("above the knee the queue is in the server, and grows by what it lacks each request", () => {
  const requests = play({ arrivals: { kind: "constant", rate: 50 } }, { maxBatch: 1 });
  for (const [index, request] of requests.entries()) {
    assertNear(request.sentMs, index * 20, "sent");
    assertNear(request.queuedMs, index * (SERVICE_MS - 20), "wait in the server");
    assertNear(request.tokensMs[0], index * SERVICE_MS + 50, "first token");
  }
});

void test("with one in flight the queue is in the client, and each answer begins where the last one ended", () => {
  const requests = play({ arrivals: { kind: "constant", rate: 50 }, maxInFlight: 1 });
  assertAnswers(requests, (index) => index * SERVICE_MS);
  for (const [index, request] of requests.entries()) assertNear(request.scheduledMs, index * 20, "due");
});

void test("a closed loop sends the next request where one ends, and its places are opened over the ramp", () => {
  const requests = play({ arrivals: { kind: "closed", concurrency: 2 }, rampSeconds: 0.06, seconds: 1, requests: 10 });
  assertAnswers(requests, (index) => (index % 2) * 30 + Math.floor(index / 2) * SERVICE_MS);
});

void test("a stage that its time ends sends nothing afterwards, and what waited was never sent", () => {
  const requests = play({ arrivals: { kind: "constant", rate: 50 }, maxInFlight: 1, requests: null, seconds: 0.2 });
  assert.equal(requests.length, 10);
  assert.deepEqual(
    requests.map(({ outcome }) => outcome),
    [...Array.from({ length: 3 }, () => "ok"), ...Array.from({ length: 7 }, () => "never-sent")],
  );
});

void test("all at once is due at the start, in as many turns as there are places", () => {
  const requests = play({ arrivals: { kind: "at-once" }, requests: 6 });
  assert.deepEqual(
    requests.map(({ scheduledMs }) => scheduledMs),
    [0, 0, 0, 0, 0, 0],
  );
  assertNear(requests[5]!.endMs, 2 * SERVICE_MS, "end of the second turn");
});

void test("a fault ends a request where it says, and its place is free from then on", () => {
  const faults = [
    { error: "overloaded", at: "refused" },
    { error: "http-500", at: "first" },
    { error: "no-end", at: "halfway" },
    null,
  ] as const;
  const requests = play(
    { arrivals: { kind: "at-once" }, requests: 4 },
    { maxBatch: 1, fault: (index) => answer({ fault: faults[index]! }) },
  );
  assert.deepEqual(
    requests.map(({ outcome, error, tokensMs, endMs }) => [outcome, error, tokensMs.length, Math.round(endMs!)]),
    [
      ["error", "overloaded", 0, 0],
      ["error", "http-500", 0, 50],
      ["error", "no-end", 2, 50 + 60],
      ["ok", null, 5, 50 + 60 + SERVICE_MS],
    ],
  );
});

void test("an answer beyond the grace is no truth of a client that cuts it", () => {
  assert.throws(
    () =>
      play({ arrivals: { kind: "constant", rate: 50 }, seconds: 1, requests: null, graceSeconds: 0 }, { maxBatch: 1 }),
    RangeError,
  );
});
