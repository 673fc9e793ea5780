import type { ServerResponse } from "node:http";
import type { GenerationCall } from "./generation-call.ts";
import type { TextHash } from "./hash.ts";

/** One request that was let in. */
export interface Turn {
  readonly call: GenerationCall;
  readonly response: ServerResponse;
  readonly hash: TextHash;
  /** How often its prompt was let in, this time included. */
  readonly nth: number;
  /** When it had come, by `clockMs`. */
  readonly arrivedMs: number;
  /** The same moment by `performance.now()`, as all times of the log. */
  readonly startMs: number;
  readonly inFlight: number;
  /** What is logged when the client leaves before the answer. */
  outcomeWhenDropped: "dropped" | "hang";
  /** Stops what would still be done for it. Called once, when the client leaves. */
  stop: (() => void) | null;
  /** Of the time since `startMs`, what it waited for a place in a batch. */
  queuedMs: number;
  /** When its tokens were written, by the clock of `startMs`; null where nobody asks. */
  readonly tokensMs: number[] | null;
  /** The status that went out already, 0 for none. */
  status: number;
  ended: boolean;
}
