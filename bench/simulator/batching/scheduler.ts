/**
 * What a simulated replica's schedulers have in common: work is handed in, and time moves in steps that the caller
 * carries out, on a real clock or a virtual one. A scheduler has no clock of its own.
 *
 * Carrying out: `startStep(now)`; at `now + durationMs` its tokens are emitted and the next step starts at that very time,
 * until it answers null. After null, `startStep` again when something was submitted. Work submitted during a step is seen
 * by the next one.
 */

export interface BatchRequest {
  /** Unique among the requests that wait or run. */
  readonly id: number;
  readonly promptTokens: number;
  /** Most tokens that the request allows. */
  readonly maxNewTokens: number;
  /** Tokens after which it ends by itself, the end of the sequence included; at least 1. */
  readonly outputTokens: number;
  /**
   * Identity of each of the prompt's first tokens, as far as another prompt may share them (`wordIds`); at most
   * `promptTokens`. Left out: neither reads nor fills the prefix cache.
   */
  readonly prefix?: Uint32Array | undefined;
}

/** Tokens that reach one request when the step ends. */
export interface Emission {
  readonly id: number;
  /** At least 1. */
  readonly tokens: number;
  /** Whether they were its last. */
  readonly ended: boolean;
}

/** A request that left the queue at the start of a step. */
export interface Admission {
  readonly id: number;
  readonly queuedMs: number;
  /** Of its prompt's tokens, those that the prefix cache held. */
  readonly cachedTokens: number;
  /** Whether it came back after 1,024 new tokens. */
  readonly continued: boolean;
}

export interface Step {
  readonly durationMs: number;
  /** As TGI's metrics tell them apart: `prefill` where requests were let in. */
  readonly kind: "prefill" | "decode";
  /** Sequences that take part. */
  readonly sequences: number;
  /** Tokens of prompts that are computed in it. */
  readonly prefillTokens: number;
  readonly admitted: readonly Admission[];
  /** At the end of the step, in the order in which the requests were let in. Empty where only parts of prompts were computed. */
  readonly emitted: readonly Emission[];
  /** Why requests joined a running batch, as TGI names it; null where none did. */
  readonly concat: "chunking" | "backpressure" | "wait_exceeded" | null;
}

export interface BatchGauges {
  readonly queued: number;
  readonly running: number;
  /** Tokens that the running requests may reach at most. */
  readonly batchMaxTokens: number;
  readonly kvTokens: number;
  readonly kvTakenTokens: number;
  readonly kvCachedTokens: number;
}

export interface Scheduler {
  /** False where the request is refused, because too many wait and run. Throws `USAGE` where it could never run. */
  submit(request: BatchRequest, nowMs: number): boolean;
  /** Takes a request out whose client left: at once from the queue, from the batch when the next step starts. */
  cancel(id: number): void;
  /** Begins the next step at `nowMs`; null when there is nothing to do. */
  startStep(nowMs: number): Step | null;
  /** Loses the running requests, as TGI does when a step fails; the waiting ones stay. Returns their ids. */
  failBatch(): number[];
  gauges(): BatchGauges;
}
