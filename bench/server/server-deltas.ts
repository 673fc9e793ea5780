/**
 * What a server counted between two snapshots, under one set of names for all servers.
 *
 * Sources: TGI router 3.3 and its docs ("Metrics"); vLLM 0.32 and SGLang 0.5 (`metrics_collector.py`); llama.cpp's
 * `server-context.cpp`. What a server does not tell is left out: TGI neither TTFT nor the cache's hits, llama.cpp no queue.
 */
import type { ServerDeltas } from "../report/bench-report.ts";
import { CounterChanges } from "./counter-changes.ts";
import type { Samples } from "./prometheus-text.ts";
import type { ServerSnapshot } from "./server-snapshot.ts";

type Told = Partial<Record<Exclude<keyof ServerDeltas, "kind" | "seconds">, number | null>>;

export interface ComparedSnapshots {
  /** Null where a snapshot is missing, has no metrics that are known, or the counters went back; `notes` says so. */
  readonly deltas: ServerDeltas | null;
  /** Sentences for the report. */
  readonly notes: readonly string[];
}

/** As `compareSnapshots`, without its notes. */
export function serverDeltas(before: ServerSnapshot | null, after: ServerSnapshot | null): ServerDeltas | null {
  return compareSnapshots(before, after).deltas;
}

/**
 * The differences of a server's counters, whoever's requests they counted. Of several replicas behind one URL each snapshot
 * is of the one that answered: see `crossCheck`.
 */
export function compareSnapshots(before: ServerSnapshot | null, after: ServerSnapshot | null): ComparedSnapshots {
  const identity = identityNotes(before, after);
  if (!before?.samples || !after?.samples) {
    const missing = [...(before?.missing ?? []), ...(after?.missing ?? [])];
    return { deltas: null, notes: [...new Set([...identity, ...missing])] };
  }
  const kind = kindOf(after.samples);
  if (kind === null) {
    return { deltas: null, notes: [...identity, "The server's metrics are of no kind that is known here."] };
  }
  const changes = new CounterChanges(before.samples, after.samples);
  const told = READERS[kind](changes);
  const started = [before, after].map(({ samples }) => samples?.get("process_start_time_seconds")?.[0]?.value);
  const isOther = started[0] !== undefined && started[1] !== undefined && started[0] !== started[1];
  if (changes.wentBack.length > 0 || isOther) {
    const sign = isOther ? "process is another one than before" : `counter ${changes.wentBack[0]} went back`;
    const note = `The server's ${sign}: it was restarted, or several replicas stand behind its address; what it counted cannot be told.`;
    return { deltas: null, notes: [...identity, note] };
  }
  return { deltas: { kind, seconds: (after.atMs - before.atMs) / 1_000, ...rounded(told) }, notes: identity };
}

function identityNotes(before: ServerSnapshot | null, after: ServerSnapshot | null): string[] {
  const [was, is] = [before?.identity, after?.identity];
  if (!was || !is) return [];
  return (["server", "version", "model", "revision"] as const)
    .filter((field) => was[field] !== is[field])
    .map((field) => `The ${field} of what answers changed meanwhile, from ${was[field]} to ${is[field]}.`);
}

type KnownKind = "tgi" | "vllm" | "sglang" | "llamacpp";

const PREFIXES: Readonly<Record<KnownKind, string>> = {
  tgi: "tgi_",
  vllm: "vllm:",
  sglang: "sglang:",
  llamacpp: "llamacpp:",
};

/** By how the metrics are called, as a router before the server may answer `/v1/models` in its own name. */
function kindOf(samples: Samples): KnownKind | null {
  const names = [...samples.keys()];
  const kinds = Object.keys(PREFIXES) as KnownKind[];
  return kinds.find((kind) => names.some((name) => name.startsWith(PREFIXES[kind]))) ?? null;
}

const READERS: Readonly<Record<KnownKind, (changes: CounterChanges) => Told>> = { tgi, vllm, sglang, llamacpp };

/** A step is a forward pass of either kind: with chunked prefill both give each running request a token. */
function tgi(changes: CounterChanges): Told {
  const output = changes.change("tgi_request_generated_tokens_sum");
  const steps = changes.change("tgi_batch_inference_duration_count");
  // Tokens that speculation guessed took no step of their own.
  const guessed = changes.change("tgi_request_skipped_tokens_sum") ?? 0;
  return {
    requests_ok: changes.change("tgi_request_success"),
    requests_failed: changes.change("tgi_request_failure") ?? 0,
    prompt_tokens: changes.change("tgi_request_input_length_sum"),
    output_tokens: output,
    mean_queue_ms: changes.meanMs("tgi_request_queue_duration"),
    mean_e2e_ms: changes.meanMs("tgi_request_duration"),
    mean_step_ms: changes.meanMs("tgi_batch_inference_duration"),
    mean_batch: ratio(output === null ? null : output - guessed, steps),
    queue_size: changes.now("tgi_queue_size"),
  };
}

/** A request that its client gave up ends as `abort`; one that found the queue full is rejected, and ends nowhere. */
function vllm(changes: CounterChanges): Told {
  const failed = (labels: Readonly<Record<string, string>>): boolean =>
    ["abort", "error"].includes(labels["finished_reason"] ?? "");
  const output = changes.change("vllm:generation_tokens_total");
  return {
    requests_ok: changes.change("vllm:request_success_total", (labels) => !failed(labels)),
    requests_failed: plus(
      changes.change("vllm:request_success_total", failed),
      changes.change("vllm:admission_rejections_total"),
    ),
    prompt_tokens: changes.change("vllm:prompt_tokens_total"),
    output_tokens: output,
    mean_queue_ms: changes.meanMs("vllm:request_queue_time_seconds"),
    mean_e2e_ms: changes.meanMs("vllm:e2e_request_latency_seconds"),
    mean_ttft_ms: changes.meanMs("vllm:time_to_first_token_seconds"),
    mean_itl_ms: changes.meanMs("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"),
    mean_batch: ratio(output, changes.change("vllm:iteration_tokens_total_count")),
    prefix_cache_hit_rate: ratio(
      changes.changeOfFirst("vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"),
      changes.changeOfFirst("vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"),
    ),
    queue_size: changes.now("vllm:num_requests_waiting"),
    kv_cache_usage: changes.meanNow("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
  };
}

/** `cache_hit_rate` is of the last batch alone, so the share is taken from the counters of tokens. */
function sglang(changes: CounterChanges): Told {
  const prompt = changes.change("sglang:prompt_tokens_total");
  return {
    requests_ok: changes.change("sglang:num_requests_total"),
    requests_failed: changes.change("sglang:num_aborted_requests_total"),
    prompt_tokens: prompt,
    output_tokens: changes.change("sglang:generation_tokens_total"),
    mean_queue_ms: changes.meanMs("sglang:queue_time_seconds"),
    mean_e2e_ms: changes.meanMs("sglang:e2e_request_latency_seconds"),
    mean_ttft_ms: changes.meanMs("sglang:time_to_first_token_seconds"),
    mean_itl_ms: changes.meanMs("sglang:inter_token_latency_seconds", "sglang:time_per_output_token_seconds"),
    prefix_cache_hit_rate: ratio(changes.change("sglang:cached_tokens_total"), prompt),
    queue_size: changes.now("sglang:num_queue_reqs"),
    kv_cache_usage: changes.meanNow("sglang:token_usage"),
  };
}

/** Its time of generating begins at a prompt's end, so that the first token of each request counts with no time of its own. */
function llamacpp(changes: CounterChanges): Told {
  const read = changes.change("llamacpp:prompt_tokens_total");
  const cached = changes.change("llamacpp:prompt_tokens_cached_total");
  const output = changes.change("llamacpp:tokens_predicted_total");
  const seconds = changes.change("llamacpp:tokens_predicted_seconds_total");
  const prompt = plus(read, cached);
  return {
    prompt_tokens: prompt,
    output_tokens: output,
    mean_itl_ms: ratio(seconds === null ? null : 1_000 * seconds, output),
    mean_batch: changes.meanSince("llamacpp:n_busy_slots_per_decode", "llamacpp:n_decode_total"),
    prefix_cache_hit_rate: ratio(cached, prompt),
    queue_size: changes.now("llamacpp:requests_deferred"),
    kv_cache_usage: changes.now("llamacpp:kv_cache_usage_ratio"),
  };
}

/** Null where the first is. */
function plus(value: number | null, more: number | null): number | null {
  return value === null ? null : value + (more ?? 0);
}

function ratio(part: number | null, whole: number | null): number | null {
  return part === null || whole === null || whole === 0 ? null : part / whole;
}

const COUNTS: readonly string[] = ["requests_ok", "requests_failed", "prompt_tokens", "output_tokens"];

/** Without what was not told. */
function rounded(told: Told): Omit<ServerDeltas, "kind" | "seconds"> {
  const entries = Object.entries(told).flatMap(([name, value]) =>
    value === null ? [] : [[name, COUNTS.includes(name) ? Math.round(value) : value] as const],
  );
  return Object.fromEntries(entries);
}
