import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { MeasuredRequest } from "../../../../bench/load/request-record.ts";
import { StageTally } from "../../../../bench/metrics/stage-tally.ts";
import { StageReport } from "../../../../bench/report/bench-report.ts";
import { handMade, reportOf, reportOfTally, tallyOf } from "../../../support/measured-requests.ts";

const near = (actual: number | null, expected: number) =>
  assert.ok(
    actual !== null && Math.abs(actual - expected) <= 1e-9 * Math.max(1, Math.abs(expected)),
    `${actual} is not ${expected}`,
  );

void test("the metrics of a request are those of the definitions", () => {
  const { metrics, throughput, counts } = reportOf([
    handMade({ scheduledMs: 1000, sentMs: 1010, stamps: [1110, 1130, 1150, 1210], endMs: 1212, promptTokens: 7 }),
  ]);
  near(metrics.client_lag.mean, 10);
  near(metrics.ttft_response.mean, 110);
  near(metrics.ttft_service.mean, 100);
  near(metrics.e2e_response.mean, 210);
  near(metrics.e2e_service.mean, 200);
  near(metrics.tpot.mean, 100 / 3);
  near(metrics.ntpot.mean, 50);
  near(metrics.itl.mean, 100 / 3);
  assert.equal(metrics.itl.n, 3);
  assert.deepEqual([metrics.icl.n, metrics.icl.min, metrics.icl.max], [3, 20, 60]);
  assert.deepEqual([metrics.prompt_tokens.mean, metrics.output_tokens.mean], [7, 4]);
  assert.deepEqual(throughput, {
    offered_req_s: 0.1,
    req_s: 0.1,
    out_tok_s: 0.4,
    out_tok_s_done: 0.4,
    in_tok_s: 0.7,
    concurrency: 0.202 / 10,
    little: 0.202 / 0.2,
    error_rate: 0,
  });
  assert.deepEqual(
    [counts.scheduled, counts.ok, counts.token_sources, counts.finish_reasons],
    [1, 1, { usage: 1 }, { length: 1 }],
  );
});

void test("ITL is a gap over the tokens that came, a sample a token; ICL is the gap", () => {
  const { metrics } = reportOf([handMade({ stamps: [100, 130, 140, 180], tokens: [2, 3, 1, 4] })]);
  assert.deepEqual([metrics.icl.n, metrics.icl.min, metrics.icl.max], [3, 10, 40]);
  assert.deepEqual([metrics.itl.n, metrics.itl.min, metrics.itl.max], [8, 10, 10]);
  near(metrics.tpot.mean, 80 / 9);
});

void test("tokens whose events are not told apart are spread evenly, in fractions", () => {
  const { metrics, throughput } = reportOf([handMade({ stamps: [900, 1000, 1100, 1200], outputTokens: 10 })], {
    startMs: 1000,
    endMs: 2000,
  });
  assert.equal(throughput.out_tok_s, 7.5);
  assert.equal(metrics.itl.n, 0, "it was due before the window");
  const measured = reportOf([handMade({ stamps: [900, 1000, 1100, 1200], outputTokens: 10 })]).metrics.itl;
  assert.equal(measured.n, 8);
  near(measured.mean, 40);
});

void test("events that came at once are one arrival: their ITL is that of each, not 0 (SGLang reported a chunk's)", () => {
  const stamps = Array.from({ length: 40 }, (_, event) => 100 + 12.8 * Math.floor(event / 4));
  const { itl, icl } = reportOf([handMade({ stamps })]).metrics;
  assert.equal(itl.n, 36);
  near(itl.mean, 3.2);
  assert.equal(itl.p50?.toFixed(3), "3.200");
  assert.deepEqual([icl.n, icl.p50, icl.max?.toFixed(1)], [39, 0, "12.8"]);
});

void test("an event that brought no token leaves its time to the next that did", () => {
  const { itl, icl } = reportOf([handMade({ stamps: [0, 10, 30], tokens: [1, 0, 2] })]).metrics;
  assert.deepEqual([icl.n, icl.min, icl.max], [2, 10, 20]);
  assert.deepEqual([itl.n, itl.min, itl.max], [2, 15, 15]);
  const single = reportOf([handMade({ stamps: [0, 10, 30, 70], tokens: [1, 0, 1, 1] })]).metrics;
  assert.deepEqual([single.icl.n, single.icl.min, single.icl.max], [3, 10, 40]);
  assert.deepEqual([single.itl.n, single.itl.min, single.itl.max], [2, 30, 40]);
});

void test("what was due at the window's start is measured, and at its end is not", () => {
  const requests = [999.999, 1000, 1999.999, 2000].map((scheduledMs) =>
    handMade({ scheduledMs, stamps: [scheduledMs + 5000] }),
  );
  const { counts, metrics } = reportOf(requests, { startMs: 1000, endMs: 2000 });
  assert.equal(counts.scheduled, 2);
  assert.equal(metrics.ttft_response.n, 2);
});

void test("tokens, successes and prompts count by their own times, whenever the request was due", () => {
  const { throughput } = reportOf(
    [
      handMade({ scheduledMs: 0, stamps: [999, 1000, 1500], promptTokens: 100 }),
      handMade({ scheduledMs: 1100, stamps: [1999, 2000], promptTokens: 30 }),
      handMade({ scheduledMs: 1200, stamps: [2500], promptTokens: 50 }),
    ],
    { startMs: 1000, endMs: 2000 },
  );
  assert.equal(throughput.out_tok_s, 3);
  assert.equal(throughput.req_s, 1);
  assert.equal(throughput.out_tok_s_done, 3);
  assert.equal(throughput.in_tok_s, 30);
  assert.equal(throughput.offered_req_s, 2);
});

void test("concurrency is the time in flight within the window over its length", () => {
  const { throughput, timeline } = reportOf(
    [
      handMade({ scheduledMs: 0, sentMs: 500, stamps: [1500], endMs: 1500 }),
      handMade({ scheduledMs: 1000, sentMs: 1250, stamps: [2000], endMs: 2600 }),
      handMade({ scheduledMs: 1000, sentMs: 1900, outcome: "incomplete", endMs: null }),
    ],
    { startMs: 1000, endMs: 2000 },
  );
  near(throughput.concurrency, 0.5 + 0.75 + 0.1);
  assert.deepEqual(
    timeline.map((point) => Number(point.in_flight.toFixed(9))),
    [0.5, 1.35, 2],
    "the last point is of the 600 ms that are known of",
  );
});

void test("outcomes are told apart; what failed is in no distribution, and its tokens are in the throughput", () => {
  const { counts, metrics, throughput } = reportOf([
    handMade({ stamps: [100, 200] }),
    handMade({ stamps: [1, 2], outcome: "error", error: "error-in-stream" }),
    handMade({ stamps: [], outcome: "error", error: "http-500", outputTokensSource: null, finishReason: null }),
    handMade({ stamps: [3, 4, 5], outcome: "incomplete", endMs: 9000, finishReason: null }),
    handMade({ stamps: [], outcome: "never-sent", sentMs: null, finishReason: null, outputTokensSource: null }),
  ]);
  assert.deepEqual([counts.scheduled, counts.ok, counts.errors, counts.incomplete, counts.never_sent], [5, 1, 2, 1, 1]);
  assert.deepEqual(counts.by_error, { "error-in-stream": 1, "http-500": 1 });
  assert.equal(metrics.ttft_response.n, 1);
  assert.equal(metrics.output_tokens.n, 1);
  assert.equal(metrics.client_lag.n, 4, "all that were sent");
  assert.equal(throughput.out_tok_s, 0.7);
  assert.equal(throughput.error_rate, 0.4);
});

void test("an event of an answer whose tokens nobody counted is a token of the throughput", () => {
  const cut = handMade({ stamps: [100, 200, 300], outputTokens: 0, outputTokensSource: null, outcome: "incomplete" });
  assert.equal(reportOf([cut]).throughput.out_tok_s, 0.3);
});

void test("a goodput under an SLO is of response times, over all that were due", () => {
  const slo = { ttft_ms: 200, tpot_ms: 50, e2e_ms: 1000, attainment: 0.9 };
  const { slo: found } = reportOf(
    [
      handMade({ scheduledMs: 0, stamps: [200, 250] }),
      handMade({ scheduledMs: 0, sentMs: 100, stamps: [201, 250] }),
      handMade({ scheduledMs: 0, stamps: [100, 151] }),
      handMade({ scheduledMs: 0, stamps: [200, ...Array.from({ length: 30 }, (_, event) => 220 + 27 * event)] }),
      handMade({ scheduledMs: 0, stamps: [] }),
      handMade({ scheduledMs: 0, stamps: [10], outcome: "error", error: "reset" }),
      handMade({ scheduledMs: 0, stamps: [], outcome: "never-sent", sentMs: null }),
      handMade({ scheduledMs: 0, stamps: [150], outputTokens: 9 }),
    ],
    undefined,
    slo,
  );
  assert.deepEqual(found, { goodput_req_s: 0.2, attainment: 2 / 8 });
});

void test("a stage that its number of requests ended is closed at its last event, with all of it inside", () => {
  const requests = [handMade({ stamps: [100, 1999] }), handMade({ scheduledMs: 500, stamps: [800, 2000] })];
  const tally = tallyOf(requests, { startMs: 0, endMs: Infinity });
  assert.throws(() => reportOfTally(tally), RangeError);
  tally.close(2000);
  const { throughput, window } = reportOfTally(tally);
  assert.deepEqual(window, { start_ms: 0, end_ms: 2000 });
  assert.deepEqual([throughput.req_s, throughput.out_tok_s, throughput.out_tok_s_done], [1, 2, 2]);
  near(throughput.concurrency, (1.999 + 1.5) / 2);
});

void test("what lies behind an earlier close is taken off, as if the window had always ended there", () => {
  const requests = [
    handMade({ scheduledMs: 0, stamps: [100, 900, 1500, 2500], promptTokens: 5 }),
    handMade({ scheduledMs: 700, stamps: [1800, 2800, 2900], promptTokens: 9 }),
    handMade({ scheduledMs: 900, stamps: [950], outcome: "incomplete", endMs: null }),
  ];
  const known = reportOf(requests, { startMs: 0, endMs: 1000 });
  for (const endMs of [Infinity, 2600]) {
    const tally = tallyOf(requests, { startMs: 0, endMs });
    tally.close(1000);
    const closed = reportOfTally(tally);
    for (const [name, value] of Object.entries(known.throughput)) {
      const found = closed.throughput[name as keyof typeof closed.throughput];
      if (value === null) assert.equal(found, null);
      else near(found, value);
    }
    assert.deepEqual(closed.counts, known.counts);
  }
});

void test("a timeline has what happened in each second", () => {
  const { timeline } = reportOf([
    handMade({ scheduledMs: 100, sentMs: 1100, stamps: [1600, 2100] }),
    handMade({ scheduledMs: 1000, stamps: [1200], outcome: "error", error: "reset", endMs: 2050 }),
  ]);
  assert.deepEqual(
    timeline.map((point) => ({ ...point, in_flight: 0 })),
    [
      {
        second: 0,
        scheduled: 1,
        sent: 0,
        completed: 0,
        errors: 0,
        output_tokens: 0,
        in_flight: 0,
        ttft_response_mean: null,
      },
      {
        second: 1,
        scheduled: 1,
        sent: 2,
        completed: 0,
        errors: 0,
        output_tokens: 2,
        in_flight: 0,
        ttft_response_mean: 850,
      },
      {
        second: 2,
        scheduled: 0,
        sent: 0,
        completed: 1,
        errors: 1,
        output_tokens: 1,
        in_flight: 0,
        ttft_response_mean: null,
      },
    ],
  );
});

void test("while a stage runs, its timeline has the requests that have not ended", () => {
  const tally = tallyOf([handMade({ stamps: [500] })]);
  const open = [
    { scheduledMs: 200, sentMs: 1000 },
    { scheduledMs: 1500, sentMs: null },
  ];
  const points = tally.timeline({ nowMs: 2000, open });
  assert.deepEqual(
    points.slice(0, 2).map((point) => [point.scheduled, point.sent, point.in_flight]),
    [
      [2, 1, 0.5],
      [1, 1, 1],
    ],
  );
  assert.equal(tally.timeline().length, 1, "the tally itself is as before");
});

const requests = fc.array(
  fc
    .record({
      scheduledMs: fc.integer({ min: 0, max: 5000 }),
      waitMs: fc.integer({ min: 0, max: 500 }),
      gaps: fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 8 }),
      tokensEach: fc.option(fc.integer({ min: 1, max: 4 }), { nil: null }),
      outcome: fc.constantFrom(
        "ok" as const,
        "ok" as const,
        "error" as const,
        "incomplete" as const,
        "never-sent" as const,
      ),
    })
    .map(({ scheduledMs, waitMs, gaps, tokensEach, outcome }): MeasuredRequest => {
      if (outcome === "never-sent") return handMade({ scheduledMs, outcome, sentMs: null, endMs: null });
      const sentMs = scheduledMs + waitMs;
      let at = sentMs + 1;
      const stamps = gaps.map((gap) => (at += gap));
      return handMade({
        scheduledMs,
        sentMs,
        outcome,
        stamps,
        endMs: at,
        error: outcome === "error" ? "reset" : null,
        ...(tokensEach === null ? {} : { tokens: stamps.map(() => tokensEach) }),
      });
    }),
  { maxLength: 60 },
);

function withoutHdr(report: StageReport): unknown {
  return JSON.parse(
    JSON.stringify(report, (key, value: unknown) =>
      key === "hdr" ? undefined : typeof value === "number" ? Number(value.toPrecision(9)) : value,
    ),
  );
}

void test("tallies of threads that are encoded, sent, decoded and merged are the tally of all", () => {
  const slo = { ttft_ms: 300, e2e_ms: 2000, attainment: 0.9 };
  fc.assert(
    fc.property(requests, fc.integer({ min: 1, max: 4 }), fc.boolean(), (all, threads, open) => {
      const window = { startMs: 1000, endMs: open ? Infinity : 4000 };
      const merged = new StageTally({ window, slo });
      for (let thread = 0; thread < threads; thread += 1) {
        const part = tallyOf(
          all.filter((_, index) => index % threads === thread),
          window,
          slo,
        );
        merged.merge(StageTally.decode(structuredClone(part.encode())));
      }
      const whole = tallyOf(all, window, slo);
      merged.close(20_000);
      whole.close(20_000);
      const report = reportOfTally(merged);
      assert.deepEqual(withoutHdr(report), withoutHdr(reportOfTally(whole)));
      assert.deepEqual(StageReport.parse(report), report);
    }),
  );
});

void test("nothing is lost: outcomes add up to what was due, seconds to the stage", () => {
  fc.assert(
    fc.property(requests, (all) => {
      const { counts, timeline } = reportOf(all, { startMs: 0, endMs: 6000 });
      assert.equal(counts.scheduled, all.length);
      assert.equal(counts.ok + counts.errors + counts.incomplete + counts.never_sent, all.length);
      const sum = (pick: (point: (typeof timeline)[number]) => number) =>
        timeline.reduce((total, point) => total + pick(point), 0);
      assert.equal(
        sum((point) => point.scheduled),
        all.length,
      );
      assert.equal(
        sum((point) => point.completed),
        counts.ok,
      );
      assert.equal(
        sum((point) => point.errors),
        counts.errors,
      );
      near(
        sum((point) => point.output_tokens),
        all.reduce((total, { record }) => total + record.outputTokens, 0),
      );
    }),
  );
});

void test("tallies of different windows are not added up", () => {
  const left = tallyOf([], { startMs: 0, endMs: 1000 });
  assert.throws(() => left.merge(tallyOf([], { startMs: 0, endMs: 2000 })), RangeError);
});
