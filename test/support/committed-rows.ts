/** What an output holds at this moment, read from its files alone while nobody writes them. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { outputPaths, readManifest } from "../../coordinator/output/output-directory.ts";
import { rangesHave } from "../../coordinator/output/shard-ranges.ts";
import type { Manifest } from "../../coordinator/output/manifest.ts";
import { jobKey } from "../../jobs/job-key.ts";
import { decodeCommitRecord } from "../../shared/protocol/commit-record.ts";
import { Bitmap } from "../../shared/rows/bitmap.ts";
import { readEmbeddedLog } from "../../shared/transport/embedded/read-embedded-log.ts";

interface Shard {
  readonly firstRow: number;
  readonly rows: number;
}

/** Row ids that are committed: landed, spilled, or named by the log. */
export async function committedRows(root: string): Promise<ReadonlySet<number>> {
  const rows = new Set<number>();
  const manifest = await readManifest(root);
  if (manifest === null) return rows;
  const shards = await shardTable(root);
  const take = (shard: number, positions: Bitmap): void => {
    for (const position of positions) rows.add((shards[shard]?.firstRow ?? 0) + position);
  };
  for (const [shard, { rows: size }] of shards.entries()) {
    if (rangesHave(manifest.landed, shard)) take(shard, Bitmap.full(size));
  }
  for (const { batches } of manifest.spills) {
    for (const { shard, own } of batches) take(shard, Bitmap.fromText(shards[shard]?.rows ?? 0, own));
  }
  const { tails } = await readEmbeddedLog(outputPaths(root).log);
  for (const { job, shard, body } of tails) {
    if (job !== jobKey(manifest)) continue;
    const { size, done } = decodeCommitRecord(body);
    take(shard, Bitmap.fromText(size, done));
  }
  return rows;
}

async function shardTable(root: string): Promise<readonly Shard[]> {
  const folder = outputPaths(root).private;
  const tables = (await readdir(folder)).filter((name) => /^shards\.\d+\.jsonl$/.test(name));
  const newest = tables.toSorted((a, b) => Number(/\d+/.exec(b)?.[0]) - Number(/\d+/.exec(a)?.[0]))[0];
  if (newest === undefined) return [];
  // What follows the last line's end was torn off.
  const lines = (await readFile(join(folder, newest), "utf8")).split("\n").slice(0, -1);
  return lines.map((line) => {
    const [firstRow, rows] = JSON.parse(line) as [number, number];
    return { firstRow, rows };
  });
}

/** Files that the newest manifest names and that are missing or have another size. */
export async function damagedFiles(root: string): Promise<readonly string[]> {
  const manifest = await readManifest(root);
  if (manifest === null) return [];
  const damaged: string[] = [];
  const sizes = [...manifest.parts, ...manifest.failed].map(({ file, bytes }) => ({ file, least: bytes, most: bytes }));
  for (const { file, batches } of manifest.spills) {
    sizes.push({
      file,
      least: Math.max(0, ...batches.map(({ offset, packedBytes }) => offset + packedBytes)),
      most: Infinity,
    });
  }
  for (const { file, least, most } of sizes) {
    const size = (await stat(join(root, file)).catch(() => null))?.size ?? null;
    if (size === null || size < least || size > most) {
      damaged.push(`manifest ${manifest.generation} names ${file} with ${least} bytes, and it has ${size ?? "gone"}`);
    }
  }
  return damaged;
}

/** Files in `data/` and `failed/` that the manifest does not name: a reader that takes the folder whole would see them. */
export async function unnamedFiles(root: string, manifest: Manifest): Promise<readonly string[]> {
  const named = new Set([...manifest.parts, ...manifest.failed].map(({ file }) => file));
  const found: string[] = [];
  for (const folder of ["data", "failed"]) {
    for (const name of await readdir(join(root, folder))) found.push(`${folder}/${name}`);
  }
  return found.filter((file) => !named.has(file));
}

/** Bytes of all files below a folder. */
export async function folderBytes(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    // Files come and go while the job runs.
    bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => null))?.size ?? 0;
  }
  return bytes;
}
