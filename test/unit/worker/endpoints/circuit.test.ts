import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TidingError } from "../../../../shared/errors.ts";
import type { ErrorCode } from "../../../../shared/errors.ts";
import {
  afterAnswer,
  afterCall,
  afterFailure,
  afterNothingSent,
  afterProbePassed,
  afterProbeStarted,
  CALLS_TO_OPEN,
  CLOSED,
  mayCall,
  MS_TO_OPEN,
  opened,
} from "../../../../worker/endpoints/circuit.ts";
import type { Circuit } from "../../../../worker/endpoints/circuit.ts";

const error = (code: ErrorCode) => new TidingError(code, "x");
const failing = (circuit: Circuit, call: number, nowMs: number, code: ErrorCode = "ENDPOINT_ERROR") =>
  afterFailure(circuit, { error: error(code), call, nowMs });

for (const code of ["ENDPOINT_UNREACHABLE", "ENDPOINT_LOADING", "ENDPOINT_REFUSED_KEY", "UNAUTHORIZED"] as const) {
  void test(`${code} opens the circuit at once`, () => {
    assert.equal(failing(CLOSED, 1, 0, code).kind, "open");
  });
}

void test("transient failures open it when they are of enough calls and last long enough", () => {
  let circuit = CLOSED;
  for (let call = 1; call <= CALLS_TO_OPEN; call++) circuit = failing(circuit, call, 0);
  assert.equal(circuit.kind, "closed");
  assert.equal(failing(circuit, 1, MS_TO_OPEN - 1).kind, "closed");
  assert.equal(failing(circuit, 1, MS_TO_OPEN).kind, "open");
  assert.equal(failing(circuit, 99, MS_TO_OPEN).kind, "open");
});

void test("a few rows that break the server at each try never open it", () => {
  let circuit = CLOSED;
  for (let time = 0; time < 1_000; time++) circuit = failing(circuit, time % (CALLS_TO_OPEN - 1), time * 1_000);
  assert.equal(circuit.kind, "closed");
});

void test("an answer between starts the count anew", () => {
  let circuit = CLOSED;
  for (let call = 1; call < CALLS_TO_OPEN; call++) circuit = failing(circuit, call, 0);
  circuit = afterAnswer(circuit, 0);
  assert.equal(failing(circuit, 50, 60_000).kind, "closed");
});

void test("half-open waits for its probe, then lets requests in one at a time, ever faster", () => {
  let circuit = afterProbeStarted(failing(CLOSED, 1, 0, "ENDPOINT_UNREACHABLE"));
  assert.equal(mayCall(circuit, 1e9), false);
  circuit = afterProbePassed(circuit, 1_000);
  assert.equal(mayCall(circuit, 1_000), true);
  circuit = afterCall(circuit, 1_000);
  assert.deepEqual([mayCall(circuit, 1_399), mayCall(circuit, 1_400)], [false, true]);
  circuit = afterCall(circuit, 1_400);
  assert.deepEqual([mayCall(circuit, 1_599), mayCall(circuit, 1_600)], [false, true]);
});

void test("an answer closes it, unless it was asked for before an outage", () => {
  const down = afterProbeStarted(failing(CLOSED, 1, 1_000, "ENDPOINT_UNREACHABLE"));
  assert.equal(afterAnswer(down, 999).kind, "half-open");
  assert.equal(afterAnswer(down, 1_001).kind, "closed");
});

void test("a trial that sent nothing is made again by the next call, and what is older than the outage was none", () => {
  const atTrial = afterProbePassed(afterProbeStarted(failing(CLOSED, 1, 1_000, "ENDPOINT_UNREACHABLE")), 1_500);
  const taken = afterCall(atTrial, 1_600);
  assert.equal(mayCall(taken, 1_700), false);
  const again = afterNothingSent(taken, { takenAtMs: 1_600, nowMs: 1_700 });
  assert.deepEqual(afterCall(again, 1_700), { ...taken, trialAtMs: 2_100 });
  assert.equal(afterNothingSent(taken, { takenAtMs: 999, nowMs: 1_700 }), taken);
  const probing = afterProbeStarted(failing(CLOSED, 1, 1_000, "ENDPOINT_UNREACHABLE"));
  for (const circuit of [CLOSED, probing, failing(CLOSED, 1, 1_000, "UNAUTHORIZED")]) {
    assert.equal(afterNothingSent(circuit, { takenAtMs: 1_600, nowMs: 1_700 }), circuit);
  }
});

void test("each failed probe doubles the wait up to 15 s, and the outage keeps its beginning", () => {
  let circuit = failing(CLOSED, 1, 500, "ENDPOINT_UNREACHABLE");
  const waits: number[] = [];
  for (let time = 0; time < 7; time++) {
    assert.ok(circuit.kind === "open");
    waits.push(circuit.waitMs);
    assert.equal(circuit.sinceMs, 500);
    circuit = opened(afterProbeStarted(circuit), error("ENDPOINT_UNREACHABLE"), circuit.probeAtMs);
  }
  assert.deepEqual(waits, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
});

void test("whatever happens, no request is let in while it is open, and a probe is due within 15 s", () => {
  const codes = ["ENDPOINT_ERROR", "ENDPOINT_UNREACHABLE", "UNAUTHORIZED"] as const;
  const event = fc.record({
    type: fc.constantFrom("answer", "failure", "probe-started", "probe-passed", "probe-failed", "call", "nothing-sent"),
    code: fc.constantFrom(...codes),
    call: fc.nat(30),
    afterMs: fc.nat(20_000),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), (events) => {
      let circuit = CLOSED;
      let nowMs = 0;
      for (const { type, code, call, afterMs } of events) {
        nowMs += afterMs;
        const before = circuit;
        switch (type) {
          case "answer":
            circuit = afterAnswer(circuit, nowMs);
            assert.equal(circuit.kind, "closed");
            break;
          case "failure":
            circuit = failing(circuit, call, nowMs, code);
            if (code !== "ENDPOINT_ERROR" || before.kind !== "closed") assert.equal(circuit.kind, "open");
            break;
          case "probe-started":
            circuit = afterProbeStarted(circuit);
            break;
          case "probe-passed":
            circuit = afterProbePassed(circuit, nowMs);
            break;
          case "probe-failed":
            circuit = opened(circuit, error(code), nowMs);
            break;
          case "call":
            if (mayCall(circuit, nowMs)) circuit = afterCall(circuit, nowMs);
            break;
          case "nothing-sent":
            circuit = afterNothingSent(circuit, { takenAtMs: nowMs - afterMs, nowMs });
            assert.equal(circuit.kind, before.kind);
            break;
        }
        if (circuit.kind === "open") {
          assert.equal(mayCall(circuit, nowMs), false);
          assert.ok(circuit.probeAtMs <= nowMs + 15_000);
        }
      }
    }),
  );
});
