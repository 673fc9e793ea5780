/** What the servers of a job counted during one run, where they tell. */
import type { ServerDeltas } from "../report/bench-report.ts";
import { serverDeltas } from "../server/server-deltas.ts";
import { snapshotServer, type ServerSnapshot } from "../server/server-snapshot.ts";
import type { RequestShape } from "./record-requests.ts";

export interface ServerCounts {
  /** Of all endpoints together; null unless each of them tells. */
  readonly outputTokens: number | null;
  /** Of the prompts' tokens that a prefix cache was asked for; the mean of the endpoints that tell, null where none does. */
  readonly prefixCacheHitRate: number | null;
}

/** Reads the servers' counters around `run`, with the keys that the job's own requests had; one server an origin. */
export async function countingServers<Result>(
  shapes: readonly RequestShape[],
  signal: AbortSignal,
  run: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly server: ServerCounts }> {
  const before = await snapshots(shapes, signal);
  const result = await run();
  const after = await snapshots(shapes, signal);
  return { result, server: countsOf(before.map((snapshot, index) => serverDeltas(snapshot, after[index] ?? null))) };
}

export const NOTHING_TOLD: ServerCounts = { outputTokens: null, prefixCacheHitRate: null };

function snapshots(shapes: readonly RequestShape[], signal: AbortSignal): Promise<readonly ServerSnapshot[]> {
  const firsts = shapes.filter(({ origin }, index) => shapes.findIndex((shape) => shape.origin === origin) === index);
  return Promise.all(
    firsts.map(({ origin, path, headers }) =>
      snapshotServer({ url: origin + path, headers: headersOf(headers) }, signal),
    ),
  );
}

function countsOf(deltas: readonly (ServerDeltas | null)[]): ServerCounts {
  const tokens = deltas.map((delta) => delta?.output_tokens ?? null);
  const rates = deltas.flatMap((delta) => delta?.prefix_cache_hit_rate ?? []);
  return {
    outputTokens: tokens.reduce((sum, count) => (sum === null || count === null ? null : sum + count), 0),
    prefixCacheHitRate: rates.length === 0 ? null : rates.reduce((sum, rate) => sum + rate, 0) / rates.length,
  };
}

function headersOf(pairs: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let at = 0; at + 1 < pairs.length; at += 2) headers[pairs[at]!.toLowerCase()] = pairs[at + 1]!;
  return headers;
}
