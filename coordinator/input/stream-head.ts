/** As much of a stream as its first rows take, for a preview of it. */
import type { InputSpec } from "../../shared/spec/job-spec.ts";
import { HEAD_BYTES, signatureOf } from "./compression.ts";
import { SAMPLE_BYTES, SAMPLE_ROWS } from "./jsonl.ts";

const [NEWLINE, QUOTE, SPACE] = [10, 34, 32];

/**
 * Gives whole rows, at least `rows` of them where there are so many, and as many as types are inferred from; everything of
 * what has no rows that can be told in passing: compressed texts, Parquet, Arrow.
 */
export async function* streamHead(
  chunks: AsyncIterable<Buffer>,
  { format, rows }: { readonly format: InputSpec["format"]; readonly rows: number },
): AsyncGenerator<Buffer> {
  const hasQuotes = format === "csv";
  // A header takes a line of its own, and a CSV's types are not inferred.
  const wanted = hasQuotes ? rows + 1 : rows;
  const isSampled = (lines: number, bytes: number): boolean =>
    hasQuotes || lines >= SAMPLE_ROWS || bytes >= SAMPLE_BYTES;
  let isText = format === "jsonl" || format === "csv";
  let head = Buffer.alloc(0);
  let [lines, bytes] = [0, 0];
  let [isBlank, isQuoted] = [true, false];
  for await (const chunk of chunks) {
    if (head.length < HEAD_BYTES) {
      head = Buffer.concat([head, chunk.subarray(0, HEAD_BYTES - head.length)]);
      isText &&= signatureOf(head) === null;
    }
    for (let at = 0; isText && at < chunk.length; at += 1) {
      const byte = chunk[at] ?? NEWLINE;
      if (byte === QUOTE && hasQuotes) isQuoted = !isQuoted;
      if (byte > SPACE) isBlank = false;
      if (byte !== NEWLINE || isQuoted || isBlank) continue;
      isBlank = true;
      lines += 1;
      if (lines < wanted || head.length < HEAD_BYTES || !isSampled(lines, bytes + at)) continue;
      yield chunk.subarray(0, at + 1);
      return;
    }
    bytes += chunk.length;
    yield chunk;
  }
}
