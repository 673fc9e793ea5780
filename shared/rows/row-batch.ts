/**
 * Rows on their way: one self-contained Arrow stream (schema, one record batch, end) that any Arrow reader opens.
 *
 * Scalars travel as Arrow's own types, and an image as a struct of bytes and a text. Lists, structs and json travel as
 * JSON text in a Utf8 column, so that values of any shape come back as they were. The field metadata `tiding.type` holds
 * the column type as JSON where Arrow's does not say it.
 * The same values under the same schema give the same bytes: batches are hashed.
 */
import type { Field } from "apache-arrow";
import { TidingError, messageOf } from "../errors.ts";
import { batchOf, decodeColumns, decodeMessage, messageEnd, schemaOf } from "./arrow-decode.ts";
import { END_OF_STREAM, encodeBatchMessage, encodeSchemaMessage } from "./arrow-encode.ts";
import { arrowSchema, columnType } from "./arrow-schema.ts";
import { convertLeaves } from "./convert-leaves.ts";
import { parseJsonText, toJsonText } from "./json-text.ts";
import type { Column, ColumnType, RowSchema } from "./row-schema.ts";

const TYPE_KEY = "tiding.type";

interface Encoding {
  readonly schemaMessage: Buffer;
  readonly types: readonly ColumnType[];
  readonly texts: readonly (((value: unknown) => string) | null)[];
}

interface Decoding {
  readonly schema: RowSchema;
  readonly types: readonly ColumnType[];
  readonly values: readonly (((text: string) => unknown) | null)[];
}

export interface RowBatch {
  readonly schema: RowSchema;
  readonly rows: number;
  readonly columns: unknown[][];
}

const encodings = new WeakMap<RowSchema, Encoding>();
/** By the bytes of the schema message: a process sees a handful of schemas. */
const decodings = new Map<string, Decoding>();
const MOST_DECODINGS = 32;

/**
 * Encodes `rows` rows, given by column; undefined is null. Values must fit their types (`fitValue`).
 * The message of a schema is kept by the schema's identity: pass the same array again and it costs nothing.
 */
export function encodeRowBatch(schema: RowSchema, columns: readonly (readonly unknown[])[], rows: number): Uint8Array {
  const { schemaMessage, types, texts } = encodingOf(schema);
  const texted = columns.map((column, index) => {
    const text = texts[index];
    return text ? column.map((value) => (value === null || value === undefined ? null : text(value))) : column;
  });
  const { head, body } = encodeBatchMessage(types, texted, rows);
  const bytes = Buffer.allocUnsafeSlow(schemaMessage.length + head.length + body.length + END_OF_STREAM.length);
  let end = 0;
  for (const piece of [schemaMessage, head, body, END_OF_STREAM]) {
    bytes.set(piece, end);
    end += piece.length;
  }
  return bytes;
}

/** The rows of a batch, by column. Throws `STORE_DAMAGED` for bytes that are no whole batch. */
export function decodeRowBatch(bytes: Uint8Array): RowBatch {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const schemaEnd = messageEnd(buffer, 0);
    const headEnd = schemaEnd === null ? null : messageEnd(buffer, schemaEnd);
    if (schemaEnd === null || headEnd === null) throw new RangeError("it ends before its rows");
    const { schema, types, values } = decodingOf(buffer.subarray(0, schemaEnd));
    const batch = batchOf(decodeMessage(buffer.subarray(schemaEnd + 8, headEnd)));
    const columns = decodeColumns(types, batch, buffer.subarray(headEnd));
    values.forEach((value, index) => {
      if (value) columns[index] = columns[index]!.map((text) => (text === null ? null : value(text as string)));
    });
    return { schema, rows: batch.length, columns };
  } catch (error) {
    throw new TidingError("STORE_DAMAGED", `A row batch of ${bytes.length} bytes cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function encodingOf(schema: RowSchema): Encoding {
  let encoding = encodings.get(schema);
  if (encoding === undefined) {
    const travelling = schema.map((column): Column => (isText(column.type) ? { ...column, type: "string" } : column));
    const metadata = schema.map(({ type }) =>
      isText(type) || type === "image" ? new Map([[TYPE_KEY, JSON.stringify(type)]]) : null,
    );
    encoding = {
      schemaMessage: encodeSchemaMessage(arrowSchema(travelling, metadata)),
      types: travelling.map(({ type }) => type),
      texts: schema.map(({ type }) => (isText(type) ? toText(type) : null)),
    };
    encodings.set(schema, encoding);
  }
  return encoding;
}

function decodingOf(schemaMessage: Buffer): Decoding {
  const key = schemaMessage.toString("latin1");
  let decoding = decodings.get(key);
  if (decoding === undefined) {
    const { fields } = schemaOf(decodeMessage(schemaMessage.subarray(8)));
    const schema = fields.map((field): Column => ({ name: field.name, type: typeOf(field) }));
    decoding = {
      schema,
      types: schema.map(({ type }) => (isText(type) ? "string" : type)),
      values: schema.map(({ type }) => (isText(type) ? fromText(type) : null)),
    };
    if (decodings.size >= MOST_DECODINGS) decodings.clear();
    decodings.set(key, decoding);
  }
  return decoding;
}

function typeOf(field: Field): ColumnType {
  const text = field.metadata.get(TYPE_KEY);
  const type = text === undefined ? columnType(field.type) : (JSON.parse(text) as ColumnType);
  if (type === undefined) throw new TypeError(`column ${field.name} has type ${String(field.type)}`);
  return type;
}

function isText(type: ColumnType): boolean {
  return typeof type === "object" || type === "json";
}

function toText(type: ColumnType): (value: unknown) => string {
  const toJson = convertLeaves(type, (leaf) => {
    switch (leaf) {
      case "binary":
        return (value) => Buffer.from(value as Uint8Array).toString("base64");
      case "timestamp":
      case "date":
        return (value) => (value as Date).toISOString();
      case "float32":
      case "float64":
        return (value) => (Number.isFinite(value) ? value : String(value));
      default:
        return null;
    }
  });
  return toJson === null ? toJsonText : (value) => toJsonText(toJson(value));
}

function fromText(type: ColumnType): (text: string) => unknown {
  const fromJson = convertLeaves(type, (leaf) => {
    switch (leaf) {
      case "binary":
        return (value) => new Uint8Array(Buffer.from(value as string, "base64"));
      case "timestamp":
      case "date":
        return (value) => new Date(value as string);
      case "float32":
      case "float64":
        return Number;
      default:
        return null;
    }
  });
  return fromJson === null ? parseJsonText : (text) => fromJson(parseJsonText(text));
}
