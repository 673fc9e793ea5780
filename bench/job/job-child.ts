/** Runs one job as `tiding run` does, in a process of its own, with its requests recorded. */
import { openJobBroker } from "../../jobs/open-broker.ts";
import { runJob, type RunJobOptions } from "../../jobs/run-job.ts";
import { growHeapSparingly } from "../../jobs/sparing-heap.ts";
import { TidingError } from "../../shared/errors.ts";
import type { JobReport } from "../../shared/observe/job-report.ts";
import { loadSpec } from "../../shared/spec/load-spec.ts";
import { clockMs } from "../fine-timer.ts";
import { acceptedTokens } from "./accepted-tokens.ts";
import { serveChild, usageSoFar } from "../child-work.ts";
import { slotsInUse, slotsOfSpec, totalSlots, type EndpointSlots } from "./endpoint-slots.ts";
import { RequestRecorder, type RequestShape } from "./record-requests.ts";

export interface JobTask {
  readonly file: string;
  /** `key=value` texts, among them the output's path. */
  readonly overrides: readonly string[];
  readonly trace: string;
  readonly bodies?: string;
  /** Leaves the rows to the workers of this broker. */
  readonly broker?: string;
}

/** A clock's stamps, and what was used between them. */
export interface WorkedSpan {
  /** `clockMs` when the work began, after all modules were loaded, and when it was done. */
  readonly beganMs: number;
  readonly endedMs: number;
  /** Between the two, of all threads. */
  readonly cpuMs: number;
  readonly peakRssBytes: number;
  /** Of it, what recording took. */
  readonly recordingMs: number;
}

export interface JobOutcome extends WorkedSpan {
  readonly report: JobReport;
  /** Of the rows that were accepted; null where the server does not say. */
  readonly acceptedTokens: number | null;
  readonly slots: readonly EndpointSlots[];
  readonly shapes: readonly RequestShape[];
}

/** How far it is, five times a second; and what the engine remarks. */
export type JobNote =
  | {
      /** Rows so far. */
      readonly done: number;
      /** Rows that there are or, while that is not known, about how many; null where nothing tells. */
      readonly total: number | null;
    }
  | { readonly notice: string };

growHeapSparingly();
serveChild<JobTask, JobOutcome, JobNote>(async ({ file, overrides, trace, bodies, broker }, { leave, note }) => {
  const before = usageSoFar();
  const beganMs = clockMs();
  const environment = process.env;
  const loaded = await loadSpec(file, { overrides, environment });
  let slots = slotsOfSpec(loaded.spec);
  const onNotice = (notice: string): void => note({ notice });
  const options: RunJobOptions = {
    loaded,
    environment,
    // What runs would be paid for and not be used: nothing is waited for.
    stop: leave,
    onNotice,
    onProgress: (progress) => {
      const { accepted, failed, total } = progress.rows;
      note({ done: accepted + failed, total: total ?? progress.estimatedTotal });
      const used = slotsInUse(progress);
      if (broker === undefined && totalSlots(used) > 0) slots = used;
    },
  };
  const recorder = new RequestRecorder({ trace, ...(bodies === undefined ? {} : { bodies }) });
  let report: JobReport;
  {
    using _recording = recorder;
    report = await run(options, broker);
  }
  const endedMs = clockMs();
  const { cpuMs, peakRssBytes } = usageSoFar();
  leave.throwIfAborted();
  refuseUnfinished(report);
  return {
    report,
    beganMs,
    endedMs,
    cpuMs: cpuMs - before.cpuMs,
    peakRssBytes,
    recordingMs: recorder.spentMs,
    acceptedTokens: report.rows.accepted === 0 ? 0 : await acceptedTokens(report.output, loaded.spec.output.format),
    slots,
    shapes: recorder.shapes,
  };
});

async function run(options: RunJobOptions, broker: string | undefined): Promise<JobReport> {
  if (broker === undefined) return await runJob(options);
  const { environment, stop = new AbortController().signal, onNotice = () => undefined } = options;
  await using opened = await openJobBroker({ address: broker }, { works: false, environment, stop, onNotice });
  return await runJob({ ...options, broker: opened.broker });
}

function refuseUnfinished({ outcome, error }: JobReport): void {
  if (outcome === "finished" || outcome === "finished-with-failed-rows") return;
  throw new TidingError(error?.code ?? "INTERNAL", error?.message ?? `The job ended as ${outcome}.`, {
    place: error?.place ?? "bench job",
    mend: error?.mend ?? "Run the job by itself first: tiding run.",
  });
}
