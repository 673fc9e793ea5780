/**
 * CSV and TSV as RFC 4180 has them: quoted fields may hold line ends, a quote within them is doubled. A quote in the
 * middle of an unquoted field stands for itself. A field that starts with a quote and does not end with one leaves open
 * where its row ends, and with it how many rows follow: reading stops there with an error.
 *
 * Rows are entered by the byte where they start, in a compressed file by how many rows come before.
 */
import { CsvError, Parser } from "csv-parse";
import { messageOf, TidingError } from "../../shared/errors.ts";
import { parseText } from "../../shared/rows/infer-type.ts";
import type { RowSchema } from "../../shared/rows/row-schema.ts";
import type { InputSpec } from "../../shared/spec/job-spec.ts";
import { compressionOf, readBytes } from "./compression.ts";
import { sharedColumns } from "./input-format.ts";
import type { FileOffset, FileRow, InputFormat } from "./input-format.ts";
import type { InputFile } from "./row-source.ts";
import { readTextHead } from "./text-check.ts";

/** Most bytes of one record; a quote that is never closed must not fill the memory. */
const MAX_RECORD_BYTES = 16_777_216;
const CHUNK_ROWS = 256;

interface CsvRecord {
  readonly fields: readonly string[];
  readonly at: number;
  readonly bytes: number;
  /** Where it ends, counted from where reading began. */
  readonly lastLine: number;
  readonly isUtf8: boolean;
}

export function csvFormat(options: InputSpec["csv"]): InputFormat {
  const delimiterOf = (file: InputFile): string => options?.delimiter ?? (/\.tsv(\.|$)/i.test(file.path) ? "\t" : ",");
  const namesOf = async (file: InputFile): Promise<readonly string[] | null> =>
    options?.header ?? (await readHeader(file, delimiterOf(file)));

  return {
    isTyped: true,
    seeksBytes: true,
    async columns(files) {
      return await sharedColumns(files, async (file) => {
        await readTextHead(file.path);
        const names = await namesOf(file);
        return names === null ? null : checkHeader(names, options?.header ? "input.csv.header" : `${file.path}:1`);
      });
    },
    async *rows(file, _names, from) {
      const names = await namesOf(file);
      if (names === null) return;
      yield* readRows(file, { names, delimiter: delimiterOf(file), hasHeader: options?.header === undefined, from });
    },
    fit: (type, value) => parseText(type, value as string),
    place: (file, row) => (row.line === null ? `${file.path} at byte ${row.at}` : `${file.path}:${row.line}`),
    rawText: (row) => (row.source as readonly string[]).join(","),
  };
}

/** The first record of a file, null when it has none. */
async function readHeader(file: InputFile, delimiter: string): Promise<readonly string[] | null> {
  for await (const records of readRecords(file, delimiter, 0)) {
    if (records[0]) return records[0].fields;
  }
  return null;
}

function checkHeader(names: readonly string[], place: string): RowSchema {
  const wrong = names.find((name, index) => name === "" || names.indexOf(name) !== index);
  if (wrong === undefined) return names.map((name) => ({ name, type: "string" }));
  const message = wrong === "" ? "A column has no name." : `The column name "${wrong}" is taken.`;
  throw new TidingError("INPUT_UNREADABLE", message, {
    place,
    mend: "Give each column a name of its own in the header line, or all of them in input.csv.header.",
  });
}

interface RowsOptions {
  readonly names: readonly string[];
  readonly delimiter: string;
  readonly hasHeader: boolean;
  readonly from: FileOffset;
}

async function* readRows(file: InputFile, options: RowsOptions): AsyncGenerator<FileRow[]> {
  const { names, from } = options;
  const isSeekable = (await compressionOf(file.path)) === "none";
  const headerRecords = options.hasHeader && from.at === 0 ? 1 : 0;
  let passed = -headerRecords;
  for await (const records of readRecords(file, options.delimiter, from.at)) {
    const wanted = records.slice(Math.max(0, from.skip - passed));
    for (let start = 0; start < wanted.length; start += CHUNK_ROWS) {
      yield wanted.slice(start, start + CHUNK_ROWS).map((record, index): FileRow => {
        const skip = passed + records.length - wanted.length + start + index;
        const offset = isSeekable ? { at: record.at, skip: 0 } : { at: 0, skip };
        return { ...toRow(record, names), ...offset, line: from.at === 0 ? firstLine(record) : null };
      });
    }
    passed += records.length;
  }
}

function firstLine(record: CsvRecord): number {
  let line = record.lastLine;
  for (const field of record.fields) if (field.includes("\n")) line -= field.split("\n").length - 1;
  return line;
}

function toRow(csv: CsvRecord, names: readonly string[]): Omit<FileRow, "at" | "skip" | "line"> {
  const { fields, bytes } = csv;
  const failed = { record: null, source: fields, bytes };
  if (fields.length !== names.length) {
    return { ...failed, problem: `The row has ${fields.length} fields where the header has ${names.length}.` };
  }
  if (!csv.isUtf8 && fields.some((field) => field.includes("\uFFFD"))) {
    return { ...failed, problem: "The row is not valid UTF-8." };
  }
  const record: Record<string, string> = {};
  for (const [index, name] of names.entries()) record[name] = fields[index]!;
  return { record, problem: null, source: fields, bytes };
}

/** The records from byte `at` on, as many at a time as a chunk of bytes ends; the header is one of them. */
async function* readRecords(file: InputFile, delimiter: string, at: number): AsyncGenerator<CsvRecord[]> {
  const records: CsvRecord[] = [];
  const utf8 = new Utf8Watch();
  let start = at;
  const parser: CsvParser = new Parser({
    delimiter,
    bom: at === 0,
    record_delimiter: ["\r\n", "\n"],
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_RECORD_BYTES,
    skip_records_with_error: true,
    on_skip: (error) => {
      // The parser goes on with the quote as part of the field; only this mark would make it drop the record.
      if (error?.code !== "INVALID_OPENING_QUOTE") throw error ?? new Error("the record is malformed");
      parser.state.recordHasError = false;
    },
    on_record: (fields: string[], { lines }) => {
      const end = at + parser.info.bytes;
      records.push({ fields, at: start, bytes: end - start, lastLine: lines, isUtf8: utf8.isValid });
      start = end;
      return null;
    },
  }) as CsvParser;
  // Every error reaches us through the callbacks of write and end.
  parser.on("error", () => undefined);
  const done = (run: (callback: (error?: Error | null) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      run((error) => (error ? reject(malformed(error, file, at, start)) : resolve()));
    });
  try {
    for await (const chunk of readBytes(file.path, at)) {
      utf8.see(chunk);
      await done((callback) => parser.write(chunk, callback));
      if (records.length > 0) yield records.splice(0);
    }
    await done((callback) => parser.end(callback));
    if (records.length > 0) yield records;
  } finally {
    parser.destroy();
  }
}

/** `state` is not in the library's types; its version is pinned and a test holds the behaviour. */
type CsvParser = Parser & { readonly state: { recordHasError: boolean } };

function malformed(error: Error, file: InputFile, at: number, start: number): TidingError {
  const line = error instanceof CsvError && at === 0 && typeof error["lines"] === "number" ? `:${error["lines"]}` : "";
  const code = error instanceof CsvError ? error.code : undefined;
  const message =
    code === "CSV_QUOTE_NOT_CLOSED"
      ? `A quoted field is never closed; its record starts at byte ${start}.`
      : code === "CSV_MAX_RECORD_SIZE"
        ? `The record that starts at byte ${start} is longer than ${MAX_RECORD_BYTES} bytes, as with a quote never closed.`
        : code === "CSV_INVALID_CLOSING_QUOTE"
          ? `A quoted field goes on behind its closing quote; its record starts at byte ${start}.`
          : `The CSV is malformed: ${messageOf(error)}`;
  return new TidingError("INPUT_UNREADABLE", message, {
    place: `${file.path}${line}`,
    mend: "Quote the whole field and double the quotes within it.",
    cause: error,
  });
}

/** Whether the chunk that was last seen was valid UTF-8; a letter may be cut between two chunks. */
class Utf8Watch {
  isValid = true;
  #decoder = new TextDecoder("utf-8", { fatal: true });

  see(chunk: Buffer): void {
    try {
      this.#decoder.decode(chunk, { stream: true });
      this.isValid = true;
    } catch {
      this.isValid = false;
      this.#decoder = new TextDecoder("utf-8", { fatal: true });
    }
  }
}
