/** Removes records that nobody needs any more. Ages are the broker's, so nothing hangs on clocks of machines. */
import { isTidingError } from "../shared/errors.ts";
import { COORDINATOR_RECORDS } from "../shared/protocol/coordinator-record.ts";
import { decodeJobRecord, JOB_RECORDS } from "../shared/protocol/job-record.ts";
import { decodeStanding, STANDINGS } from "../shared/protocol/standing-record.ts";
import { submissionKey } from "../shared/protocol/submission-record.ts";
import { WORKER_RECORDS } from "../shared/protocol/worker-record.ts";
import type { ListedState, StateStore } from "../shared/transport/transport.ts";
import { hasEnded } from "./next-move.ts";

const HOUR_MS = 3_600_000;

/** How old, in milliseconds, records become at most. */
export interface RecordAges {
  /** Of workers and coordinators that are silent, and of jobs that are over. */
  readonly silent: number;
  /** Of submitted jobs that ended. */
  readonly ended: number;
}

export const RECORD_AGES: RecordAges = { silent: HOUR_MS, ended: 30 * 24 * HOUR_MS };

/** A record that its owner still writes comes back with its next beat. */
export async function tidyRecords(state: StateStore, { silent, ended }: RecordAges = RECORD_AGES): Promise<void> {
  for (const prefix of [WORKER_RECORDS, COORDINATOR_RECORDS]) {
    for (const { key, ageMs } of await state.list(prefix)) if (ageMs > silent) await state.drop(key);
  }
  for (const record of await state.list(JOB_RECORDS)) {
    const isOver = record.ageMs > silent && unlessUnreadable(() => decodeJobRecord(record.value).state === "over");
    if (isOver) await state.drop(record.key);
  }
  for (const record of await state.list(STANDINGS)) {
    if (record.ageMs <= ended || !hasEndedBy(record)) continue;
    await state.drop(submissionKey(record.key.slice(STANDINGS.length)));
    await state.drop(record.key);
  }
}

function hasEndedBy({ value }: ListedState): boolean {
  return unlessUnreadable(() => hasEnded(decodeStanding(value).state));
}

/** What another version of Tiding wrote is left to it. */
function unlessUnreadable(look: () => boolean): boolean {
  try {
    return look();
  } catch (error) {
    if (!isTidingError(error)) throw error;
    return false;
  }
}
