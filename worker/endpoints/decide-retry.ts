/** What becomes of a call after an error: one pure function over the error's class. */
import type { TidingError } from "../../shared/errors.ts";

export type Decision =
  /** Back-pressure: to the head of the line at once; the endpoint rests for so long. No attempt is counted. */
  | { readonly kind: "wait-turn"; readonly restMs: number }
  /** Transient: to the head of the line after so long, one attempt poorer. */
  | { readonly kind: "back-off"; readonly afterMs: number }
  /** The endpoint is at fault and its circuit open: to the head of the line. No attempt is counted. */
  | { readonly kind: "reroute" }
  | { readonly kind: "fail-row" }
  | { readonly kind: "stop-job" };

export interface RetryCircumstances {
  /** Which attempt this was, from 1. */
  readonly attempt: number;
  readonly attempts: number;
  /** Bursts of back-pressure at this endpoint with no answer between, this one included. */
  readonly saturations: number;
  /** With this error the endpoint's circuit is no longer closed: the outage explains the failure, not the row. */
  readonly isEndpointDown: boolean;
  readonly hasOtherEndpoints: boolean;
  readonly random: () => number;
}

const BASE_MS = 500;
const CAP_MS = 60_000;
/** A server may ask for hours; the endpoint is looked at again after this long. */
const RETRY_AFTER_CAP_MS = 300_000;
/** Job errors that concern one endpoint, so that others may still carry the job. */
const REFUSALS = new Set([
  "UNAUTHORIZED",
  "MODEL_NOT_FOUND",
  "WRONG_SERVICE",
  "QUOTA_EXHAUSTED",
  "ENDPOINT_NOT_RUNNING",
]);

export function decideRetry(error: TidingError, circumstances: RetryCircumstances): Decision {
  const { attempt, attempts, saturations, isEndpointDown, hasOtherEndpoints, random } = circumstances;
  const floorMs = Math.min(error.retryAfterMs ?? 0, RETRY_AFTER_CAP_MS);
  switch (error.class) {
    case "back-pressure":
      return { kind: "wait-turn", restMs: Math.max(floorMs, fullJitter(saturations, random)) };
    case "transient":
      if (isEndpointDown) return { kind: "reroute" };
      if (attempt >= attempts) return { kind: "fail-row" };
      return { kind: "back-off", afterMs: Math.max(floorMs, fullJitter(attempt, random)) };
    case "endpoint-down":
      return { kind: "reroute" };
    case "row":
      return { kind: "fail-row" };
    case "job":
      return isRefusal(error) && hasOtherEndpoints ? { kind: "reroute" } : { kind: "stop-job" };
    case "usage":
    case "engine":
      return { kind: "stop-job" };
  }
}

/** A job error of one endpoint. */
export function isRefusal(error: TidingError): boolean {
  return REFUSALS.has(error.code);
}

/**
 * The row, the spec or the program is at fault and no request was made. Errors of other classes blame an endpoint, and are
 * believed whether one was made or not: an LLM that cannot connect has sent nothing either.
 */
export function saysNothingOfEndpoint(error: TidingError): boolean {
  return error.isUnsent && (error.class === "row" || error.class === "usage" || error.class === "engine");
}

function fullJitter(time: number, random: () => number): number {
  return random() * Math.min(CAP_MS, BASE_MS * 2 ** (time - 1));
}
