/**
 * One line for each request that reached generation, written when it ended: what tests count calls and in-flight
 * requests by.
 *
 * A line is a JSON array in the order of `RequestLogEntry`'s fields. Lines are gathered and appended every 50 ms, on
 * `flush` and on `close`; a killed simulator loses what it had gathered. One simulator writes a file at a time; later
 * ones append.
 */

import { open, readFile } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";

export interface RequestLogEntry {
  /** Milliseconds since 1970 on the process's monotonic clock: never goes back within one simulator. */
  readonly startMs: number;
  readonly endMs: number;
  /** The HTTP status that was sent; 0 where none was. */
  readonly status: number;
  /** `ok`, `overloaded`, `invalid`, `dropped` (the client left) or a fault's kind. */
  readonly outcome: string;
  /** The hash of the prompt as 16 hexadecimal digits: the one its answer begins with. */
  readonly key: string;
  /** How often this prompt was let in, this time included (from 1); requests answered `overloaded` do not count. */
  readonly nth: number;
  readonly seed: number | null;
  /** Requests in flight when this one came, itself included unless it was `overloaded`. */
  readonly inFlight: number;
  readonly route: string;
  readonly stream: boolean;
  /** When each token was written to the connection. Only of streams out of a batch, and where `logTokens` asks for it. */
  readonly tokensMs?: readonly number[];
}

export interface RequestLog {
  add(entry: RequestLogEntry): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}

const FLUSH_MS = 50;

export class FileRequestLog implements RequestLog {
  readonly #file: FileHandle;
  #lines = "";
  #timer: NodeJS.Timeout | null = null;
  #written: Promise<void> = Promise.resolve();

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(path: string): Promise<FileRequestLog> {
    return new FileRequestLog(await open(path, "a"));
  }

  add(entry: RequestLogEntry): void {
    this.#lines += lineOf(entry);
    this.#timer ??= setTimeout(() => this.#append(), FLUSH_MS);
  }

  /** Resolves when everything added so far is in the file; rejects when a write failed, then or before. */
  flush(): Promise<void> {
    this.#append();
    return this.#written;
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#file.close();
    }
  }

  #append(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#lines === "") return;
    const lines = this.#lines;
    this.#lines = "";
    this.#written = this.#written.then(() => this.#file.appendFile(lines));
    this.#written.catch(() => {}); // Not lost: the next flush and close reject with it.
  }
}

/** Keeps the newest requests only. */
export class MemoryRequestLog implements RequestLog {
  readonly #entries: RequestLogEntry[] = [];
  readonly #limit: number;
  #added = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(entry: RequestLogEntry): void {
    this.#entries[this.#added++ % this.#limit] = entry;
  }

  /** The entries kept, oldest first. */
  entries(): RequestLogEntry[] {
    const oldest = this.#added > this.#limit ? this.#added % this.#limit : 0;
    return [...this.#entries.slice(oldest), ...this.#entries.slice(0, oldest)];
  }

  async flush(): Promise<void> {}
  async close(): Promise<void> {}
}

/** Reads a log file. A last line without its end, as a killed simulator may leave it, is left out. */
export async function readRequestLog(path: string): Promise<RequestLogEntry[]> {
  const text = await readFile(path, "utf8");
  return text.split("\n").slice(0, -1).map(entryOf);
}

type Line = [number, number, number, string, string, number, number | null, number, string, boolean, number[]?];

// Ids, outcomes and routes hold nothing that JSON escapes.
function lineOf(entry: RequestLogEntry): string {
  const { startMs, endMs, status, outcome, key, nth, seed, inFlight, route, stream, tokensMs } = entry;
  const tokens = tokensMs === undefined ? "" : `,[${tokensMs.map(micros).join()}]`;
  return `[${micros(startMs)},${micros(endMs)},${status},"${outcome}","${key}",${nth},${seed},${inFlight},"${route}",${stream}${tokens}]\n`;
}

function entryOf(line: string): RequestLogEntry {
  const [startMs, endMs, status, outcome, key, nth, seed, inFlight, route, stream, tokensMs] = JSON.parse(line) as Line;
  const entry = { startMs, endMs, status, outcome, key, nth, seed, inFlight, route, stream };
  return tokensMs === undefined ? entry : { ...entry, tokensMs };
}

function micros(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
