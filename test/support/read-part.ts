/** Reads a part as a user would, with the libraries that know its format: its rows as plain values. */
import { readFileSync } from "node:fs";
import { tableFromIPC } from "apache-arrow";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { PartFormat } from "../../coordinator/sink/part-file.ts";

export async function readPart(path: string, format: PartFormat): Promise<readonly Record<string, unknown>[]> {
  switch (format) {
    case "parquet":
      return plain(await parquetReadObjects({ file: await asyncBufferFromFile(path), compressors, utf8: false }));
    case "jsonl":
      return readFileSync(path, "utf8")
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    case "arrow":
      return plain(tableFromIPC(readFileSync(path)).toArray());
  }
}

/** Through JSON, with integers as numbers and nulls as null, so that libraries' own classes do not matter. */
function plain(rows: readonly unknown[]): Record<string, unknown>[] {
  return JSON.parse(
    JSON.stringify(rows, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : (value ?? null))),
  ) as Record<string, unknown>[];
}
