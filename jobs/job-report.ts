import type { Manifest } from "../coordinator/output/manifest.ts";
import type { TidingError } from "../shared/errors.ts";
import { emptyCalls } from "../shared/observe/call-counts.ts";
import type { BatchProgress, JobOutcome, JobReport } from "../shared/observe/job-report.ts";
import type { LoadedSpec } from "../shared/spec/loaded-spec.ts";
import type { Ending } from "./execute-job.ts";
import { failuresOf, rowsOf } from "./job-numbers.ts";
import type { ProgressMeter } from "./progress-meter.ts";

/** The closing report of a run; without `run`, of a job that was finished before. */
export function reportOf(facts: {
  readonly root: string;
  readonly loaded: LoadedSpec;
  readonly manifest: Manifest;
  /** Rows that are committed but not landed. */
  readonly unlanded?: number;
  /** Without a meter, of one whose rows were not run. */
  readonly run?: { readonly ending: Ending | { readonly kind: "parked" }; readonly meter: ProgressMeter | null };
  readonly batches?: readonly BatchProgress[];
}): JobReport {
  const { root, loaded, manifest, run, batches } = facts;
  const rows = rowsOf(manifest);
  const elapsedMs = run?.meter?.elapsedMs ?? 0;
  const done = run?.meter?.rows ?? 0;
  return {
    version: 1,
    job: manifest.job.id,
    name: manifest.job.name,
    outcome: outcomeOf(run?.ending ?? { kind: "finished" }, rows.failed),
    output: root,
    format: loaded.spec.output.format,
    parts: manifest.parts.length,
    bytes: manifest.parts.reduce((sum, part) => sum + part.bytes, 0),
    rows: { ...rows, total: manifest.plan.total },
    committed: rows.accepted + rows.failed + (facts.unlanded ?? 0),
    run: {
      rows: done,
      elapsedMs,
      calls: run?.meter?.calls ?? emptyCalls(),
      rowsPerSecond: elapsedMs > 0 ? (done / elapsedMs) * 1_000 : 0,
      slotUse: run?.meter?.slotUse ?? null,
    },
    failures: failuresOf(manifest.failed),
    endpoints: [],
    ...(batches === undefined ? {} : { batches }),
    error: run?.ending.kind === "stopped" ? errorRecord(run.ending.error) : null,
  };
}

/** An error as manifests and reports hold it. */
export function errorRecord({ code, message, mend, place }: TidingError): NonNullable<JobReport["error"]> {
  return { code, message, mend: mend ?? null, place: place ?? null };
}

function outcomeOf(ending: Ending | { readonly kind: "parked" }, failed: number): JobOutcome {
  if (ending.kind !== "finished") return ending.kind;
  return failed > 0 ? "finished-with-failed-rows" : "finished";
}
