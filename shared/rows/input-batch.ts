/** The rows of a shard on their way to a worker: the input's columns, and why a row could not be read, if it could not. */
import type { RowSchema } from "./row-schema.ts";

/** Reserved, like every name that begins with `tiding.`. Holds JSON of an `InputFault`. */
export const FAULT_COLUMN = "tiding.fault";

export interface InputFault {
  readonly message: string;
  readonly place: string;
  readonly raw: string;
}

export function inputBatchSchema(columns: RowSchema): RowSchema {
  return [...columns, { name: FAULT_COLUMN, type: "string" }];
}
