import type { Lease } from "../transport.ts";

export interface EmbeddedLeaseOptions {
  readonly name: string;
  readonly version: number;
  readonly ttlMs: number;
  readonly now: () => number;
  readonly closing: AbortSignal;
}

/** A lease among the callers of one process. It is lost when the process slept, or was blocked, longer than its time. */
export class EmbeddedLease implements Lease {
  readonly name: string;
  readonly version: number;
  readonly #options: EmbeddedLeaseOptions;
  readonly #expired = new AbortController();
  readonly #renewal: NodeJS.Timeout;
  readonly #end = (): void => this.#stop();
  #until: number;

  constructor(options: EmbeddedLeaseOptions) {
    this.name = options.name;
    this.version = options.version;
    this.#options = options;
    this.#until = options.now() + options.ttlMs;
    this.#renewal = setInterval(() => {
      if (this.isHeld()) this.#until = options.now() + options.ttlMs;
    }, options.ttlMs / 3).unref();
    options.closing.addEventListener("abort", this.#end);
  }

  get expired(): AbortSignal {
    return this.#expired.signal;
  }

  /** Whether the lease is still valid; from the first no on it is over for good. */
  isHeld(): boolean {
    if (this.#options.now() >= this.#until) this.#stop();
    return !this.#expired.signal.aborted;
  }

  async release(): Promise<void> {
    this.#stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
  }

  #stop(): void {
    clearInterval(this.#renewal);
    this.#options.closing.removeEventListener("abort", this.#end);
    this.#expired.abort();
  }
}
