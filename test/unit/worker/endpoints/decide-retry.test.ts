import assert from "node:assert/strict";
import { test } from "node:test";
import { ERROR_CODES, TidingError } from "../../../../shared/errors.ts";
import type { ErrorCode } from "../../../../shared/errors.ts";
import { decideRetry } from "../../../../worker/endpoints/decide-retry.ts";
import type { RetryCircumstances } from "../../../../worker/endpoints/decide-retry.ts";

const decide = (code: ErrorCode, more: Partial<RetryCircumstances> = {}, retryAfterMs?: number) =>
  decideRetry(new TidingError(code, "x", retryAfterMs === undefined ? {} : { retryAfterMs }), {
    attempt: 1,
    attempts: 6,
    saturations: 1,
    isEndpointDown: false,
    hasOtherEndpoints: false,
    random: () => 1,
    ...more,
  });

void test("every code leads to what its class says", () => {
  const expected = {
    "back-pressure": "wait-turn",
    transient: "back-off",
    "endpoint-down": "reroute",
    row: "fail-row",
    job: "stop-job",
    usage: "stop-job",
    engine: "stop-job",
  };
  for (const [code, errorClass] of Object.entries(ERROR_CODES)) {
    assert.equal(decide(code as ErrorCode).kind, expected[errorClass], code);
  }
});

void test("backoff doubles from half a second to a minute, with full jitter", () => {
  const after = (attempt: number, random: number) =>
    decide("ENDPOINT_ERROR", { attempt, attempts: 99, random: () => random });
  assert.deepEqual(
    [1, 2, 3, 20].map((attempt) => after(attempt, 1)),
    [500, 1_000, 2_000, 60_000].map((afterMs) => ({ kind: "back-off", afterMs })),
  );
  assert.deepEqual(after(5, 0), { kind: "back-off", afterMs: 0 });
});

void test("Retry-After is a floor, up to five minutes", () => {
  assert.deepEqual(decide("ENDPOINT_SATURATED", {}, 7_000), { kind: "wait-turn", restMs: 7_000 });
  assert.deepEqual(decide("ENDPOINT_SATURATED", {}, 86_400_000), { kind: "wait-turn", restMs: 300_000 });
  assert.deepEqual(decide("ENDPOINT_ERROR", { attempt: 3 }, 100), { kind: "back-off", afterMs: 2_000 });
});

void test("the last attempt fails the row, unless the endpoint is down", () => {
  assert.equal(decide("ENDPOINT_ERROR", { attempt: 6 }).kind, "fail-row");
  assert.equal(decide("ENDPOINT_ERROR", { attempt: 6, isEndpointDown: true }).kind, "reroute");
});

void test("what one of several endpoints refuses goes to the others", () => {
  for (const code of ["UNAUTHORIZED", "MODEL_NOT_FOUND", "WRONG_SERVICE", "QUOTA_EXHAUSTED"] as const) {
    assert.equal(decide(code, { hasOtherEndpoints: true }).kind, "reroute");
  }
  assert.equal(decide("TASK_INVALID", { hasOtherEndpoints: true }).kind, "stop-job");
});
