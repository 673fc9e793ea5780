/** How a submitted job stands, under `standing.<id>` in the state store. Changed by the coordinator at work alone. */
import { z } from "zod";
import { decodeMessage, encodeMessage } from "./message.ts";
import { Count, ErrorRecordSchema, JobProgressSchema, JobReportSchema } from "./report-parts.ts";
import { PROTOCOL_VERSION } from "./version.ts";

export const STANDINGS = "standing.";

const StandingSchema = z.strictObject({
  version: z.literal(PROTOCOL_VERSION),
  id: z.string(),
  state: z.enum(["queued", "running", "paused", "cancelled", "finished", "finished-with-failed-rows", "stopped"]),
  /** The order of the submission that this answers. */
  order: Count,
  coordinator: z.string(),
  /** The version of that coordinator's lease: a standing of a later one is not written over. */
  epoch: z.number(),
  /** The id in the output's manifest, under which workers know the job; null until it first ran. */
  job: z.string().nullable(),
  /** Why a queued job does not run yet, in a sentence. */
  waitingFor: z.string().nullable(),
  /** Of the present run. */
  progress: JobProgressSchema.nullable(),
  /** Of the last run that ended. */
  report: JobReportSchema.nullable(),
  /** What stopped it, or kept it from beginning. */
  error: ErrorRecordSchema.nullable(),
});

export type Standing = z.output<typeof StandingSchema>;

export function standingKey(id: string): string {
  return `${STANDINGS}${id}`;
}

export function encodeStanding(standing: Omit<Standing, "version">): Uint8Array {
  return encodeMessage({ ...standing, version: PROTOCOL_VERSION });
}

/** Throws `PROTOCOL_MISMATCH` for a record of another protocol version. */
export function decodeStanding(body: Uint8Array): Standing {
  return decodeMessage(StandingSchema, body, {
    code: "PROTOCOL_MISMATCH",
    what: "The standing of a submitted job",
    mend: "Let the coordinator and its clients run the same version of Tiding.",
  });
}
