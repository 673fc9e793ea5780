/** Splits bytes into lines; several times as fast as node:readline, and it knows where each line starts. */
import { isAscii, isUtf8 } from "node:buffer";

const NEWLINE = 10;

export interface Line {
  readonly text: string;
  /** Where it starts, counted from the first byte of the file. */
  readonly at: number;
  readonly bytes: number;
  /** From 1, counted from where reading began. */
  readonly number: number;
  /** Why `text` is not the line as it stands. */
  readonly problem: string | null;
}

/**
 * The lines of a text in UTF-8, as many at a time as a chunk of bytes ends. `maxBytes` bounds the memory that a text
 * without line ends takes: of a longer line only the start is kept.
 */
export async function* byteLines(
  chunks: AsyncIterable<Buffer>,
  options: { readonly at: number; readonly maxBytes: number },
): AsyncGenerator<Line[]> {
  let at = options.at;
  let number = 1;
  /** Pieces of a line whose end has not come yet. */
  let pieces: Buffer[] = [];
  let pieceBytes = 0;
  let keptBytes = 0;

  const keep = (piece: Buffer): void => {
    pieceBytes += piece.length;
    if (keptBytes >= options.maxBytes) return;
    keptBytes += piece.length;
    pieces.push(piece);
  };
  const finish = (): Line => {
    const tooLong = pieceBytes > options.maxBytes;
    const bytes = Buffer.concat(pieces).subarray(0, tooLong ? 4_096 : undefined);
    const line = {
      text: bytes.toString(),
      at,
      bytes: pieceBytes,
      number,
      problem: tooLong ? `The line is longer than ${options.maxBytes} bytes.` : problemOf(bytes),
    };
    pieces = [];
    pieceBytes = 0;
    keptBytes = 0;
    return line;
  };

  for await (const chunk of chunks) {
    const last = chunk.lastIndexOf(NEWLINE);
    if (last < 0) {
      keep(chunk);
      continue;
    }
    const lines: Line[] = [];
    let start = 0;
    if (pieceBytes > 0) {
      start = chunk.indexOf(NEWLINE) + 1;
      keep(chunk.subarray(0, start - 1));
      lines.push(finish());
      at += lines[0]!.bytes + 1;
      number += 1;
    }
    // One look at all whole lines is cheaper than one at each.
    const whole = chunk.subarray(start, last + 1);
    const encoding = isAscii(whole) ? "latin1" : "utf8";
    const isClean = encoding === "latin1" || isUtf8(whole);
    while (start <= last) {
      const end = chunk.indexOf(NEWLINE, start);
      const problem = isClean ? null : problemOf(chunk.subarray(start, end));
      lines.push({ text: chunk.toString(encoding, start, end), at, bytes: end - start, number, problem });
      at += end - start + 1;
      number += 1;
      start = end + 1;
    }
    if (start < chunk.length) keep(chunk.subarray(start));
    yield lines;
  }
  if (pieceBytes > 0) yield [finish()];
}

function problemOf(bytes: Buffer): string | null {
  return isUtf8(bytes) ? null : "The line is not valid UTF-8.";
}
