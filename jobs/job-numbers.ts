/** Numbers of a running job: what progress shows, and what the report closes with. */
import type { FailedEntry, Manifest } from "../coordinator/output/manifest.ts";
import type { ErrorCode } from "../shared/errors.ts";
import type { FailureCount } from "../shared/observe/job-report.ts";

const RATE_WINDOW_MS = 10_000;

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
