/** The part of a run that goes before its rows, in a job with offline batches. */
import type { OwnedOutput } from "../../coordinator/output/output-directory.ts";
import { asTidingError } from "../../shared/errors.ts";
import type { EngineSettings } from "../engine-settings.ts";
import type { Ending } from "../execute-job.ts";
import { errorRecord } from "../job-report.ts";
import type { PreparedJob } from "../prepare-job.ts";
import type { BatchFile } from "./batch-files.ts";
import { BatchRounds } from "./batch-rounds.ts";

/** `ready`: the rows can run, with what answers them, if the job has batches. Otherwise the output was released. */
export type ThroughBatches =
  | { readonly kind: "ready"; readonly rounds: BatchRounds | null }
  | { readonly kind: "parked" }
  | Exclude<Ending, { readonly kind: "finished" }>;

/** Submits, waits for and collects what the job's rows ask. Throws what `release` does. */
export async function throughBatches(
  job: PreparedJob,
  output: OwnedOutput,
  options: {
    /** Aborted when the run is asked to end, or the output was lost. */
    readonly signal: AbortSignal;
    readonly asked: AbortSignal;
    readonly onNotice: (notice: string) => void;
    readonly file: BatchFile | undefined;
    readonly settings: EngineSettings | undefined;
  },
): Promise<ThroughBatches> {
  const { signal, asked, onNotice, file, settings = {} } = options;
  if (job.steps.batched.length === 0) return { kind: "ready", rounds: null };
  const onStep = settings.onBatchStep ?? ((): void => undefined);
  let rounds: BatchRounds | null = null;
  try {
    rounds = await BatchRounds.open({ job, output, signal, onNotice, onStep, file, limits: settings.batchLimits });
    if ((await rounds.gather()) === "ready") return { kind: "ready", rounds };
    await rounds[Symbol.asyncDispose]();
    await output.release({ state: "interrupted", error: null });
    return { kind: "parked" };
  } catch (cause) {
    await rounds?.[Symbol.asyncDispose]();
    // Whatever goes wrong with an output that is another's is explained by that alone.
    const lost = await output.isLost();
    if (!lost && asked.aborted) {
      await output.release({ state: "interrupted", error: null });
      return { kind: "interrupted" };
    }
    const error = asTidingError(lost ? output.lost.reason : cause);
    await output.release({ state: "stopped", error: errorRecord(error) });
    return { kind: "stopped", error };
  }
}
