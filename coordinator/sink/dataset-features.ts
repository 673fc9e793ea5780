/**
 * What `datasets` and the Hub's viewer need to know of a dataset with images: without it an image is a struct to them.
 *
 * The form is what `datasets` 5.2 itself writes, into Parquet's key-value metadata and into an Arrow schema's, under the
 * key `huggingface`: `{"info": {"features": {…}}}`, with all columns. Other readers pass over it.
 */
import type { ScalarType } from "../../shared/rows/convert-leaves.ts";
import type { ColumnType, RowSchema } from "../../shared/rows/row-schema.ts";

export const FEATURES_KEY = "huggingface";

/** Null for a dataset without images, whose columns say all by their types. */
export function featuresText(schema: RowSchema): string | null {
  if (!schema.some(({ type }) => holdsImage(type))) return null;
  return JSON.stringify({
    info: { features: Object.fromEntries(schema.map(({ name, type }) => [name, feature(type)])) },
  });
}

function holdsImage(type: ColumnType): boolean {
  if (typeof type === "string") return type === "image";
  return "list" in type ? holdsImage(type.list) : Object.values(type.struct).some(holdsImage);
}

function feature(type: ColumnType): object {
  if (type === "image") return { _type: "Image" };
  if (typeof type === "string") return { dtype: DTYPES[type], _type: "Value" };
  if ("list" in type) return { feature: feature(type.list), _type: "List" };
  const fields = Object.entries(type.struct);
  // As it is stored: no format has a struct without fields.
  if (fields.length === 0) return feature("json");
  return Object.fromEntries(fields.map(([name, field]) => [name, feature(field)]));
}

const DTYPES: Readonly<Record<ScalarType, string>> = {
  string: "string",
  json: "string",
  bool: "bool",
  int32: "int32",
  int64: "int64",
  float32: "float32",
  float64: "float64",
  binary: "binary",
  timestamp: "timestamp[us, tz=UTC]",
  date: "date32",
};
