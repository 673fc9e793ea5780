import { clockMs } from "../fine-timer.ts";

/**
 * One stamp for all that a socket read brought, taken when its first byte is seen and before anything is parsed: the tenth
 * event of a read did not come later than the first. HTTP's chunks of one read are handed over within one turn of
 * JavaScript, so the stamp is forgotten at the end of the turn.
 */
export class ReadStamp {
  #stampMs = 0;
  #isFresh = false;
  readonly #forget = (): void => {
    this.#isFresh = false;
  };

  /** Milliseconds by `clockMs`. */
  now(): number {
    if (!this.#isFresh) {
      this.#stampMs = clockMs();
      this.#isFresh = true;
      queueMicrotask(this.#forget);
    }
    return this.#stampMs;
  }
}
