/**
 * A job that a client asks for, under `submission.<id>` in the state store. Changed by clients alone; the coordinator
 * watches it, and answers with the standing of the same id. Secrets are references, resolved where endpoints are called.
 */
import { z } from "zod";
import { decodeMessage, encodeMessage } from "./message.ts";
import { Count } from "./report-parts.ts";
import { PROTOCOL_VERSION } from "./version.ts";

export const SUBMISSIONS = "submission.";

const SubmissionSchema = z.strictObject({
  version: z.literal(PROTOCOL_VERSION),
  id: z.string(),
  name: z.string(),
  /** With overrides in it. */
  spec: z.record(z.string(), z.unknown()),
  /** Where relative paths in the spec start, on the coordinator's machine. */
  folder: z.string(),
  /** The output's folder there, absolute. */
  output: z.string(),
  /** Milliseconds since the epoch by the client's clock: for people, and for who comes first, where nothing hangs on it. */
  submittedAt: z.number(),
  wanted: z.enum(["run", "pause", "cancel", "cancel-now"]),
  /** Counts what clients asked for: the same again, such as a second run of a job that stopped, is a new order. */
  order: Count,
});

export type Submission = z.output<typeof SubmissionSchema>;

export function submissionKey(id: string): string {
  return `${SUBMISSIONS}${id}`;
}

export function encodeSubmission(submission: Omit<Submission, "version">): Uint8Array {
  return encodeMessage({ ...submission, version: PROTOCOL_VERSION });
}

/** Throws `PROTOCOL_MISMATCH` for a record of another protocol version. */
export function decodeSubmission(body: Uint8Array): Submission {
  return decodeMessage(SubmissionSchema, body, {
    code: "PROTOCOL_MISMATCH",
    what: "The record of a submitted job",
    mend: "Let the coordinator and its clients run the same version of Tiding.",
  });
}
