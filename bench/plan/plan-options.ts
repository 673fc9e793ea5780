import type { RunJobOptions } from "../../jobs/run-job.ts";
import { TidingError } from "../../shared/errors.ts";
import type { BenchReport } from "../report/bench-report.ts";
import type { PresetName } from "../simulator/batching/presets.ts";
import { presetNamed } from "./preset-belief.ts";
import type { PlanPrices } from "./prices.ts";

/** Rows that a plan pays for at most. */
export const MOST_SAMPLED = 20;

export interface PlanOptions extends Pick<
  RunJobOptions,
  "loaded" | "environment" | "standardInput" | "stop" | "onNotice"
> {
  /** Rows that are run for real and paid for, at most 20; 20 when absent, 0 for none. */
  readonly sample?: number;
  /** Decides which rows; the job's own when absent. */
  readonly seed?: number;
  /** Endpoints without a bench run are taken to be as fast as this preset of the simulator. */
  readonly preset?: string;
  /** Earlier bench runs of the job's endpoints. */
  readonly benches?: readonly BenchReport[];
  readonly prices?: PlanPrices;
  /** How the caller runs the job; `tiding run` with the spec's file when absent. */
  readonly next?: string;
}

export interface SettledOptions {
  readonly sample: number;
  readonly seed: number;
  readonly preset: PresetName | null;
  readonly benches: readonly BenchReport[];
  readonly prices: PlanPrices;
  readonly next: string;
  readonly signal: AbortSignal;
  readonly onNotice: (notice: string) => void;
}

/** Throws `USAGE` for numbers that cannot be and for presets that there are not. */
export function settleOptions(options: PlanOptions): SettledOptions {
  const { loaded, sample = MOST_SAMPLED, seed = loaded.spec.run.seed, preset, prices = {} } = options;
  if (!Number.isInteger(sample) || sample < 0 || sample > MOST_SAMPLED) {
    throw new TidingError("USAGE", `A plan runs 1 to ${MOST_SAMPLED} rows, or none: not ${sample}.`, {
      place: "--sample",
      mend: "More rows are a job: `tiding run` with a limit, whose rows are kept.",
    });
  }
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new TidingError("USAGE", "A seed is a whole number from 0 on.", {
      place: "--seed",
      mend: "Give another one.",
    });
  checkPrices(prices);
  return {
    sample,
    seed,
    preset: preset === undefined ? null : presetNamed(preset),
    benches: options.benches ?? [],
    prices,
    next: options.next ?? `tiding run ${loaded.file ?? "JOB"}`,
    signal: options.stop ?? new AbortController().signal,
    onNotice: options.onNotice ?? (() => undefined),
  };
}

function checkPrices({ input, output, hour }: PlanPrices): void {
  const all = [input, output, hour].flatMap((price) => (typeof price === "object" ? Object.values(price) : [price]));
  if (all.every((price) => price === undefined || (Number.isFinite(price) && price >= 0))) return;
  throw new TidingError("USAGE", "A price is a number of US dollars from 0 on.", {
    place: "--price-in, --price-out, --price-hour",
    mend: "Write it as 0.15.",
  });
}
