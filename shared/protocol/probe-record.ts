/**
 * How a coordinator that has no keys learns what a job's endpoints serve: it asks under `probe.<id>`, and whoever works
 * answers under `probed.<id>.<worker>`.
 */
import { z } from "zod";
import { ColumnTypeSpec } from "../spec/job-spec.ts";
import { decodeMessage, encodeMessage } from "./message.ts";
import { StepCodeSchema } from "./step-code.ts";
import { PROTOCOL_VERSION } from "./version.ts";

export const PROBES = "probe.";
export const PROBE_ANSWERS = "probed.";

const ProbeSchema = z.strictObject({
  version: z.literal(PROTOCOL_VERSION),
  name: z.string(),
  spec: z.record(z.string(), z.unknown()),
  folder: z.string(),
  inputColumns: z.array(z.strictObject({ name: z.string(), type: ColumnTypeSpec })),
  code: z.array(StepCodeSchema),
});

const ProbeAnswerSchema = z.strictObject({
  version: z.literal(PROTOCOL_VERSION),
  worker: z.string(),
  /** For each step, what its endpoints serve; null where `error` says why it could not be told. */
  served: z
    .array(z.array(z.strictObject({ model: z.string(), revision: z.string().nullable(), advice: z.array(z.string()) })))
    .nullable(),
  error: z.string().nullable(),
});

export type Probe = z.output<typeof ProbeSchema>;
export type ProbeAnswer = z.output<typeof ProbeAnswerSchema>;

const mend = "Let the coordinator and its workers run the same version of Tiding.";

export function encodeProbe(probe: Omit<Probe, "version">): Uint8Array {
  return encodeMessage({ version: PROTOCOL_VERSION, ...probe });
}

/** Throws `PROTOCOL_MISMATCH`. */
export function decodeProbe(body: Uint8Array): Probe {
  return decodeMessage(ProbeSchema, body, { code: "PROTOCOL_MISMATCH", what: "A probe", mend });
}

export function encodeProbeAnswer(answer: Omit<ProbeAnswer, "version">): Uint8Array {
  return encodeMessage({ version: PROTOCOL_VERSION, ...answer });
}

/** Throws `PROTOCOL_MISMATCH`. */
export function decodeProbeAnswer(body: Uint8Array): ProbeAnswer {
  return decodeMessage(ProbeAnswerSchema, body, { code: "PROTOCOL_MISMATCH", what: "The answer to a probe", mend });
}
