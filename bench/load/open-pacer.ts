/**
 * Open loop: requests are sent when the schedule says, whatever became of those before. One that finds every place in
 * flight taken waits its turn, first come, first served, and is sent late; none is left out.
 */
import { FineTimer } from "../fine-timer.ts";
import type { Due } from "./arrivals.ts";
import type { Pacer, Sender } from "./pacers.ts";
import type { Place } from "./place.ts";

export interface OpenPacerOptions {
  readonly schedule: Iterator<Due, void, undefined>;
  readonly places: readonly Place[];
  readonly sender: Sender;
  /** The stage's start by `clockMs`. */
  readonly originMs: number;
}

export class OpenPacer implements Pacer {
  readonly #options: OpenPacerOptions;
  readonly #timer = new FineTimer();
  readonly #free: Place[];
  #next: Due | null = null;
  #queue: Due[] = [];
  #head = 0;
  #hasEnded = false;

  constructor(options: OpenPacerOptions) {
    this.#options = options;
    this.#free = options.places.toReversed();
  }

  get turnedMs(): number {
    return this.#timer.turnedMs;
  }

  get waiting(): number {
    return this.#queue.length - this.#head;
  }

  *waitingSince(): Iterable<number> {
    for (let at = this.#head; at < this.#queue.length; at++) yield this.#queue[at]!.dueMs;
  }

  begin(): void {
    this.#advance();
    this.#arm();
  }

  freed(place: Place): void {
    const due = this.#hasEnded ? null : this.#takeWaiting();
    if (due === null) {
      this.#free.push(place);
      return;
    }
    const { sender } = this.#options;
    sender.waited(sender.nowMs() - due.dueMs);
    sender.send(place, due);
    this.#tellWhenExhausted();
  }

  end(endMs: number): void {
    if (this.#hasEnded) return;
    this.#timer.clear();
    while (this.#next !== null && this.#next.dueMs < endMs) this.#fire(this.#next);
    this.#hasEnded = true;
    this.#next = null;
    for (let due = this.#takeWaiting(); due !== null; due = this.#takeWaiting()) this.#options.sender.neverSent(due);
  }

  #arm(): void {
    if (this.#next === null) return this.#tellWhenExhausted();
    this.#timer.set(this.#options.originMs + this.#next.dueMs, () => {
      const nowMs = this.#options.sender.nowMs();
      while (this.#next !== null && this.#next.dueMs <= nowMs) this.#fire(this.#next);
      this.#arm();
    });
  }

  #fire(due: Due): void {
    const { sender } = this.#options;
    sender.late(Math.max(0, sender.nowMs() - due.dueMs));
    const place = this.waiting > 0 ? undefined : this.#free.pop();
    if (place === undefined) this.#queue.push(due);
    else sender.send(place, due);
    this.#advance();
  }

  #advance(): void {
    const { value } = this.#options.schedule.next();
    this.#next = value ?? null;
    if (this.#next !== null && this.waiting === 0) this.#options.sender.prepare(this.#next.index);
  }

  #takeWaiting(): Due | null {
    const due = this.#queue[this.#head];
    if (due === undefined) return null;
    this.#head++;
    // Shifting an array moves all of it; what was taken is dropped in large pieces instead.
    if (this.#head === this.#queue.length || this.#head === 4_096) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return due;
  }

  #tellWhenExhausted(): void {
    if (!this.#hasEnded && this.#next === null && this.waiting === 0) this.#options.sender.exhausted();
  }
}
