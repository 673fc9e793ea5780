/**
 * JSON Lines: one object a line. A line that is no object is a row that could not be read; blank lines are no rows.
 *
 * Rows are entered by the byte where their line starts, in a compressed file by how many rows come before.
 */
import { parse as parseLossless } from "lossless-json";
import { messageOf, TidingError } from "../../shared/errors.ts";
import { fitValue, inferType } from "../../shared/rows/infer-type.ts";
import { parseJsonText } from "../../shared/rows/json-text.ts";
import type { RowSchema } from "../../shared/rows/row-schema.ts";
import { byteLines } from "./byte-lines.ts";
import type { Line } from "./byte-lines.ts";
import { compressionOf, readBytes } from "./compression.ts";
import type { FileOffset, FileRow, InputFormat } from "./input-format.ts";
import type { InputFile } from "./row-source.ts";
import { readTextHead } from "./text-check.ts";

/** Most bytes of one line; a file without line ends must not fill the memory. */
const MAX_LINE_BYTES = 67_108_864;
const CHUNK_ROWS = 256;
/** Types are inferred from so many rows or bytes, whichever come first. */
export const SAMPLE_ROWS = 1_000;
export const SAMPLE_BYTES = 4_000_000;

export function jsonlFormat(): InputFormat {
  return {
    isTyped: false,
    seeksBytes: true,
    hasRowALine: true,
    async columns(files) {
      for (const file of files) checkShape(await readTextHead(file.path), file.path);
      return await inferColumns(files);
    },
    rows: (file, _names, from) => readRows(file, from),
    fit: fitValue,
    place: (file, row) => (row.line === null ? `${file.path} at byte ${row.at}` : `${file.path}:${row.line}`),
    rawText: (row) => row.source as string,
  };
}

/** Refuses JSON that is not by lines: one array of all rows, or objects over several lines. */
function checkShape(head: Buffer, path: string): void {
  const text = withoutMark(head.toString("utf8", 0, 4_096)).trimStart();
  if (!text.startsWith("[") && !/^\{\s*\n/.test(text)) return;
  const isArray = text.startsWith("[");
  throw new TidingError(
    "INPUT_UNREADABLE",
    isArray ? "The file holds a JSON array, not one object per line." : "The file's objects span several lines.",
    { place: path, mend: `Convert it to JSON Lines: jq -c '${isArray ? ".[]" : "."}' ${path} > rows.jsonl` },
  );
}

async function inferColumns(files: readonly InputFile[]): Promise<RowSchema> {
  const columns = new Map<string, unknown[]>();
  let rows = 0;
  let bytes = 0;
  sampling: for (const file of files) {
    for await (const lines of linesOf(file, 0)) {
      for (const line of lines) {
        for (const [name, value] of Object.entries(sampleOf(line) ?? {})) {
          const values = columns.get(name);
          if (values) values.push(value);
          else columns.set(name, [value]);
        }
        rows += 1;
        bytes += line.bytes;
        if (rows >= SAMPLE_ROWS || bytes >= SAMPLE_BYTES) break sampling;
      }
    }
  }
  return [...columns].map(([name, values]) => ({ name, type: inferType(values) }));
}

/** A line's object for its types alone: 1.0 counts as a fraction, though JSON.parse gives the integer 1. */
function sampleOf(line: Line): object | null {
  try {
    if (!isObject(JSON.parse(line.text))) return null;
    return parseLossless(line.text, null, {
      parseNumber: (text) => (/[.eE]/.test(text) ? 0.5 : Number.isSafeInteger(Number(text)) ? 0 : BigInt(text)),
      onDuplicateKey: ({ newValue }) => newValue,
    }) as object;
  } catch {
    // It becomes a row with a fault when the rows are read.
    return null;
  }
}

/** Lines that are rows, from byte `at` on. */
async function* linesOf(file: InputFile, at: number): AsyncGenerator<Line[]> {
  for await (const lines of byteLines(readBytes(file.path, at), { at, maxBytes: MAX_LINE_BYTES })) {
    const first = lines[0];
    if (first?.at === 0) lines[0] = { ...first, text: withoutMark(first.text) };
    yield lines.filter((line) => line.text.trim() !== "");
  }
}

function withoutMark(text: string): string {
  return text.startsWith("\uFEFF") ? text.slice(1) : text;
}

async function* readRows(file: InputFile, from: FileOffset): AsyncGenerator<FileRow[]> {
  const isSeekable = (await compressionOf(file.path)) === "none";
  let passed = 0;
  for await (const lines of linesOf(file, from.at)) {
    const wanted = lines.slice(Math.max(0, from.skip - passed));
    for (let start = 0; start < wanted.length; start += CHUNK_ROWS) {
      yield wanted.slice(start, start + CHUNK_ROWS).map((line, index): FileRow => {
        const skip = passed + lines.length - wanted.length + start + index;
        const place = isSeekable ? { at: line.at, skip: 0 } : { at: 0, skip };
        // Field by field: V8 makes a slow object, several times as large, of a second spread.
        const { record, problem, source } = parseLine(line);
        const number = from.at === 0 ? line.number : null;
        return { record, problem, source, at: place.at, skip: place.skip, line: number, bytes: line.bytes };
      });
    }
    passed += lines.length;
  }
}

function parseLine(line: Line): Pick<FileRow, "record" | "problem" | "source"> {
  if (line.problem !== null) return { record: null, problem: line.problem, source: line.text };
  try {
    const value = parseJsonText(line.text);
    if (isObject(value)) return { record: value, problem: null, source: line.text };
    return { record: null, problem: "The line is not a JSON object.", source: line.text };
  } catch (error) {
    return { record: null, problem: `The line is not JSON: ${withoutQuote(messageOf(error))}.`, source: line.text };
  }
}

/** V8 quotes the text that it could not parse; content belongs in `raw` alone. */
function withoutQuote(message: string): string {
  return message.replace(/,? \.{0,3}".*$/s, "");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
