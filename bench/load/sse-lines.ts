/**
 * Server-sent events out of socket reads: the data of each event as a text, as fast as it goes. What the format allows and
 * servers use is read: lines that end in LF or CRLF, `data:` with and without a space (TGI before axum 0.7 wrote none),
 * several data lines to an event, comments, other fields, events and characters that are torn between reads.
 *
 * Bytes are looked through for line ends alone, and decoded a whole line at once, so that a character is never torn.
 */

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const NOTHING = Buffer.alloc(0);

export class SseLines {
  readonly #take: (data: string) => void;
  #rest: Buffer = NOTHING;
  #data: string | null = null;

  /** `take` is called within `push` and `end`, once an event. */
  constructor(take: (data: string) => void) {
    this.#take = take;
  }

  push(read: Buffer): void {
    const bytes = this.#rest.length === 0 ? read : Buffer.concat([this.#rest, read]);
    let from = 0;
    for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, from)) {
      this.#takeLine(bytes, from, at > from && bytes[at - 1] === CR ? at - 1 : at);
      from = at + 1;
    }
    this.#rest = from === bytes.length ? NOTHING : bytes.subarray(from);
  }

  /** Some servers leave out the blank line after the last event; a line that is torn there is for `take` to judge. */
  end(): void {
    const { length } = this.#rest;
    if (length > 0) this.#takeLine(this.#rest, 0, length);
    this.#rest = NOTHING;
    this.#flush();
  }

  #takeLine(bytes: Buffer, from: number, to: number): void {
    if (from === to) return this.#flush();
    if (!isData(bytes, from, to)) return;
    const text = bytes.toString("utf8", bytes[from + 5] === SPACE ? from + 6 : from + 5, to);
    this.#data = this.#data === null ? text : `${this.#data}\n${text}`;
  }

  #flush(): void {
    const data = this.#data;
    if (data === null) return;
    this.#data = null;
    this.#take(data);
  }
}

/** The line is `data:` and what follows. */
function isData(bytes: Buffer, from: number, to: number): boolean {
  return (
    to - from >= 5 &&
    bytes[from] === 0x64 &&
    bytes[from + 1] === 0x61 &&
    bytes[from + 2] === 0x74 &&
    bytes[from + 3] === 0x61 &&
    bytes[from + 4] === 0x3a
  );
}
