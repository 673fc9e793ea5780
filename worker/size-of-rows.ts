/** How large finished rows are: enough of them are committed together, and no more than memory and a batch should hold. */
import type { RowValues } from "../shared/rows/row-schema.ts";
import type { OutputRow } from "./row-run.ts";

/** About how many bytes the rows take in a batch; texts and bytes are what counts, at any depth. */
export function sizeOfRows(rows: readonly OutputRow[]): number {
  let bytes = 0;
  for (const { values } of rows) bytes += 200 + sizeOfFields(values);
  return bytes;
}

function sizeOfFields(fields: object): number {
  let bytes = 0;
  for (const name in fields) bytes += sizeOfValue((fields as RowValues)[name]);
  return bytes;
}

function sizeOfValue(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 16;
  return value instanceof Uint8Array ? value.byteLength : 16 + sizeOfFields(value);
}
