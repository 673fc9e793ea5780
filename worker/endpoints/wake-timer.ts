/** One timer for many moments: it goes off at the earliest that it was set to, and then is not set. */
export class WakeTimer {
  readonly #onWake: () => void;
  #timer: NodeJS.Timeout | null = null;
  #atMs = Number.POSITIVE_INFINITY;

  constructor(onWake: () => void) {
    this.#onWake = onWake;
  }

  /** By the clock that says `nowMs`; infinite for never. Does nothing where it goes off before that anyway. */
  setTo(atMs: number, nowMs: number): void {
    if (atMs >= this.#atMs) return;
    this.clear();
    this.#atMs = atMs;
    // Timers may fire up to a millisecond early by that clock.
    this.#timer = setTimeout(() => this.#goOff(), Math.max(0, atMs - nowMs) + 1);
  }

  clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#atMs = Number.POSITIVE_INFINITY;
  }

  #goOff(): void {
    this.clear();
    this.#onWake();
  }
}
