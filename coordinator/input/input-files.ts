/** Which files an input's path means, and what tells one file's content from another's. */
import { createHash } from "node:crypto";
import type { Stats } from "node:fs";
import { open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { glob, isDynamicPattern } from "tinyglobby";
import { TidingError } from "../../shared/errors.ts";
import { readFailure } from "./read-failure.ts";
import type { InputFile } from "./row-source.ts";

const SAMPLE_BYTES = 65_536;

/** Digits by their value, so that `part-2` comes before `part-10`. The language is fixed: order must not depend on it. */
const byName = new Intl.Collator("en", { numeric: true });

/**
 * The files that a path, a glob or a list of them names: a glob's by name, the entries' in the order given. A file that
 * several entries name is read once, in its first place. None for an input whose rows are generated, which has no path.
 * Throws INPUT_MISSING and INPUT_UNREADABLE.
 */
export async function findInputFiles(path: string | readonly string[] = [], folder: string): Promise<InputFile[]> {
  const paths = new Set<string>();
  for (const entry of typeof path === "string" ? [path] : path) {
    for (const found of await resolveEntry(entry, folder)) paths.add(found);
  }
  const files: InputFile[] = [];
  for (const found of paths) files.push(await identify(found));
  return files;
}

async function resolveEntry(entry: string, folder: string): Promise<readonly string[]> {
  const literal = resolve(folder, entry);
  // A name such as `rows[1].jsonl` is a file before it is a pattern.
  if (!isDynamicPattern(entry) || (await exists(literal))) return [literal];
  const found = await glob(entry, { cwd: folder, absolute: true, expandDirectories: false });
  if (found.length > 0) return found.toSorted((a, b) => byName.compare(a, b) || (a < b ? -1 : 1));
  throw new TidingError("INPUT_MISSING", `No file matches ${entry}.`, {
    place: literal,
    mend: "Check input.path; it is relative to the spec's folder.",
  });
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

async function identify(path: string): Promise<InputFile> {
  const info = await statFile(path);
  const mend = "Check that the file is there and may be read.";
  try {
    await using file = await open(path);
    const hash = createHash("sha256").update(`${info.size}\n`);
    const buffer = Buffer.alloc(SAMPLE_BYTES);
    for (const position of [0, Math.max(0, info.size - SAMPLE_BYTES)]) {
      const { bytesRead } = await file.read(buffer, 0, SAMPLE_BYTES, position);
      hash.update(buffer.subarray(0, bytesRead));
    }
    return { path, bytes: info.size, modifiedMs: info.mtimeMs, sample: hash.digest("hex") };
  } catch (error) {
    throw readFailure(error, path, mend);
  }
}

async function statFile(path: string): Promise<Stats> {
  let info: Stats;
  try {
    info = await stat(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "ENOENT" && code !== "ENOTDIR") throw readFailure(error, path, "Check the path and its permissions.");
    throw new TidingError("INPUT_MISSING", "The input file does not exist.", {
      place: path,
      mend: "Check input.path; it is relative to the spec's folder.",
    });
  }
  if (info.isFile()) return info;
  const isFolder = info.isDirectory();
  throw new TidingError("INPUT_UNREADABLE", isFolder ? "The input is a folder." : "The input is not a regular file.", {
    place: path,
    mend: isFolder ? "Name the files in it, such as folder/*.jsonl." : "Write its content to a file first.",
  });
}
