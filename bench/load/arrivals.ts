/**
 * When requests are due. Open-loop arrivals are an absolute schedule, computed and never slept: request i is due where the
 * cumulative rate reaches i (constant), or the sum of i + 1 exponential gaps of mean 1 (Poisson). A ramp bends the
 * cumulative rate, and inverting it keeps both exact:
 *
 *   rate(t)  = R t / T                     within the ramp of T,  R after it
 *   count(t) = R t² / 2T                                          R (t − T / 2)
 *   due(n)   = √(2 n T / R)                for n < R T / 2,       n / R + T / 2
 *
 * Several threads each walk the whole schedule and keep the requests of their own index, so that together they are the one
 * schedule, whatever their number. (Seeding a generator in each worker gives every worker the same gaps: bursts.)
 */
import { draw, hashText } from "../simulator/hash.ts";
import type { StageLoad } from "./stage-load.ts";

/** Of `of` threads this is number `part`, from 0. */
export interface Share {
  readonly part: number;
  readonly of: number;
}

export interface Due {
  /** Position in the whole schedule. */
  readonly index: number;
  /** Milliseconds since the stage's start. */
  readonly dueMs: number;
}

type ScheduledLoad = Pick<StageLoad, "arrivals" | "seconds" | "requests" | "rampSeconds" | "seed">;

/** Yields what is due, in order, until the load's seconds or requests are used up. Of a constant or a Poisson load. */
export function* schedule(load: ScheduledLoad, share: Share = { part: 0, of: 1 }): Generator<Due, void, undefined> {
  const { arrivals, seconds, requests, rampSeconds, seed } = load;
  if (arrivals.kind !== "constant" && arrivals.kind !== "poisson") return;
  const ratePerMs = arrivals.rate / 1_000;
  const endMs = (seconds ?? Number.POSITIVE_INFINITY) * 1_000;
  const source = hashText(`arrivals ${seed}`);
  let sum = 0;
  for (let index = 0; index < (requests ?? Number.POSITIVE_INFINITY); index++) {
    if (arrivals.kind === "poisson") sum += -Math.log(1 - draw(source, 1, index));
    const dueMs = dueAt(arrivals.kind === "poisson" ? sum : index, ratePerMs, rampSeconds * 1_000);
    if (dueMs >= endMs) return;
    if (index % share.of === share.part) yield { index, dueMs };
  }
}

/** When the cumulative rate reaches `count`. */
function dueAt(count: number, ratePerMs: number, rampMs: number): number {
  const inRamp = (ratePerMs * rampMs) / 2;
  return count < inRamp ? Math.sqrt((2 * count * rampMs) / ratePerMs) : count / ratePerMs + rampMs / 2;
}

/** When each place in flight of a closed loop is first used: at once, or one after another over the ramp. Of one share. */
export function openings(concurrency: number, rampSeconds: number, share: Share = { part: 0, of: 1 }): number[] {
  const times = Array.from({ length: concurrency }, (_, place) => (place * rampSeconds * 1_000) / concurrency);
  return times.filter((_, place) => place % share.of === share.part);
}

/** How many of `count` fall to a share, as they are dealt out by index. */
export function sizeOfShare(count: number, { part, of }: Share): number {
  return Math.ceil(Math.max(0, count - part) / of);
}
