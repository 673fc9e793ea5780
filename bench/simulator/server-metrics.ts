/**
 * What `/metrics` tells, under TGI's names and with its buckets (router v3.3, `server.rs`). Validation takes no time here;
 * where there is no batch, the queue takes none either, and inference takes all of it. Several replicas are told as one.
 */

import type { Admission, BatchGauges, Step } from "./batching/scheduler.ts";
import { CountHistogram, DurationHistogram } from "./histogram.ts";

type FailureKind = "overloaded" | "validation" | "generation" | "dropped" | "incomplete";

export interface ServedRequest {
  /** Seconds from its arrival to its end, and of these before it was let into the batch. */
  readonly seconds: number;
  readonly queueSeconds: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
}

const METHODS = ["prefill", "decode"] as const;

export class ServerMetrics {
  readonly #failures = new Map<FailureKind, number>();
  readonly #duration = new DurationHistogram();
  readonly #validation = new DurationHistogram();
  readonly #queue = new DurationHistogram();
  readonly #inference = new DurationHistogram();
  readonly #perToken = new DurationHistogram();
  readonly #promptTokens: CountHistogram;
  readonly #newTokens: CountHistogram;
  readonly #steps = { prefill: new DurationHistogram(), decode: new DurationHistogram() };
  readonly #stepCounts = { prefill: 0, decode: 0 };
  readonly #failedSteps = { prefill: 0, decode: 0 };
  readonly #concats = new Map<string, number>();
  readonly #nextSize = new CountHistogram(1024);
  #skippedTokens = 0;
  #admissions = 0;
  #requests = 0;
  #successes = 0;

  constructor(limits: { readonly maxInputTokens: number; readonly maxTotalTokens: number }) {
    this.#promptTokens = new CountHistogram(limits.maxInputTokens);
    this.#newTokens = new CountHistogram(limits.maxTotalTokens);
  }

  /** A chat request counts twice, as in TGI. */
  countRequest(chat: boolean): void {
    this.#requests += chat ? 2 : 1;
  }

  countFailure(kind: FailureKind): void {
    increment(this.#failures, kind);
  }

  countSuccess({ seconds, queueSeconds, promptTokens, generatedTokens }: ServedRequest): void {
    const inference = seconds - queueSeconds;
    this.#successes++;
    this.#duration.add(seconds);
    this.#validation.add(0);
    this.#queue.add(queueSeconds);
    this.#inference.add(inference);
    this.#perToken.add(inference / generatedTokens);
    this.#promptTokens.add(promptTokens);
    this.#newTokens.add(generatedTokens);
  }

  /** `seconds`: how long the step took, with what a fault added. */
  countStep({ kind, sequences, concat, admitted }: Step, seconds: number): void {
    this.#stepCounts[kind]++;
    this.#steps[kind].add(seconds);
    this.#nextSize.add(sequences);
    if (concat !== null) increment(this.#concats, concat);
    for (const admission of admitted) this.#countAdmission(admission);
  }

  countFailedStep(kind: Step["kind"]): void {
    this.#failedSteps[kind]++;
  }

  /** Prometheus' text format; `batch` null where there is none. */
  render(inFlight: number, batch: BatchGauges | null): string {
    const histograms: [string, DurationHistogram | CountHistogram][] = [
      ["tgi_request_duration", this.#duration],
      ["tgi_request_validation_duration", this.#validation],
      ["tgi_request_queue_duration", this.#queue],
      ["tgi_request_inference_duration", this.#inference],
      ["tgi_request_mean_time_per_token_duration", this.#perToken],
      ["tgi_request_input_length", this.#promptTokens],
      ["tgi_request_generated_tokens", this.#newTokens],
    ];
    return [
      metric("tgi_request_count", "counter", this.#requests),
      metric("tgi_request_success", "counter", this.#successes),
      "# TYPE tgi_request_failure counter",
      ...Array.from(this.#failures, ([kind, count]) => `tgi_request_failure{err="${kind}"} ${count}`),
      metric("tgi_queue_size", "gauge", batch?.queued ?? 0),
      metric("tgi_batch_current_size", "gauge", batch?.running ?? inFlight),
      ...histograms.flatMap(([name, histogram]) => [`# TYPE ${name} histogram`, histogram.render(name)]),
      ...(batch === null ? [] : this.#renderBatch(batch)),
      "",
    ].join("\n");
  }

  #renderBatch(batch: BatchGauges): string[] {
    const byMethod = (name: string, value: (method: Step["kind"]) => number): string[] => [
      `# TYPE ${name} counter`,
      ...METHODS.map((method) => `${name}{method="${method}"} ${value(method)}`),
    ];
    // A step is all forward pass here: choosing tokens takes no time of its own.
    const durations = ["tgi_batch_inference_duration", "tgi_batch_forward_duration"];
    return [
      metric("tgi_batch_current_max_tokens", "gauge", batch.batchMaxTokens),
      metric("tgi_batch_max_total_tokens", "gauge", batch.kvTokens),
      ...byMethod("tgi_batch_inference_count", (method) => this.#stepCounts[method]),
      ...byMethod("tgi_batch_inference_success", (method) => this.#stepCounts[method] - this.#failedSteps[method]),
      ...byMethod("tgi_batch_inference_failure", (method) => this.#failedSteps[method]),
      ...durations.flatMap((name) => [
        `# TYPE ${name} histogram`,
        ...METHODS.map((method) => this.#steps[method].render(name, `method="${method}"`)),
      ]),
      "# TYPE tgi_batch_concat counter",
      ...Array.from(this.#concats, ([reason, count]) => `tgi_batch_concat{reason="${reason}"} ${count}`),
      "# TYPE tgi_batch_next_size histogram",
      this.#nextSize.render("tgi_batch_next_size"),
      "# TYPE tgi_request_skipped_tokens summary",
      `tgi_request_skipped_tokens_sum ${this.#skippedTokens}`,
      `tgi_request_skipped_tokens_count ${this.#admissions}`,
    ];
  }

  #countAdmission({ cachedTokens }: Admission): void {
    this.#admissions++;
    this.#skippedTokens += cachedTokens;
  }
}

function increment<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function metric(name: string, type: "counter" | "gauge", value: number): string {
  return `# TYPE ${name} ${type}\n${name} ${value}`;
}
