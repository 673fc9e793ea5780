/**
 * What `/metrics` tells, under TGI's names and with its buckets (router v3.3, `server.rs`), as far as a server without
 * batches has it: queue and validation take no time here, and inference takes all of it.
 */

type FailureKind = "overloaded" | "validation" | "generation" | "dropped" | "incomplete";

const DURATION_BOUNDS = Array.from({ length: 35 }, (_, index) => 0.0001 * 1.5 ** (index + 1));
const DURATION_STEP = 1 / Math.log(1.5);

export class ServerMetrics {
  readonly #failures = new Map<FailureKind, number>();
  readonly #duration = new Histogram(DURATION_BOUNDS);
  readonly #perToken = new Histogram(DURATION_BOUNDS);
  readonly #promptTokens: Histogram;
  readonly #newTokens: Histogram;
  #requests = 0;
  #successes = 0;

  constructor(limits: { readonly maxInputTokens: number; readonly maxTotalTokens: number }) {
    this.#promptTokens = new Histogram(hundredths(limits.maxInputTokens));
    this.#newTokens = new Histogram(hundredths(limits.maxTotalTokens));
  }

  /** A chat request counts twice, as in TGI. */
  countRequest(chat: boolean): void {
    this.#requests += chat ? 2 : 1;
  }

  countFailure(kind: FailureKind): void {
    this.#failures.set(kind, (this.#failures.get(kind) ?? 0) + 1);
  }

  countSuccess(seconds: number, tokens: { readonly prompt: number; readonly generated: number }): void {
    this.#successes++;
    this.#duration.add(seconds, durationBucket(seconds));
    this.#perToken.add(seconds / tokens.generated, durationBucket(seconds / tokens.generated));
    this.#promptTokens.addLinear(tokens.prompt);
    this.#newTokens.addLinear(tokens.generated);
  }

  /** Prometheus' text format. */
  render(inFlight: number): string {
    const idle = new Histogram(DURATION_BOUNDS);
    idle.add(0, 0, this.#successes);
    return [
      metric("tgi_request_count", "counter", this.#requests),
      metric("tgi_request_success", "counter", this.#successes),
      "# TYPE tgi_request_failure counter",
      ...Array.from(this.#failures, ([kind, count]) => `tgi_request_failure{err="${kind}"} ${count}`),
      metric("tgi_queue_size", "gauge", 0),
      metric("tgi_batch_current_size", "gauge", inFlight),
      this.#duration.render("tgi_request_duration"),
      idle.render("tgi_request_validation_duration"),
      idle.render("tgi_request_queue_duration"),
      this.#duration.render("tgi_request_inference_duration"),
      this.#perToken.render("tgi_request_mean_time_per_token_duration"),
      this.#promptTokens.render("tgi_request_input_length"),
      this.#newTokens.render("tgi_request_generated_tokens"),
      "",
    ].join("\n");
  }
}

class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: Uint32Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Uint32Array(bounds.length + 1);
  }

  add(value: number, bucket: number, times = 1): void {
    this.#sum += value * times;
    const index = Math.min(bucket, this.#bounds.length);
    this.#counts[index] = this.#counts[index]! + times;
  }

  /** For equally wide buckets. */
  addLinear(value: number): void {
    this.add(value, Math.max(0, Math.ceil(value / this.#bounds[0]!) - 1));
  }

  render(name: string): string {
    const lines = [`# TYPE ${name} histogram`];
    let below = 0;
    for (const [index, bound] of this.#bounds.entries()) {
      below += this.#counts[index]!;
      lines.push(`${name}_bucket{le="${bound}"} ${below}`);
    }
    below += this.#counts[this.#bounds.length]!;
    lines.push(`${name}_bucket{le="+Inf"} ${below}`, `${name}_sum ${this.#sum}`, `${name}_count ${below}`);
    return lines.join("\n");
  }
}

function durationBucket(seconds: number): number {
  return Math.max(0, Math.ceil(Math.log(seconds / 0.0001) * DURATION_STEP) - 1);
}

function hundredths(most: number): number[] {
  return Array.from({ length: 100 }, (_, index) => (most / 100) * (index + 1));
}

function metric(name: string, type: "counter" | "gauge", value: number): string {
  return `# TYPE ${name} ${type}\n${name} ${value}`;
}
