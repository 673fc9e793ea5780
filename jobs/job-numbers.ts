/** Numbers of a running job: what progress shows, and what the report closes with. */
import type { FailedEntry, Manifest } from "../coordinator/output/manifest.ts";
import { ERROR_CODES, type ErrorClass, type ErrorCode } from "../shared/errors.ts";
import type { CallCounts, FailureCount } from "../shared/observe/job-report.ts";
import type { LLMGateway } from "../worker/endpoints/llm-gateway.ts";

const RATE_WINDOW_MS = 10_000;

export function sumCalls(gateways: readonly LLMGateway[]): CallCounts {
  const retries: Record<string, number> = {};
  for (const errorClass of new Set<ErrorClass>(Object.values(ERROR_CODES))) retries[errorClass] = 0;
  const sum = { requests: 0, answers: 0, cutByLength: 0, inputTokens: 0, outputTokens: 0 };
  for (const gateway of gateways) {
    const counts = gateway.counts();
    for (const [errorClass, count] of Object.entries(counts.retries))
      retries[errorClass] = (retries[errorClass] ?? 0) + count;
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += counts[key];
  }
  return { ...sum, retries: retries as Record<ErrorClass, number> };
}

/** Rows in the dataset and among the failed, by the manifest. */
export function rowsOf(manifest: Manifest): { readonly accepted: number; readonly failed: number } {
  return {
    accepted: manifest.parts.reduce((sum, part) => sum + part.rowIds, 0),
    failed: manifest.failed.reduce((sum, part) => sum + part.rowIds, 0),
  };
}

export function failuresOf(failed: readonly FailedEntry[]): readonly FailureCount[] {
  const counts = new Map<ErrorCode, { rows: number; example: string }>();
  for (const { errors } of failed) {
    for (const [code, { rows, example }] of Object.entries(errors) as [
      ErrorCode,
      { rows: number; example: string },
    ][]) {
      const known = counts.get(code);
      counts.set(code, { rows: (known?.rows ?? 0) + rows, example: known?.example ?? example });
    }
  }
  return [...counts].map(([code, count]) => ({ code, ...count })).toSorted((a, b) => b.rows - a.rows);
}

/** How fast counters grew over the last ten seconds. */
export class Rates {
  readonly #now: () => number;
  #samples: { readonly atMs: number; readonly values: readonly number[] }[] = [];

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Takes the counters as they are now; gives each one's growth per second. */
  perSecond(values: readonly number[]): readonly number[] {
    const atMs = this.#now();
    this.#samples.push({ atMs, values });
    const first = this.#samples.findIndex((sample) => atMs - sample.atMs <= RATE_WINDOW_MS);
    // One sample from before the window stays, so that the window is covered whole.
    this.#samples = this.#samples.slice(Math.max(0, first - 1));
    const oldest = this.#samples[0];
    const seconds = oldest === undefined ? 0 : (atMs - oldest.atMs) / 1_000;
    return values.map((value, index) => (seconds > 0 ? (value - (oldest?.values[index] ?? 0)) / seconds : 0));
  }
}
