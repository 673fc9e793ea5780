/** What earlier runs of a job into the same output have done already. */
import path from "node:path";
import type { Manifest } from "../../coordinator/output/manifest.ts";
import { readManifest } from "../../coordinator/output/output-directory.ts";
import { differencesOf, documentOf, refuseOtherJob } from "../../jobs/check-same-job.ts";
import { jobStatus } from "../../jobs/job-status.ts";
import type { PreparedJob } from "../../jobs/prepare-job.ts";
import type { FingerprintDocument } from "../../shared/spec/fingerprint.ts";
import type { LoadedSpec } from "../../shared/spec/loaded-spec.ts";

export interface EarlierRuns {
  readonly root: string;
  readonly manifest: Manifest;
  /** Landed or committed, failed ones included; at least one. */
  readonly rows: number;
}

/** Null where nothing was committed: such an output is begun anew. Throws `OUTPUT_DAMAGED`. */
export async function earlierRuns(loaded: LoadedSpec): Promise<EarlierRuns | null> {
  const root = path.resolve(loaded.folder, loaded.spec.output.path);
  const manifest = await readManifest(root);
  if (manifest === null) return null;
  const { rows } = await jobStatus(root);
  return rows.committed === 0 ? null : { root, manifest, rows: rows.committed };
}

/** Throws `OUTPUT_OTHER_JOB` where a run would: before a sample is paid for a job that cannot be run. */
export function checkSameJob({ root, manifest }: EarlierRuns, job: PreparedJob): void {
  const kept = manifest.job.document as FingerprintDocument;
  const differs = differencesOf(kept, documentOf(job, []), { ignoreServed: true });
  if (differs.length > 0) refuseOtherJob(root, differs);
}
