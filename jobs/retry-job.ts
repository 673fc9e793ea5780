/** Runs a finished job's failed rows again, with overrides as a recorded revision. What succeeds supersedes the failed entry. */
import path from "node:path";
import type { Manifest } from "../coordinator/output/manifest.ts";
import {
  outputPaths,
  readManifest,
  type ManifestChange,
  type OwnedOutput,
} from "../coordinator/output/output-directory.ts";
import { ShardTable } from "../coordinator/shard-table.ts";
import { readRowIds } from "../coordinator/sink/part-cursor.ts";
import type { PartFormat } from "../coordinator/sink/part-file.ts";
import { TidingError } from "../shared/errors.ts";
import type { JobReport } from "../shared/observe/job-report.ts";
import { Bitmap } from "../shared/rows/bitmap.ts";
import { fingerprintOf } from "../shared/spec/fingerprint.ts";
import { specFromObject } from "../shared/spec/load-spec.ts";
import { refuseBatches } from "./batches/refuse-batches.ts";
import { checkInputFiles, documentOf } from "./check-same-job.ts";
import { checkTransport } from "./check-transport.ts";
import { checkParts } from "./check-parts.ts";
import { reportOf } from "./job-report.ts";
import { notAJob } from "./job-status.ts";
import { keepingEndpoints, settlingEndpoints } from "./keep-endpoints.ts";
import { prepareJob } from "./prepare-job.ts";
import { probeJob } from "./probe-job.ts";
import type { RunJobOptions } from "./run-job.ts";
import { runOverOutput, signalsOf, transportOf } from "./run-over-output.ts";
import { keptInput } from "./standard-input.ts";
import { refuseLiteralHeaders, storedOverrides } from "./stored-spec.ts";

/** Runs the failed rows of a job again. Throws as `runJob` does. */
export async function retryJob(
  options: { readonly output: string; readonly overrides: readonly string[] } & Omit<RunJobOptions, "loaded">,
): Promise<JobReport> {
  const { environment, overrides, onNotice, settings } = options;
  const root = path.resolve(options.output);
  const manifest = await readManifest(root);
  if (manifest === null) throw notAJob(root);
  refuseUnfinished(root, manifest);
  refuseFixedKeys(overrides);
  const { spec, folder, name, revisions } = manifest.job;
  // A revision builds on those before it.
  const all = [...revisions.flatMap((revision) => revision.overrides), ...overrides];
  const written = specFromObject(spec, { folder, environment, name, overrides: all });
  const loaded = await keptInput(written, root, manifest);
  if (options.broker !== undefined) {
    refuseLiteralHeaders(loaded);
    refuseBatches(loaded.spec);
  }
  await using job = await prepareJob(loaded, environment, {
    inputSchema: manifest.plan.inputSchema,
    keyless: options.broker?.probe !== undefined,
  });
  checkInputFiles(manifest, job.source.files);
  await checkParts(root, manifest);
  await checkTransport(root, manifest, transportOf(options));
  // A round whose rows all landed may still have to put its parts in order.
  const { asked: signal } = signalsOf(options);
  const keeping = { root, loaded, environment, signal, onNotice, overBroker: options.broker !== undefined, settings };
  if (manifest.failed.length === 0 && manifest.retry === null)
    return await settlingEndpoints(keeping, reportOf({ root, loaded, manifest }));
  return await keepingEndpoints(keeping, async () => {
    const document = documentOf(job, await probeJob(job, { signal, onNotice, broker: options.broker }));
    return await runOverOutput(options, {
      root,
      job,
      found: manifest,
      first: () => fail(root),
      anew: false,
      verifyAll: false,
      begin: (output) =>
        beginRound(output, loaded.spec.output.format, { overrides, fingerprint: fingerprintOf(document) }),
    });
  });
}

/** Which rows are to be run again; a round that was interrupted is gone on with. */
async function beginRound(
  output: OwnedOutput,
  format: PartFormat,
  revision: { readonly overrides: readonly string[]; readonly fingerprint: string },
): Promise<ManifestChange> {
  const { manifest, paths } = output;
  const recorded = {
    at: new Date().toISOString(),
    overrides: storedOverrides(revision.overrides),
    fingerprint: revision.fingerprint,
  };
  const revisions = recorded.overrides.length === 0 ? manifest.job.revisions : [...manifest.job.revisions, recorded];
  const job = { ...manifest.job, revisions };
  if (manifest.retry !== null) return { job };
  await using table = await ShardTable.open(paths.private, manifest.epoch);
  const failed = new Map<number, Bitmap>();
  for (const { file } of manifest.failed) {
    for await (const rowId of readRowIds(path.join(paths.root, file), format)) {
      const entry = table.shardOf(rowId);
      if (entry === null)
        throw new TidingError("OUTPUT_DAMAGED", `Failed row ${rowId} is in no shard of the table.`, { place: file });
      const positions = failed.get(entry.shard) ?? new Bitmap(entry.rows);
      positions.add(rowId - entry.firstRow);
      failed.set(entry.shard, positions);
    }
  }
  const only = [...failed]
    .toSorted(([a], [b]) => a - b)
    .map(([shard, positions]): [number, string] => [shard, positions.toText()]);
  const round = manifest.rounds + 1;
  return { retry: { round, only, landed: [] }, rounds: round, job };
}

function refuseUnfinished(root: string, manifest: Manifest): void {
  if (manifest.retry !== null || manifest.state === "finished") return;
  throw new TidingError(
    "USAGE",
    "The job has rows that were never run; failed rows are run again once it is finished.",
    {
      place: root,
      mend: "Run the job to its end first: tiding run JOB",
    },
  );
}

/** Keys that say what the rows and columns of the dataset are; a retry only runs rows again. */
function refuseFixedKeys(overrides: readonly string[]): void {
  const fixed = overrides.find((override) => /^(input|output|run\.(shard_rows|shard_bytes))\b/.test(override));
  if (fixed === undefined) return;
  throw new TidingError("USAGE", "A retry cannot change the input or the output.", {
    place: `--set ${fixed}`,
    mend: "Override keys below `steps` or `run`.",
  });
}

function fail(root: string): never {
  throw notAJob(outputPaths(root).root);
}
