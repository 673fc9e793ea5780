/** A bench run in virtual time on the simulator's batch engine, with a report as `tiding bench` writes it. */
import { DistributionTally } from "../../bench/metrics/distribution.ts";
import { BenchReport, type StageReport } from "../../bench/report/bench-report.ts";
import { BatchEngine } from "../../bench/simulator/batching/batch-engine.ts";
import type { BatchOptions } from "../../bench/simulator/batching/batch-options.ts";

export interface VirtualCall {
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly maxNewTokens: number;
}

export interface VirtualRequest {
  readonly call: VirtualCall;
  readonly sentMs: number;
  readonly firstMs: number;
  readonly endMs: number;
}

/** Requests in the order in which they ended, with so many at a time, each sent `overheadMs` after one ended. */
export function closedLoop(
  options: BatchOptions,
  calls: readonly VirtualCall[],
  { slots, overheadMs = 0.5 }: { readonly slots: number; readonly overheadMs?: number },
): readonly VirtualRequest[] {
  const engine = new BatchEngine(options);
  const arrivals: { readonly id: number; readonly atMs: number }[] = [];
  const running = new Map<number, { readonly sentMs: number; firstMs: number | null }>();
  const ended: VirtualRequest[] = [];
  let next = 0;
  let nowMs = 0;
  const send = (atMs: number): void => {
    if (next >= calls.length) return;
    running.set(next, { sentMs: atMs, firstMs: null });
    arrivals.push({ id: next++, atMs: atMs + overheadMs });
  };
  for (let slot = 0; slot < slots; slot++) send(0);
  while (ended.length < calls.length) {
    while (arrivals.length > 0 && arrivals[0]!.atMs <= nowMs + 1e-9) {
      const { id, atMs } = arrivals.shift()!;
      engine.submit({ id, ...calls[id]! }, atMs);
    }
    const step = engine.startStep(nowMs);
    if (step === null) {
      nowMs = arrivals[0]!.atMs;
      continue;
    }
    nowMs += step.durationMs;
    for (const emission of step.emitted) {
      const request = running.get(emission.id)!;
      request.firstMs ??= nowMs;
      if (!emission.ended) continue;
      running.delete(emission.id);
      ended.push({ call: calls[emission.id]!, sentMs: request.sentMs, firstMs: request.firstMs, endMs: nowMs });
      send(nowMs);
    }
  }
  return ended;
}

/** The stage that such a loop is, without the requests of its start and its end. */
export function closedStage(
  options: BatchOptions,
  calls: readonly VirtualCall[],
  { slots, overheadMs }: { readonly slots: number; readonly overheadMs?: number },
): StageReport {
  const all = closedLoop(options, calls, { slots, ...(overheadMs === undefined ? {} : { overheadMs }) });
  const [first, last] = [Math.min(all.length - 2, 2 * slots), all.length - 1 - (slots === 1 ? 0 : slots)];
  const [startMs, endMs] = [all[first]!.endMs, all[last]!.endMs];
  const seconds = (endMs - startMs) / 1_000;
  const within = all.filter((request) => request.endMs > startMs && request.endMs <= endMs);
  const report = (of: (request: VirtualRequest) => number, weight: (request: VirtualRequest) => number = () => 1) => {
    const tally = new DistributionTally();
    for (const request of within) tally.recordWeighted(of(request), weight(request));
    return tally.report();
  };
  const gapMs = ({ firstMs, endMs: lastMs, call }: VirtualRequest) => (lastMs - firstMs) / (call.outputTokens - 1);
  const first_ = report(({ firstMs, sentMs }) => firstMs - sentMs);
  const whole = report(({ endMs: lastMs, sentMs }) => lastMs - sentMs);
  const gaps = report(gapMs, ({ call }) => call.outputTokens - 1);
  const out = within.reduce((sum, { call }) => sum + call.outputTokens, 0) / seconds;
  const none = new DistributionTally().report();
  return {
    name: `concurrency ${slots}`,
    load: {
      kind: "closed",
      concurrency: slots,
      rate: null,
      seconds: null,
      requests: calls.length,
      warm_up_seconds: 0,
      cool_down_seconds: 0,
      ramp_seconds: 0,
      max_in_flight: slots,
      seed: 1,
    },
    window: { start_ms: startMs, end_ms: endMs },
    started_at: "2026-11-21T00:00:00.000Z",
    counts: {
      scheduled: within.length,
      ok: within.length,
      errors: 0,
      incomplete: 0,
      never_sent: 0,
      by_error: {},
      finish_reasons: { eos_token: within.length },
      token_sources: { usage: within.length },
    },
    throughput: {
      offered_req_s: within.length / seconds,
      req_s: within.length / seconds,
      out_tok_s: out,
      out_tok_s_done: out,
      in_tok_s: within.reduce((sum, { call }) => sum + call.promptTokens, 0) / seconds,
      concurrency: slots,
      little: 1,
      error_rate: 0,
    },
    slo: null,
    metrics: {
      ttft_response: first_,
      ttft_service: first_,
      e2e_response: whole,
      e2e_service: whole,
      tpot: report(gapMs),
      itl: gaps,
      icl: gaps,
      ntpot: report(({ endMs: lastMs, sentMs, call }) => (lastMs - sentMs) / call.outputTokens),
      prompt_tokens: report(({ call }) => call.promptTokens),
      output_tokens: report(({ call }) => call.outputTokens),
      client_lag: none,
    },
    client: {
      threads: 1,
      lag_p99_ms: null,
      event_loop_delay_p99_ms: null,
      event_loop_utilisation: 0,
      cpu_share: 0,
      no_op_events_per_second: null,
      events_per_second: 0,
      limited: false,
      why: [],
    },
    server: null,
    timeline: [],
    over_saturated: null,
  };
}

export function benchReport(stages: readonly StageReport[], changes: Partial<BenchReport> = {}): BenchReport {
  return BenchReport.parse({
    version: 1,
    kind: "endpoint",
    id: "b1",
    tiding: "0.1.0",
    started_at: "2026-11-21T00:00:00.000Z",
    seconds: 60,
    profile: "closed",
    endpoint: {
      url: "http://127.0.0.1:8080",
      server: "tgi",
      server_version: null,
      model: "simulated/magpie-1",
      revision: null,
      route: "/v1/chat/completions",
      info: {},
    },
    client: { host: "h", cpu: "c", cores: 1, governor: null, node: "v22", platform: "linux", threads: 1 },
    prompts: {
      source: "synthetic",
      seed: 1,
      count: 1_000,
      nonce: true,
      shared_prefix: 0,
      max_tokens: 512,
      ignore_eos: false,
      generation: {},
    },
    slo: null,
    stages,
    sweep: null,
    headlines: [],
    ...changes,
  });
}
