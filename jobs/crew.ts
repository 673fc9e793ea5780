/** Those who work on a job, as whoever runs it sees them: one worker in this process, or any number elsewhere. */
import type { CallCounts, EndpointProgress } from "../shared/observe/job-report.ts";
import type { SlotUse } from "../worker/endpoints/slot-use.ts";

export interface CrewNumbers {
  /** Rows that were finished since this run began, committed or about to be. */
  readonly accepted: number;
  readonly failed: number;
  readonly rowsRunning: number;
  /** No row waits to be started: from now on slots may come free for good. */
  readonly hasStartedAll: boolean;
  readonly calls: CallCounts;
  readonly endpoints: readonly EndpointProgress[];
  readonly slotUse: SlotUse;
  /** What the job waits for, in a sentence; null while it goes on. */
  readonly waitingFor: string | null;
  /** What keeps the transport from carrying it, which whoever opened the transport tells of; null while nothing does. */
  readonly trouble: string | null;
}

export interface Crew {
  numbers(): CrewNumbers;
  /** Slots of all endpoints, as far as they are known. */
  readonly slots: number;
  /**
   * Starts no more rows, gives those that run `graceMs` to finish, and resolves when what is finished is committed and the
   * rest handed back. Aborting `now` ends the grace.
   */
  drain(graceMs: number, now: AbortSignal): Promise<void>;
  /** The job is finished: nobody has anything of it left. */
  dismiss(): Promise<void>;
  /** Ends this process's part in it, and tells nobody: the job may be another owner's now. Idempotent. */
  close(): Promise<void>;
}
