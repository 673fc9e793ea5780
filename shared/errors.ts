/**
 * Every error that Tiding raises on purpose, with what is to be done about it.
 *
 * One class and one table: the code names the cause, the table says which of the classes of "Flow control"
 * (ARCHITECTURE.md) it belongs to, and the engine acts on the class alone.
 */

/**
 * What the engine does about an error:
 * - `back-pressure`: the row waits its turn; no attempt is counted
 * - `transient`: tried again with full-jitter backoff, outside the slot
 * - `endpoint-down`: the circuit of that endpoint opens; other endpoints carry on
 * - `row`: the row becomes a failed row; the job goes on
 * - `job`: the job stops before it burns rows; it can be resumed
 * - `usage`: the command, the spec or the input is wrong; nothing was started
 * - `engine`: the engine's own storage or protocol failed; the job stops and can be resumed
 */
export type ErrorClass = "back-pressure" | "transient" | "endpoint-down" | "row" | "job" | "usage" | "engine";

export const ERROR_CODES = {
  ENDPOINT_SATURATED: "back-pressure",

  ENDPOINT_ERROR: "transient",
  CONNECTION_LOST: "transient",
  RESPONSE_INVALID: "transient",
  STREAM_TRUNCATED: "transient",
  REQUEST_TIMEOUT: "transient",
  LLM_FAILED: "transient",

  ENDPOINT_UNREACHABLE: "endpoint-down",
  ENDPOINT_LOADING: "endpoint-down",
  ENDPOINT_REFUSED_KEY: "endpoint-down",

  REQUEST_REJECTED: "row",
  CONTEXT_TOO_LONG: "row",
  CONTENT_FILTERED: "row",
  ANSWER_CUT: "row",
  ANSWER_MISFIT: "row",
  NO_INSTRUCTION: "row",
  TASK_FAILED: "row",
  ROW_INVALID: "row",
  ROW_POISON: "row",
  OUTPUT_MISFIT: "row",
  BATCH_REQUEST_FAILED: "row",
  AWAITS_BATCH: "row",

  UNAUTHORIZED: "job",
  MODEL_NOT_FOUND: "job",
  WRONG_SERVICE: "job",
  QUOTA_EXHAUSTED: "job",
  ENDPOINT_NOT_RUNNING: "job",
  NO_ENDPOINT: "job",
  BATCH_FAILED: "job",
  ROWS_FAIL_ALIKE: "job",
  TASK_INVALID: "job",

  SPEC_INVALID: "usage",
  SPEC_UNREADABLE: "usage",
  ENDPOINT_NOT_FOUND: "usage",
  ENDPOINT_CONFLICT: "usage",
  ENDPOINT_ORDER_INVALID: "usage",
  NOT_BUILT: "usage",
  USAGE: "usage",
  SECRET_MISSING: "usage",
  MODULE_INVALID: "usage",
  PACKAGE_MISSING: "usage",
  TOKENIZER_UNUSABLE: "usage",
  INPUT_MISSING: "usage",
  INPUT_UNREADABLE: "usage",
  INPUT_CHANGED: "usage",
  COLUMN_MISSING: "usage",
  COLUMN_COLLISION: "usage",
  OUTPUT_OTHER_JOB: "usage",
  OUTPUT_IN_USE: "usage",
  OUTPUT_UNWRITABLE: "usage",
  OUTPUT_NOT_A_JOB: "usage",
  BROKER_REFUSED: "usage",
  BROKER_UNFIT: "usage",
  BROKER_MISSING: "usage",
  BROKER_FAILED: "usage",
  CODE_MISMATCH: "usage",

  BROKER_UNREACHABLE: "engine",
  BROKER_FULL: "engine",
  PROTOCOL_MISMATCH: "engine",
  OUTPUT_DAMAGED: "engine",
  OWNERSHIP_LOST: "engine",
  DISK_FULL: "engine",
  STORE_DAMAGED: "engine",
  FENCED: "engine",
  INTERNAL: "engine",
} as const satisfies Record<string, ErrorClass>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface TidingErrorOptions {
  /** Where it happened: a file with its line, a spec key, a column, an endpoint. */
  readonly place?: string;
  /** What the reader can do about it, as a sentence. */
  readonly mend?: string;
  /** Ids, sizes and statuses only: never prompts, answers, headers or keys. */
  readonly details?: Readonly<Record<string, string | number>>;
  /** For `back-pressure` and `transient`: how long the server asked us to wait, in milliseconds. */
  readonly retryAfterMs?: number;
  /** The server's answer, for the failed row alone; it never reaches the message or a log. */
  readonly rawResponse?: string;
  /** See the field. */
  readonly isUnsent?: boolean;
  readonly cause?: unknown;
}

/** An error with a code, a place and a mend. Match on `code`; two copies of the package defeat `instanceof`. */
export class TidingError extends Error {
  override readonly name = "TidingError";
  readonly code: ErrorCode;
  readonly place: string | undefined;
  readonly mend: string | undefined;
  readonly details: Readonly<Record<string, string | number>>;
  readonly retryAfterMs: number | undefined;
  readonly rawResponse: string | undefined;
  /**
   * No request was made for it, and nothing learned of the endpoint: in the classes `row`, `usage` and `engine` its slots
   * and its circuit stay as they were. An LLM may set it on an error whose raiser cannot know, as of a chat template.
   */
  isUnsent: boolean;

  constructor(code: ErrorCode, message: string, options: TidingErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.place = options.place;
    this.mend = options.mend;
    this.details = options.details ?? {};
    this.retryAfterMs = options.retryAfterMs;
    this.isUnsent = options.isUnsent ?? false;
    // Kept out of enumeration, so that printing an error never prints an answer.
    this.rawResponse = undefined;
    Object.defineProperty(this, "rawResponse", { value: options.rawResponse, enumerable: false });
  }

  get class(): ErrorClass {
    return ERROR_CODES[this.code];
  }
}

export function isTidingError(error: unknown): error is TidingError {
  return error instanceof Error && error.name === "TidingError" && "code" in error && String(error.code) in ERROR_CODES;
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The error itself where Tiding raised it; anything else is a defect of ours, `INTERNAL`. */
export function asTidingError(error: unknown): TidingError {
  return isTidingError(error) ? error : new TidingError("INTERNAL", messageOf(error), { cause: error });
}
