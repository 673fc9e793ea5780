import assert from "node:assert/strict";
import { test } from "node:test";
import { figuresOf } from "../../../../bench/engine/truth/figures.ts";
import { servedStage } from "../../../../bench/engine/truth/served-stage.ts";
import type { RequestRecord } from "../../../../bench/load/request-record.ts";

/** The log's clock is that far ahead, and nothing takes less than that from one side to the other. */
const AHEAD_MS = 1_000_000;
const WAY_MS = 0.1;

/** As a client has it whose reads came `lateMs` late. */
function record(index: number, lateMs = 0): RequestRecord {
  const scheduledMs = index * 50;
  return {
    stage: "served",
    index,
    prompt: index,
    outcome: "ok",
    measured: true,
    scheduledMs,
    sentMs: scheduledMs,
    headersMs: scheduledMs + 1,
    firstTokenMs: scheduledMs + 40 + 2 * WAY_MS + lateMs,
    lastTokenMs: scheduledMs + 60 + 2 * WAY_MS + lateMs,
    endMs: scheduledMs + 60 + 2 * WAY_MS + lateMs,
    status: 200,
    finishReason: "stop",
    promptTokens: 5,
    promptTokensSource: "usage",
    outputTokens: 3,
    outputTokensSource: "usage",
    cachedTokens: null,
    events: 3,
    error: null,
    errorMessage: null,
  };
}

/** The server's second token was late by `lateMs`. */
function entry(index: number, lateMs = 0) {
  const startMs = AHEAD_MS + index * 50 + WAY_MS;
  return { startMs, endMs: startMs + 60, tokensMs: [startMs + 40, startMs + 50 + lateMs, startMs + 60] };
}

function near(found: number | null | undefined, expected: number): void {
  assert.ok(typeof found === "number" && Math.abs(found - expected) < 1e-6, `${found} is not ${expected}`);
}

void test("a request has its tokens when the server wrote them, however late they were read", () => {
  const late = [0, 3, 7];
  const served = servedStage(
    late.map((ms, index) => record(index, ms)),
    ({ index }) => entry(index, index === 1 ? 4 : 0),
  );
  for (const [index, { scheduledMs, sentMs, tokensMs, endMs }] of served.entries()) {
    near(scheduledMs, index * 50);
    near(sentMs, index * 50);
    near(endMs, index * 50 + WAY_MS + 60);
    for (const [token, ms] of tokensMs.entries()) {
      near(ms, index * 50 + WAY_MS + 40 + token * 10 + (index === 1 && token === 1 ? 4 : 0));
    }
  }
  const figures = figuresOf(served, { window: { startMs: 0, endMs: 1_000 }, slo: null });
  near(figures.get("itl.p50"), 10);
  near(figures.get("itl.mean"), 10);
  near(figures.get("ttft_service.mean"), 40 + WAY_MS);
});

void test("the client is believed when it sent, but not that it did before that was due", () => {
  const told = [record(0), { ...record(1), sentMs: 47 }, { ...record(2), sentMs: 100.05 }];
  const served = servedStage(told, ({ index }) => entry(index));
  assert.deepEqual(
    served.map(({ sentMs }) => sentMs),
    [0, 50, 100.05],
  );
});

void test("what never reached the server has no times of its own", () => {
  const lost: RequestRecord = { ...record(1), outcome: "never-sent", sentMs: null, firstTokenMs: null };
  const [, served] = servedStage([record(0), lost], ({ index }) => (index === 0 ? entry(0) : undefined));
  assert.deepEqual([served!.sentMs, served!.tokensMs, served!.endMs, served!.outcome], [null, [], null, "never-sent"]);
});
