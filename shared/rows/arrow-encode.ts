/**
 * Rows into the messages of an Arrow stream, by hand-built buffers: several times faster than apache-arrow's builders.
 *
 * apache-arrow writes the flatbuffers (schema, and where each buffer lies); the buffers themselves are written here,
 * into one scratch buffer that is reused, and every byte is set, so that the same values give the same bytes.
 */
import { BufferRegion, FieldNode, Message, RecordBatch } from "apache-arrow/ipc/metadata/message";
import type { Schema } from "apache-arrow/schema";
import { TidingError } from "../errors.ts";
import { toJsonText } from "./json-text.ts";
import { IMAGE_FIELDS } from "./row-schema.ts";
import type { ColumnType } from "./row-schema.ts";

/** The end of an Arrow stream. Readers do without it; pyarrow warns of nothing either way. */
export const END_OF_STREAM: Uint8Array = new Uint8Array([255, 255, 255, 255, 0, 0, 0, 0]);

const KEPT_SCRATCH_BYTES = 16_777_216;
let scratch = Buffer.alloc(65_536);

export function encodeSchemaMessage(schema: Schema): Buffer {
  return frame(Message.from(schema));
}

/**
 * One record batch message: its metadata and its body, to be written one after the other. The body is valid until the
 * next call. Values must fit their types (`fitValue`); text that is no valid Unicode is written with U+FFFD.
 */
export function encodeBatchMessage(
  types: readonly ColumnType[],
  columns: readonly (readonly unknown[])[],
  rows: number,
): { readonly head: Buffer; readonly body: Uint8Array } {
  const body = new BatchBody();
  types.forEach((type, index) => body.add(type, columns[index] ?? []));
  const batch = new RecordBatch(rows, body.nodes, body.regions, null);
  return { head: frame(Message.from(batch, body.length)), body: body.take() };
}

/** A message with its length before it, padded to eight bytes. */
function frame(message: Message): Buffer {
  const flatbuffer = Message.encode(message);
  const length = align(flatbuffer.length);
  const framed = Buffer.alloc(8 + length);
  framed.writeInt32LE(-1, 0);
  framed.writeInt32LE(length, 4);
  framed.set(flatbuffer, 8);
  return framed;
}

class BatchBody {
  readonly nodes: FieldNode[] = [];
  readonly regions: BufferRegion[] = [];
  length = 0;

  take(): Uint8Array {
    const body = scratch.subarray(0, this.length);
    if (scratch.length > KEPT_SCRATCH_BYTES) scratch = Buffer.alloc(65_536);
    return body;
  }

  /** Adds a column: its node, its buffers, then those of its children, as the Arrow format orders them. */
  add(type: ColumnType, values: readonly unknown[]): void {
    this.#addValidity(values);
    if (typeof type === "object") {
      if ("list" in type) this.#addList(type.list, values as readonly (readonly unknown[] | null)[]);
      else this.#addStruct(type.struct, values as readonly (Readonly<Record<string, unknown>> | null)[]);
      return;
    }
    switch (type) {
      case "string":
        return this.#addText(values as readonly (string | null)[]);
      case "json":
        return this.#addText(values.map((value) => (isNull(value) ? null : toJsonText(value))));
      case "image":
        return this.#addStruct(IMAGE_FIELDS, values as readonly (Readonly<Record<string, unknown>> | null)[]);
      case "binary":
        return this.#addBinary(values as readonly (Uint8Array | null)[]);
      case "bool":
        return this.#addBits(values, (value) => value === true);
      case "int32":
      case "float32":
      case "float64":
        return this.#addNumbers(type, values as readonly (number | null)[]);
      case "int64":
        return this.#addWide(values, (value) => value as number | bigint);
      case "timestamp":
        return this.#addWide(values, (value) => microseconds(value as Date));
      case "date":
        return this.#addNumbers(
          "int32",
          values.map((value) => (isNull(value) ? 0 : days(value as Date))),
        );
    }
  }

  /** Makes room for `bytes` at the body's end and gives their place. */
  #reserve(bytes: number): number {
    if (this.length + bytes > scratch.length) {
      const larger = Buffer.alloc(Math.max(scratch.length * 2, align(this.length + bytes)));
      scratch.copy(larger, 0, 0, this.length);
      scratch = larger;
    }
    return this.length;
  }

  /** Ends the buffer that begins at the body's end and is `bytes` long. */
  #close(bytes: number): void {
    const end = this.length + bytes;
    const padded = align(end);
    this.#reserve(padded - this.length);
    scratch.fill(0, end, padded);
    this.regions.push(new BufferRegion(this.length, bytes));
    this.length = padded;
  }

  #addValidity(values: readonly unknown[]): void {
    let nulls = 0;
    for (const value of values) if (isNull(value)) nulls += 1;
    this.nodes.push(new FieldNode(values.length, nulls));
    if (nulls === 0) this.#close(0);
    else this.#addBits(values, (value) => !isNull(value));
  }

  #addBits(values: readonly unknown[], isSet: (value: unknown) => boolean): void {
    const bytes = Math.ceil(values.length / 8);
    const start = this.#reserve(bytes);
    scratch.fill(0, start, start + bytes);
    values.forEach((value, index) => {
      if (isSet(value)) scratch[start + (index >> 3)]! |= 1 << (index & 7);
    });
    this.#close(bytes);
  }

  #addNumbers(type: "int32" | "float32" | "float64", values: readonly (number | null)[]): void {
    const size = type === "float64" ? 8 : 4;
    const start = this.#reserve(values.length * size);
    const View = type === "int32" ? Int32Array : type === "float32" ? Float32Array : Float64Array;
    const view = new View(scratch.buffer, scratch.byteOffset + start, values.length);
    for (let index = 0; index < values.length; index++) view[index] = values[index] ?? 0;
    this.#close(values.length * size);
  }

  /** 64-bit integers in two halves, because a bigint for each value costs more than all the rest. */
  #addWide(values: readonly unknown[], integer: (value: unknown) => number | bigint): void {
    const start = this.#reserve(values.length * 8);
    const halves = new Int32Array(scratch.buffer, scratch.byteOffset + start, values.length * 2);
    for (let index = 0; index < values.length; index++) {
      const value = isNull(values[index]) ? 0 : integer(values[index]);
      if (typeof value === "number") {
        halves[2 * index] = value % 0x1_0000_0000;
        halves[2 * index + 1] = Math.floor(value / 0x1_0000_0000);
      } else {
        halves[2 * index] = Number(BigInt.asIntN(32, value));
        halves[2 * index + 1] = Number(BigInt.asIntN(32, value >> 32n));
      }
    }
    this.#close(values.length * 8);
  }

  #addText(values: readonly (string | null)[]): void {
    const offsets = this.#addOffsets(values.length);
    let most = 0;
    for (const value of values) most += (value?.length ?? 0) * 3;
    const start = this.#reserve(most);
    let end = start;
    values.forEach((value, index) => {
      if (!isNull(value)) end += scratch.write(value, end, "utf8");
      setOffset(offsets, index + 1, end - start);
    });
    this.#close(end - start);
  }

  #addBinary(values: readonly (Uint8Array | null)[]): void {
    const offsets = this.#addOffsets(values.length);
    let total = 0;
    for (const value of values) total += value?.length ?? 0;
    const start = this.#reserve(total);
    let end = start;
    values.forEach((value, index) => {
      if (!isNull(value)) scratch.set(value, end);
      end += value?.length ?? 0;
      setOffset(offsets, index + 1, end - start);
    });
    this.#close(total);
  }

  #addList(element: ColumnType, values: readonly (readonly unknown[] | null)[]): void {
    const offsets = this.#addOffsets(values.length);
    const elements: unknown[] = [];
    values.forEach((value, index) => {
      for (const item of value ?? []) elements.push(item);
      setOffset(offsets, index + 1, elements.length);
    });
    this.add(element, elements);
  }

  #addStruct(
    fields: Readonly<Record<string, ColumnType>>,
    values: readonly (Readonly<Record<string, unknown>> | null)[],
  ): void {
    for (const [name, type] of Object.entries(fields)) {
      this.add(
        type,
        values.map((value) => value?.[name] ?? null),
      );
    }
  }

  /** A buffer for `count` + 1 offsets, the first one set; its place in the scratch buffer, which may move. */
  #addOffsets(count: number): number {
    const start = this.#reserve((count + 1) * 4);
    setOffset(start, 0, 0);
    this.#close((count + 1) * 4);
    return start;
  }
}

function setOffset(start: number, index: number, offset: number): void {
  scratch.writeInt32LE(offset, start + index * 4);
}

function align(length: number): number {
  return (length + 7) & ~7;
}

function isNull(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

function microseconds(time: Date): number | bigint {
  const value = milliseconds(time) * 1_000;
  return Number.isSafeInteger(value) ? value : BigInt(time.getTime()) * 1_000n;
}

function days(time: Date): number {
  return Math.floor(milliseconds(time) / 86_400_000);
}

function milliseconds(time: Date): number {
  const value = time.getTime();
  if (Number.isNaN(value)) throw new TidingError("INTERNAL", "A time column holds a Date that is no time.");
  return value;
}
