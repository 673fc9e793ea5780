/** The columns of parts, and the `tiding` struct that tells where a row comes from. */
import { TidingError } from "../../shared/errors.ts";
import { ENGINE_COLUMNS, type EngineValues } from "../../shared/rows/result-batch.ts";
import type { Column, ColumnType } from "../../shared/rows/row-schema.ts";
import type { LandingRequest } from "./part-file.ts";

type EngineName = keyof EngineValues;

/** Fields of the struct in a data file: engine values under their own names. */
const acceptedFields: readonly EngineName[] = [
  "row_id",
  "generation",
  "model",
  "endpoint",
  "input_tokens",
  "output_tokens",
  "finish_reason",
  "seed",
  "attempts",
  "started_at",
  "duration_ms",
  "calls",
];

/** Fields of the struct in a failed file, and the engine value of each. */
const failedFields: Readonly<Record<string, EngineName>> = {
  row_id: "row_id",
  generation: "generation",
  step: "error_step",
  code: "error_code",
  class: "error_class",
  message: "error_message",
  raw_response: "raw_response",
  model: "model",
  endpoint: "endpoint",
  seed: "seed",
  attempts: "attempts",
  input_tokens: "input_tokens",
  output_tokens: "output_tokens",
  started_at: "started_at",
  duration_ms: "duration_ms",
};

/** Engine values of some rows, by name. */
export type EngineColumns = Readonly<Record<EngineName, readonly unknown[]>>;

interface Metadata {
  readonly column: Column;
  readonly of: (engine: EngineColumns, row: number) => Record<string, unknown>;
}

export const acceptedMetadata: Metadata = metadata(acceptedFields.map((name) => [name, name]));
export const failedMetadata: Metadata = metadata(Object.entries(failedFields));

function metadata(fields: readonly (readonly [field: string, name: EngineName])[]): Metadata {
  const types = new Map<string, ColumnType>(ENGINE_COLUMNS.map(({ name, type }) => [name, type]));
  return {
    column: {
      name: "tiding",
      type: { struct: Object.fromEntries(fields.map(([field, name]) => [field, types.get(`tiding.${name}`)!])) },
    },
    of: (engine, row) => {
      const struct: Record<string, unknown> = {};
      for (const [field, name] of fields) struct[field] = engine[name][row];
      return struct;
    },
  };
}

/** The user's columns of a data file, in order, as indexes into input columns then task columns. Throws `COLUMN_MISSING`. */
export function selectColumns(
  request: Pick<LandingRequest, "inputColumns" | "taskColumns" | "columns">,
): readonly number[] {
  const names = [...request.inputColumns, ...request.taskColumns].map(({ name }) => name);
  if (request.columns === null) return names.map((_, index) => index);
  return request.columns.map((name) => {
    const index = names.indexOf(name);
    if (index >= 0) return index;
    throw new TidingError("COLUMN_MISSING", `There is no column ${name} to keep; there are ${names.join(", ")}.`, {
      place: "output.columns",
      mend: "Name columns of the input or of a step's output.",
    });
  });
}
