/** What a run and a retry share once each knows what is to be done: take the output, run the job, report. */
import { OwnedOutput, type ManifestChange } from "../coordinator/output/output-directory.ts";
import type { Manifest } from "../coordinator/output/manifest.ts";
import { asTidingError, messageOf, TidingError } from "../shared/errors.ts";
import type { JobReport } from "../shared/observe/job-report.ts";
import type { TransportKind } from "./check-transport.ts";
import { throughBatches } from "./batches/through-batches.ts";
import { executeJob } from "./execute-job.ts";
import { reportOf } from "./job-report.ts";
import { batchesOf, unlandedRows } from "./job-status.ts";
import type { PreparedJob } from "./prepare-job.ts";
import type { RunJobOptions } from "./run-job.ts";

export interface OutputRun {
  /** The output's folder, absolute. */
  readonly root: string;
  readonly job: PreparedJob;
  /** The manifest that all of this was decided on; null where there was none. */
  readonly found: Manifest | null;
  /** What the manifest of a new job says. */
  readonly first: Parameters<typeof OwnedOutput.take>[1];
  /** Replaces what `found` holds, a job that never committed a row. */
  readonly anew: boolean;
  /** Landed shards are read again and compared with the input. */
  readonly verifyAll: boolean;
  /** What is new of the job, recorded before anything runs. */
  readonly begin: (output: OwnedOutput) => ManifestChange | Promise<ManifestChange>;
}

/** Where a run's rows lie until they land. */
export function transportOf({ broker }: Pick<RunJobOptions, "broker">): TransportKind {
  return broker === undefined ? "embedded" : "broker";
}

/** What asks a run to stop or to drain, and either of both; never aborted where the caller gave none. */
export function signalsOf({ stop, drain }: Pick<RunJobOptions, "stop" | "drain">): {
  readonly stop: AbortSignal;
  readonly drain: AbortSignal;
  readonly asked: AbortSignal;
} {
  const never = new AbortController().signal;
  const [stops, drains] = [stop ?? never, drain ?? never];
  return { stop: stops, drain: drains, asked: AbortSignal.any([stops, drains]) };
}

/**
 * Throws `OUTPUT_IN_USE`, `OUTPUT_UNWRITABLE` and what `begin` does, with the output released and as it was found; what goes
 * wrong once rows run is in the report.
 */
export async function runOverOutput(options: Omit<RunJobOptions, "loaded">, run: OutputRun): Promise<JobReport> {
  const { onProgress, onNotice, onStep, takeoverMs, settings, broker, batchFile } = options;
  const { root, job, found } = run;
  const { stop, drain, asked } = signalsOf(options);
  const output = await OwnedOutput.take(root, run.first, {
    signal: asked,
    onNotice,
    onStep,
    ...(takeoverMs === undefined ? {} : { takeoverMs }),
    seen: found?.generation ?? 0,
    anew: run.anew,
  });
  await begin(output, run, transportOf(options));
  const facts = { root, loaded: job.loaded };
  const signal = AbortSignal.any([asked, output.lost]);
  const onBatchNotice = (notice: string): void => onNotice?.(notice);
  const batched = await throughBatches(job, output, {
    signal,
    asked,
    onNotice: onBatchNotice,
    file: batchFile,
    settings,
  });
  if (batched.kind !== "ready") {
    const { manifest } = output;
    const [unlanded, batches] = [await unlandedRows(root, manifest), await batchesOf(root, manifest)];
    return reportOf({ ...facts, manifest, unlanded, batches, run: { ending: batched, meter: null } });
  }
  await using rounds = batched.rounds;
  const { ending, meter, received } = await executeJob({
    job,
    output,
    verifyAll: run.verifyAll,
    drain,
    stop,
    onProgress,
    onNotice,
    onStep,
    settings,
    onFinished: () => rounds?.remove() ?? Promise.resolve(),
    broker: broker ?? null,
  });
  const { manifest } = output;
  // An own log says it to the row; a broker's is asked no more than the sink has read of it.
  const unlanded = broker === undefined ? await unlandedRows(root, manifest) : received;
  const batches = rounds === null ? {} : { batches: await batchesOf(root, manifest) };
  return reportOf({ ...facts, manifest, unlanded, ...batches, run: { ending, meter } });
}

const INTERRUPTED = { state: "interrupted", error: null } as const;

async function begin(output: OwnedOutput, run: OutputRun, transport: TransportKind): Promise<void> {
  const taken = output.manifest;
  try {
    const change = await run.begin(output);
    // In one generation: a death between the two would leave a round on the wrong transport.
    if (Object.keys(change).length > 0 || output.manifest.transport !== transport)
      await output.change({ ...change, transport });
  } catch (error) {
    // A change that was made and then failed stands: what was finished before may not be with it.
    const { state, error: before } = output.manifest === taken && run.found !== null ? run.found : INTERRUPTED;
    await output.release({ state, error: before }).catch((after: unknown) => {
      throw withLaterError(error, after);
    });
    throw error;
  }
}

/** The first error, which says why; what followed from it, or hit the release as well, stands in its cause. */
function withLaterError(first: unknown, later: unknown): TidingError {
  const error = asTidingError(first);
  const { code, message, place, mend, details } = error;
  return new TidingError(code, message, {
    details,
    cause: new AggregateError([first, later], `${message} Then the output could not be released: ${messageOf(later)}`),
    ...(place === undefined ? {} : { place }),
    ...(mend === undefined ? {} : { mend }),
  });
}
