/** The columns that the engine adds to every result batch, beside the user's, which keep their names. */
import type { ErrorClass, ErrorCode } from "../errors.ts";
import type { Column } from "./row-schema.ts";

/** What the engine knows of one output row. Nulls where a row failed before the fact was known. */
export interface EngineValues {
  readonly row_id: number;
  readonly generation: number;
  readonly model: string | null;
  readonly endpoint: string | null;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly finish_reason: string | null;
  readonly seed: number | null;
  readonly attempts: number;
  readonly started_at: Date | null;
  readonly duration_ms: number | null;
  /** Provenance of each call, where the row made more than one. */
  readonly calls: unknown;
  /** Null for an accepted row. */
  readonly error_code: ErrorCode | null;
  readonly error_class: ErrorClass | null;
  readonly error_step: string | null;
  readonly error_message: string | null;
  /** What the server answered last, of a failed row. */
  readonly raw_response: string | null;
}

const PREFIX = "tiding.";

/** Columns of a result batch behind the user's, in this order; each is an engine value's name behind `tiding.`. */
export const ENGINE_COLUMNS = [
  { name: "tiding.row_id", type: "int64" },
  { name: "tiding.generation", type: "int32" },
  { name: "tiding.model", type: "string" },
  { name: "tiding.endpoint", type: "string" },
  { name: "tiding.input_tokens", type: "int64" },
  { name: "tiding.output_tokens", type: "int64" },
  { name: "tiding.finish_reason", type: "string" },
  { name: "tiding.seed", type: "int64" },
  { name: "tiding.attempts", type: "int32" },
  { name: "tiding.started_at", type: "timestamp" },
  { name: "tiding.duration_ms", type: "float64" },
  { name: "tiding.calls", type: "json" },
  { name: "tiding.error_code", type: "string" },
  { name: "tiding.error_class", type: "string" },
  { name: "tiding.error_step", type: "string" },
  { name: "tiding.error_message", type: "string" },
  { name: "tiding.raw_response", type: "string" },
] as const satisfies readonly (Column & { readonly name: `${typeof PREFIX}${keyof EngineValues}` })[];

/** True for a name that no input and no task may use: `tiding`, the struct in a part, and whatever begins with `tiding.`. */
export function isReservedColumn(name: string): boolean {
  return name === "tiding" || name.startsWith(PREFIX);
}
