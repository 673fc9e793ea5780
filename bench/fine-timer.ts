/**
 * Waiting to a point of time with an error of microseconds. `setTimeout` alone comes up to 1 ms late or early, which is a
 * tenth of a decode step; so it carries the wait to shortly before the deadline, and `setImmediate` turns of the event
 * loop, which let I/O through, carry it on. A callback never comes early.
 *
 * Until the last moment each such turn naps: turns that do nothing else take 3 µs and leave 490 bytes of garbage each (Node
 * 20.20), which for a beat of 830 a second was 22 collections a second, each as long as the machine let its helpers wait.
 *
 * How late callbacks were is counted: a clock that cannot keep up has to say so.
 */

import { LatenessMeter } from "./lateness.ts";
import type { Lateness } from "./lateness.ts";

/** Milliseconds with decimals on the monotonic clock that all threads and processes of a machine share. */
export function clockMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1_000_000;
}

/** `setTimeout` was later than this on an idle machine once in a hundred times; it is spent turning the event loop, twice it at most. */
const TURNING_MS = 1;
/** A turn of an event loop that has nothing else to do takes less than this; one that reads from a socket takes longer. */
const IDLE_TURN_MS = 0.02;
const NAP_MS = 0.05;
/** A nap of 0.05 ms was over after 0.106 in the median and 0.118 in 99 of 100 cases: Linux rounds sleeps up by 0.05. */
const LONGEST_NAP_MS = 0.15;
/** Never woken by anyone. */
const BED = new Int32Array(new SharedArrayBuffer(4));

/** One deadline at a time; for many, keep them sorted and set the next from the callback. */
export class FineTimer {
  readonly #lateness = new LatenessMeter();
  #timeout: NodeJS.Timeout | null = null;
  #turn: NodeJS.Immediate | null = null;
  #deadlineMs = 0;
  #run: (() => void) | null = null;
  #turnedAtMs = 0;
  #turnedMs = 0;

  /** Whether a callback is due. */
  get pending(): boolean {
    return this.#run !== null;
  }

  /** Time in which the event loop turned for this timer and for nothing else: it looks busy and is free. Only ever grows. */
  get turnedMs(): number {
    return this.#turnedMs;
  }

  /**
   * Runs `run` once when `clockMs()` reaches `deadlineMs`, in a later turn even if that has passed; in place of a callback
   * that is still due. For a drift-free beat, add to the last deadline and not to the time at which the callback came.
   */
  set(deadlineMs: number, run: () => void): void {
    this.clear();
    this.#deadlineMs = deadlineMs;
    this.#run = run;
    this.#approach();
  }

  clear(): void {
    if (this.#timeout !== null) clearTimeout(this.#timeout);
    if (this.#turn !== null) clearImmediate(this.#turn);
    this.#timeout = null;
    this.#turn = null;
    this.#run = null;
  }

  /** How late callbacks came. */
  lateness(): Lateness {
    return this.#lateness.summary();
  }

  resetLateness(): void {
    this.#lateness.reset();
  }

  #approach(): void {
    const sleepMs = Math.floor(this.#deadlineMs - clockMs() - TURNING_MS);
    if (sleepMs < 1) {
      this.#turnedAtMs = clockMs();
      return this.#turnUntilDue();
    }
    // A longer delay than Node's 2^31-1 ms would fire at once.
    this.#timeout = setTimeout(() => this.#approach(), Math.min(sleepMs, 2 ** 31 - 1));
  }

  #turnUntilDue(): void {
    this.#timeout = null;
    this.#turn = setImmediate(() => {
      const nowMs = clockMs();
      const turnMs = nowMs - this.#turnedAtMs;
      const lateMs = nowMs - this.#deadlineMs;
      const isIdle = turnMs < IDLE_TURN_MS;
      if (isIdle) this.#turnedMs += turnMs;
      this.#turnedAtMs = nowMs;
      if (isIdle && lateMs < -LONGEST_NAP_MS) this.#nap();
      if (lateMs < 0) return this.#turnUntilDue();
      const run = this.#run!;
      this.#turn = null;
      this.#run = null;
      this.#lateness.record(lateMs);
      run();
    });
  }

  #nap(): void {
    Atomics.wait(BED, 0, 0, NAP_MS);
    const nowMs = clockMs();
    this.#turnedMs += nowMs - this.#turnedAtMs;
    this.#turnedAtMs = nowMs;
  }
}
