/**
 * The requests of one process as two lines each in a text file, in the order of time: that one began, that one ended.
 *
 *   s 12 81234567.123 0 1f09c3aa77b2 90071992   began: number, clockMs, shape, key, seed (`-` for none)
 *   e 12 81234667.456 200 35 120                ended: number, clockMs, status (0: none), tokens in and out (`-`: not said)
 *
 * Numbers count from 0 in each process. A key is a hash of the body without its seed: whatever is asked again has it again.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";

export interface RequestBegan {
  readonly kind: "began";
  readonly number: number;
  readonly atMs: number;
  readonly shape: number;
  readonly key: string;
  readonly seed: string | null;
}

export interface RequestEnded {
  readonly kind: "ended";
  readonly number: number;
  readonly atMs: number;
  /** Of an answer that came to its end; 0 where none did. */
  readonly status: number;
  readonly promptTokens: number | null;
  readonly outputTokens: number | null;
}

export type TraceEvent = RequestBegan | RequestEnded;

const BUFFERED_CHARACTERS = 65_536;

/** Appends text to a file, in large pieces; or at once, for a process that may be killed. */
export class LineFile implements Disposable {
  readonly #file: number;
  readonly #limit: number;
  #lines = "";

  constructor(path: string, { unbuffered = false }: { readonly unbuffered?: boolean } = {}) {
    this.#file = openSync(path, "a", 0o600);
    this.#limit = unbuffered ? 0 : BUFFERED_CHARACTERS;
  }

  add(line: string): void {
    this.#lines += line;
    if (this.#lines.length > this.#limit) this.#write();
  }

  [Symbol.dispose](): void {
    this.#write();
    closeSync(this.#file);
  }

  #write(): void {
    if (this.#lines !== "") writeSync(this.#file, this.#lines);
    this.#lines = "";
  }
}

export function lineOf(event: TraceEvent): string {
  const stamp = event.atMs.toFixed(3);
  if (event.kind === "began") return `s ${event.number} ${stamp} ${event.shape} ${event.key} ${event.seed ?? "-"}\n`;
  return `e ${event.number} ${stamp} ${event.status} ${event.promptTokens ?? "-"} ${event.outputTokens ?? "-"}\n`;
}

/** Reads a trace line by line. A last line without its end, as a killed process may leave it, is left out. */
export async function* readTrace(path: string): AsyncGenerator<TraceEvent> {
  await using file = await open(path);
  let rest = "";
  for await (const chunk of file.createReadStream({ encoding: "latin1", autoClose: false })) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield eventOf(line);
  }
}

function eventOf(line: string): TraceEvent {
  const [mark, number, atMs, third, fourth = "-", fifth = "-"] = line.split(" ");
  const stamp = { number: Number(number), atMs: Number(atMs) };
  const optional = (text: string): string | null => (text === "-" ? null : text);
  if (mark === "s") return { kind: "began", ...stamp, shape: Number(third), key: fourth, seed: optional(fifth) };
  const count = (text: string): number | null => (text === "-" ? null : Number(text));
  return {
    kind: "ended",
    ...stamp,
    status: Number(third),
    promptTokens: count(fourth),
    outputTokens: count(fifth),
  };
}
