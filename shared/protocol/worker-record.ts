/** What a worker makes known of itself, under `worker.<id>` in the state store: that it lives, and how its jobs go. */
import { z } from "zod";
import { decodeMessage, encodeMessage } from "./message.ts";
import { CallCountsSchema, Count, EndpointSchema, ErrorRecordSchema } from "./report-parts.ts";
import { PROTOCOL_VERSION } from "./version.ts";

export const WORKER_RECORDS = "worker.";

const WorkerJobSchema = z.strictObject({
  job: z.string(),
  /** The coordinator's run from whose beginning the counts below are. */
  run: z.string(),
  /** `refused`: this worker cannot do the job. `faulted`: it did, and something stopped it. */
  state: z.enum(["opening", "working", "drained", "refused", "faulted"]),
  error: ErrorRecordSchema.nullable(),
  accepted: Count,
  failed: Count,
  rowsRunning: Count,
  hasStartedAll: z.boolean(),
  slots: Count,
  calls: CallCountsSchema,
  endpoints: z.array(EndpointSchema),
  slotUse: z.strictObject({ inUseMs: z.number(), capacityMs: z.number() }),
  waitingFor: z.string().nullable(),
});

const WorkerRecordSchema = z.strictObject({
  version: z.literal(PROTOCOL_VERSION),
  worker: z.string(),
  host: z.string(),
  pid: z.int(),
  /** Milliseconds since the epoch by the worker's clock: for people, never for decisions. */
  startedAt: z.number(),
  at: z.number(),
  state: z.enum(["working", "draining", "left"]),
  jobs: z.array(WorkerJobSchema),
});

export type WorkerRecord = z.output<typeof WorkerRecordSchema>;
export type WorkerJob = z.output<typeof WorkerJobSchema>;

export function workerRecordKey(worker: string): string {
  return `${WORKER_RECORDS}${worker}`;
}

export function encodeWorkerRecord(record: Omit<WorkerRecord, "version">): Uint8Array {
  return encodeMessage({ version: PROTOCOL_VERSION, ...record });
}

/** Throws `PROTOCOL_MISMATCH` for a record of another protocol version. */
export function decodeWorkerRecord(body: Uint8Array): WorkerRecord {
  return decodeMessage(WorkerRecordSchema, body, {
    code: "PROTOCOL_MISMATCH",
    what: "The record of a worker",
    mend: "Let the coordinator and its workers run the same version of Tiding.",
  });
}
