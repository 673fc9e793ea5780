import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

export const quickstartQuestions = fileURLToPath(
  new URL("../../../examples/quickstart/questions.jsonl", import.meta.url),
);

/** One column of a JSON Lines file. */
export async function readQuestions(file: string, column: string): Promise<readonly string[]> {
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line.trim() !== "");
  return lines.map((line) => String((JSON.parse(line) as Readonly<Record<string, unknown>>)[column]));
}
