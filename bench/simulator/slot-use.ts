import type { RequestLogEntry } from "./request-log.ts";

/**
 * The mean number of requests in flight between two times (milliseconds since 1970), as the server saw them. Only ended
 * requests are in a log: read it after the simulator was closed, or count up to a time when none was in flight.
 */
export function meanInFlight(log: readonly RequestLogEntry[], fromMs: number, toMs: number): number {
  let busyMs = 0;
  for (const { startMs, endMs } of log) busyMs += Math.max(0, Math.min(endMs, toMs) - Math.max(startMs, fromMs));
  return toMs > fromMs ? busyMs / (toMs - fromMs) : 0;
}
