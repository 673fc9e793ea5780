/** Opens a job's input: finds its files, settles its columns, and reads its rows from any row's offset on. */
import { TidingError } from "../../shared/errors.ts";
import type { RowSchema } from "../../shared/rows/row-schema.ts";
import type { InputSpec } from "../../shared/spec/job-spec.ts";
import { generatedRows } from "./generated-rows.ts";
import { compressionOf } from "./compression.ts";
import { findInputFiles } from "./input-files.ts";
import type { FileRow, InputFormat } from "./input-format.ts";
import { RowShape } from "./row-shape.ts";
import type { ShapedColumn } from "./row-shape.ts";
import type { InputFile, InputRow, RowEntries, RowSource, SourceOffset } from "./row-source.ts";
import { requireColumns, selectColumns } from "./select-columns.ts";

const RAW_BYTES = 4_096;

export interface OpenRowSourceOptions {
  /** Where relative paths start. */
  readonly folder: string;
  /** The schema that the first run froze; without it the columns' types are taken from the files. */
  readonly schema?: RowSchema;
}

/**
 * Opens the input. `limit` and `offset` are the caller's to apply. Throws INPUT_MISSING, INPUT_UNREADABLE,
 * COLUMN_MISSING and COLUMN_COLLISION; reading rows throws INPUT_UNREADABLE for damaged files, and with `strict` for the
 * first row that cannot be read.
 */
export async function openRowSource(input: InputSpec, options: OpenRowSourceOptions): Promise<RowSource> {
  if (input.generate !== undefined) return generatedRows();
  const files = await findInputFiles(input.path, options.folder);
  const format = await openFormat(formatName(input, files), input);
  const columns = shapeColumns(input, { found: await format.columns(files), format, frozen: options.schema });
  const isWhole = !format.isTyped && input.columns === undefined;
  const shape = new RowShape(columns, { isWhole, fit: format.fit });
  return {
    files,
    schema: shape.schema,
    estimateRows: (rowsBefore, offset) => format.rowCount?.() ?? estimate(files, { format, rowsBefore, offset }),
    entries: () => entriesOf(format, files),
    rows: (from, signal) => readRows({ files, format, shape, strict: input.strict }, from, signal),
  };
}

function estimate(
  files: readonly InputFile[],
  { format, rowsBefore, offset }: { format: InputFormat; rowsBefore: number; offset: SourceOffset },
): number | null {
  if (!format.seeksBytes) return null;
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const before = files.slice(0, offset.file).reduce((sum, file) => sum + file.bytes, 0) + offset.at;
  return before === 0 ? null : Math.round((rowsBefore * bytes) / before);
}

async function entriesOf(format: InputFormat, files: readonly InputFile[]): Promise<RowEntries | null> {
  if (format.blocks !== undefined) return { kind: "blocks", blocks: format.blocks() };
  if (format.hasRowALine !== true) return null;
  for (const file of files) if (file.bytes > 0 && (await compressionOf(file.path)) !== "none") return null;
  return { kind: "lines" };
}

type FormatName = NonNullable<InputSpec["format"]>;

const formatByExtension: Readonly<Record<string, FormatName>> = {
  jsonl: "jsonl",
  ndjson: "jsonl",
  json: "jsonl",
  csv: "csv",
  tsv: "csv",
  parquet: "parquet",
  arrow: "arrow",
  feather: "arrow",
};

function formatName(input: InputSpec, files: readonly InputFile[]): FormatName {
  if (input.format !== undefined) return input.format;
  let first: FormatName | undefined;
  for (const { path } of files) {
    const extension = /\.([^./\\]+)(?:\.(?:gz|zst))?$/i.exec(path)?.[1]?.toLowerCase() ?? "";
    const name = formatByExtension[extension];
    if (name === undefined || (first ??= name) !== name) {
      const message =
        name === undefined ? "The file's name does not tell its format." : "The input's files are of several formats.";
      throw new TidingError("INPUT_UNREADABLE", message, {
        place: path,
        mend: "Set input.format to jsonl, csv, parquet or arrow; all files of an input share it.",
      });
    }
  }
  return first ?? "jsonl";
}

/** Formats are loaded when they are needed: Arrow alone takes longer to load than a small job to start. */
async function openFormat(name: FormatName, input: InputSpec): Promise<InputFormat> {
  switch (name) {
    case "jsonl":
      return (await import("./jsonl.ts")).jsonlFormat();
    case "csv":
      return (await import("./csv.ts")).csvFormat(input.csv);
    case "parquet":
      return (await import("./parquet.ts")).parquetFormat();
    case "arrow":
      return (await import("./arrow.ts")).arrowFormat();
  }
}

interface FoundColumns {
  readonly found: RowSchema;
  readonly format: InputFormat;
  readonly frozen: RowSchema | undefined;
}

function shapeColumns(input: InputSpec, { found, format, frozen }: FoundColumns): ShapedColumn[] {
  const types = new Map(found.map(({ name, type }) => [name, type]));
  const declared = Object.entries(input.types ?? {});
  // Nothing is known of the columns of an empty file, and in JSONL a column may come late: there the spec is believed.
  const isKnown = found.length > 0;
  if (isKnown && format.isTyped) requireColumns(Object.keys(input.types ?? {}), [...types.keys()], "input.types");
  for (const [name, type] of declared) types.set(name, type);

  const available = frozen && !format.isTyped ? namesOf(frozen) : [...types.keys()];
  const selected = selectColumns(input.columns, available);
  const origins = new Map(selected.map(({ name, from }) => [name, from]));
  if (isKnown && (format.isTyped || !frozen)) requireColumns(origins.values(), [...types.keys()], "input.columns");
  if ([...origins].flat().includes("__proto__")) {
    throw new TidingError("INPUT_UNREADABLE", 'A column cannot be named "__proto__".', {
      place: "input",
      mend: "Rename the column, or leave it out with input.columns.",
    });
  }
  if (!frozen) return selected.map(({ name, from }) => ({ name, from, type: types.get(from) ?? "string" }));
  requireColumns(namesOf(frozen), [...origins.keys()], "input.columns");
  return frozen.map(({ name, type }) => ({ name, type, from: origins.get(name) ?? name }));
}

function namesOf(columns: readonly { readonly name: string }[]): string[] {
  return columns.map(({ name }) => name);
}

interface Reading {
  readonly files: readonly InputFile[];
  readonly format: InputFormat;
  readonly shape: RowShape;
  readonly strict: boolean;
}

async function* readRows(
  reading: Reading,
  from: SourceOffset | null,
  signal: AbortSignal,
): AsyncGenerator<readonly InputRow[]> {
  signal.throwIfAborted();
  const start = from ?? { file: 0, at: 0, skip: 0 };
  for (let index = start.file; index < reading.files.length; index += 1) {
    const file = reading.files[index]!;
    if (file.bytes === 0) continue;
    const { at, skip } = index === start.file ? start : { at: 0, skip: 0 };
    for await (const chunk of reading.format.rows(file, reading.shape.names, { at, skip })) {
      signal.throwIfAborted();
      yield chunk.map((row) => toInputRow(reading, row, index));
    }
  }
}

function toInputRow(reading: Reading, row: FileRow, index: number): InputRow {
  const offset = { file: index, at: row.at, skip: row.skip };
  const shaped = row.record === null ? (row.problem ?? "The row could not be read.") : reading.shape.shape(row.record);
  if (typeof shaped !== "string") return { values: shaped, fault: null, offset, bytes: row.bytes };
  const place = reading.format.place(reading.files[index]!, row);
  if (reading.strict) {
    throw new TidingError("INPUT_UNREADABLE", shaped, {
      place,
      mend: "Mend the row, or leave out input.strict to let such rows fail and the job go on.",
    });
  }
  const raw = cut(reading.format.rawText(row));
  return { values: {}, fault: { message: shaped, place, raw }, offset, bytes: row.bytes };
}

/** At most 4 KiB of a text, without half a letter at the end. */
function cut(text: string): string {
  const bytes = Buffer.from(text.slice(0, RAW_BYTES));
  return bytes.length <= RAW_BYTES && text.length <= RAW_BYTES
    ? text
    : new TextDecoder().decode(bytes.subarray(0, RAW_BYTES), { stream: true });
}
