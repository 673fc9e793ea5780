/** The input of a chaos job: each row's question, and the answer that is its own. */
import { writeFile } from "node:fs/promises";
import { answerKey, promptOf } from "../../bench/simulator/answer.ts";

export function questionOf(row: number): string {
  return `What does row ${String(row).padStart(6, "0")} ask for?`;
}

/** What the endpoint's answer to a row begins with. */
export function answerOf(row: number): string {
  return answerKey(promptOf([{ role: "user", content: questionOf(row) }]));
}

/** By the keys of the endpoint's request log. */
export function rowsByKey(rows: number): ReadonlyMap<string, number> {
  return new Map(Array.from({ length: rows }, (_, row) => [answerOf(row).slice("answer-".length), row]));
}

export async function writeInput(path: string, rows: number): Promise<void> {
  const lines = Array.from({ length: rows }, (_, row) => `${JSON.stringify({ question: questionOf(row) })}\n`);
  await writeFile(path, lines.join(""));
}
