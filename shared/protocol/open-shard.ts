/**
 * How a shard is opened, seen from its newest record: which rows are done, how it is to be run, and which row is to
 * blame when its owners keep dying.
 *
 *   together ──lost `LOSSES_UNTIL_ALONE` times without a commit──► alone ──the same row lost three times──► quarantined
 *
 * Only code that is not Tiding's own can take a process down with a row, so only a job that runs such code is under
 * suspicion: a built-in task's row that hangs while its owners are killed by hand is healthy.
 *
 * Pure. A commit by any owner puts the shard back to `together`, so that random deaths of machines never add up to a
 * verdict on a healthy row.
 */
import { Bitmap } from "../rows/bitmap.ts";
import type { CommitRecord } from "./commit-record.ts";

export const LOSSES_UNTIL_ALONE = 3;
export const LOSSES_OF_A_POISON_ROW = 3;

export interface Opening {
  readonly epoch: number;
  readonly done: Bitmap;
  readonly lost: number;
  readonly suspect: { readonly position: number; readonly times: number } | null;
  /** Run one row at a time, with a start record for each. */
  readonly alone: boolean;
  /** The row that took its owners down and is to fail without being run again. */
  readonly poison: number | null;
}

export interface ShardToOpen {
  readonly size: number;
  /** Positions that are to be run; null for all. */
  readonly only: Bitmap | null;
  /** The job runs a task or an LLM of the user's own. */
  readonly runsForeignCode: boolean;
}

export function nextOpening(tail: CommitRecord | null, { size, only, runsForeignCode }: ShardToOpen): Opening {
  if (tail === null) {
    const done = only === null ? new Bitmap(size) : Bitmap.full(size).without(only);
    return { epoch: 1, done, lost: 0, suspect: null, alone: false, poison: null };
  }
  const lost = lossesAfter(tail);
  const suspect = suspectAfter(tail);
  const poison =
    runsForeignCode && suspect !== null && suspect.times >= LOSSES_OF_A_POISON_ROW ? suspect.position : null;
  return {
    epoch: tail.epoch + 1,
    done: Bitmap.fromText(size, tail.done),
    lost,
    suspect,
    alone: runsForeignCode && lost >= LOSSES_UNTIL_ALONE,
    poison,
  };
}

function lossesAfter(tail: CommitRecord): number {
  switch (tail.type) {
    case "open":
      return tail.lost + 1;
    case "start":
      return Math.max(tail.lost, LOSSES_UNTIL_ALONE);
    case "rows":
      return 1;
    case "release":
    case "reopen":
      return tail.lost;
  }
}

function suspectAfter(tail: CommitRecord): Opening["suspect"] {
  if (tail.type !== "start") return tail.type === "rows" ? null : tail.suspect;
  const before = tail.suspect?.position === tail.position ? tail.suspect.times : 0;
  return { position: tail.position, times: before + 1 };
}
