/**
 * What can be learnt of a job's input without paying: how many rows there are, and how long the texts of some of them are,
 * drawn over the whole input by a seed.
 *
 * A small input is read through. Of a large one a few places are read, where it can be entered in the middle: then rows of
 * Parquet are known to the row, lines are estimated from the bytes that they take.
 */
import type { InputRow, RowBlock, RowEntries, RowSource, SourceOffset } from "../../coordinator/input/row-source.ts";
import type { RowValues } from "../../shared/rows/row-schema.ts";
import type { InputSpec } from "../../shared/spec/job-spec.ts";
import { mean, standardError } from "./statistics.ts";

/** What is read through in a second or two: so many bytes, or so many rows to the job's end. */
const READ_THROUGH = { bytes: 64_000_000, rows: 50_000 };
const PLACES = 32;
const ROWS_A_PLACE = 64;
/** Of lines, the bytes that are read of a place at most, unless two rows take more. */
const PLACE_BYTES = 262_144;
const MOST_DRAWN = PLACES * ROWS_A_PLACE;
const NOTICE_ROWS = 1_000_000;

export interface DrawnRow {
  /** Of a place in a text file estimated. */
  readonly rowId: number;
  readonly offset: SourceOffset;
  /** Of the texts that the survey was asked to look at, in UTF-8. */
  readonly textBytes: number;
}

export interface InputSurvey {
  /** Of the job: behind `input.offset`, up to `input.limit`. */
  readonly rows: number;
  /** Standard error of `rows`, as a share of them; 0 where they were counted. */
  readonly rowsError: number;
  /** By what the rows are known: the spec alone, what the files say of themselves, reading all, or reading some. */
  readonly counted: "spec" | "files" | "read" | "estimated";
  /** Of the rows that were looked at, those that cannot be read: they fail without a call. */
  readonly faultShare: number;
  /** Readable rows, in input order. */
  readonly drawn: readonly DrawnRow[];
}

export interface SurveyOptions {
  readonly input: InputSpec;
  readonly textsOf: (values: RowValues) => number;
  readonly random: () => number;
  readonly signal: AbortSignal;
  readonly onNotice: (notice: string) => void;
  /** For tests. */
  readonly readThrough?: typeof READ_THROUGH;
}

/** Throws as reading the input does, and the signal's reason. */
export async function surveyInput(source: RowSource, options: SurveyOptions): Promise<InputSurvey> {
  const { input, random, readThrough: most = READ_THROUGH } = options;
  const end = input.limit === undefined ? Infinity : input.offset + input.limit;
  if (input.generate !== undefined) return generated(input.offset, end, random);
  const bytes = source.files.reduce((sum, file) => sum + file.bytes, 0);
  const entries = await source.entries();
  if (entries === null || bytes <= most.bytes || end <= most.rows) return await readThrough(source, options, end);
  return entries.kind === "blocks"
    ? await readBlocks(source, entries.blocks, { ...options, end })
    : await readLines(source, { ...options, end });
}

/** The values of rows that a survey drew, by their ids. */
export async function readDrawn(
  source: RowSource,
  rows: readonly DrawnRow[],
  signal: AbortSignal,
): Promise<ReadonlyMap<number, RowValues>> {
  const found = new Map<number, RowValues>();
  const entries: RowEntries | null = await source.entries();
  if (entries === null) {
    // Entering it again and again would read it as often.
    const wanted = new Set(rows.map(({ rowId }) => rowId));
    let rowId = 0;
    for await (const row of rowsFrom(source, null, signal)) {
      if (wanted.has(rowId)) found.set(rowId, row.values);
      rowId++;
      if (found.size === wanted.size) break;
    }
    return found;
  }
  for (const { rowId, offset } of rows) {
    for await (const row of rowsFrom(source, offset, signal)) {
      found.set(rowId, row.values);
      break;
    }
  }
  return found;
}

function generated(start: number, end: number, random: () => number): InputSurvey {
  const rows = Math.max(0, end - start);
  const ids = new Set<number>();
  while (ids.size < Math.min(rows, PLACES)) ids.add(start + Math.floor(random() * rows));
  const drawn = [...ids]
    .toSorted((a, b) => a - b)
    .map((rowId) => ({ rowId, offset: { file: 0, at: rowId, skip: 0 }, textBytes: 0 }));
  return { rows, rowsError: 0, counted: "spec", faultShare: 0, drawn };
}

async function readThrough(source: RowSource, options: SurveyOptions, end: number): Promise<InputSurvey> {
  const { input, textsOf, random, signal, onNotice } = options;
  const reservoir: DrawnRow[] = [];
  let [rowId, faults, readable] = [0, 0, 0];
  for await (const row of rowsFrom(source, null, signal)) {
    if (rowId >= end) break;
    const id = rowId++;
    if (rowId % NOTICE_ROWS === 0)
      onNotice(`Reading the input to count its rows: ${rowId.toLocaleString("en")} so far.`);
    if (id < input.offset) continue;
    if (row.fault !== null) {
      faults++;
      continue;
    }
    // Each readable row is kept with the same chance (Waterman's reservoir sampling).
    readable++;
    const at = reservoir.length < MOST_DRAWN ? reservoir.length : Math.floor(random() * readable);
    if (at < MOST_DRAWN) reservoir[at] = { rowId: id, offset: row.offset, textBytes: textsOf(row.values) };
  }
  const rows = faults + readable;
  return {
    rows,
    rowsError: 0,
    counted: "read",
    faultShare: rows === 0 ? 0 : faults / rows,
    drawn: reservoir.toSorted((a, b) => a.rowId - b.rowId),
  };
}

async function readBlocks(
  source: RowSource,
  blocks: readonly RowBlock[],
  options: SurveyOptions & { readonly end: number },
): Promise<InputSurvey> {
  const { input, random, textsOf, signal } = options;
  const all = blocks.reduce((sum, block) => sum + block.rows, 0);
  const [start, end] = [Math.min(all, input.offset), Math.min(all, options.end)];
  const found = new Finding(textsOf);
  for (const at of placesBetween(start, end, random)) {
    const first = Math.floor(at);
    let rowId = first;
    const last = Math.min(end, first + ROWS_A_PLACE);
    for await (const row of rowsFrom(source, offsetOf(blocks, first), signal)) {
      if (rowId >= last) break;
      found.add(row, rowId++);
    }
  }
  return { rows: Math.max(0, end - start), rowsError: 0, counted: "files", ...found.result() };
}

function offsetOf(blocks: readonly RowBlock[], row: number): SourceOffset {
  let before = 0;
  for (const { file, at, rows } of blocks) {
    if (row < before + rows) return { file, at, skip: row - before };
    before += rows;
  }
  throw new RangeError(`The blocks hold no row ${row}.`);
}

async function readLines(source: RowSource, options: SurveyOptions & { readonly end: number }): Promise<InputSurvey> {
  const { input, random, textsOf, signal } = options;
  const bytes = source.files.reduce((sum, file) => sum + file.bytes, 0);
  const whole = await bytesOfRows(source, placesBetween(0, bytes, random), signal);
  const all = bytes / whole.mean;
  const [start, end] = [Math.min(all, input.offset), Math.min(all, options.end)];
  const found = new Finding(textsOf);
  // As many bytes at each place, not as many rows: where rows are short there are more of them in the input too.
  const window = Math.max(2 * whole.mean, Math.min(ROWS_A_PLACE * whole.mean, PLACE_BYTES));
  for (const place of placesBetween(start * whole.mean, end * whole.mean, random)) {
    const from = offsetAtByte(source, place);
    let rowId = Math.floor(place / whole.mean);
    let isFirst = true;
    for await (const row of rowsFrom(source, from, signal)) {
      if (row.offset.file !== from.file || row.offset.at >= from.at + window) break;
      if (!isFirst) found.add(row, rowId++);
      isFirst = false;
    }
  }
  // A limit within the input is known to the row.
  const isCounted = options.end <= all * (1 - 3 * whole.error);
  const rows = isCounted ? options.end - input.offset : Math.round(Math.max(0, end - start));
  return {
    rows,
    rowsError: isCounted ? 0 : whole.error,
    counted: isCounted ? "spec" : "estimated",
    ...found.result(),
  };
}

/** Bytes that a row takes with its line end, by how many rows there are to a byte behind some places; `error` as a share. */
async function bytesOfRows(
  source: RowSource,
  places: readonly number[],
  signal: AbortSignal,
): Promise<{ readonly mean: number; readonly error: number }> {
  const rowsAByte: number[] = [];
  for (const place of places) {
    let first: InputRow | null = null;
    let last: InputRow | null = null;
    let rows = 0;
    for await (const row of rowsFrom(source, offsetAtByte(source, place), signal)) {
      if (last !== null && row.offset.file !== last.offset.file) break;
      // The first may be half a row.
      if (rows === 1) first = row;
      last = row;
      if (rows++ > ROWS_A_PLACE) break;
    }
    if (first !== null && last !== null && rows > 2) rowsAByte.push((rows - 2) / (last.offset.at - first.offset.at));
  }
  const density = mean(rowsAByte);
  return { mean: 1 / density, error: standardError(rowsAByte) / density };
}

function offsetAtByte(source: RowSource, byte: number): SourceOffset {
  let before = 0;
  for (const [file, { bytes }] of source.files.entries()) {
    if (byte < before + bytes) return { file, at: Math.floor(byte - before), skip: 0 };
    before += bytes;
  }
  return { file: Math.max(0, source.files.length - 1), at: source.files.at(-1)?.bytes ?? 0, skip: 0 };
}

/** One place in each of as many equal stretches. */
function placesBetween(start: number, end: number, random: () => number): number[] {
  const stretch = (end - start) / PLACES;
  return end <= start ? [] : Array.from({ length: PLACES }, (_, index) => start + (index + random()) * stretch);
}

async function* rowsFrom(source: RowSource, from: SourceOffset | null, signal: AbortSignal): AsyncGenerator<InputRow> {
  for await (const chunk of source.rows(from, signal)) yield* chunk;
}

class Finding {
  readonly #textsOf: (values: RowValues) => number;
  readonly #drawn = new Map<number, DrawnRow>();
  #faults = 0;
  #rows = 0;

  constructor(textsOf: (values: RowValues) => number) {
    this.#textsOf = textsOf;
  }

  add({ fault, offset, values }: InputRow, rowId: number): void {
    this.#rows++;
    if (fault !== null) this.#faults++;
    else this.#drawn.set(rowId, { rowId, offset, textBytes: this.#textsOf(values) });
  }

  result(): Pick<InputSurvey, "drawn" | "faultShare"> {
    return { drawn: [...this.#drawn.values()], faultShare: this.#rows === 0 ? 0 : this.#faults / this.#rows };
  }
}
