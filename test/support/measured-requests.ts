/** Requests and reports of a benchmark made by hand, whose figures one can work out on paper. */
import type { MeasuredRequest, RequestRecord } from "../../bench/load/request-record.ts";
import type { MeasuredWindow, StageLoad } from "../../bench/load/stage-load.ts";
import { reportStage } from "../../bench/metrics/stage-report.ts";
import { StageTally } from "../../bench/metrics/stage-tally.ts";
import type { ClientHealth, SloLimits, StageReport } from "../../bench/report/bench-report.ts";

export interface HandMade extends Partial<RequestRecord> {
  /** Stamps of the events that carry tokens. */
  readonly stamps?: readonly number[];
  /** Tokens in each; without it `outputTokens` are spread. */
  readonly tokens?: readonly number[];
}

/** An answer that ended well with its last event, of a token an event, unless something else is said. */
export function handMade({ stamps = [], tokens, ...record }: HandMade): MeasuredRequest {
  const scheduledMs = record.scheduledMs ?? 0;
  const outputTokens = tokens?.reduce((sum, count) => sum + count, 0) ?? stamps.length;
  return {
    record: {
      stage: "by hand",
      index: 0,
      prompt: 0,
      outcome: "ok",
      measured: true,
      scheduledMs,
      sentMs: scheduledMs,
      headersMs: scheduledMs,
      firstTokenMs: stamps[0] ?? null,
      lastTokenMs: stamps.at(-1) ?? null,
      endMs: stamps.at(-1) ?? null,
      status: 200,
      finishReason: "length",
      promptTokens: null,
      promptTokensSource: null,
      outputTokens,
      outputTokensSource: "usage",
      cachedTokens: null,
      events: stamps.length,
      error: null,
      errorMessage: null,
      ...record,
    },
    stamps: Float64Array.from(stamps),
    tokensOfEvents: tokens === undefined ? null : Uint32Array.from(tokens),
  };
}

export const LOAD: StageLoad = {
  name: "by hand",
  arrivals: { kind: "constant", rate: 10 },
  seconds: 10,
  requests: null,
  warmUpSeconds: 0,
  coolDownSeconds: 0,
  rampSeconds: 0,
  maxInFlight: 1000,
  graceSeconds: 0,
  seed: 1,
};

const CLIENT: ClientHealth = {
  threads: 1,
  lag_p99_ms: 0,
  event_loop_delay_p99_ms: 0,
  event_loop_utilisation: 0,
  cpu_share: 0,
  no_op_events_per_second: null,
  events_per_second: 0,
  limited: false,
  why: [],
};

export function tallyOf(
  requests: readonly MeasuredRequest[],
  window: MeasuredWindow = { startMs: 0, endMs: 10_000 },
  slo: SloLimits | null = null,
): StageTally {
  const tally = new StageTally({ window, slo });
  for (const request of requests) tally.add(request);
  return tally;
}

export function reportOfTally(tally: StageTally, load: StageLoad = LOAD): StageReport {
  return reportStage({ load, tally, startedAt: new Date(0), client: CLIENT, server: null });
}

export function reportOf(
  requests: readonly MeasuredRequest[],
  window?: MeasuredWindow,
  slo: SloLimits | null = null,
): StageReport {
  return reportOfTally(tallyOf(requests, window, slo));
}

/** A queue before a server with so many places, each for so long: what becomes of requests that are due at these times. */
export function queued(
  dueMs: readonly number[],
  server: { places: number; serviceMs: number | (() => number); firstTokenMs: number },
): MeasuredRequest[] {
  const free = new Float64Array(server.places);
  return dueMs.map((scheduledMs, index) => {
    const place = free.indexOf(Math.min(...free));
    const sentMs = Math.max(scheduledMs, free[place]!);
    const serviceMs = typeof server.serviceMs === "number" ? server.serviceMs : server.serviceMs();
    free[place] = sentMs + serviceMs;
    return handMade({ index, scheduledMs, sentMs, stamps: [sentMs + server.firstTokenMs, sentMs + serviceMs] });
  });
}
