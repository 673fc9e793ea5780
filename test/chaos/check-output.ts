/** A finished output against its input: manifest, files, and the rows as other readers see them. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readManifest } from "../../coordinator/output/output-directory.ts";
import { damagedFiles, unnamedFiles } from "../support/committed-rows.ts";
import { checkDataset } from "./oracle.ts";
import { answerOf, questionOf } from "./questions.ts";
import { readWithHyparquet, readWithPyarrow } from "./read-dataset.ts";

export interface OutputCheck {
  readonly violations: readonly string[];
  /** Who read the dataset. */
  readonly reader: string;
}

/** Every row must have been accepted, and nothing be left behind. */
export async function checkOutput(root: string, rows: number): Promise<OutputCheck> {
  const manifest = await readManifest(root);
  if (manifest === null) return { violations: ["there is no manifest"], reader: "none" };
  const violations: string[] = [];
  const accepted = manifest.parts.reduce((sum, part) => sum + part.rowIds, 0);
  const failed = manifest.failed.reduce((sum, part) => sum + part.rowIds, 0);
  if (accepted !== rows || failed !== 0)
    violations.push(`${accepted} rows are accepted and ${failed} failed, of ${rows}`);
  violations.push(...(await damagedFiles(root)));
  for (const file of await unnamedFiles(root, manifest)) violations.push(`no manifest names ${file}`);
  for (const left of await readdir(join(root, ".tiding", "spills"))) violations.push(`${left} was left behind`);
  const data = join(root, "data");
  const expected = { rows, questionOf, answerOf };
  violations.push(...checkDataset(await readWithHyparquet(data), expected));
  const byPyarrow = await readWithPyarrow(data);
  if (byPyarrow !== null) violations.push(...checkDataset(byPyarrow, expected));
  return { violations, reader: byPyarrow === null ? "hyparquet" : "hyparquet and pyarrow" };
}
