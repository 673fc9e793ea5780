/**
 * Whether an endpoint may be sent requests. Pure: no clock, no I/O.
 *
 *   closed --failures--> open --probe-started--> half-open --answer--> closed
 *                         ^                          |
 *                         +--failure, longer wait----+
 *
 * It opens at once on an error that says that no request can succeed now (unreachable, loading, refused), and when ten
 * different calls failed transiently over at least a second with no answer between. Different calls, because one row that
 * breaks the server at each try must run out of attempts, not take the endpoint down; a second, because one restart resets
 * all requests in flight in the same instant; and not longer, because retries made meanwhile count as attempts.
 *
 * Half-open begins with the LLM's own probe, which costs nothing. After it requests are let in one at a time at
 * shrinking gaps, because a server that fails fails fast, and an answer may be a minute away.
 */
import type { TidingError } from "../../shared/errors.ts";

export type Circuit =
  | { readonly kind: "closed"; readonly failingSinceMs: number; readonly failedCalls: readonly number[] }
  | {
      readonly kind: "open";
      readonly error: TidingError;
      readonly sinceMs: number;
      readonly probeAtMs: number;
      readonly waitMs: number;
    }
  | {
      readonly kind: "half-open";
      readonly error: TidingError;
      readonly sinceMs: number;
      readonly waitMs: number;
      /** When the next request is let in; infinite until the probe passed. */
      readonly trialAtMs: number;
      readonly gapMs: number;
    };

export interface Failure {
  readonly error: TidingError;
  /** Number of the call that failed, retries of it included. */
  readonly call: number;
  readonly nowMs: number;
}

export interface UnsentCall {
  readonly takenAtMs: number;
  readonly nowMs: number;
}

export const CALLS_TO_OPEN = 10;
export const MS_TO_OPEN = 1_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const FIRST_GAP_MS = 400;

export const CLOSED: Circuit = { kind: "closed", failingSinceMs: 0, failedCalls: [] };

export function mayCall(circuit: Circuit, nowMs: number): boolean {
  return circuit.kind === "closed" || (circuit.kind === "half-open" && nowMs >= circuit.trialAtMs);
}

/** After an answer of any kind, a rejection of the row included: the server works. */
export function afterAnswer(circuit: Circuit, sentAtMs: number): Circuit {
  if (circuit.kind === "closed") return circuit.failedCalls.length === 0 ? circuit : CLOSED;
  // A server that shuts down still answers what it has, while it refuses what is new.
  const isFromBefore = circuit.error.class !== "transient" && sentAtMs < circuit.sinceMs;
  return isFromBefore ? circuit : CLOSED;
}

/** After an error of class `transient`, `endpoint-down` or `job`. */
export function afterFailure(circuit: Circuit, { error, call, nowMs }: Failure): Circuit {
  if (circuit.kind !== "closed" || error.class !== "transient") return opened(circuit, error, nowMs);
  if (circuit.failedCalls.includes(call)) {
    return hasFailedEnough(circuit.failedCalls, nowMs - circuit.failingSinceMs)
      ? opened(circuit, error, nowMs)
      : circuit;
  }
  const failingSinceMs = circuit.failedCalls.length === 0 ? nowMs : circuit.failingSinceMs;
  const failedCalls =
    circuit.failedCalls.length >= CALLS_TO_OPEN ? circuit.failedCalls : [...circuit.failedCalls, call];
  if (hasFailedEnough(failedCalls, nowMs - failingSinceMs)) return opened(circuit, error, nowMs);
  return { kind: "closed", failingSinceMs, failedCalls };
}

/** After a probe that failed, whatever its error. */
export function opened(circuit: Circuit, error: TidingError, nowMs: number): Circuit {
  switch (circuit.kind) {
    case "closed":
      return { kind: "open", error, sinceMs: nowMs, probeAtMs: nowMs + FIRST_WAIT_MS, waitMs: FIRST_WAIT_MS };
    case "open": // A request that was in flight when it opened.
      return circuit;
    case "half-open": {
      const waitMs = Math.min(LONGEST_WAIT_MS, circuit.waitMs * 2);
      return { kind: "open", error, sinceMs: circuit.sinceMs, probeAtMs: nowMs + waitMs, waitMs };
    }
  }
}

export function afterProbeStarted(circuit: Circuit): Circuit {
  if (circuit.kind !== "open") return circuit;
  const { error, sinceMs, waitMs } = circuit;
  return { kind: "half-open", error, sinceMs, waitMs, trialAtMs: Number.POSITIVE_INFINITY, gapMs: FIRST_GAP_MS };
}

export function afterProbePassed(circuit: Circuit, nowMs: number): Circuit {
  return circuit.kind === "half-open" && circuit.trialAtMs === Number.POSITIVE_INFINITY
    ? { ...circuit, trialAtMs: nowMs }
    : circuit;
}

/** After a request was let in. */
export function afterCall(circuit: Circuit, nowMs: number): Circuit {
  if (circuit.kind !== "half-open") return circuit;
  return { ...circuit, trialAtMs: nowMs + circuit.gapMs, gapMs: circuit.gapMs / 2 };
}

/** After a call that was let in at `takenAtMs` and sent nothing: the trial that it stood for is still to be made. */
export function afterNothingSent(circuit: Circuit, { takenAtMs, nowMs }: UnsentCall): Circuit {
  if (circuit.kind !== "half-open" || circuit.trialAtMs === Number.POSITIVE_INFINITY) return circuit;
  if (takenAtMs < circuit.sinceMs) return circuit;
  const gapMs = Math.min(FIRST_GAP_MS, circuit.gapMs * 2);
  return { ...circuit, trialAtMs: Math.min(circuit.trialAtMs, nowMs), gapMs };
}

function hasFailedEnough(failedCalls: readonly number[], overMs: number): boolean {
  return failedCalls.length >= CALLS_TO_OPEN && overMs >= MS_TO_OPEN;
}
