/** Column types as Arrow types, and back. A `json` column is Utf8; whether its text is parsed again is up to the reader. */
// By their files, here and wherever rows travel: loading all of apache-arrow takes twice as long, in each thread.
import { Field, Schema } from "apache-arrow/schema";
import {
  Binary,
  Bool,
  DataType,
  DateDay,
  Float32,
  Float64,
  Int32,
  Int64,
  List,
  Struct,
  TimestampMicrosecond,
  Utf8,
} from "apache-arrow/type";
import { IMAGE_FIELDS } from "./row-schema.ts";
import type { ColumnType, RowSchema } from "./row-schema.ts";

export function arrowType(type: ColumnType): DataType {
  if (typeof type === "object") {
    if ("list" in type) return new List(new Field("item", arrowType(type.list), true));
    return new Struct(Object.entries(type.struct).map(([name, field]) => new Field(name, arrowType(field), true)));
  }
  switch (type) {
    case "string":
    case "json":
      return new Utf8();
    case "bool":
      return new Bool();
    case "int32":
      return new Int32();
    case "int64":
      return new Int64();
    case "float32":
      return new Float32();
    case "float64":
      return new Float64();
    case "binary":
      return new Binary();
    case "timestamp":
      return new TimestampMicrosecond("UTC");
    case "date":
      return new DateDay();
    case "image":
      return arrowType({ struct: IMAGE_FIELDS });
  }
}

/** The column type behind an Arrow type that `arrowType` made; undefined for any other. An image is a struct by then. */
export function columnType(type: DataType): ColumnType | undefined {
  if (DataType.isUtf8(type)) return "string";
  if (DataType.isBool(type)) return "bool";
  if (DataType.isInt(type) && type.isSigned) {
    return type.bitWidth === 64 ? "int64" : type.bitWidth === 32 ? "int32" : undefined;
  }
  if (DataType.isFloat(type)) return type.precision === 2 ? "float64" : type.precision === 1 ? "float32" : undefined;
  if (DataType.isBinary(type)) return "binary";
  if (DataType.isTimestamp(type)) return type.unit === 2 ? "timestamp" : undefined;
  if (DataType.isDate(type)) return type.unit === 0 ? "date" : undefined;
  if (DataType.isList(type)) {
    const list = columnType(type.children[0]!.type as DataType);
    return list === undefined ? undefined : { list };
  }
  if (!DataType.isStruct(type)) return undefined;
  const fields = type.children.map((field) => [field.name, columnType(field.type as DataType)] as const);
  return fields.some(([, field]) => field === undefined)
    ? undefined
    : { struct: Object.fromEntries(fields as [string, ColumnType][]) };
}

/** An Arrow schema whose columns are nullable; `ofFields` goes with the columns of the same index, `ofSchema` with all. */
export function arrowSchema(
  schema: RowSchema,
  ofFields: readonly (Map<string, string> | null)[] = [],
  ofSchema: ReadonlyMap<string, string> | null = null,
): Schema {
  return new Schema(
    schema.map(({ name, type }, index) => new Field(name, arrowType(type), true, ofFields[index])),
    ofSchema === null ? null : new Map(ofSchema),
  );
}
