/**
 * Columns and their types, as inputs declare them, result batches carry them and parts store them.
 *
 * Values in memory: `string` is a string; `bool` a boolean; the integers and floats are numbers, with a bigint for
 * an `int64` beyond 2^53-1; `binary` is a Uint8Array; `timestamp` and `date` are a Date; `list` is an array; `struct`
 * is a plain object; `json` is any JSON value, stored as its text; `image` is an object of `IMAGE_FIELDS`. Every column
 * is nullable.
 */
export type ColumnType =
  | "string"
  | "bool"
  | "int32"
  | "int64"
  | "float32"
  | "float64"
  | "binary"
  /** Microseconds in UTC where stored. */
  | "timestamp"
  | "date"
  | "json"
  /** What `datasets` calls Image: parts say of such a column that it holds images, so that readers show them. */
  | "image"
  | { readonly list: ColumnType }
  | { readonly struct: Readonly<Record<string, ColumnType>> };

/** How an image is stored, as `datasets` has it: the bytes of the file, and its name where it has one. */
export const IMAGE_FIELDS = { bytes: "binary", path: "string" } as const satisfies Readonly<Record<string, ColumnType>>;

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

export type RowSchema = readonly Column[];

export type RowValues = Record<string, unknown>;
