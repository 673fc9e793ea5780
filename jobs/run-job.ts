/** Runs a job: begins it, resumes it, or extends it, whatever its output says. */
import { randomBytes } from "node:crypto";
import path from "node:path";
import { findInputFiles } from "../coordinator/input/input-files.ts";
import type { Manifest } from "../coordinator/output/manifest.ts";
import { readManifest, refuseForeignFolder } from "../coordinator/output/output-directory.ts";
import { TidingError } from "../shared/errors.ts";
import type { JobProgress, JobReport } from "../shared/observe/job-report.ts";
import { decodeCommitRecord } from "../shared/protocol/commit-record.ts";
import type { StepListener } from "../shared/protocol/protocol-step.ts";
import { fingerprintOf, type FingerprintDocument } from "../shared/spec/fingerprint.ts";
import type { LoadedSpec } from "../shared/spec/loaded-spec.ts";
import { limitKey } from "../shared/spec/settle-input.ts";
import { readEmbeddedLog } from "../shared/transport/embedded/read-embedded-log.ts";
import { checkInputFiles, differencesOf, documentOf, refuseOtherJob, wereTouched } from "./check-same-job.ts";
import { checkTransport, type TransportKind } from "./check-transport.ts";
import { checkParts } from "./check-parts.ts";
import type { EngineSettings } from "./engine-settings.ts";
import type { JobBroker } from "./engine.ts";
import { clearSpools, spooledInput, type StandardInput } from "./standard-input.ts";
import { refuseLiteralHeaders, storedSpec } from "./stored-spec.ts";
import { reportOf } from "./job-report.ts";
import { batchesOf, formatOf } from "./job-status.ts";
import type { BatchFile } from "./batches/batch-files.ts";
import { refuseBatches, requireBatches } from "./batches/refuse-batches.ts";
import { keepingEndpoints, settlingEndpoints } from "./keep-endpoints.ts";
import { prepareJob, type PreparedJob } from "./prepare-job.ts";
import { probeJob } from "./probe-job.ts";
import { runOverOutput, signalsOf, transportOf } from "./run-over-output.ts";

export interface RunJobOptions {
  readonly loaded: LoadedSpec;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** First abort: drain (running requests finish within run.grace). */
  readonly drain?: AbortSignal;
  /** Stop now. */
  readonly stop?: AbortSignal;
  readonly onProgress?: (progress: JobProgress) => void;
  /** Rare remarks for people: waiting for an endpoint, slots capped, took over from a dead run. */
  readonly onNotice?: (notice: string) => void;
  /** For a chaos driver: called at each step of the commit protocol. */
  readonly onStep?: StepListener;
  /** How long a silent owner of the output is watched before it is taken for dead. 10 s when absent. */
  readonly takeoverMs?: number;
  /** Where the rows of a spec come from whose `input.path` is `-`; nothing else reads it. */
  readonly standardInput?: StandardInput;
  /** Workers elsewhere, in place of one in this process. */
  readonly broker?: JobBroker;
  /** For a job with offline batches: its requests go into a file, or results come out of one, in place of a server. */
  readonly batchFile?: BatchFile;
  /** For tests. */
  readonly settings?: EngineSettings;
}

/**
 * Runs a job, or resumes or extends it. Throws `TidingError` for what went wrong before anything ran; later errors are in
 * the report.
 */
export async function runJob(options: RunJobOptions): Promise<JobReport> {
  const { environment, standardInput, onNotice, settings } = options;
  const root = path.resolve(options.loaded.folder, options.loaded.spec.output.path);
  const transport = transportOf(options);
  const { asked: signal } = signalsOf(options);
  if (options.broker !== undefined) {
    refuseLiteralHeaders(options.loaded);
    refuseBatches(options.loaded.spec);
  }
  if (options.batchFile !== undefined) requireBatches(options.loaded.spec);
  const found = await readManifest(root);
  const manifest = found !== null && (await isUntouched(root, found)) ? null : found;
  const spooling = { root, found, anew: manifest === null, standardInput, signal, onNotice };
  const loaded = await spooledInput(options.loaded, spooling);
  if (manifest !== null) checkInputFiles(manifest, await findInputFiles(loaded.spec.input.path, loaded.folder));
  await using job = await prepareJob(loaded, environment, {
    inputSchema: manifest?.plan.inputSchema,
    keyless: options.broker?.probe !== undefined,
  });
  if (manifest !== null) {
    const differs = differencesOf(manifest.job.document as FingerprintDocument, documentOf(job, []), {
      ignoreServed: true,
    });
    const format = formatOf(manifest);
    if (format !== loaded.spec.output.format)
      differs.push(`output.format was "${format}", is now "${loaded.spec.output.format}".`);
    if (differs.length > 0) refuseOtherJob(root, differs);
    refuseUnfinishedRetry(root, manifest);
    await checkTransport(root, manifest, transport);
    await checkParts(root, manifest);
  }
  const keeping = { root, loaded, environment, signal, onNotice, overBroker: options.broker !== undefined, settings };
  if (manifest !== null && isFinished(manifest, loaded))
    return await settlingEndpoints(keeping, reportOf({ root, loaded, manifest }));
  if (found === null) await refuseForeignFolder(root);
  return await keepingEndpoints(keeping, async () => {
    const document = documentOf(job, await probeJob(job, { signal, onNotice, broker: options.broker }));
    if (manifest !== null) {
      const differs = differencesOf(manifest.job.document as FingerprintDocument, document, { ignoreServed: false });
      if (differs.length > 0) refuseOtherJob(root, differs);
    }
    const limit = loaded.spec.input.limit ?? null;
    return await runOverOutput(options, {
      root,
      job,
      found,
      first: () => firstManifest(job, document, transport),
      anew: manifest === null,
      verifyAll: manifest !== null && wereTouched(manifest, job.source.files),
      async begin(output) {
        await clearSpools(output);
        const { plan } = output.manifest;
        return plan.limit === limit ? {} : { plan: { ...plan, limit, total: null } };
      },
    });
  });
}

function firstManifest(job: PreparedJob, document: FingerprintDocument, transport: TransportKind) {
  const { spec, written, name, folder } = job.loaded;
  return {
    state: "running" as const,
    error: null,
    job: {
      id: randomBytes(8).toString("hex"),
      name,
      createdAt: new Date().toISOString(),
      fingerprint: fingerprintOf(document),
      document: { ...document },
      spec: storedSpec(written),
      folder,
      revisions: [],
    },
    plan: {
      shardRows: spec.run.shard_rows,
      shardBytes: spec.run.shard_bytes,
      inputSchema: job.source.schema.map(({ name: column, type }) => ({ name: column, type })),
      inputFiles: job.source.files.map((file) => ({ ...file })),
      limit: spec.input.limit ?? null,
      total: null,
    },
    transport,
    taskColumns: null,
    cursor: null,
    parts: [],
    failed: [],
    landed: [],
    spills: [],
    retry: null,
    rounds: 0,
  };
}

/** A job that never committed a row can be begun anew with a changed spec: nothing would be lost. */
async function isUntouched(root: string, manifest: Manifest): Promise<boolean> {
  if (manifest.owner !== null || manifest.state === "finished" || manifest.transport === "broker") return false;
  if (manifest.parts.length + manifest.failed.length + manifest.spills.length > 0) return false;
  // Batches that were submitted are paid for.
  return !(await hasCommittedRows(root)) && (await batchesOf(root, manifest)).length === 0;
}

async function hasCommittedRows(root: string): Promise<boolean> {
  const { tails } = await readEmbeddedLog(path.join(root, ".tiding", "log"));
  return tails.some(({ body }) => !/^A*=*$/.test(decodeCommitRecord(body).done));
}

function refuseUnfinishedRetry(root: string, manifest: Manifest): void {
  if (manifest.retry === null) return;
  throw new TidingError("USAGE", "Failed rows of this job are being run again, and that is not finished.", {
    place: root,
    mend: `Finish it with: tiding retry ${root}${manifest.transport === "broker" ? " --broker URL" : ""}`,
  });
}

function isFinished(manifest: Manifest, { spec }: LoadedSpec): boolean {
  const { total, limit } = manifest.plan;
  const wanted = spec.input.limit ?? Infinity;
  const planned = limit ?? Infinity;
  if (wanted < planned && wanted < (total ?? Infinity)) {
    const before = limit === null ? "none" : String(limit);
    const place = limitKey(spec);
    throw new TidingError(
      "USAGE",
      `${place} is ${wanted}, and this job was begun with ${before}: a limit can be raised, not lowered.`,
      {
        place,
        mend: "Choose another output.path for the smaller dataset.",
      },
    );
  }
  if (manifest.state !== "finished") return false;
  return wanted === planned || (total !== null && total < Math.min(planned, wanted));
}
