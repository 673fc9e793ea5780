/**
 * What the server of a stage really did, by its own log: what is left to compare with when a machine was late. A step that came
 * 3 ms after its time did so for the client too, and a client that says so is right, which the virtual truth cannot know.
 */
import type { RequestRecord } from "../../load/request-record.ts";
import type { RequestLogEntry } from "../../simulator/request-log.ts";
import type { PlainRequest } from "./plain-request.ts";

type Served = Pick<RequestLogEntry, "startMs" | "endMs" | "tokensMs">;

/**
 * The requests of one stage as their server saw them: each token when it was written. When they were sent only the client
 * knows, and is believed from when they were due on. That and how they ended is its word too, which the virtual truth is held
 * against. `entryOf` gives the log's entry of a request, undefined for one that never came there.
 */
export function servedStage(
  records: readonly RequestRecord[],
  entryOf: (record: RequestRecord) => Served | undefined,
): readonly PlainRequest[] {
  const pairs = records.map((record) => ({ record, entry: entryOf(record) }));
  const aheadMs = aheadOf(pairs);
  return pairs.map(({ record, entry }) => ({
    ...record,
    sentMs: entry === undefined || record.sentMs === null ? null : Math.max(record.sentMs, record.scheduledMs),
    tokensMs: entry?.tokensMs?.map((ms) => ms - aheadMs) ?? [],
    endMs: entry === undefined ? null : entry.endMs - aheadMs,
  }));
}

/**
 * How far the log's clock is ahead of the stage's. Neither way takes less than no time, so the fastest request and the fastest
 * first token bound it, and half of what is between them is taken for each way, as NTP does.
 */
function aheadOf(pairs: readonly { readonly record: RequestRecord; readonly entry: Served | undefined }[]): number {
  let [there, back] = [Infinity, Infinity];
  for (const { record, entry } of pairs) {
    if (entry === undefined) continue;
    const firstMs = entry.tokensMs?.[0];
    if (record.sentMs !== null) there = Math.min(there, entry.startMs - record.sentMs);
    if (record.firstTokenMs !== null && firstMs !== undefined) back = Math.min(back, record.firstTokenMs - firstMs);
  }
  return (there - back) / 2;
}
