/**
 * A scheduler whose every figure is known beforehand, to check a benchmark against the truth: each request has its first
 * token `fixedTtftMs` after it found a place, and one more each `stepMs`, whatever the others do. Places are `maxBatch`,
 * given first come first served. So, with n tokens an answer,
 *
 *   time of an answer      fixedTtftMs + (n - 1) * stepMs     once it has a place
 *   most answers a second  maxBatch / that
 *
 * Requests keep their own phase: a step lasts until the next token of any, and is no step of a batch.
 */

import type { Admission, BatchGauges, BatchRequest, Emission, Scheduler, Step } from "./scheduler.ts";

export interface FixedOptions {
  readonly fixedTtftMs: number;
  readonly stepMs: number;
  readonly maxBatch: number;
  /** Waiting and running requests beyond which one is refused; 0 for no limit. */
  readonly maxConcurrentRequests: number;
}

interface Waiting {
  readonly request: BatchRequest;
  readonly queuedMs: number;
}

interface Running {
  readonly request: BatchRequest;
  readonly placedMs: number;
  readonly lastToken: number;
  tokens: number;
}

/** Sums of steps differ from products in the last digits: tokens due within a nanosecond of each other are due together. */
const TOGETHER_MS = 1e-6;

export class FixedEngine implements Scheduler {
  readonly #options: FixedOptions;
  #queue: Waiting[] = [];
  #running: Running[] = [];
  /** Places that were free all through the last step: who came meanwhile had one at once. */
  #free: number;

  constructor(options: FixedOptions) {
    this.#options = options;
    this.#free = options.maxBatch;
  }

  submit(request: BatchRequest, nowMs: number): boolean {
    const limit = this.#options.maxConcurrentRequests;
    if (limit > 0 && this.#queue.length + this.#running.length >= limit) return false;
    this.#queue.push({ request, queuedMs: nowMs });
    return true;
  }

  cancel(id: number): void {
    this.#queue = this.#queue.filter(({ request }) => request.id !== id);
    this.#running = this.#running.filter(({ request }) => request.id !== id);
  }

  startStep(nowMs: number): Step | null {
    this.#running = this.#running.filter(({ tokens, lastToken }) => tokens < lastToken);
    const { maxBatch, fixedTtftMs } = this.#options;
    const placed = this.#queue.splice(0, maxBatch - this.#running.length);
    const admitted = placed.map(({ request, queuedMs }, index): Admission => {
      const placedMs = index < this.#free ? queuedMs : Math.max(queuedMs, nowMs);
      const lastToken = Math.min(request.outputTokens, request.maxNewTokens);
      this.#running.push({ request, placedMs, lastToken, tokens: 0 });
      return { id: request.id, queuedMs: placedMs - queuedMs, cachedTokens: 0, continued: false };
    });
    this.#free = maxBatch - this.#running.length;
    if (this.#running.length === 0) return null;

    const dueMs = Math.min(...this.#running.map((running) => this.#dueMs(running)));
    // Never longer than a first token takes: one that comes meanwhile is seen in time.
    const endMs = Math.max(nowMs, Math.min(dueMs, nowMs + fixedTtftMs));
    return {
      durationMs: endMs - nowMs,
      kind: admitted.length > 0 ? "prefill" : "decode",
      sequences: this.#running.length,
      prefillTokens: placed.reduce((sum, { request }) => sum + request.promptTokens, 0),
      admitted,
      emitted: this.#running
        .filter((running) => this.#dueMs(running) <= endMs + TOGETHER_MS)
        .map((running): Emission => {
          running.tokens++;
          return { id: running.request.id, tokens: 1, ended: running.tokens === running.lastToken };
        }),
      concat: null,
    };
  }

  failBatch(): number[] {
    const lost = this.#running.filter(({ tokens, lastToken }) => tokens < lastToken).map(({ request }) => request.id);
    this.#running = [];
    return lost;
  }

  gauges(): BatchGauges {
    const none = { batchMaxTokens: 0, kvTokens: 0, kvTakenTokens: 0, kvCachedTokens: 0 };
    return { queued: this.#queue.length, running: this.#running.length, ...none };
  }

  #dueMs({ placedMs, tokens }: Running): number {
    return placedMs + this.#options.fixedTtftMs + tokens * this.#options.stepMs;
  }
}
