/**
 * Parquet, row group by row group; large ones in slices, so that memory follows the slice and the largest column chunk.
 *
 * Rows are entered by row group and how many rows of it come before.
 */
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { parquetMetadataAsync, parquetScan } from "hyparquet";
import type { AsyncBuffer, Compressors, FileMetaData } from "hyparquet";
import { compressors as baseCompressors, decompressLz4, decompressLz4Raw } from "hyparquet-compressors";
import { TidingError } from "../../shared/errors.ts";
import { fitValue } from "../../shared/rows/infer-type.ts";
import { toJsonText } from "../../shared/rows/json-text.ts";
import { approximateBytes } from "./column-types.ts";
import { decompressZstd } from "./compression.ts";
import { sharedColumns } from "./input-format.ts";
import type { FileOffset, FileRow, InputFormat } from "./input-format.ts";
import { parquetColumns, parquetParsers, withRawDecimals } from "./parquet-types.ts";
import type { ConvertedColumn } from "./parquet-types.ts";
import { readFailure } from "./read-failure.ts";
import type { InputFile, RowBlock } from "./row-source.ts";

/** About how many bytes of values are held at once. */
const SLICE_BYTES = 33_554_432;
const CHUNK_ROWS = 256;
const WHOLE_MEND = "Check that the file is whole and is Parquet.";

const compressors: Compressors = {
  ...baseCompressors,
  // The LZ4 decoders fail on a page without values.
  LZ4: (input, length) => (length === 0 ? new Uint8Array(0) : decompressLz4(input, length)),
  LZ4_RAW: (input, length) => (length === 0 ? new Uint8Array(0) : decompressLz4Raw(input, length)),
  GZIP: (input) => gunzipSync(input),
  BROTLI: (input) => brotliDecompressSync(input),
  ZSTD: (input) => decompressZstd(input),
};

export function parquetFormat(sliceBytes: number = SLICE_BYTES): InputFormat {
  let blocks: RowBlock[] = [];
  return {
    isTyped: true,
    seeksBytes: false,
    rowCount: () => blocks.reduce((sum, { rows }) => sum + rows, 0),
    blocks: () => blocks,
    async columns(files) {
      blocks = [];
      return sharedColumns(files, async (file) => {
        const described = await describe(file);
        for (const [at, rows] of (described?.groups ?? []).entries())
          blocks.push({ file: files.indexOf(file), at, rows });
        return described?.columns ?? null;
      });
    },
    rows: (file, names, from) => readRows(file, names, { from, sliceBytes }),
    fit: fitValue,
    place: (file, row) => `${file.path} row group ${row.at}, row ${row.skip}`,
    rawText: (row) => toJsonText(row.source),
  };
}

async function describe(file: InputFile): Promise<{ columns: ConvertedColumn[]; groups: number[] } | null> {
  if (file.bytes === 0) return null;
  try {
    await using handle = await open(file.path);
    const metadata = await readMetadata(handle, file);
    const columns = parquetColumns(metadata);
    const twice = columns.find(({ name }, index) => columns.findIndex((column) => column.name === name) !== index);
    if (twice === undefined) return { columns, groups: rowsOfGroups(metadata) };
    throw new TidingError("INPUT_UNREADABLE", `Two columns are named "${twice.name}".`, {
      place: file.path,
      mend: "Give each column a name of its own.",
    });
  } catch (error) {
    throw readFailure(error, file.path, WHOLE_MEND);
  }
}

function rowsOfGroups(metadata: FileMetaData): number[] {
  return metadata.row_groups.map((group) => Number(group.num_rows));
}

async function readMetadata(handle: FileHandle, file: InputFile): Promise<FileMetaData> {
  if (file.bytes < 12) throw new Error(`${file.bytes} bytes are too few for a Parquet file`);
  return await parquetMetadataAsync(asyncBuffer(handle, file.bytes), { geoparquet: false });
}

/** hyparquet's view of an open file; its own opens the file again for each slice. */
function asyncBuffer(handle: FileHandle, byteLength: number): AsyncBuffer {
  return {
    byteLength,
    async slice(start, end = byteLength) {
      const buffer = new Uint8Array(end - start);
      let filled = 0;
      while (filled < buffer.length) {
        const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, start + filled);
        if (bytesRead === 0) throw new Error(`the file ends before byte ${end}`);
        filled += bytesRead;
      }
      return buffer.buffer;
    },
  };
}

async function* readRows(
  file: InputFile,
  names: readonly string[],
  { from, sliceBytes }: { readonly from: FileOffset; readonly sliceBytes: number },
): AsyncGenerator<readonly FileRow[]> {
  let group = from.at;
  try {
    await using handle = await open(file.path);
    const metadata = await readMetadata(handle, file);
    const columns = parquetColumns(metadata).filter(({ name }) => names.includes(name));
    const scan = await parquetScan({
      file: asyncBuffer(handle, file.bytes),
      metadata: withRawDecimals(metadata),
      columns: columns.map(({ name }) => name),
      compressors,
      parsers: parquetParsers,
      utf8: false,
      geoparquet: false,
    });
    const counts = rowsOfGroups(metadata);
    let groupStart = counts.slice(0, group).reduce((sum, count) => sum + count, 0);
    for (; group < counts.length; group += 1) {
      const rows = counts[group]!;
      const perRow = Number(metadata.row_groups[group]!.total_byte_size) / rows;
      const sliceRows = Math.max(CHUNK_ROWS, Math.floor(sliceBytes / Math.max(1, perRow)));
      for (let start = group === from.at ? from.skip : 0; start < rows; start += sliceRows) {
        const length = Math.min(sliceRows, rows - start);
        const rowStart = groupStart + start;
        const values: ArrayLike<unknown>[] = [];
        for (const { name } of columns) {
          values.push(await scan.readColumn({ column: name, rowStart, rowEnd: rowStart + length }));
        }
        yield* chunksOf(columns, values, { group, start, length });
      }
      groupStart += rows;
    }
  } catch (error) {
    throw readFailure(error, `${file.path} row group ${group}`, WHOLE_MEND);
  }
}

interface Slice {
  readonly group: number;
  /** Rows of the group before the slice. */
  readonly start: number;
  readonly length: number;
}

function* chunksOf(
  columns: readonly ConvertedColumn[],
  values: readonly ArrayLike<unknown>[],
  { group, start, length }: Slice,
): Generator<FileRow[]> {
  let chunk: FileRow[] = [];
  for (let row = 0; row < length; row += 1) {
    const record: Record<string, unknown> = {};
    let bytes = 2;
    for (let index = 0; index < columns.length; index += 1) {
      const { name, convert } = columns[index]!;
      const value = values[index]![row] ?? null;
      record[name] = convert !== null && value !== null ? convert(value) : value;
      bytes += approximateBytes(value);
    }
    chunk.push({ record, problem: null, source: record, at: group, skip: start + row, line: null, bytes });
    if (chunk.length < CHUNK_ROWS) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
