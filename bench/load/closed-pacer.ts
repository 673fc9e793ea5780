/**
 * Closed loop: each place sends its next request when its last one is over, which is when that next one is due. All at once
 * is the same with another clock: every request is due at the start, so that a wait for a place counts.
 *
 * The numbers of requests are drawn from a counter that all threads share: a thread whose answers come faster sends more,
 * and together they send exactly as many as the load says.
 */
import { FineTimer } from "../fine-timer.ts";
import { sizeOfShare } from "./arrivals.ts";
import type { Share } from "./arrivals.ts";
import type { Pacer, Sender } from "./pacers.ts";
import type { Place } from "./place.ts";

export interface ClosedPacerOptions {
  readonly places: readonly Place[];
  /** When each place is first used; ascending. */
  readonly openings: readonly number[];
  /** Next index, shared by all threads. */
  readonly counter: Int32Array<SharedArrayBuffer>;
  /** Indexes end here. */
  readonly requests: number;
  readonly dueAtStart: boolean;
  readonly share: Share;
  readonly sender: Sender;
  /** The stage's start by `clockMs`. */
  readonly originMs: number;
}

/**
 * How long a place rests whose request failed before any token: a server that refuses at once would be stormed by the
 * loop, and its refusals drown what it answers. The next request is due after the rest.
 */
const REST_MS = 100;

export class ClosedPacer implements Pacer {
  readonly #options: ClosedPacerOptions;
  readonly #timer = new FineTimer();
  readonly #resting = new Map<Place, NodeJS.Timeout>();
  #opened = 0;
  #idle = 0;
  #hasEnded = false;

  constructor(options: ClosedPacerOptions) {
    this.#options = options;
  }

  get turnedMs(): number {
    return this.#timer.turnedMs;
  }

  /** None of a closed loop; at once, this thread's share of those that no place has come to. */
  get waiting(): number {
    const { dueAtStart, counter, requests, share } = this.#options;
    return dueAtStart && !this.#hasEnded ? sizeOfShare(requests - Atomics.load(counter, 0), share) : 0;
  }

  waitingSince(): Iterable<number> {
    return [];
  }

  begin(): void {
    const { places, openings, originMs } = this.#options;
    const dueMs = openings[this.#opened];
    if (dueMs === undefined || this.#hasEnded) return;
    this.#timer.set(originMs + dueMs, () => {
      const nowMs = this.#options.sender.nowMs();
      for (; this.#opened < openings.length && openings[this.#opened]! <= nowMs; this.#opened++) {
        this.#sendNext(places[this.#opened]!, openings[this.#opened]!);
      }
      this.begin();
    });
  }

  freed(place: Place, isHasty: boolean): void {
    const { sender, dueAtStart } = this.#options;
    if (this.#hasEnded) return;
    const nowMs = sender.nowMs();
    if (!isHasty || dueAtStart) return this.#sendNext(place, nowMs);
    const rest = setTimeout(() => {
      this.#resting.delete(place);
      this.#sendNext(place, nowMs + REST_MS);
    }, REST_MS);
    this.#resting.set(place, rest);
  }

  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#timer.clear();
    for (const rest of this.#resting.values()) clearTimeout(rest);
    const { counter, requests, dueAtStart, sender } = this.#options;
    if (!dueAtStart) return;
    // Whichever thread ends first takes all that is left.
    for (let index = Atomics.exchange(counter, 0, requests); index < requests; index++) {
      sender.neverSent({ index, dueMs: 0 });
    }
  }

  #sendNext(place: Place, freeMs: number): void {
    const { counter, requests, dueAtStart, sender } = this.#options;
    const index = this.#hasEnded ? requests : Atomics.add(counter, 0, 1);
    if (index >= requests) {
      this.#idle++;
      if (this.#idle === this.#options.places.length) sender.exhausted();
      return;
    }
    const nowMs = sender.nowMs();
    sender.late(Math.max(0, nowMs - freeMs));
    if (dueAtStart && freeMs > 0) sender.waited(freeMs);
    sender.send(place, { index, dueMs: dueAtStart ? 0 : freeMs });
  }
}
