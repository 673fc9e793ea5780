/** What a job shows of itself: while it runs (`JobProgress`) and when it stopped (`JobReport`). One shape for views, `--json` and programs. */
import type { ErrorClass, ErrorCode } from "../errors.ts";

export interface RowCounts {
  /** Rows in the dataset; a row with several generations counts once. */
  readonly accepted: number;
  readonly failed: number;
  /** Rows of the job, or null while the input is not read to its end. */
  readonly total: number | null;
}

export interface EndpointProgress {
  readonly endpoint: string;
  readonly slots: number;
  readonly inUse: number;
  readonly circuit: "closed" | "open" | "half-open";
  /** Why the circuit is open. */
  readonly reason: string | null;
}

export interface CallCounts {
  /** Requests sent, retries included. */
  readonly requests: number;
  readonly answers: number;
  readonly retries: Readonly<Record<ErrorClass, number>>;
  /** Answers cut by the token limit. */
  readonly cutByLength: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface JobProgress {
  readonly state: "starting" | "running" | "waiting" | "draining" | "finishing" | "finished" | "stopped";
  /** What `waiting` waits for, in a sentence. */
  readonly waitingFor: string | null;
  readonly rows: RowCounts;
  /** About how many rows the job has, while `rows.total` is not known. */
  readonly estimatedTotal: number | null;
  /** Rows that were done before this run began. */
  readonly rowsBefore: number;
  readonly rowsRunning: number;
  readonly calls: CallCounts;
  readonly endpoints: readonly EndpointProgress[];
  readonly elapsedMs: number;
  /** Over the last 10 seconds. */
  readonly rowsPerSecond: number;
  readonly inputTokensPerSecond: number;
  readonly outputTokensPerSecond: number;
  readonly etaMs: number | null;
}

/** `parked` waits for an offline batch; nothing of it is running. */
export type JobOutcome = "finished" | "finished-with-failed-rows" | "interrupted" | "stopped" | "parked";

/** An offline batch of a job that has not finished. */
export interface BatchProgress {
  /** From 1, in the order in which they were written. */
  readonly number: number;
  /** The server's name for it; null for one that has not been submitted yet. */
  readonly id: string | null;
  /** The server's word, as it was last heard. */
  readonly status: string;
  readonly requests: number;
  /** Of its requests, as the server last said; null where it does not. */
  readonly completed: number | null;
  readonly failed: number | null;
  /** ISO 8601. */
  readonly expiresAt: string | null;
  /** Its results have been collected. */
  readonly isSettled: boolean;
}

export interface FailureCount {
  readonly code: ErrorCode;
  readonly rows: number;
  /** One message as an example; never a prompt or an answer. */
  readonly example: string;
}

/** A dedicated endpoint that a job left running, or may have. */
export interface EndpointLeft {
  /** `namespace/name` */
  readonly endpoint: string;
  /** When the job began to use it, ISO 8601. */
  readonly since: string;
  /** US dollars while it runs; null where Hugging Face does not say. */
  readonly pricePerHour: number | null;
  /** Why it was not stopped though it should have been; null where it was to be left. */
  readonly problem: string | null;
  /** Stops it by hand. */
  readonly command: string;
}

export interface JobReport {
  readonly version: 1;
  readonly job: string;
  readonly name: string;
  readonly outcome: JobOutcome;
  readonly output: string;
  readonly format: string;
  readonly parts: number;
  readonly bytes: number;
  readonly rows: RowCounts;
  /** Rows that no run will pay for again: those above, and those that wait in the log to be made a part. */
  readonly committed: number;
  /** Of this run alone. */
  readonly run: {
    readonly rows: number;
    readonly elapsedMs: number;
    readonly calls: CallCounts;
    readonly rowsPerSecond: number;
    /** Mean share of all slots that were in use from the first request to the last dispatched row. */
    readonly slotUse: number | null;
  };
  readonly failures: readonly FailureCount[];
  /** Dedicated endpoints of the job's that may run on. */
  readonly endpoints: readonly EndpointLeft[];
  /** Absent for a job without offline batches. */
  readonly batches?: readonly BatchProgress[];
  /** Why the job stopped, for `stopped`. */
  readonly error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly mend: string | null;
    readonly place: string | null;
  } | null;
}
