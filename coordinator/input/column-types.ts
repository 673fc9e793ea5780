/** Small questions about column types and the values in them. */
import { isDeepStrictEqual } from "node:util";
import type { ColumnType } from "../../shared/rows/row-schema.ts";

export function isSameType(a: ColumnType, b: ColumnType): boolean {
  return isDeepStrictEqual(a, b);
}

/** A type as a person writes it: `int64`, `list of string`. */
export function typeText(type: ColumnType): string {
  if (typeof type === "string") return type;
  return "list" in type ? `list of ${typeText(type.list)}` : `struct of ${Object.keys(type.struct).join(", ")}`;
}

/** What kind of value stands where another was expected; never the value itself. */
export function valueText(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (value instanceof Date) return "a time";
  if (value instanceof Uint8Array) return "bytes";
  if (typeof value === "object") return "an object";
  if (typeof value === "number") return Number.isInteger(value) ? "an integer" : "a fraction";
  return { string: "a text", boolean: "a boolean", bigint: "a large integer" }[typeof value as string] ?? typeof value;
}

/** About how many bytes a value takes as JSON. */
export function approximateBytes(value: unknown): number {
  if (typeof value === "string" || value instanceof Uint8Array) return value.length;
  if (typeof value !== "object" || value === null || value instanceof Date) return 8;
  let bytes = 2;
  for (const item of Array.isArray(value) ? value : Object.values(value)) bytes += approximateBytes(item);
  return bytes;
}

/** An integer of which `scale` digits stand behind the point, with all its digits. */
export function decimalText(unscaled: bigint, scale: number): string {
  if (scale <= 0) return (unscaled * 10n ** BigInt(-scale)).toString();
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, "0");
  return `${unscaled < 0n ? "-" : ""}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}
