/** What an output says of its job, whether it runs or not. Reads only. */
import path from "node:path";
import type { Manifest } from "../coordinator/output/manifest.ts";
import { isKnownDead, TAKEOVER_MS } from "../coordinator/output/owner.ts";
import { outputPaths, ownerOf, readManifest } from "../coordinator/output/output-directory.ts";
import { rangesHave } from "../coordinator/output/shard-ranges.ts";
import { TidingError } from "../shared/errors.ts";
import type {
  BatchProgress,
  EndpointLeft,
  FailureCount,
  JobOutcome,
  JobProgress,
  JobReport,
  RowCounts,
} from "../shared/observe/job-report.ts";
import { decodeCommitRecord } from "../shared/protocol/commit-record.ts";
import { Bitmap } from "../shared/rows/bitmap.ts";
import { readEmbeddedLog } from "../shared/transport/embedded/read-embedded-log.ts";
import { batchFolder, progressOf, readBatchState } from "./batches/batch-state.ts";
import { jobKey } from "./job-key.ts";
import { failuresOf, rowsOf } from "./job-numbers.ts";
import { endpointLeft, readKeptEndpoints } from "./kept-endpoints.ts";

export interface JobStatus {
  readonly version: 1;
  readonly job: string;
  readonly name: string;
  readonly state: "running" | JobOutcome;
  readonly output: string;
  readonly format: string;
  readonly rows: RowCounts & { readonly landed: number; readonly committed: number };
  readonly parts: number;
  readonly bytes: number;
  readonly failures: readonly FailureCount[];
  /** `since` is ISO 8601. */
  readonly owner: {
    readonly host: string;
    readonly pid: number;
    readonly since: string;
    readonly heartbeatAgeMs: number;
  } | null;
  /** Of the running owner. */
  readonly progress: JobProgress | null;
  /** Of a job with offline batches, until it has finished. */
  readonly batches?: readonly BatchProgress[];
  readonly error: JobReport["error"];
  /** Dedicated endpoints that the job uses, or that a run of it ended without stopping. */
  readonly endpoints: readonly EndpointLeft[];
  readonly revisions: readonly { readonly at: string; readonly overrides: readonly string[] }[];
}

/** What an output folder says of its job. Throws `OUTPUT_NOT_A_JOB`, `OUTPUT_DAMAGED`. */
export async function jobStatus(output: string): Promise<JobStatus> {
  const root = path.resolve(output);
  const manifest = await readManifest(root);
  if (manifest === null) throw notAJob(root);
  const owner = await ownerOf(root, manifest);
  const heartbeatAgeMs = owner === null ? Infinity : Math.max(0, Date.now() - Date.parse(owner.at));
  const isRunning = owner !== null && heartbeatAgeMs < TAKEOVER_MS && !(await isKnownDead(owner));
  const rows = rowsOf(manifest);
  const landed = rows.accepted + rows.failed;
  const batches = await batchesOf(root, manifest);
  return {
    version: 1,
    job: manifest.job.id,
    name: manifest.job.name,
    state: isRunning ? "running" : stateOf(manifest, rows.failed, batches),
    output: root,
    format: formatOf(manifest),
    rows: { ...rows, total: manifest.plan.total, landed, committed: landed + (await unlandedRows(root, manifest)) },
    parts: manifest.parts.length,
    bytes: manifest.parts.reduce((sum, part) => sum + part.bytes, 0),
    failures: failuresOf(manifest.failed),
    owner: isRunning ? { host: owner.host, pid: owner.pid, since: owner.since, heartbeatAgeMs } : null,
    progress: isRunning ? owner.progress : null,
    ...(batches.length === 0 ? {} : { batches }),
    error: manifest.error,
    endpoints: (await readKeptEndpoints(root)).map((kept) => endpointLeft(kept, null)),
    revisions: manifest.job.revisions.map(({ at, overrides }) => ({ at, overrides })),
  };
}

/** What the parts of an output are. */
export function formatOf({ job }: Manifest): string {
  return (job.spec["output"] as { readonly format?: string }).format ?? "parquet";
}

export function notAJob(root: string): TidingError {
  return new TidingError("OUTPUT_NOT_A_JOB", "There is no job of Tiding in this folder.", {
    place: root,
    mend: "Give the folder that `output.path` names: the one with manifest.<n>.json in it.",
  });
}

/** Batches of the job that have not served their purpose yet. */
export async function batchesOf(root: string, { job, state }: Manifest): Promise<readonly BatchProgress[]> {
  if (state === "finished") return [];
  const found = await readBatchState(batchFolder(root));
  return found?.job === job.id ? progressOf(found) : [];
}

function stateOf(manifest: Manifest, failed: number, batches: readonly BatchProgress[]): JobStatus["state"] {
  const isWaiting = batches.some(({ isSettled }) => !isSettled);
  if (isWaiting && manifest.state === "interrupted") return "parked";
  // An owner that died had no time to say so.
  if (manifest.state === "running") return "interrupted";
  if (manifest.state === "finished" && failed > 0) return "finished-with-failed-rows";
  return manifest.state;
}

/** Rows that are committed in the log but not landed yet. */
export async function unlandedRows(root: string, manifest: Manifest): Promise<number> {
  if (manifest.state === "finished") return 0;
  const { tails } = await readEmbeddedLog(outputPaths(root).log);
  const landed = manifest.retry?.landed ?? manifest.landed;
  const only = new Map(manifest.retry?.only ?? []);
  let rows = 0;
  for (const { job, shard, body } of tails) {
    if (job !== jobKey(manifest) || rangesHave(landed, shard)) continue;
    const record = decodeCommitRecord(body);
    const before = only.get(shard);
    const skipped = before === undefined ? 0 : record.size - Bitmap.fromText(record.size, before).count;
    rows += Bitmap.fromText(record.size, record.done).count - skipped;
  }
  return rows;
}
