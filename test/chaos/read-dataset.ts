/** A finished dataset as its users read it: the folder's Parquet files, by libraries that know nothing of Tiding. */
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { readPart } from "../support/read-part.ts";
import type { DatasetFile } from "./oracle.ts";

interface Row {
  readonly question: string;
  readonly generation: string | null;
  readonly tiding: { readonly row_id: number };
}

export async function readWithHyparquet(folder: string): Promise<readonly DatasetFile[]> {
  const files: DatasetFile[] = [];
  for (const name of (await readdir(folder)).toSorted()) {
    const rows = (await readPart(join(folder, name), "parquet")) as unknown as readonly Row[];
    files.push({
      name,
      rows: rows.map(({ question, generation, tiding }) => ({ rowId: tiding.row_id, question, answer: generation })),
    });
  }
  return files;
}

/** Null where there is no Python with pyarrow; `TIDING_PYTHON` names another interpreter than `python3`. */
export async function readWithPyarrow(folder: string): Promise<readonly DatasetFile[] | null> {
  const python = process.env["TIDING_PYTHON"] ?? "python3";
  const run = promisify(execFile);
  const hasPyarrow = await run(python, ["-c", "import pyarrow"]).then(
    () => true,
    () => false,
  );
  if (!hasPyarrow) return null;
  const script = fileURLToPath(new URL("../../../test/chaos/read-dataset.py", import.meta.url));
  const { stdout } = await run(python, [script, folder], { maxBuffer: 2 ** 30 });
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as DatasetFile);
}
