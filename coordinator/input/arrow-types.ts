/**
 * Arrow columns as column types.
 *
 * Decimals become strings with all their digits, maps and unions JSON; times of day and durations stay integers in their
 * own unit; timestamps lose what is finer than a millisecond; dictionaries are decoded.
 */
import { DataType, Precision } from "apache-arrow";
import type { Field } from "apache-arrow";
import { TidingError } from "../../shared/errors.ts";
import type { Column, ColumnType } from "../../shared/rows/row-schema.ts";
import { decimalText } from "./column-types.ts";

/** From what the reading library gives for a value that is not null to what the type holds. */
export type Convert = (value: unknown) => unknown;

export interface ArrowColumn extends Column {
  /** Null where the library's value will do. */
  readonly convert: Convert | null;
}

type Converted = Omit<ArrowColumn, "name">;

const plain = (type: ColumnType): Converted => ({ type, convert: null });
const toDate: Convert = (value) => new Date(value as number);

/** The column that a field describes. Throws INPUT_UNREADABLE for a type that has no counterpart. */
export function arrowColumn(field: Field, path: string): ArrowColumn {
  const converted = convertedOf(field.type as DataType);
  if (converted !== null) return { name: field.name, ...converted };
  throw new TidingError("INPUT_UNREADABLE", `Column "${field.name}" is of type ${String(field.type)}.`, {
    place: path,
    mend: "Leave the column out of the file, or write it as another type.",
  });
}

function convertedOf(type: DataType): Converted | null {
  if (DataType.isDictionary(type)) return convertedOf(type.dictionary as DataType);
  if (DataType.isNull(type)) return plain("string");
  if (DataType.isBool(type)) return plain("bool");
  if (DataType.isInt(type))
    return plain(type.bitWidth < 32 || (type.bitWidth === 32 && type.isSigned) ? "int32" : "int64");
  if (DataType.isFloat(type)) return plain(type.precision === Precision.DOUBLE ? "float64" : "float32");
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type) || DataType.isUtf8View(type)) return plain("string");
  if (DataType.isBinary(type) || DataType.isLargeBinary(type) || DataType.isBinaryView(type)) return plain("binary");
  if (DataType.isFixedSizeBinary(type)) return plain("binary");
  if (DataType.isDate(type)) return { type: "date", convert: toDate };
  if (DataType.isTimestamp(type)) return { type: "timestamp", convert: toDate };
  if (DataType.isTime(type) || DataType.isDuration(type)) return plain("int64");
  if (DataType.isDecimal(type)) {
    const { scale } = type;
    return { type: "string", convert: (value) => decimalText(bigintOf(value as ArrayBufferView), scale) };
  }
  if (DataType.isMap(type)) return { type: "json", convert: toJson };
  if (DataType.isUnion(type)) return { type: "json", convert: toJson };
  if (DataType.isList(type) || DataType.isLargeList(type) || DataType.isFixedSizeList(type)) {
    return listOf(type.valueType as DataType);
  }
  return DataType.isStruct(type) ? structOf(type.children) : null;
}

function listOf(element: DataType): Converted | null {
  const item = convertedOf(element);
  if (item === null) return null;
  const { convert } = item;
  return {
    type: { list: item.type },
    convert: (value) =>
      Array.from(value as Iterable<unknown>, (entry) => (entry == null || convert === null ? entry : convert(entry))),
  };
}

function structOf(children: readonly Field[]): Converted | null {
  const fields: (readonly [string, Converted])[] = [];
  for (const child of children) {
    const converted = convertedOf(child.type as DataType);
    if (converted === null) return null;
    fields.push([child.name, converted]);
  }
  return {
    type: { struct: Object.fromEntries(fields.map(([name, { type }]) => [name, type])) },
    convert: (value) => {
      const struct: Record<string, unknown> = {};
      for (const [name, { convert }] of fields) {
        const item = (value as Record<string, unknown>)[name];
        struct[name] = item == null || convert === null ? item : convert(item);
      }
      return struct;
    },
  };
}

/** Rows, vectors and maps of the library as plain objects and arrays. */
function toJson(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const { toJSON } = value as { toJSON?: () => unknown };
  const made = toJSON ? toJSON.call(value) : value;
  if (Array.isArray(made)) return made.map(toJson);
  return typeof made === "object" && made !== null
    ? Object.fromEntries(Object.entries(made).map(([name, item]) => [name, toJson(item)]))
    : made;
}

/** A signed integer of any width from its little-endian words. */
function bigintOf(words: ArrayBufferView): bigint {
  const bytes = Buffer.from(words.buffer, words.byteOffset, words.byteLength);
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes.toReversed()).toString("hex")}`));
}
