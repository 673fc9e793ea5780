/** Tries a request to a server's API again while what stands in its way may pass. */
import { setTimeout as delay } from "node:timers/promises";
import { isTidingError, TidingError } from "../../shared/errors.ts";

const BASE_MS = 500;
const CAP_MS = 30_000;
const PASSING = ["transient", "back-pressure", "endpoint-down"];

export interface Patience {
  /** From the first failure on. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
  readonly onNotice: (notice: string) => void;
}

/**
 * Rejects with the last error once `waitMs` are over, with the signal's reason, and at once with errors that do not pass;
 * a plain refusal of the request becomes `BATCH_FAILED`.
 */
export async function patiently<T>(ask: () => Promise<T>, { waitMs, signal, onNotice }: Patience): Promise<T> {
  let failedAtMs: number | null = null;
  for (let failures = 1; ; failures++) {
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (!isTidingError(error)) throw error;
      if (error.class === "row") throw refused(error);
      const nowMs = performance.now();
      if (failedAtMs === null) {
        failedAtMs = nowMs;
        if (PASSING.includes(error.class)) onNotice(`${error.message} Trying again.`);
      }
      if (!PASSING.includes(error.class) || nowMs - failedAtMs >= waitMs) throw error;
      const jitterMs = Math.random() * Math.min(CAP_MS, BASE_MS * 2 ** failures);
      await delay(Math.max(error.retryAfterMs ?? 0, jitterMs), undefined, { signal }).catch(() =>
        signal.throwIfAborted(),
      );
    }
  }
}

function refused({ message, place }: TidingError): TidingError {
  return new TidingError("BATCH_FAILED", message, {
    ...(place === undefined ? {} : { place }),
    mend: "Mend what the server says, then run the same command again: nothing that is answered is paid for twice.",
  });
}
