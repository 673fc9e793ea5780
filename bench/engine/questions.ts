/** The input of all benchmarks: questions of about 150 characters, no two alike. */
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const SUBJECTS = ["the tides", "a sundial", "sourdough", "glaciers", "the printing press", "migrating birds", "lenses"];
const ROWS_PER_WRITE = 1_000;

export function questionOf(row: number): string {
  const subject = SUBJECTS[row % SUBJECTS.length]!;
  return (
    `Question ${row}: explain to a curious reader how ${subject} came to be understood, name one common mistake, ` +
    `and close with an example from daily life.`
  );
}

/** Writes rows of `id` and `question` as JSON lines. */
export async function writeQuestions(path: string, rows: number): Promise<void> {
  function* chunks(): Generator<string> {
    for (let first = 0; first < rows; first += ROWS_PER_WRITE) {
      let lines = "";
      for (let row = first; row < Math.min(rows, first + ROWS_PER_WRITE); row++) {
        lines += `{"id":${row},"question":${JSON.stringify(questionOf(row))}}\n`;
      }
      yield lines;
    }
  }
  await pipeline(Readable.from(chunks()), createWriteStream(path));
}
