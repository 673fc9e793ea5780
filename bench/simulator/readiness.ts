/**
 * Whether an endpoint can be reached at all, as Hugging Face's proxy shows it: while a server loads its model the proxy
 * answers 503, and while one that slept has no container yet 502. Any request wakes a sleeping endpoint. A client that
 * sends `X-Scale-Up-Timeout` is held for so many seconds in place of being refused.
 */

export type ReadinessState = "ready" | "loading" | "waking" | "asleep";

export interface ReadinessOptions {
  /** How long loading takes; after sleep, the first half of it passes without a container. */
  readonly coldStartMs: number;
  readonly scaleToZeroMs?: number | undefined;
}

export class Readiness {
  readonly #options: ReadinessOptions;
  readonly #held = new Set<(ready: boolean) => void>();
  #state: ReadinessState = "ready";
  #timer: NodeJS.Timeout | null = null;

  /** Starts loading. */
  constructor(options: ReadinessOptions) {
    this.#options = options;
    this.#load(options.coldStartMs);
  }

  /** For the statistics; nothing where it is always ready. */
  told(): { readonly state?: ReadinessState } {
    const { coldStartMs, scaleToZeroMs } = this.#options;
    return coldStartMs === 0 && scaleToZeroMs === undefined ? {} : { state: this.#state };
  }

  /** A request comes: the status to refuse it with, or null where it can be served. */
  enter(): 502 | 503 | null {
    if (this.#state === "asleep") this.#wake();
    if (this.#state === "ready") return null;
    return this.#state === "loading" ? 503 : 502;
  }

  /** Resolves with true when it is ready, or with false after `limitMs`. */
  wait(limitMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const release = (ready: boolean): void => {
        clearTimeout(timer);
        this.#held.delete(release);
        resolve(ready);
      };
      const timer = setTimeout(release, limitMs, false);
      this.#held.add(release);
    });
  }

  /** Something is in flight. */
  busy(): void {
    if (this.#state === "ready") this.#set("ready", null);
  }

  /** Nothing is in flight any more. */
  idle(): void {
    const { scaleToZeroMs } = this.#options;
    if (this.#state !== "ready" || scaleToZeroMs === undefined) return;
    this.#set("ready", { afterMs: scaleToZeroMs, run: () => this.#set("asleep", null) });
  }

  /** Releases who waits, as not ready. */
  close(): void {
    this.#set(this.#state, null);
    for (const release of this.#held) release(false);
  }

  #wake(): void {
    const halfMs = this.#options.coldStartMs / 2;
    this.#set("waking", { afterMs: halfMs, run: () => this.#load(halfMs) });
  }

  #load(forMs: number): void {
    if (forMs === 0) return this.#ready();
    this.#set("loading", { afterMs: forMs, run: () => this.#ready() });
  }

  #ready(): void {
    this.#set("ready", null);
    this.idle();
    for (const release of this.#held) release(true);
  }

  #set(state: ReadinessState, next: { afterMs: number; run: () => void } | null): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = next === null ? null : setTimeout(next.run, next.afterMs);
    this.#state = state;
  }
}
