/**
 * Carries out a scheduler's steps in real time. Each step begins when the one before was due to end, not when it was seen
 * to: the beat does not drift, and a step that came late shortens none. How late tokens were handed out is counted.
 */

import { clockMs, FineTimer } from "../fine-timer.ts";
import type { LatenessMeter } from "../lateness.ts";
import type { BatchGauges, BatchRequest, Scheduler, Step } from "./batching/scheduler.ts";

/** What becomes of a request; each is called within a step of its replica. */
export interface ReplicaListener {
  /** It left the queue after so long; once more after each 1,024 tokens. */
  admitted(queuedMs: number): void;
  tokens(count: number, ended: boolean): void;
  /** Its batch failed. */
  lost(): void;
}

export interface ReplicaHooks {
  /** A step is over, after so many seconds. */
  stepped(step: Step, seconds: number): void;
  failed(kind: Step["kind"]): void;
}

/** Steps that are due already are done at once, but not so many that nobody else has a turn. */
const MOST_LATE_STEPS = 32;

export class Replica {
  readonly #scheduler: Scheduler;
  readonly #hooks: ReplicaHooks;
  readonly #lateness: LatenessMeter;
  readonly #timer = new FineTimer();
  readonly #listeners = new Map<number, ReplicaListener>();
  #step: Step | null = null;
  #startMs = 0;
  #endMs = 0;
  #delayMs = 0;

  /** `lateness`: from when a step was due to end until its last token was handed out. */
  constructor(scheduler: Scheduler, hooks: ReplicaHooks, lateness: LatenessMeter) {
    this.#scheduler = scheduler;
    this.#hooks = hooks;
    this.#lateness = lateness;
  }

  /** Requests that wait or run. */
  get outstanding(): number {
    return this.#listeners.size;
  }

  gauges(): BatchGauges {
    return this.#scheduler.gauges();
  }

  /** `arrivedMs` on the clock of `clockMs`. Throws `USAGE` where the request could never run. */
  submit(request: BatchRequest, listener: ReplicaListener, arrivedMs: number): void {
    this.#scheduler.submit(request, arrivedMs);
    this.#listeners.set(request.id, listener);
    if (this.#step === null) this.#begin(arrivedMs);
  }

  /** The request's client left; its listener hears no more. */
  cancel(id: number): void {
    if (this.#listeners.delete(id)) this.#scheduler.cancel(id);
  }

  /** The step under way takes so much longer. Call from a listener: it is the next one then. */
  delayNextStep(delayMs: number): void {
    this.#delayMs += delayMs;
  }

  /** Every request that runs is lost, those that wait are not. */
  failBatch(): void {
    this.#hooks.failed(this.#step?.kind ?? "decode");
    for (const id of this.#scheduler.failBatch()) {
      const listener = this.#listeners.get(id);
      this.#listeners.delete(id);
      listener?.lost();
    }
  }

  close(): void {
    this.#timer.clear();
    this.#listeners.clear();
  }

  #begin(atMs: number): void {
    this.#step = this.#scheduler.startStep(atMs);
    if (this.#step === null) return;
    this.#startMs = atMs;
    this.#endMs = atMs + this.#step.durationMs + this.#delayMs;
    this.#delayMs = 0;
    for (const { id, queuedMs } of this.#step.admitted) this.#listeners.get(id)?.admitted(Math.max(0, queuedMs));
    this.#timer.set(this.#endMs, () => this.#finish());
  }

  #finish(): void {
    for (let late = 0; late < MOST_LATE_STEPS; late++) {
      this.#timer.clear();
      const step = this.#step!;
      for (const { id, tokens, ended } of step.emitted) {
        const listener = this.#listeners.get(id);
        if (ended) this.#listeners.delete(id);
        listener?.tokens(tokens, ended);
      }
      this.#lateness.record(clockMs() - this.#endMs);
      this.#hooks.stepped(step, (this.#endMs - this.#startMs) / 1_000);
      this.#begin(this.#endMs);
      if (this.#step === null || this.#endMs > clockMs()) return;
    }
  }
}
