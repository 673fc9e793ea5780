/** Reads a folder of a finished dataset with every reader there is, and holds them against each other. */
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual, promisify } from "node:util";
import { readPart } from "../support/read-part.ts";
import type { Findings } from "./findings.ts";
import { pythonProgram } from "./python-environment.ts";
import type { PythonEnvironment } from "./python-environment.ts";

export interface ProvenRow {
  readonly model_name: string;
  readonly tiding: {
    readonly row_id: number;
    readonly model: string;
    readonly endpoint: string;
    readonly input_tokens: number;
    readonly output_tokens: number;
    readonly finish_reason: string;
    readonly seed: number;
    readonly attempts: number;
    readonly duration_ms: number;
    /** Of failed rows. */
    readonly code?: string;
    readonly raw_response?: string;
  };
}

export interface DatasetRow extends ProvenRow {
  readonly question: string;
  readonly generation: string;
}

type Reading = Readonly<Record<"pyarrow" | "duckdb", { types: Readonly<Record<string, string>>; rows: unknown[] }>>;

/** Rows in the order of the files' names; pyarrow and DuckDB must see the same rows, with the types of `expectedTypes`. */
export async function readDataset<Row extends ProvenRow = DatasetRow>(
  folder: string,
  { python, hasReaders }: PythonEnvironment,
  findings: Findings,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const name of (await readdir(folder)).toSorted()) {
    rows.push(...((await readPart(join(folder, name), "parquet")) as unknown as readonly Row[]));
  }
  if (!hasReaders) return rows;
  const { stdout } = await promisify(execFile)(python, [pythonProgram("read_folder.py"), folder], {
    maxBuffer: 2 ** 30,
  });
  const reading = JSON.parse(stdout) as Reading;
  for (const reader of ["pyarrow", "duckdb"] as const) {
    const { types, rows: theirs } = reading[reader];
    findings.expect(isDeepStrictEqual(theirs, rows), `${reader} reads other rows than hyparquet in ${folder}.`);
    for (const [column, type] of Object.entries(expectedTypes[reader])) {
      const found = types[column];
      if (found === undefined && column !== "tiding") continue;
      findings.expect(type.test(found ?? ""), `${reader} reads ${column} as ${found}, expected ${type.source}.`);
    }
  }
  return rows;
}

const expectedTypes = {
  pyarrow: {
    question: /^string$/,
    generation: /^string$/,
    model_name: /^string$/,
    structured:
      /^struct<answer: string, (level: string, topics: list<element: struct<name: string, weight: int64>>|hardness: double)>$/,
    conversation: /^list<element: struct<role: string, content: string>>$/,
    tiding:
      /^struct<row_id: int64.*\bseed: int64.*\battempts: int32.*started_at: timestamp\[.s, tz=UTC\], duration_ms: double/,
  },
  duckdb: {
    question: /^VARCHAR$/,
    generation: /^VARCHAR$/,
    model_name: /^VARCHAR$/,
    structured:
      /^STRUCT\(answer VARCHAR, ("?level"? VARCHAR, topics STRUCT\("?name"? VARCHAR, weight BIGINT\)\[\]|hardness DOUBLE)\)$/,
    conversation: /^STRUCT\("?role"? VARCHAR, "?content"? VARCHAR\)\[\]$/,
    tiding:
      /^STRUCT\(.*\brow_id BIGINT.*\bseed BIGINT.*\battempts INTEGER.*started_at TIMESTAMP WITH TIME ZONE, duration_ms DOUBLE/,
  },
} as const;
