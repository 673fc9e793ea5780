/** What decides when the next request of a stage is sent. */
import type { Place } from "./place.ts";

/** A request to be sent: where in the schedule it stands, and when it was due. */
export interface Sending {
  readonly index: number;
  readonly dueMs: number;
}

/** The side of the stage that a pacer works on. */
export interface Sender {
  /** Milliseconds since the stage's start. */
  nowMs(): number;
  /** Builds what a request sends before it is due, so that building it makes nothing late. */
  prepare(index: number): void;
  send(place: Place, sending: Sending): void;
  neverSent(sending: Sending): void;
  /** How late the client came to a request that nothing but itself kept waiting. */
  late(lateMs: number): void;
  /** A request had to wait for a place in flight for so long. */
  waited(waitMs: number): void;
  /** Nothing more will be sent. */
  exhausted(): void;
}

export interface Pacer {
  /** Requests that are due and wait for a place. */
  readonly waiting: number;
  /** Time in which its thread only waited with precision: busy to look at, and free for anything else. */
  readonly turnedMs: number;
  /** When each of them was due; none where that is at the start for all. */
  waitingSince(): Iterable<number>;
  begin(): void;
  /** The request on this place is over. `isHasty`: it failed before any token. */
  freed(place: Place, isHasty: boolean): void;
  /** Sends nothing from here on: what was due before `endMs` and is not sent is told as never sent. */
  end(endMs: number): void;
}
