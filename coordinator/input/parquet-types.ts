/**
 * Parquet columns as column types.
 *
 * Decimals become strings with all their digits; maps, variants and shapes become JSON; times of day stay integers in
 * their own unit; timestamps lose what is finer than a millisecond. Byte arrays not marked as text are binary.
 */
import type { FileMetaData, LogicalType, ParquetParsers, SchemaElement, SchemaTree } from "hyparquet";
import { parquetSchema } from "hyparquet";
import { MISFIT } from "../../shared/rows/infer-type.ts";
import { parseJsonText } from "../../shared/rows/json-text.ts";
import type { Column, ColumnType } from "../../shared/rows/row-schema.ts";
import { decimalText } from "./column-types.ts";
import { imageColumns, imageOr } from "./image-columns.ts";

/** From what the reading library gives for a value that is not null to what the type holds. */
export type Convert = (value: unknown) => unknown;

export interface ConvertedColumn extends Column {
  /** Null where the library's value will do. */
  readonly convert: Convert | null;
}

interface Converted {
  readonly type: ColumnType;
  readonly convert: Convert | null;
}

/** Leaves JSON as text, so that one bad value is one bad row. */
export const parquetParsers: Partial<ParquetParsers> = {
  jsonFromBytes: (bytes) => (bytes === undefined ? undefined : new TextDecoder().decode(bytes)),
};

/** The file's columns by its schema, and by what `datasets` says in it of images. */
export function parquetColumns(metadata: FileMetaData): ConvertedColumn[] {
  const images = imageColumns(metadata.key_value_metadata?.find(({ key }) => key === "huggingface")?.value);
  return parquetSchema(metadata).children.map((node) => {
    const { name } = node.element;
    const column = columnOf(node);
    return { name, ...column, type: images.has(name) ? imageOr(column.type) : column.type };
  });
}

/** The metadata with decimals unmarked: hyparquet would make them floats, and lose digits. */
export function withRawDecimals(metadata: FileMetaData): FileMetaData {
  const schema = metadata.schema.map((element): SchemaElement => {
    if (element.converted_type !== "DECIMAL") return element;
    const { converted_type: _, logical_type: __, ...raw } = element;
    return raw;
  });
  return { ...metadata, schema };
}

function columnOf(node: SchemaTree): Converted {
  const { element, children } = node;
  if (children.length === 0) return element.repetition_type === "REPEATED" ? listOf(leafOf(element)) : leafOf(element);
  const [child] = children;
  const isWrapper = children.length === 1 && child?.element.repetition_type === "REPEATED";
  if (element.converted_type === "LIST" && isWrapper && child.children.length <= 1) {
    return listOf(child.children[0] ? columnOf(child.children[0]) : leafOf(child.element));
  }
  if (element.converted_type === "MAP" && isWrapper && child.children.length === 2) {
    const { convert } = columnOf(child.children[1]!);
    return { type: "json", convert: convert && ((value) => mapValues(value as object, () => convert)) };
  }
  if (element.logical_type?.type === "VARIANT") return { type: "json", convert: null };
  return element.repetition_type === "REPEATED" ? listOf(structOf(children)) : structOf(children);
}

function listOf({ type, convert }: Converted): Converted {
  return {
    type: { list: type },
    convert: convert && ((value) => (value as unknown[]).map((item) => (item == null ? null : convert(item)))),
  };
}

function structOf(children: readonly SchemaTree[]): Converted {
  const fields = children.map((child) => ({ name: child.element.name, ...columnOf(child) }));
  const converts = new Map(fields.map(({ name, convert }) => [name, convert]));
  return {
    type: { struct: Object.fromEntries(fields.map(({ name, type }) => [name, type])) },
    convert: fields.some(({ convert }) => convert)
      ? (value) => mapValues(value as object, (name) => converts.get(name) ?? null)
      : null,
  };
}

function mapValues(value: object, convertOf: (name: string) => Convert | null): object {
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, item == null ? null : (convertOf(name)?.(item) ?? item)]),
  );
}

function leafOf(element: SchemaElement): Converted {
  const { type, converted_type: converted, logical_type: logical } = element;
  const scale = decimalScale(element);
  if (scale !== null) return { type: "string", convert: (value) => decimalText(unscaled(value), scale) };
  if (converted === "JSON") return { type: "json", convert: parseJson };
  if (logical?.type === "GEOMETRY" || logical?.type === "GEOGRAPHY") return { type: "json", convert: null };
  if (converted === "ENUM" || logical?.type === "ENUM") return { type: "string", convert: decodeText };
  return { type: plainType(type, converted, logical), convert: null };
}

function plainType(
  type: SchemaElement["type"],
  converted: SchemaElement["converted_type"],
  logical: LogicalType | undefined,
): ColumnType {
  if (type === "INT96" || logical?.type === "TIMESTAMP" || converted?.startsWith("TIMESTAMP_")) return "timestamp";
  if (converted === "DATE" || logical?.type === "DATE") return "date";
  if (logical?.type === "NULL") return "string";
  if (converted === "UTF8" || logical?.type === "STRING" || logical?.type === "UUID") return "string";
  switch (type) {
    case "BOOLEAN":
      return "bool";
    case "INT32":
      return converted === "UINT_32" ? "int64" : "int32";
    case "INT64":
      return "int64";
    case "FLOAT":
      return "float32";
    case "DOUBLE":
      return "float64";
    default:
      return logical?.type === "FLOAT16" ? "float32" : "binary";
  }
}

function decimalScale({ converted_type: converted, logical_type: logical, scale }: SchemaElement): number | null {
  if (logical?.type === "DECIMAL") return logical.scale;
  return converted === "DECIMAL" ? (scale ?? 0) : null;
}

function unscaled(value: unknown): bigint {
  if (!(value instanceof Uint8Array)) return BigInt(value as number | bigint);
  return value.length === 0 ? 0n : BigInt.asIntN(value.length * 8, BigInt(`0x${Buffer.from(value).toString("hex")}`));
}

function decodeText(value: unknown): unknown {
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : value;
}

function parseJson(value: unknown): unknown {
  try {
    return parseJsonText(value as string);
  } catch (error) {
    if (error instanceof SyntaxError) return MISFIT;
    throw error;
  }
}
