/**
 * The one JSON document of a benchmark: `report.json`. Every other form (table, CSV, HTML, comparison, a plan's figures) is
 * made from it. Times are milliseconds, rates per second, shares from 0 to 1, unless a name says otherwise.
 */
import { z } from "zod";

export const BENCH_REPORT_VERSION = 1;

/** Percentiles are null where n does not carry them: p50 from 5 on, p90 from 20, p95 from 50, p99 from 1,000, p99.9 from 10,000. */
export const Distribution = z.strictObject({
  n: z.int().nonnegative(),
  mean: z.number().nullable(),
  std: z.number().nullable(),
  min: z.number().nullable(),
  max: z.number().nullable(),
  p50: z.number().nullable(),
  p90: z.number().nullable(),
  p95: z.number().nullable(),
  p99: z.number().nullable(),
  p999: z.number().nullable(),
  /** The whole distribution with three digits, mergeable: HdrHistogram V2, compressed, base64. In units of 1/1000 (µs for ms). */
  hdr: z.string(),
});
export type Distribution = z.output<typeof Distribution>;

const count = z.int().nonnegative();
const rate = z.number().nonnegative();

/** Of requests that were due in the window. `_response` counts from when a request was due, `_service` from when it was sent. */
export const StageMetrics = z.strictObject({
  ttft_response: Distribution,
  ttft_service: Distribution,
  e2e_response: Distribution,
  e2e_service: Distribution,
  /** (last token − first token) / (output tokens − 1), a request each, from two tokens on. */
  tpot: Distribution,
  /** Gap between events over the tokens of the later one, a token each. */
  itl: Distribution,
  /** Gap between events that carry tokens, raw. */
  icl: Distribution,
  /** E2E service time / output tokens: includes the prefill. */
  ntpot: Distribution,
  prompt_tokens: Distribution,
  output_tokens: Distribution,
  /** Sent − due. */
  client_lag: Distribution,
});
export type StageMetrics = z.output<typeof StageMetrics>;

export const ClientHealth = z.strictObject({
  threads: count,
  lag_p99_ms: z.number().nullable(),
  event_loop_delay_p99_ms: z.number().nullable(),
  /** Of the busiest thread's time, the share in which it was not idle. */
  event_loop_utilisation: z.number(),
  /** CPU seconds of the whole process over seconds and cores. */
  cpu_share: z.number(),
  /** Token events a second that this client can take in from a server that does nothing; null where not measured. */
  no_op_events_per_second: z.number().nullable(),
  events_per_second: z.number(),
  limited: z.boolean(),
  /** Sentences: why it counts as limited. Empty unless it is. */
  why: z.array(z.string()),
});
export type ClientHealth = z.output<typeof ClientHealth>;

/** Differences of the server's counters over a stage, under names of ours; only what the server tells. */
export const ServerDeltas = z.strictObject({
  kind: z.string(),
  seconds: z.number(),
  requests_ok: count.optional(),
  requests_failed: count.optional(),
  prompt_tokens: count.optional(),
  output_tokens: count.optional(),
  mean_queue_ms: z.number().optional(),
  mean_e2e_ms: z.number().optional(),
  mean_ttft_ms: z.number().optional(),
  mean_itl_ms: z.number().optional(),
  mean_step_ms: z.number().optional(),
  mean_batch: z.number().optional(),
  /** Of the prompts' tokens that the prefix cache was asked for, the share it had. */
  prefix_cache_hit_rate: z.number().optional(),
  /** At the end of the stage. */
  queue_size: z.number().optional(),
  kv_cache_usage: z.number().optional(),
});
export type ServerDeltas = z.output<typeof ServerDeltas>;

/** One second of a stage; times from its start. */
export const TimelinePoint = z.strictObject({
  second: z.number(),
  scheduled: count,
  sent: count,
  completed: count,
  errors: count,
  output_tokens: z.number(),
  /** Mean over the second. */
  in_flight: z.number(),
  ttft_response_mean: z.number().nullable(),
});
export type TimelinePoint = z.output<typeof TimelinePoint>;

export const StageReport = z.strictObject({
  name: z.string(),
  load: z.strictObject({
    kind: z.enum(["closed", "constant", "poisson", "at-once"]),
    concurrency: z.number().nullable(),
    rate: z.number().nullable(),
    seconds: z.number().nullable(),
    requests: z.number().nullable(),
    warm_up_seconds: z.number(),
    cool_down_seconds: z.number(),
    ramp_seconds: z.number(),
    max_in_flight: z.number(),
    seed: z.number(),
  }),
  /** Milliseconds since the stage's start. */
  window: z.strictObject({ start_ms: z.number(), end_ms: z.number() }),
  started_at: z.string(),
  /** Of the requests that were due in the window: scheduled = ok + errors + incomplete + never_sent. */
  counts: z.strictObject({
    scheduled: count,
    ok: count,
    errors: count,
    incomplete: count,
    never_sent: count,
    by_error: z.record(z.string(), count),
    finish_reasons: z.record(z.string(), count),
    token_sources: z.record(z.string(), count),
  }),
  throughput: z.strictObject({
    /** Scheduled in the window / its length. */
    offered_req_s: rate,
    /** Successes whose last token lies in the window / its length. */
    req_s: rate,
    /** Tokens whose stamp lies in the window / its length, of whatever request. */
    out_tok_s: rate,
    /** Tokens of requests that ended in the window / its length, as other tools count. */
    out_tok_s_done: rate,
    in_tok_s: rate,
    /** Mean requests in flight over the window. */
    concurrency: rate,
    /** concurrency / (req_s × mean E2E): Little's law, 1 in a steady state. */
    little: z.number().nullable(),
    error_rate: rate,
  }),
  /** Null where no SLO was set. Every limit is on response times. */
  slo: z.strictObject({ goodput_req_s: rate, attainment: rate }).nullable(),
  metrics: StageMetrics,
  client: ClientHealth,
  server: ServerDeltas.nullable(),
  timeline: z.array(TimelinePoint),
  /** Null where it was not looked for; true: the queue grew without end, so latencies are those of a moment. */
  over_saturated: z.boolean().nullable(),
});
export type StageReport = z.output<typeof StageReport>;

export const SloLimits = z.strictObject({
  ttft_ms: z.number().positive().optional(),
  tpot_ms: z.number().positive().optional(),
  e2e_ms: z.number().positive().optional(),
  /** Share of the requests due that must meet every limit. */
  attainment: z.number().positive().max(1).default(0.99),
});
export type SloLimits = z.output<typeof SloLimits>;

export const BenchReport = z.strictObject({
  version: z.literal(BENCH_REPORT_VERSION),
  kind: z.literal("endpoint"),
  /** Random; names the run. */
  id: z.string(),
  tiding: z.string(),
  started_at: z.string(),
  seconds: z.number(),
  profile: z.enum(["closed", "constant", "poisson", "at-once", "sweep"]),
  endpoint: z.strictObject({
    url: z.string(),
    server: z.string(),
    server_version: z.string().nullable(),
    model: z.string(),
    revision: z.string().nullable(),
    /** `/generate_stream`, `/v1/chat/completions` or `/v1/completions`. */
    route: z.string(),
    /** What the server said of itself before the run. */
    info: z.record(z.string(), z.unknown()),
  }),
  client: z.strictObject({
    host: z.string(),
    cpu: z.string(),
    cores: count,
    governor: z.string().nullable(),
    node: z.string(),
    platform: z.string(),
    threads: count,
  }),
  prompts: z.strictObject({
    /** `dataset` or `synthetic`, and what of it. */
    source: z.string(),
    seed: z.number(),
    count,
    /** Whether each prompt starts with a text of its own, so that no prefix cache helps. */
    nonce: z.boolean(),
    /** Share of the prompt that is common to others by intention, as asked for; 0 with a nonce. */
    shared_prefix: z.number(),
    max_tokens: count,
    /** Whether the server was told to go on to max_tokens. */
    ignore_eos: z.boolean(),
    generation: z.record(z.string(), z.unknown()),
  }),
  slo: SloLimits.nullable(),
  stages: z.array(StageReport),
  /** Of a sweep: what it found. */
  sweep: z
    .strictObject({
      /** Requests a second with one at a time, and at full load. */
      synchronous_req_s: z.number(),
      throughput_req_s: z.number(),
      /** The highest rate that was kept up without the queue growing. */
      knee_req_s: z.number().nullable(),
      /** The highest rate that met the SLO; null without one, or where none did. */
      slo_req_s: z.number().nullable(),
      stopped: z.string().nullable(),
    })
    .nullable(),
  /** Sentences that stand above everything else: what limits what these figures mean. */
  headlines: z.array(z.string()),
});
export type BenchReport = z.output<typeof BenchReport>;
