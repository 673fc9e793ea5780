/** The messages of an Arrow stream back into values, reading the buffers themselves. Takes what `arrow-encode.ts` writes. */
import { type BufferRegion, type FieldNode, Message, type RecordBatch } from "apache-arrow/ipc/metadata/message";
import type { Schema } from "apache-arrow/schema";
import { TidingError } from "../errors.ts";
import { IMAGE_FIELDS } from "./row-schema.ts";
import type { ColumnType } from "./row-schema.ts";

/** Where a message's flatbuffer ends, and so its body begins: null at the end of the stream. */
export function messageEnd(bytes: Buffer, at: number): number | null {
  if (at + 8 > bytes.length) return null;
  const length = bytes.readInt32LE(at + 4);
  if (bytes.readInt32LE(at) !== -1 || length < 0) throw damaged("a message does not begin as one");
  return length === 0 ? null : at + 8 + length;
}

export function decodeMessage(flatbuffer: Uint8Array): Message {
  return Message.decode(flatbuffer);
}

export function schemaOf(message: Message): Schema {
  if (!message.isSchema()) throw damaged("the stream does not begin with a schema");
  return message.header();
}

export function batchOf(message: Message): RecordBatch {
  if (!message.isRecordBatch()) throw damaged("a message is no record batch");
  const batch = message.header();
  if (batch.compression !== null) throw damaged("a record batch is compressed");
  return batch;
}

/** The columns of a record batch. `body` must be whole; it is copied when it does not lie on an eight-byte border. */
export function decodeColumns(types: readonly ColumnType[], batch: RecordBatch, body: Buffer): unknown[][] {
  const reader = new BatchReader(batch, body.byteOffset % 8 === 0 ? body : Buffer.from(new Uint8Array(body).buffer));
  return types.map((type) => reader.next(type));
}

class BatchReader {
  readonly #nodes: readonly FieldNode[];
  readonly #regions: readonly BufferRegion[];
  readonly #body: Buffer;
  #node = 0;
  #region = 0;

  constructor(batch: RecordBatch, body: Buffer) {
    this.#nodes = batch.nodes;
    this.#regions = batch.buffers;
    this.#body = body;
  }

  next(type: ColumnType): unknown[] {
    const node = this.#nodes[this.#node++];
    if (node === undefined) throw damaged("a record batch has fewer columns than its schema");
    const validity = this.#buffer();
    const values = this.#values(type, node.length);
    if (node.nullCount > 0) {
      for (let index = 0; index < node.length; index++) if (!bit(validity, index)) values[index] = null;
    }
    return values;
  }

  #values(type: ColumnType, count: number): unknown[] {
    if (typeof type === "object") {
      return "list" in type ? this.#lists(type.list, count) : this.#structs(type.struct, count);
    }
    switch (type) {
      case "string":
      case "json":
        return this.#slices(count, (body, start, end) => body.toString("utf8", start, end));
      case "image":
        return this.#structs(IMAGE_FIELDS, count);
      case "binary":
        return this.#slices(count, (body, start, end) => new Uint8Array(body.subarray(start, end)));
      case "bool": {
        const bits = this.#buffer();
        return collect(count, (index) => bit(bits, index));
      }
      case "int32":
        return this.#numbers(Int32Array, count);
      case "float32":
        return this.#numbers(Float32Array, count);
      case "float64":
        return this.#numbers(Float64Array, count);
      case "int64": {
        const halves = this.#view(Int32Array, count * 2);
        return collect(count, (index) => wide(halves, index));
      }
      case "timestamp": {
        const halves = this.#view(Int32Array, count * 2);
        return collect(count, (index) => fromMicroseconds(wide(halves, index)));
      }
      case "date": {
        const days = this.#view(Int32Array, count);
        return collect(count, (index) => new Date(days[index]! * 86_400_000));
      }
    }
  }

  #numbers(View: ViewType<ArrayLike<number>>, count: number): unknown[] {
    const numbers = this.#view(View, count);
    return collect(count, (index) => numbers[index]);
  }

  #slices(count: number, take: (body: Buffer, start: number, end: number) => unknown): unknown[] {
    const offsets = this.#view(Int32Array, count + 1);
    const bytes = this.#buffer();
    return collect(count, (index) => take(bytes, offsets[index]!, offsets[index + 1]!));
  }

  #lists(element: ColumnType, count: number): unknown[] {
    const offsets = this.#view(Int32Array, count + 1);
    const elements = this.next(element);
    return collect(count, (index) => elements.slice(offsets[index], offsets[index + 1]));
  }

  #structs(fields: Readonly<Record<string, ColumnType>>, count: number): unknown[] {
    const columns = Object.entries(fields).map(([name, type]) => [name, this.next(type)] as const);
    return collect(count, (index) => {
      const struct: Record<string, unknown> = {};
      for (const [name, column] of columns) struct[name] = column[index];
      return struct;
    });
  }

  #buffer(): Buffer {
    const region = this.#regions[this.#region++];
    if (region === undefined || region.offset + region.length > this.#body.length) {
      throw damaged("a record batch is shorter than it says");
    }
    return this.#body.subarray(region.offset, region.offset + region.length);
  }

  /** An empty column may come with buffers of no bytes. */
  #view<View>(View: ViewType<View>, length: number): View {
    const bytes = this.#buffer();
    if (bytes.length === 0) return new View(new ArrayBuffer(length * 8), 0, length);
    return new View(bytes.buffer, bytes.byteOffset, length);
  }
}

type ViewType<View> = new (buffer: ArrayBufferLike, offset: number, length: number) => View;

function collect(count: number, valueAt: (index: number) => unknown): unknown[] {
  const values: unknown[] = [];
  for (let index = 0; index < count; index++) values.push(valueAt(index));
  return values;
}

function bit(bits: Uint8Array, index: number): boolean {
  return (bits[index >> 3]! & (1 << (index & 7))) !== 0;
}

/** A number where it is a safe integer, a bigint beyond. */
function wide(halves: Int32Array, index: number): number | bigint {
  const low = halves[2 * index]!;
  const high = halves[2 * index + 1]!;
  const value = high * 0x1_0000_0000 + (low >>> 0);
  return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low >>> 0);
}

function fromMicroseconds(value: number | bigint): Date {
  return new Date(typeof value === "number" ? Math.floor(value / 1_000) : Number(value / 1_000n));
}

function damaged(what: string): TidingError {
  return new TidingError("STORE_DAMAGED", `An Arrow stream cannot be read: ${what}.`);
}
