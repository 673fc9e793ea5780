/** Bench reports built by hand, with distributions that are as spread as an endpoint's. */
import { build, encodeIntoCompressedBase64 } from "hdr-histogram-js";
import { BenchReport } from "../../bench/report/bench-report.ts";
import type { Distribution, StageMetrics, StageReport, TimelinePoint } from "../../bench/report/bench-report.ts";
import { seededRandom } from "./seeded-random.ts";

/** Milliseconds, or tokens, as a distribution; percentiles by the rules of the report. */
export function distributionOf(values: readonly number[]): Distribution {
  const histogram = build({ numberOfSignificantValueDigits: 3 });
  for (const value of values) histogram.recordValue(Math.max(1, Math.round(value * 1_000)));
  const n = values.length;
  const at = (percentile: number, least: number): number | null =>
    n < least ? null : histogram.getValueAtPercentile(percentile) / 1_000;
  const mean = n === 0 ? null : values.reduce((sum, value) => sum + value, 0) / n;
  return {
    n,
    mean,
    std: mean === null ? null : Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n),
    min: n === 0 ? null : Math.min(...values),
    max: n === 0 ? null : Math.max(...values),
    p50: at(50, 5),
    p90: at(90, 20),
    p95: at(95, 50),
    p99: at(99, 1_000),
    p999: at(99.9, 10_000),
    hdr: encodeIntoCompressedBase64(histogram),
  };
}

export interface StageFixture {
  readonly name: string;
  readonly kind: StageReport["load"]["kind"];
  /** Requests a second, or in flight. */
  readonly value: number;
  readonly seconds?: number;
  readonly reqS: number;
  readonly ttftMs: number;
  readonly itlMs: number;
  readonly errors?: number;
  readonly overSaturated?: boolean | null;
  readonly seed?: number;
}

const OUTPUT_TOKENS = 120;

/** A stage whose figures follow from a rate, a mean time to the first token and a mean gap. */
export function stageReport(fixture: StageFixture, changes: Partial<StageReport> = {}): StageReport {
  const { name, kind, value, seconds = 60, reqS, ttftMs, itlMs, errors = 0, seed = 7 } = fixture;
  const random = seededRandom(seed + Math.round(value * 100));
  const around = (mean: number, spread: number): number =>
    mean * Math.exp(spread * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
  const draw = (count: number, mean: number, spread: number): number[] =>
    Array.from({ length: count }, () => around(mean, spread));
  const warmUp = Math.min(10, seconds / 6);
  const measured = seconds - warmUp;
  const ok = Math.round(reqS * measured);
  const e2eMs = ttftMs + itlMs * (OUTPUT_TOKENS - 1);
  const concurrency = kind === "closed" ? value : reqS * (e2eMs / 1_000);
  const metrics: StageMetrics = {
    ttft_response: distributionOf(draw(ok, ttftMs, 0.35)),
    ttft_service: distributionOf(draw(ok, ttftMs * 0.97, 0.33)),
    e2e_response: distributionOf(draw(ok, e2eMs, 0.2)),
    e2e_service: distributionOf(draw(ok, e2eMs * 0.99, 0.2)),
    tpot: distributionOf(draw(ok, itlMs, 0.1)),
    itl: distributionOf(draw(Math.min(20_000, ok * 20), itlMs, 0.25)),
    icl: distributionOf(draw(Math.min(20_000, ok * 20), itlMs, 0.3)),
    ntpot: distributionOf(draw(ok, e2eMs / OUTPUT_TOKENS, 0.2)),
    prompt_tokens: distributionOf(draw(ok, 200, 0.3)),
    output_tokens: distributionOf(draw(ok, OUTPUT_TOKENS, 0.1)),
    client_lag: distributionOf(draw(ok, 0.2, 0.4)),
  };
  const timeline: TimelinePoint[] = Array.from({ length: seconds }, (_, second) => ({
    second,
    scheduled: Math.round(reqS),
    sent: Math.round(reqS),
    completed: second < 2 ? 0 : Math.round(around(reqS, 0.1)),
    errors: 0,
    output_tokens: second < 1 ? 0 : around(reqS * OUTPUT_TOKENS, 0.06),
    in_flight: Math.min(1, (second + 1) / 5) * around(concurrency, 0.04),
    ttft_response_mean: reqS < 0.5 && second % 2 === 1 ? null : around(ttftMs, 0.12),
  }));
  const scheduled = ok + errors;
  return {
    name,
    load: {
      kind,
      concurrency: kind === "closed" ? value : null,
      rate: kind === "constant" || kind === "poisson" ? value : null,
      seconds,
      requests: null,
      warm_up_seconds: warmUp,
      cool_down_seconds: 0,
      ramp_seconds: 0,
      max_in_flight: 1_024,
      seed,
    },
    window: { start_ms: warmUp * 1_000, end_ms: seconds * 1_000 },
    started_at: "2026-11-21T16:00:00.000Z",
    counts: {
      scheduled,
      ok,
      errors,
      incomplete: 0,
      never_sent: 0,
      by_error: errors === 0 ? {} : { overloaded: errors },
      finish_reasons: { length: ok },
      token_sources: { usage: ok },
    },
    throughput: {
      offered_req_s: kind === "closed" || kind === "at-once" ? scheduled / measured : value,
      req_s: reqS,
      out_tok_s: reqS * OUTPUT_TOKENS,
      out_tok_s_done: reqS * OUTPUT_TOKENS * 0.99,
      in_tok_s: reqS * 200,
      concurrency,
      little: 1.01,
      error_rate: scheduled === 0 ? 0 : errors / scheduled,
    },
    slo: null,
    metrics,
    client: {
      threads: 1,
      lag_p99_ms: 0.4,
      event_loop_delay_p99_ms: 1.2,
      event_loop_utilisation: 0.21,
      cpu_share: 0.12,
      no_op_events_per_second: 60_000,
      events_per_second: reqS * OUTPUT_TOKENS,
      limited: false,
      why: [],
    },
    server: null,
    timeline,
    over_saturated: fixture.overSaturated ?? null,
    ...changes,
  };
}

/** Two stages of a closed loop, measured without trouble; the endpoint is another machine. */
export function benchReport(changes: Partial<BenchReport> = {}): BenchReport {
  return BenchReport.parse({
    version: 1,
    kind: "endpoint",
    id: "3f2a9c",
    tiding: "0.1.0",
    started_at: "2026-11-21T16:00:00.000Z",
    seconds: 124,
    profile: "closed",
    endpoint: {
      url: "http://10.0.0.7:8080",
      server: "tgi",
      server_version: "3.3.7",
      model: "org/model-8b",
      revision: null,
      route: "/generate_stream",
      info: { max_concurrent_requests: 128 },
    },
    client: {
      host: "bench-1",
      cpu: "AMD EPYC 9354",
      cores: 32,
      governor: "performance",
      node: "v22.11.0",
      platform: "linux x64",
      threads: 1,
    },
    prompts: {
      source: "synthetic, 200 tokens",
      seed: 42,
      count: 1_000,
      nonce: true,
      shared_prefix: 0,
      max_tokens: 120,
      ignore_eos: true,
      generation: {},
    },
    slo: null,
    stages: [
      stageReport({ name: "concurrency 1", kind: "closed", value: 1, reqS: 0.82, ttftMs: 42, itlMs: 9.2 }),
      stageReport({ name: "concurrency 32", kind: "closed", value: 32, reqS: 18.5, ttftMs: 88, itlMs: 11.8 }),
    ],
    sweep: null,
    headlines: [],
    ...changes,
  });
}

/** A sweep with its SLO, whose last rates are beyond what the endpoint keeps up with. */
export function sweepReport(): BenchReport {
  const slo = { ttft_ms: 500, tpot_ms: 50, attainment: 0.99 };
  const met = (goodput: number, attainment: number): Partial<StageReport> => ({
    slo: { goodput_req_s: goodput, attainment },
  });
  const rates = [3, 6, 9, 12, 15, 18, 21, 24];
  return benchReport({
    profile: "sweep",
    slo,
    stages: [
      stageReport(
        { name: "one at a time", kind: "closed", value: 1, reqS: 0.82, ttftMs: 40, itlMs: 9.2 },
        met(0.82, 1),
      ),
      stageReport(
        { name: "throughput", kind: "closed", value: 512, reqS: 24.4, ttftMs: 3_200, itlMs: 37, overSaturated: true },
        met(0.6, 0.02),
      ),
      ...rates.map((rate) => {
        const load = rate / 24.5;
        const beyond = rate > 20;
        const [ttftMs, itlMs] = [42 + 260 * load ** 6 + (beyond ? 2_800 : 0), 9.2 + 28 * load ** 2];
        return stageReport(
          {
            name: `${rate} req/s`,
            kind: "constant",
            value: rate,
            reqS: rate * (beyond ? 0.93 : 0.995),
            ttftMs,
            itlMs,
            errors: beyond ? 31 : 0,
            overSaturated: beyond,
          },
          met(beyond ? 2.1 : rate * 0.99, beyond ? 0.1 : 0.995),
        );
      }),
    ],
    sweep: { synchronous_req_s: 0.82, throughput_req_s: 24.4, knee_req_s: 18, slo_req_s: 18, stopped: null },
    headlines: [
      "At 21 req/s and 24 req/s the queue grew for as long as the stage ran: their latencies are those of a moment.",
    ],
  });
}
