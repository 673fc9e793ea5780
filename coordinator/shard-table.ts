/**
 * The shard table: where each shard starts in the input, how many rows it has, and a digest of them.
 *
 * Kept in the output, so that resuming reads only what is missing, cuts exactly as before, and notices an input that
 * changed. Append-only, a JSON line a shard; each owner writes a file of its own, so that a sleeper that wakes appends to
 * one that nobody reads any more. An entry is durable before anything about its shard can be committed.
 */
import { createReadStream } from "node:fs";
import { open, readdir, rename, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { TidingError } from "../shared/errors.ts";
import { storageError, syncDirectory } from "./output/durable-file.ts";

const Entry = z.tuple([
  z.int().nonnegative(),
  z.int().positive(),
  z.int().nonnegative(),
  z.int().nonnegative(),
  z.int().nonnegative(),
  z.string(),
]);

export interface ShardEntry {
  readonly shard: number;
  /** `row_id` of its first row. */
  readonly firstRow: number;
  readonly rows: number;
  readonly offset: { readonly file: number; readonly at: number; readonly skip: number };
  /** SHA-256 of the shard's input batch, the first 16 hex digits. */
  readonly digest: string;
}

export class ShardTable implements AsyncDisposable {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #entries: ShardEntry[];

  private constructor(path: string, file: FileHandle, entries: ShardEntry[]) {
    this.#path = path;
    this.#file = file;
    this.#entries = entries;
  }

  /** Reads the newest owner's table and goes on in a file of this epoch. */
  static async open(folder: string, epoch: number): Promise<ShardTable> {
    const found = (await readdir(folder)).flatMap((name) => {
      const match = /^shards\.(\d+)\.jsonl$/.exec(name);
      return match === null ? [] : [{ name, epoch: Number(match[1]) }];
    });
    const newest = found.toSorted((a, b) => b.epoch - a.epoch)[0];
    if (newest !== undefined && newest.epoch > epoch) {
      throw new TidingError("OWNERSHIP_LOST", "Another process took over this output while this one was silent.", {
        place: folder,
        mend: "Nothing is lost. Let the other process finish; `tiding status` shows it.",
      });
    }
    const entries = newest === undefined ? [] : await readEntries(join(folder, newest.name));
    const path = join(folder, `shards.${epoch}.jsonl`);
    const temporary = `${path}.tmp`;
    try {
      const file = await open(temporary, "w");
      await file.appendFile(entries.map(lineOf).join(""));
      await file.sync();
      await file.close();
      await rename(temporary, path);
      await syncDirectory(folder);
    } catch (error) {
      throw storageError(error, path);
    }
    for (const table of found) if (table.epoch < epoch) await rm(join(folder, table.name), { force: true });
    return new ShardTable(path, await open(path, "a"), entries);
  }

  get length(): number {
    return this.#entries.length;
  }

  /** Rows before the first one that is not planned yet, or null when nothing is planned. */
  get last(): ShardEntry | null {
    return this.#entries.at(-1) ?? null;
  }

  get(shard: number): ShardEntry | undefined {
    return this.#entries[shard];
  }

  /** The shard that holds a row, or null. */
  shardOf(row: number): ShardEntry | null {
    let low = 0;
    let high = this.#entries.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const entry = this.#entries[middle] as ShardEntry;
      if (row < entry.firstRow) high = middle - 1;
      else if (row >= entry.firstRow + entry.rows) low = middle + 1;
      else return entry;
    }
    return null;
  }

  /** Appends the next shard's entry; durable when resolved. */
  async append(entry: ShardEntry): Promise<void> {
    try {
      await this.#file.appendFile(lineOf(entry));
      await this.#file.datasync();
    } catch (error) {
      throw storageError(error, this.#path);
    }
    this.#entries.push(entry);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

function lineOf(entry: ShardEntry): string {
  const { file, at, skip } = entry.offset;
  return `${JSON.stringify([entry.firstRow, entry.rows, file, at, skip, entry.digest])}\n`;
}

/** A torn last line is a shard about which nothing was committed: it is planned again. */
async function readEntries(path: string): Promise<ShardEntry[]> {
  const entries: ShardEntry[] = [];
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      break;
    }
    const parsed = Entry.safeParse(value);
    if (!parsed.success) break;
    const [firstRow, rows, file, at, skip, digest] = parsed.data;
    entries.push({ shard: entries.length, firstRow, rows, offset: { file, at, skip }, digest });
  }
  return entries;
}
