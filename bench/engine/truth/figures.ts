/**
 * Every figure of a stage, worked out from plain requests by the letter of its definition (`research/bench-peers.md`, section
 * 2), slowly and with all samples in memory: the other side of what `StageTally` adds up in histograms. Both sides have the
 * same names: those of the report, as `ttft_response.p90`, `throughput.req_s`, `counts.ok`.
 *
 * Left out are p99.9 and the extremes, which are single moments of a machine, and the standard deviation for the same reason.
 */
import type { SloLimits, StageReport } from "../../report/bench-report.ts";
import type { PlainRequest } from "./plain-request.ts";

/** Null where a figure says that it can not be told. */
export type Figures = ReadonlyMap<string, number | null>;

const PERCENTILES = { p50: [50, 5], p90: [90, 20], p95: [95, 50], p99: [99, 1_000] } as const;

interface Window {
  readonly startMs: number;
  readonly endMs: number;
}

/** `requests` are all of the stage; those due within the window are measured. */
export function figuresOf(
  requests: readonly PlainRequest[],
  { window, slo }: { readonly window: Window; readonly slo: SloLimits | null },
): Figures {
  const seconds = (window.endMs - window.startMs) / 1_000;
  const inWindow = (ms: number | null | undefined): boolean =>
    ms !== null && ms !== undefined && ms >= window.startMs && ms < window.endMs;
  const due = requests.filter(({ scheduledMs }) => inWindow(scheduledMs));
  const ok = due.filter(({ outcome }) => outcome === "ok");
  const done = requests.filter(({ outcome, tokensMs }) => outcome === "ok" && inWindow(tokensMs.at(-1)));
  const good = slo === null ? [] : ok.filter((request) => meets(request, slo));

  const samples = {
    ttft_response: ok.map((request) => request.tokensMs[0]! - request.scheduledMs),
    ttft_service: ok.map((request) => request.tokensMs[0]! - request.sentMs!),
    e2e_response: ok.map((request) => request.tokensMs.at(-1)! - request.scheduledMs),
    e2e_service: ok.map((request) => request.tokensMs.at(-1)! - request.sentMs!),
    tpot: ok.filter(({ outputTokens }) => outputTokens >= 2).map((request) => timePerToken(request)),
    itl: ok.flatMap(({ tokensMs }) => gaps(tokensMs)),
    icl: ok.flatMap(({ tokensMs }) => gaps(tokensMs)),
    ntpot: ok.map((request) => (request.tokensMs.at(-1)! - request.sentMs!) / request.outputTokens),
    prompt_tokens: ok.map(({ promptTokens }) => promptTokens ?? 0),
    output_tokens: ok.map(({ outputTokens }) => outputTokens),
    client_lag: due.flatMap(({ sentMs, scheduledMs }) => (sentMs === null ? [] : [sentMs - scheduledMs])),
  };
  const inFlightMs = requests.map(({ sentMs, endMs }) =>
    sentMs === null || endMs === null
      ? 0
      : Math.max(0, Math.min(endMs, window.endMs) - Math.max(sentMs, window.startMs)),
  );
  const concurrency = sum(inFlightMs) / 1_000 / seconds;
  const meanE2eSeconds = sum(samples.e2e_service) / samples.e2e_service.length / 1_000;
  const errors = due.filter(({ outcome }) => outcome === "error");
  const figures = new Map<string, number | null>([
    ["counts.scheduled", due.length],
    ["counts.ok", ok.length],
    ["counts.errors", errors.length],
    ["counts.incomplete", due.filter(({ outcome }) => outcome === "incomplete").length],
    ["counts.never_sent", due.filter(({ outcome }) => outcome === "never-sent").length],
    ["throughput.offered_req_s", due.length / seconds],
    ["throughput.req_s", done.length / seconds],
    [
      "throughput.out_tok_s",
      requests.flatMap(({ tokensMs }) => tokensMs).filter((ms) => inWindow(ms)).length / seconds,
    ],
    ["throughput.out_tok_s_done", sum(done.map(({ outputTokens }) => outputTokens)) / seconds],
    [
      "throughput.in_tok_s",
      sum(requests.map((one) => (inWindow(one.tokensMs[0]) ? (one.promptTokens ?? 0) : 0))) / seconds,
    ],
    ["throughput.concurrency", concurrency],
    ["throughput.little", concurrency / ((done.length / seconds) * meanE2eSeconds)],
    ["throughput.error_rate", errors.length / due.length],
  ]);
  for (const [error, count] of tallied(errors.map((request) => request.error!))) {
    figures.set(`counts.by_error.${error}`, count);
  }
  const ends = due.flatMap(({ finishReason, outcome }) =>
    finishReason === null || outcome !== "ok" ? [] : [finishReason],
  );
  for (const [reason, count] of tallied(ends)) figures.set(`counts.finish_reasons.${reason}`, count);
  if (slo !== null) {
    figures.set("slo.goodput_req_s", good.length / seconds);
    figures.set("slo.attainment", good.length / due.length);
  }
  for (const [name, values] of Object.entries(samples)) {
    const sorted = values.toSorted((a, b) => a - b);
    figures.set(`${name}.n`, sorted.length);
    figures.set(`${name}.mean`, sorted.length === 0 ? null : sum(sorted) / sorted.length);
    for (const [percentile, [percent, least]] of Object.entries(PERCENTILES)) {
      figures.set(`${name}.${percentile}`, sorted.length < least ? null : nearestRank(sorted, percent));
    }
  }
  return figures;
}

/** The same figures as a report gives them. */
export function figuresIn({ counts, throughput, slo, metrics }: StageReport): Figures {
  const { by_error, finish_reasons, token_sources: _, ...outcomes } = counts;
  const figures = new Map<string, number | null>();
  const add = (group: string, values: Readonly<Record<string, number | null>>): void => {
    for (const [name, value] of Object.entries(values)) figures.set(`${group}.${name}`, value);
  };
  add("counts", outcomes);
  add("counts.by_error", by_error);
  add("counts.finish_reasons", finish_reasons);
  add("throughput", throughput);
  if (slo !== null) add("slo", slo);
  for (const [name, { n, mean, p50, p90, p95, p99 }] of Object.entries(metrics))
    add(name, { n, mean, p50, p90, p95, p99 });
  return figures;
}

function timePerToken({ tokensMs, outputTokens }: PlainRequest): number {
  return (tokensMs.at(-1)! - tokensMs[0]!) / (outputTokens - 1);
}

function meets(request: PlainRequest, slo: SloLimits): boolean {
  const [firstMs, lastMs] = [request.tokensMs[0]!, request.tokensMs.at(-1)!];
  const { ttft_ms = Infinity, e2e_ms = Infinity, tpot_ms = Infinity } = slo;
  const tpot = request.outputTokens < 2 ? 0 : timePerToken(request);
  return firstMs - request.scheduledMs <= ttft_ms && lastMs - request.scheduledMs <= e2e_ms && tpot <= tpot_ms;
}

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((time, index) => time - times[index]!);
}

function nearestRank(sorted: readonly number[], percent: number): number {
  return sorted[Math.ceil((percent / 100) * sorted.length) - 1]!;
}

function tallied(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
