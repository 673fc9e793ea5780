/**
 * Notices a job whose first rows all fail with one and the same error, before it burns the rest.
 *
 * While only such failures came, they are held back from being committed: once the cause is mended the same command
 * runs those rows again. Pure.
 */
import { TidingError } from "../shared/errors.ts";
import type { OutputRow } from "./row-run.ts";

export class AlikeGuard {
  readonly #limit: number;
  #failures = 0;
  #kind: string | null = null;
  #settled: boolean;

  /** @param limit failures alike that stop the job; 0 never stops it. */
  constructor(limit: number, options: { readonly settled: boolean }) {
    this.#limit = limit;
    this.#settled = options.settled || limit === 0;
  }

  /** False while failed rows are to be held back. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Ends the holding back: the job has come to its end with fewer failures than the limit. */
  settle(): void {
    this.#settled = true;
  }

  /** Takes a finished row into account; true when the job is to stop. */
  sees(rows: readonly OutputRow[]): boolean {
    if (this.#settled) return false;
    const engine = rows[0]?.engine;
    if (engine === undefined || engine.error_code === null) {
      this.#settled = true;
      return false;
    }
    const kind = `${engine.error_code} ${(engine.error_message ?? "").replaceAll(/\d+/g, "#")}`;
    if (this.#kind !== null && kind !== this.#kind) {
      this.#settled = true;
      return false;
    }
    this.#kind = kind;
    this.#failures += 1;
    return this.#failures >= this.#limit;
  }
}

/** What stops the job when the guard says so. */
export function failingAlike(rows: readonly OutputRow[]): TidingError {
  const engine = rows[0]?.engine;
  return new TidingError(
    "ROWS_FAIL_ALIKE",
    `The first rows all fail with ${engine?.error_code}: ${engine?.error_message}`,
    {
      mend: "Mend the cause and run the same command again: none of these rows was recorded. `run.stop_after_alike: 0` lets the job go on.",
    },
  );
}
