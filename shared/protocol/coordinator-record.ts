/** What a coordinator makes known of itself, under `coordinator.<id>` in the state store: that it lives, and whether it is the one at work. */
import { z } from "zod";
import { decodeMessage, encodeMessage } from "./message.ts";
import { Count } from "./report-parts.ts";
import { PROTOCOL_VERSION } from "./version.ts";

export const COORDINATOR_RECORDS = "coordinator.";

const CoordinatorRecordSchema = z.strictObject({
  version: z.literal(PROTOCOL_VERSION),
  coordinator: z.string(),
  host: z.string(),
  pid: z.int(),
  /** Milliseconds since the epoch by its own clock: for people, never for decisions. */
  startedAt: z.number(),
  state: z.enum(["standing-by", "at-work", "draining", "left"]),
  jobs: Count,
  maxJobs: Count,
});

export type CoordinatorRecord = z.output<typeof CoordinatorRecordSchema>;

export function coordinatorRecordKey(coordinator: string): string {
  return `${COORDINATOR_RECORDS}${coordinator}`;
}

export function encodeCoordinatorRecord(record: Omit<CoordinatorRecord, "version">): Uint8Array {
  return encodeMessage({ ...record, version: PROTOCOL_VERSION });
}

/** Throws `PROTOCOL_MISMATCH` for a record of another protocol version. */
export function decodeCoordinatorRecord(body: Uint8Array): CoordinatorRecord {
  return decodeMessage(CoordinatorRecordSchema, body, {
    code: "PROTOCOL_MISMATCH",
    what: "The record of a coordinator",
    mend: "Let coordinators and clients run the same version of Tiding.",
  });
}
