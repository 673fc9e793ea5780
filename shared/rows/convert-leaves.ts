/** A conversion of scalars, lifted to the lists and structs that hold them. */
import { IMAGE_FIELDS } from "./row-schema.ts";
import type { ColumnType } from "./row-schema.ts";

export type ScalarType = Exclude<Extract<ColumnType, string>, "image">;
export type Conversion = (value: unknown) => unknown;

/** Nulls pass unconverted. Null where nothing within the type is to be converted, so that callers can skip the walk. */
export function convertLeaves(type: ColumnType, leaf: (type: ScalarType) => Conversion | null): Conversion | null {
  if (type === "image") return convertLeaves({ struct: IMAGE_FIELDS }, leaf);
  if (typeof type === "string") return nullable(leaf(type));
  if ("list" in type) {
    const element = convertLeaves(type.list, leaf);
    return element && nullable((value) => (value as unknown[]).map(element));
  }
  const fields = Object.entries(type.struct)
    .map(([name, field]) => [name, convertLeaves(field, leaf)] as const)
    .filter((field): field is [string, Conversion] => field[1] !== null);
  if (fields.length === 0) return null;
  return nullable((value) => {
    const struct = { ...(value as Record<string, unknown>) };
    for (const [name, convert] of fields) struct[name] = convert(struct[name]);
    return struct;
  });
}

function nullable(convert: Conversion | null): Conversion | null {
  return convert && ((value) => (value === null || value === undefined ? null : convert(value)));
}
