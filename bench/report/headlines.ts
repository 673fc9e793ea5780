import type { BenchReport, StageReport } from "./bench-report.ts";
import { shownCount, shownMs, shownNumber, shownShare, shownWhole } from "./numbers.ts";

/** What the report does not say itself. */
export interface RunContext {
  readonly state: "running" | "finished" | "interrupted" | "unanswered";
  /** By stage: requests that waited in the client because no more were allowed in flight. */
  readonly heldBack: ReadonlyMap<string, { readonly requests: number; readonly waitP99Ms: number }>;
  /** Of the prompts, as sentences. */
  readonly notes: readonly string[];
}

/** From this share on, prompts that should not be alike were found in the server's cache. */
const WARM_CACHE = 0.05;
/** A mean answer below this share of what was allowed was ended by the server. */
const FULL_LENGTH = 0.9;

/**
 * Sentences that stand above all figures: what limits what they mean. None where nothing does. The gravest first: a reader
 * may stop after one.
 */
export function headlinesOf(report: Omit<BenchReport, "headlines">, context: RunContext): string[] {
  const { stages } = report;
  return [
    ...ofState(stages, context),
    ...failures(stages),
    ...clientLimits(stages),
    ...heldBack(stages, context),
    ...saturated(stages),
    ...unfinished(stages),
    ...warmCache(report),
    ...tokenCounts(stages),
    ...outputLengths(report),
    ...machines(report),
    ...context.notes,
  ];
}

function ofState(stages: readonly StageReport[], { state }: RunContext): string[] {
  const measured = shownCount(stages.length, "stage");
  switch (state) {
    case "finished":
      return [];
    case "running":
      return [`Not finished: written after ${measured}.`];
    case "interrupted":
      return [`Interrupted: ${measured} measured, of which the last may have been cut short.`];
    case "unanswered":
      return ["No request of the last stage was answered, so the run was ended there."];
  }
}

function failures(stages: readonly StageReport[]): string[] {
  const due = sum(stages, ({ counts }) => counts.scheduled);
  const errors = sum(stages, ({ counts }) => counts.errors);
  if (errors === 0) return [];
  const byError = new Map<string, number>();
  for (const { counts } of stages) {
    for (const [code, count] of Object.entries(counts.by_error)) byError.set(code, (byError.get(code) ?? 0) + count);
  }
  const most = [...byError].toSorted(([, one], [, other]) => other - one).slice(0, 3);
  const codes = most.map(([code, count]) => `${code} ${shownWhole(count)}`);
  return [`${shownShare(errors / due)} of the requests failed: ${codes.join(", ")}.`];
}

function clientLimits(stages: readonly StageReport[]): string[] {
  const limited = stages.filter(({ client }) => client.limited);
  const [first] = limited;
  if (first === undefined) return [];
  const why = first.client.why[0] ?? "";
  return [
    `Client-limited at ${names(limited)}: the figures are those of this client, not of the endpoint. ${why}`.trim(),
  ];
}

function heldBack(stages: readonly StageReport[], { heldBack: held }: RunContext): string[] {
  const capped = stages.filter(({ name }) => held.has(name));
  const [first] = capped;
  if (first === undefined) return [];
  const { requests = 0, waitP99Ms = 0 } = held.get(first.name) ?? {};
  return [
    `Capped by --max-in-flight ${first.load.max_in_flight} at ${names(capped)}: at ${first.name} ${shownCount(requests, "due request")} ` +
      `waited to be sent, up to ${shownMs(waitP99Ms)} (p99). Response times count the wait.`,
  ];
}

function saturated(stages: readonly StageReport[]): string[] {
  const beyond = stages.filter(({ over_saturated: over }) => over === true);
  if (beyond.length === 0) return [];
  return [
    `Over-saturated at ${names(beyond)}: the queue grew for as long as requests came, so latencies there are those of a moment.`,
  ];
}

function unfinished(stages: readonly StageReport[]): string[] {
  const incomplete = sum(stages, ({ counts }) => counts.incomplete);
  const neverSent = sum(stages, ({ counts }) => counts.never_sent);
  if (incomplete + neverSent === 0) return [];
  const due = sum(stages, ({ counts }) => counts.scheduled);
  const parts = [
    ...(incomplete === 0 ? [] : [`${shownCount(incomplete, "request")} cut before the end`]),
    ...(neverSent === 0 ? [] : [`${shownCount(neverSent, "due request")} never sent`]),
  ];
  return [
    `At the ends of stages: ${parts.join(", ")}, of ${shownCount(due, "request")} due. They have no latency, and the slowest are among them.`,
  ];
}

function warmCache({ stages, prompts }: Omit<BenchReport, "headlines">): string[] {
  const rates = stages.map(({ server }) => server?.prefix_cache_hit_rate ?? 0);
  const highest = Math.max(0, ...rates);
  if (highest <= prompts.shared_prefix + WARM_CACHE) return [];
  const meant =
    prompts.shared_prefix === 0 ? "" : `, more than the ${shownShare(prompts.shared_prefix)} that prompts share`;
  return [
    `Warm prefix cache: up to ${shownShare(highest)} of the prompts' tokens were found in the server's cache${meant}.`,
  ];
}

function tokenCounts(stages: readonly StageReport[]): string[] {
  const bySource = (name: string): number => sum(stages, ({ counts }) => counts.token_sources[name] ?? 0);
  const all = sum(stages, ({ counts }) => sum(Object.values(counts.token_sources), (count) => count));
  const [usage, events, tokenizer] = [bySource("usage"), bySource("events"), bySource("tokenizer")];
  const answered = sum(stages, ({ counts }) => counts.ok);
  if (answered > 0 && all === 0) {
    return ["The server does not say how many tokens it generates, so there are no figures a token."];
  }
  if (tokenizer > 0) {
    return [
      `Tokens of ${shownShare(tokenizer / all)} of the requests were counted by a tokenizer here, which is not how the server counts.`,
    ];
  }
  return events > 0 && usage > 0
    ? [
        `Tokens were counted by the server's usage for ${shownCount(usage, "request")}, by token events for ${shownCount(events, "request")}.`,
      ]
    : [];
}

function outputLengths({ stages, prompts }: Omit<BenchReport, "headlines">): string[] {
  const ok = sum(stages, ({ counts }) => counts.ok);
  const tokens = sum(stages, ({ metrics }) => (metrics.output_tokens.mean ?? 0) * metrics.output_tokens.n);
  const n = sum(stages, ({ metrics }) => metrics.output_tokens.n);
  if (ok === 0 || n === 0) return [];
  const mean = tokens / n;
  const full = sum(stages, ({ counts }) => counts.finish_reasons["length"] ?? 0);
  if (mean >= FULL_LENGTH * prompts.max_tokens) return [];
  return [
    `Output lengths by the server: ${shownNumber(mean)} tokens on average, of ${prompts.max_tokens} allowed; ` +
      `${shownShare(full / ok)} of the answers ran to their limit. Who answers shorter is not faster.`,
  ];
}

function machines({ client, endpoint }: Omit<BenchReport, "headlines">): string[] {
  const { hostname } = new URL(endpoint.url);
  const isHere = hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
  return [
    ...(isHere ? ["The endpoint is on the client's own machine: the two share its CPU."] : []),
    ...(client.governor === "powersave"
      ? ["The client's CPU governor is powersave, which is known to double short latencies."]
      : []),
  ];
}

function names(stages: readonly StageReport[]): string {
  const all = stages.map(({ name }) => name);
  return all.length <= 4 ? all.join(", ") : `${all.slice(0, 3).join(", ")} and ${all.length - 3} more stages`;
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((so, item) => so + of(item), 0);
}
