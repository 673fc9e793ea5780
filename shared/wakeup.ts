import { setMaxListeners } from "node:events";

/** A longer timer would fire at once (Node). */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Lets any number of callers wait until something may have changed; whoever wakes looks again for itself. */
export class Wakeup {
  readonly #waiting = new Set<() => void>();

  notify(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Resolves at the next notify, after `ms`, or when a signal is aborted; never rejects. */
  wait(options: { readonly ms?: number; readonly signals?: readonly AbortSignal[] } = {}): Promise<void> {
    const signals = options.signals ?? [];
    if (signals.some((signal) => signal.aborted)) return Promise.resolve();
    setMaxListeners(0, ...signals); // Many wait on one signal by design.
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        clearTimeout(timer);
        for (const signal of signals) signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer = options.ms === undefined ? undefined : setTimeout(wake, Math.min(options.ms, LONGEST_TIMER_MS));
      for (const signal of signals) signal.addEventListener("abort", wake);
      this.#waiting.add(wake);
    });
  }
}
