import { Wakeup } from "../../wakeup.ts";
import { isPassing, type LogEntry, type Position } from "../transport.ts";
import type { NatsCalls } from "./nats-calls.ts";

/** Entries that are asked for at once. */
const WIDEST = 64;
const FIRST_LOOK_MS = 5;
const LAST_LOOK_MS = 1_000;

export interface NumberedEntry {
  readonly sequence: number;
  readonly entry: LogEntry;
}

/** Tells that something may have come; each ring counts. */
export class Hints {
  readonly wakeup = new Wakeup();
  count = 0;

  ring(): void {
    this.count += 1;
    this.wakeup.notify();
  }
}

export interface LogSource {
  readonly calls: NatsCalls;
  /** The first entry of the job at that sequence or behind it; null while there is none. */
  readonly firstFrom: (sequence: number) => Promise<NumberedEntry | null>;
  readonly verify: (position: Position) => Promise<boolean>;
  readonly sequenceOf: (position: Position) => number;
  readonly hints: Hints;
  /** The log is not the one that was read from: reading begins anew. */
  readonly onRolledBack: () => void;
}

/**
 * Reads a log without a consumer, by asking for what lies at the next sequences: an old server's consumer (before
 * 2.10.11) skips entries when other shards are trimmed, and there is nothing to be set up again after a reconnect.
 */
export async function* readLog(
  source: LogSource,
  from: Position | null,
  signal: AbortSignal,
): AsyncGenerator<LogEntry, void, void> {
  const { calls, hints } = source;
  const { closing, health } = calls;
  const isOver = (): boolean => closing.aborted || signal.aborted;
  let last = from;
  let checkedIn = from === null ? health.session : null;
  let next = from === null ? 1 : source.sequenceOf(from) + 1;
  let width = 1;
  let lookAgainMs = FIRST_LOOK_MS;
  while (!isOver()) {
    const heard = hints.count;
    let found: readonly NumberedEntry[];
    try {
      const { session } = health;
      if (checkedIn !== session) {
        if (last !== null && !(await source.verify(last))) {
          last = null;
          next = 1;
          source.onRolledBack();
        }
        checkedIn = session;
      }
      found = await readWindow(source, next, width);
      // Another store may have answered.
      if (checkedIn !== health.session) continue;
    } catch (error) {
      if (isOver()) return;
      if (!isPassing(error)) throw error;
      await calls.pause(LAST_LOOK_MS / 2, signal);
      continue;
    }
    for (const { sequence, entry } of found) {
      if (isOver()) return;
      last = entry.position;
      next = sequence + 1;
      yield entry;
    }
    width = Math.min(WIDEST, 2 * found.length + 1);
    if (found.length > 0) {
      lookAgainMs = FIRST_LOOK_MS;
    } else if (heard === hints.count) {
      await hints.wakeup.wait({ ms: lookAgainMs, signals: [closing, signal] });
      lookAgainMs = heard === hints.count ? Math.min(LAST_LOOK_MS, 2 * lookAgainMs) : FIRST_LOOK_MS;
    } else {
      // A hint is sent out before its entry is stored.
      await calls.pause(FIRST_LOOK_MS, signal);
      lookAgainMs = FIRST_LOOK_MS;
    }
  }
}

/**
 * Entries from `start` on with none left out. An answer says what follows its sequence, for ever, since sequences only grow;
 * only "none yet" may be overtaken by an answer that was given later.
 */
async function readWindow(source: LogSource, start: number, width: number): Promise<readonly NumberedEntry[]> {
  const asked = Array.from({ length: width }, (_, index) => source.firstFrom(start + index));
  const found: NumberedEntry[] = [];
  for (const answer of await Promise.all(asked)) {
    if (answer === null) break;
    if (answer.sequence !== found.at(-1)?.sequence) found.push(answer);
  }
  return found;
}
