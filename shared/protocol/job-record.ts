/**
 * What the coordinator makes known of a job to workers elsewhere, under `job.<key>` in the state store. Changed by the
 * coordinator alone; workers watch it. Secrets are references, resolved where the endpoint is called.
 */
import { z } from "zod";
import { ColumnTypeSpec } from "../spec/job-spec.ts";
import type { JobKey } from "../transport/transport.ts";
import { decodeMessage, encodeMessage } from "./message.ts";
import { StepCodeSchema } from "./step-code.ts";
import { PROTOCOL_VERSION } from "./version.ts";

export const JOB_RECORDS = "job.";

const JobRecordSchema = z.strictObject({
  version: z.literal(PROTOCOL_VERSION),
  /** `paused`: workers finish what runs and hand back the rest. `over`: nothing of the job is left to be done. */
  state: z.enum(["running", "paused", "over"]),
  /** Of the output's owner who wrote this: one that was asleep must not speak over its successor. */
  epoch: z.int().positive(),
  /** Names one run of the coordinator; what workers count, they count from its beginning. */
  run: z.string(),
  name: z.string(),
  spec: z.record(z.string(), z.unknown()),
  /** Where relative paths in the spec start, on the coordinator's machine. */
  folder: z.string(),
  inputColumns: z.array(z.strictObject({ name: z.string(), type: ColumnTypeSpec })),
  /** One entry a step: a worker that has other code, or another chat template, is refused. */
  code: z.array(StepCodeSchema),
  /** Retry round, 0 for the first run. */
  round: z.int().nonnegative(),
  /** Rows have succeeded: rows that all fail alike from here on do not stop the job. */
  settled: z.boolean(),
  /** How long running rows may take when the job is paused. */
  graceMs: z.number().nonnegative(),
});

export type JobRecord = z.output<typeof JobRecordSchema>;

export function jobRecordKey(job: JobKey): string {
  return `${JOB_RECORDS}${job}`;
}

export function encodeJobRecord(record: Omit<JobRecord, "version">): Uint8Array {
  return encodeMessage({ version: PROTOCOL_VERSION, ...record });
}

/** Throws `PROTOCOL_MISMATCH` for a record of another protocol version. */
export function decodeJobRecord(body: Uint8Array): JobRecord {
  return decodeMessage(JobRecordSchema, body, {
    code: "PROTOCOL_MISMATCH",
    what: "The record of a job",
    mend: "Let the coordinator and its workers run the same version of Tiding.",
  });
}
