/**
 * Which requests go wrong, and how. Drawn from the prompt's hash, how often the prompt was seen, and a seed: the same in
 * every run, while a retry of the same prompt draws anew and may succeed.
 *
 *   429                 TGI's overload: status 429 without Retry-After; an error event inside a 200 stream
 *   429-retry-after     a gateway's: status 429 with Retry-After, for streams too
 *   503, 503-retry-after  a proxy's, without and with Retry-After
 *   500                 status 500, `incomplete_generation`
 *   422                 TGI's rejection of the request; an error event inside a 200 stream
 *   reset               the connection is reset before the first byte
 *   truncated-body      half of the body, then the connection closes
 *   truncated-stream    half of the events, then a clean end without the last ones; for a plain answer `truncated-body`
 *   error-in-200        status 200 with TGI's `generation` error as the body, or after half of the events
 *   garbage-json        status 200 with half of the JSON, its length correct; in a stream half of one event
 *   html-200            status 200 with a proxy's HTML page
 *   slow-first-byte     the right answer, `faultDelayMs` late
 *   hang                nothing comes, ever; in a stream nothing after the first event
 *   batch-failure       halfway, with `generation`: status 424, or an error event; with it whatever else its batch ran
 *   latency-spike       the right answer with a pause of `faultDelayMs` after its first token, for its whole batch
 *   odd-chunks          the right answer in writes that end in the midst of events and hold parts of several
 *
 * 429, 503, 422 and html-200 come at once, the others when the answer is due; in a batch, when its place gives the token.
 */

import { draw } from "./hash.ts";
import type { TextHash } from "./hash.ts";

export const FAULT_KINDS = [
  "429",
  "429-retry-after",
  "503",
  "503-retry-after",
  "500",
  "422",
  "reset",
  "truncated-body",
  "truncated-stream",
  "error-in-200",
  "garbage-json",
  "html-200",
  "slow-first-byte",
  "hang",
  "batch-failure",
  "latency-spike",
  "odd-chunks",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** The share of requests that meet each kind; together at most 1. */
export type FaultRates = Readonly<Partial<Record<FaultKind, number>>>;

/** Kinds that a server or proxy answers before any generation. */
export const IMMEDIATE: ReadonlySet<FaultKind> = new Set([
  "429",
  "429-retry-after",
  "503",
  "503-retry-after",
  "422",
  "html-200",
] as const);

/** The fault of the `nth` (from 1) time that this prompt is seen, or null. */
export function drawFault(
  hash: TextHash,
  nth: number,
  options: { readonly rates: FaultRates; readonly seed: number },
): FaultKind | null {
  let remaining = draw(hash, 4, nth, options.seed);
  for (const kind of FAULT_KINDS) {
    remaining -= options.rates[kind] ?? 0;
    if (remaining < 0) return kind;
  }
  return null;
}
