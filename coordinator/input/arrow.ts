/**
 * Arrow IPC, both the file format and the stream format, record batch by record batch. Memory follows the largest batch.
 * Bodies may be plain or compressed with zstd; LZ4, the default of Feather writers, is refused.
 *
 * Rows are entered by record batch and how many rows of it come before; a stream is read through up to there.
 */
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { AsyncRecordBatchFileReader, compressionRegistry, CompressionType, RecordBatchReader } from "apache-arrow";
import type { RecordBatch } from "apache-arrow";
import { messageOf, TidingError } from "../../shared/errors.ts";
import { fitValue } from "../../shared/rows/infer-type.ts";
import { toJsonText } from "../../shared/rows/json-text.ts";
import { arrowColumn } from "./arrow-types.ts";
import type { ArrowColumn } from "./arrow-types.ts";
import { approximateBytes } from "./column-types.ts";
import { decompressZstd } from "./compression.ts";
import { imageColumns, imageOr } from "./image-columns.ts";
import { sharedColumns } from "./input-format.ts";
import type { FileOffset, FileRow, InputFormat } from "./input-format.ts";
import { readFailure } from "./read-failure.ts";
import type { InputFile } from "./row-source.ts";

const CHUNK_ROWS = 256;
const MAGIC = "ARROW1";

type Reader = Awaited<ReturnType<typeof openReader>>;

export function arrowFormat(): InputFormat {
  // The registry belongs to the library; an encoder that others put there must stay.
  if (!compressionRegistry.get(CompressionType.ZSTD)?.decode) {
    // Copied, because the library lays arrays of 8-byte values over it, which must be aligned.
    compressionRegistry.set(CompressionType.ZSTD, { decode: (bytes) => Uint8Array.from(decompressZstd(bytes)) });
  }
  return {
    isTyped: true,
    seeksBytes: false,
    columns: async (files) => await sharedColumns(files, describe),
    rows: (file, names, from) => readRows(file, names, from),
    fit: fitValue,
    place: (file, row) => `${file.path} batch ${row.at}, row ${row.skip}`,
    rawText: (row) => toJsonText(row.source),
  };
}

async function describe(file: InputFile): Promise<ArrowColumn[] | null> {
  if (file.bytes === 0) return null;
  try {
    await using handle = await open(file.path);
    return columnsOf(await openReader(handle, file), file);
  } catch (error) {
    throw failure(error, file.path);
  }
}

function columnsOf(reader: Reader, file: InputFile): ArrowColumn[] {
  const { fields } = reader.schema;
  const twice = fields.find(({ name }, index) => fields.findIndex((field) => field.name === name) !== index);
  const images = imageColumns(reader.schema.metadata.get("huggingface"));
  const columns = fields.map((field) => arrowColumn(field, file.path));
  if (twice === undefined) {
    return columns.map((column) => (images.has(column.name) ? { ...column, type: imageOr(column.type) } : column));
  }
  throw new TidingError("INPUT_UNREADABLE", `Two columns are named "${twice.name}".`, {
    place: file.path,
    mend: "Give each column a name of its own.",
  });
}

async function openReader(handle: FileHandle, file: InputFile) {
  const head = await textAt(handle, 0);
  if (head.startsWith("FEA1")) throw new Error("it is in Feather's first version, which is not Arrow IPC");
  if (head === MAGIC && (await textAt(handle, file.bytes - MAGIC.length)) !== MAGIC) {
    throw new Error("it has no footer; it was cut off, or is still being written");
  }
  const reader = await RecordBatchReader.from(handle);
  await reader.open();
  if (!reader.schema) throw new Error("it has no schema");
  return reader;
}

async function textAt(handle: FileHandle, position: number): Promise<string> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, Math.max(0, position));
  return buffer.toString("latin1", 0, bytesRead);
}

async function* readRows(
  file: InputFile,
  names: readonly string[],
  from: FileOffset,
): AsyncGenerator<readonly FileRow[]> {
  let index = 0;
  try {
    await using handle = await open(file.path);
    const reader = await openReader(handle, file);
    const columns = columnsOf(reader, file).filter(({ name }) => names.includes(name));
    for await (const [at, batch] of batchesFrom(reader, from.at)) {
      index = at;
      yield* chunksOf(columns, batch, { at, skip: at === from.at ? from.skip : 0 });
      index = at + 1;
    }
  } catch (error) {
    throw failure(error, `${file.path} batch ${index}`);
  }
}

function failure(error: unknown, place: string): Error {
  const isLz4 = messageOf(error).includes("codec not found");
  if (!isLz4) return readFailure(error, place, "Check that the file is whole and is Arrow IPC, Feather V2 included.");
  return new TidingError("INPUT_UNREADABLE", "The Arrow file is compressed with LZ4, which is not read here.", {
    place,
    mend: 'Write it with compression "zstd" or "uncompressed", or as Parquet.',
    cause: error,
  });
}

async function* batchesFrom(reader: Reader, from: number): AsyncGenerator<readonly [number, RecordBatch]> {
  if (reader instanceof AsyncRecordBatchFileReader) {
    for (let index = from; index < reader.numRecordBatches; index += 1) {
      const batch = await reader.readRecordBatch(index);
      if (batch === null) throw new Error("the batch is missing");
      yield [index, batch];
    }
    return;
  }
  let index = 0;
  for await (const batch of reader) {
    if (index >= from) yield [index, batch];
    index += 1;
  }
}

function* chunksOf(columns: readonly ArrowColumn[], batch: RecordBatch, from: FileOffset): Generator<FileRow[]> {
  const vectors = columns.map(({ name }) => batch.getChild(name)!);
  let chunk: FileRow[] = [];
  for (let row = from.skip; row < batch.numRows; row += 1) {
    const record: Record<string, unknown> = {};
    let bytes = 2;
    for (let index = 0; index < columns.length; index += 1) {
      const { name, convert } = columns[index]!;
      const raw: unknown = vectors[index]!.get(row);
      const value = raw == null || convert === null ? raw : convert(raw);
      record[name] = value ?? null;
      bytes += approximateBytes(value);
    }
    chunk.push({ record, problem: null, source: record, at: from.at, skip: row, line: null, bytes });
    if (chunk.length < CHUNK_ROWS) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
