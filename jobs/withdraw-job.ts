/** Tells workers that a job is not to be gone on with, when nobody runs it. */
import { readManifest } from "../coordinator/output/output-directory.ts";
import { decodeJobRecord, encodeJobRecord, jobRecordKey, type JobRecord } from "../shared/protocol/job-record.ts";
import { patientTransport } from "../shared/transport/patient-transport.ts";
import { TransportError, type Transport } from "../shared/transport/transport.ts";
import { jobKey } from "./job-key.ts";

export interface WithdrawOptions {
  readonly output: string;
  /** `over` drops its tasks too. What is committed stays: whoever runs the job again pays for none of it. */
  readonly state: Extract<JobRecord["state"], "paused" | "over">;
  /** Its record may say `running`, since who ran it died. Else such a job is somebody's, and left alone. */
  readonly isOrphan: boolean;
  readonly givesUp: AbortSignal;
}

export async function withdrawJob(transport: Transport, options: WithdrawOptions): Promise<void> {
  const manifest = await readManifest(options.output);
  if (manifest === null) return;
  const job = jobKey(manifest);
  const { state, tasks, inputs } = patientTransport(transport, options.givesUp);
  const key = jobRecordKey(job);
  const known = await state.get(key);
  if (known === null) return;
  const record = decodeJobRecord(known.value);
  if (record.state === options.state || (record.state === "running" && !options.isOrphan)) return;
  try {
    await state.swap(key, encodeJobRecord({ ...record, state: options.state }), known.version);
  } catch (error) {
    // Somebody begins to run it.
    if (error instanceof TransportError && error.fault === "conflict") return;
    throw error;
  }
  if (options.state === "paused") return;
  await tasks.drop(job);
  await inputs.dropJob(job);
}
