/**
 * A whole run against a server whose truth is known, held to what noise can not change: what was due and when, how requests
 * ended, that nothing came before its time, and that a report says what its records say. How near times are to the truth is
 * a matter of the machine, and of `npm run bench:accuracy`.
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { figuresIn, figuresOf } from "../../../bench/engine/truth/figures.ts";
import { measureRun, truthOf } from "../../../bench/engine/truth/measured-run.ts";
import type { MeasuredRun, MeasuredRunOptions, StageTruth } from "../../../bench/engine/truth/measured-run.ts";
import type { PlainRequest } from "../../../bench/engine/truth/plain-request.ts";
import type { RequestRecord } from "../../../bench/load/request-record.ts";
import type { StageLoad } from "../../../bench/load/stage-load.ts";
import { FixedEngine } from "../../../bench/simulator/batching/fixed-engine.ts";

const TRUTH = { fixedTtftMs: 57, stepMs: 7, maxBatch: 6 };
const SLO = { ttft_ms: 300, e2e_ms: 600, attainment: 0.9 };
const COUNTED: StageLoad = {
  name: "held back",
  arrivals: { kind: "constant", rate: 60 },
  seconds: null,
  requests: 60,
  warmUpSeconds: 0,
  coolDownSeconds: 0,
  rampSeconds: 0,
  maxInFlight: 4,
  graceSeconds: 120,
  seed: 3,
};
const TIMED: StageLoad = {
  ...COUNTED,
  name: "timed",
  arrivals: { kind: "constant", rate: 45 },
  seconds: 2,
  requests: null,
  warmUpSeconds: 0.4,
  coolDownSeconds: 0.3,
  maxInFlight: 1_000,
};
const LOADS = [COUNTED, TIMED];
const OPTIONS: MeasuredRunOptions = {
  simulator: {
    knownTruth: TRUTH,
    answerLength: { meanTokens: 20, sigmaTokens: 8, minTokens: 4, maxTokens: 50 },
    faults: { "error-in-200": 0.1, "truncated-stream": 0.1, "429": 0.1, "503": 0.1, "500": 0.1 },
    maxConcurrentRequests: 0,
  },
  profile: { kind: "stages", loads: LOADS },
  route: "tgi",
  maxTokens: 24,
  promptTokens: 30,
  slo: SLO,
  threads: 1,
  simulatorCore: null,
};

let run: MeasuredRun;
let truths: readonly StageTruth[];
before(async () => {
  run = await measureRun(OPTIONS);
  truths = await truthOf(run, OPTIONS, {
    loads: LOADS,
    engine: () => new FixedEngine({ ...TRUTH, maxConcurrentRequests: 0 }),
  });
});

function recordsOf(load: StageLoad): RequestRecord[] {
  const records = run.records.filter(({ stage }) => stage === load.name);
  return records.toSorted((a, b) => a.index - b.index);
}

void test("every request that was due has one record, with the time at which the schedule has it due", () => {
  for (const [position, load] of LOADS.entries()) {
    assert.deepEqual(
      recordsOf(load).map(({ scheduledMs }) => scheduledMs),
      truths[position]!.requests.map(({ scheduledMs }) => Math.round(scheduledMs * 1_000) / 1_000),
    );
  }
});

void test("each request ended as the server ended it, faults inside a 200 included, and with its number of tokens", () => {
  for (const [position, load] of LOADS.entries()) {
    const found = recordsOf(load).map((record) => {
      const { outcome, error, finishReason, events, outputTokens, promptTokens } = record;
      return { outcome, error, finishReason, events, outputTokens, promptTokens };
    });
    const expected = truths[position]!.requests.map((request) => {
      const { outcome, error, tokensMs, promptTokens } = request;
      const isOk = outcome === "ok";
      const finishReason = isOk ? request.finishReason : null;
      const outputTokens = isOk ? request.outputTokens : tokensMs.length;
      return { outcome, error, finishReason, events: tokensMs.length, outputTokens, promptTokens };
    });
    assert.deepEqual(found, expected);
  }
  const kinds = new Set(run.records.map(({ error, finishReason }) => String(error ?? finishReason)));
  assert.deepEqual([...kinds].toSorted(), [
    "eos_token",
    "error-in-stream",
    "http-500",
    "http-503",
    "length",
    "no-end",
    "overloaded",
  ]);
});

void test("each token that the server wrote by its own log was counted, and none that it did not", () => {
  for (const [position, load] of LOADS.entries()) {
    const written = truths[position]!.served.map(({ tokensMs }) => tokensMs.length);
    assert.deepEqual(
      recordsOf(load).map(({ events }) => events),
      written,
    );
    assert.ok(Math.max(...written) > 1);
  }
});

void test("with few in flight, no response time is shorter than the schedule implies (vLLM #54101 timed from the send)", () => {
  const { requests } = truths[0]!;
  for (const [index, record] of recordsOf(COUNTED).entries()) {
    // A machine that is late can only make it longer: places are taken in turn.
    assert.ok(record.sentMs! >= requests[index]!.sentMs! - 0.01, `request ${index} was sent at ${record.sentMs}`);
    assert.ok(record.endMs! >= requests[index]!.endMs! - 0.01, `request ${index} ended at ${record.endMs}`);
  }
  const { ttft_response, ttft_service } = run.report.stages[0]!.metrics;
  const truth = figuresOf(requests, { window: { startMs: 0, endMs: Infinity }, slo: null });
  assert.ok(ttft_response.mean! >= truth.get("ttft_response.mean")! - 0.01);
  assert.ok(truth.get("ttft_response.mean")! > 3 * truth.get("ttft_service.mean")!);
  assert.ok(ttft_service.min! >= TRUTH.fixedTtftMs);
});

void test("no answer is faster than the server can be", () => {
  for (const record of run.records.filter(({ outcome }) => outcome === "ok")) {
    const serviceMs = TRUTH.fixedTtftMs + (record.outputTokens - 1) * TRUTH.stepMs;
    assert.ok(record.firstTokenMs! - record.sentMs! >= TRUTH.fixedTtftMs, JSON.stringify(record));
    assert.ok(record.lastTokenMs! - record.sentMs! >= serviceMs - 0.01, JSON.stringify(record));
  }
});

void test("a response time is its service time and its wait, for all that were answered", () => {
  const answered = run.records.filter(({ outcome, measured }) => outcome === "ok" && measured);
  for (const { name, metrics } of run.report.stages) {
    const own = answered.filter(({ stage }) => stage === name);
    const waitMs = own.reduce((sum, { sentMs, scheduledMs }) => sum + sentMs! - scheduledMs, 0) / own.length;
    assert.ok(Math.abs(metrics.ttft_response.mean! - metrics.ttft_service.mean! - waitMs) < 1e-6);
    assert.ok(Math.abs(metrics.e2e_response.mean! - metrics.e2e_service.mean! - waitMs) < 1e-6);
  }
});

void test("the report is what its records add up to", () => {
  for (const [position, load] of LOADS.entries()) {
    const stage = run.report.stages[position]!;
    const { start_ms: startMs, end_ms: endMs } = stage.window;
    const records = figuresOf(recordsOf(load).map(plainOf), { window: { startMs, endMs }, slo: SLO });
    const report = figuresIn(stage);
    for (const [name, expected] of records) {
      // Records have no stamps between the first token and the last one.
      if (/^itl\.|^icl\.p/.test(name)) continue;
      if (name === "throughput.out_tok_s" && load.seconds !== null) continue;
      const found = report.get(name) ?? (name.startsWith("counts.") ? 0 : null);
      if (expected === null || found === null) assert.equal(found, expected, name);
      else {
        const slack = /\.p\d+$/.test(name) ? 0.002 * expected + 0.001 : 1e-5 * Math.max(1, expected);
        assert.ok(Math.abs(found - expected) <= slack, `${name} of ${load.name}: ${found} is not ${expected}`);
      }
    }
  }
});

/** Tokens between the first and the last one are put where they would be at an even pace. */
function plainOf(record: RequestRecord): PlainRequest {
  const { firstTokenMs, lastTokenMs, events } = record;
  const gapMs = events < 2 ? 0 : (lastTokenMs! - firstTokenMs!) / (events - 1);
  const tokensMs = Array.from({ length: events }, (_, event) =>
    event === events - 1 ? lastTokenMs! : firstTokenMs! + event * gapMs,
  );
  return { ...record, tokensMs };
}
