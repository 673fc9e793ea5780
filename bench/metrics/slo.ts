/** Whether a request met the service-level objective. */
import type { RequestRecord } from "../load/request-record.ts";
import type { SloLimits } from "../report/bench-report.ts";

/**
 * Whether an answer came and met every limit, counted from when the request was due. An answer without a token meets none. Of
 * an answer in one event no time a token is known, so it can not miss that limit.
 */
export function meetsSlo(record: RequestRecord, slo: SloLimits): boolean {
  if (record.outcome !== "ok" || record.firstTokenMs === null || record.lastTokenMs === null) return false;
  const within = (value: number | null, limit: number | undefined) =>
    value === null || limit === undefined || value <= limit;
  return (
    within(record.firstTokenMs - record.scheduledMs, slo.ttft_ms) &&
    within(timePerOutputToken(record), slo.tpot_ms) &&
    within(record.lastTokenMs - record.scheduledMs, slo.e2e_ms)
  );
}

/** TPOT in milliseconds; null without a second token, or where all came in one event, which has no time in it. */
export function timePerOutputToken({ firstTokenMs, lastTokenMs, outputTokens, events }: RequestRecord): number | null {
  if (firstTokenMs === null || lastTokenMs === null || outputTokens < 2 || events < 2) return null;
  return (lastTokenMs - firstTokenMs) / (outputTokens - 1);
}
