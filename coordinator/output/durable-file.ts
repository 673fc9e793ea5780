/** Files that are there whole or not at all: write, fsync the file, link or rename, fsync the directory. */
import { open, link, rename, rm, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TidingError } from "../../shared/errors.ts";

/** Makes the directory's entries durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  let file: FileHandle | null = null;
  try {
    file = await open(path, "w");
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    throw storageError(error, path);
  } finally {
    await file?.close();
  }
}

/**
 * Creates `path` with the text; false when another was first: `path` exists, which is then left as it is, or the
 * temporary or its folder is gone, which only an owner that clears up removes.
 */
export async function createExclusively(path: string, text: string, temporary: string): Promise<boolean> {
  try {
    await writeSynced(temporary, text);
    await link(temporary, path);
  } catch (error) {
    if (hasCode(error, "EEXIST") || hasCode(error, "ENOENT")) return false;
    throw storageError(error, path);
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(dirname(path));
  return true;
}

/** Puts the text in place of whatever `path` held. Not for what two owners may fight over. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.tmp`);
  await writeSynced(temporary, text);
  await rename(temporary, path).catch((error: unknown) => {
    throw storageError(error, path);
  });
}

/** Whether the system gave this code, such as ENOENT. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

/** An error of the file system as one of ours, with the mend that goes with it. */
export function storageError(error: unknown, path: string): Error {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG":
      return new TidingError("DISK_FULL", "There is no space left to write to.", {
        place: path,
        mend: "Free some space and run the same command again: what is committed is kept.",
        cause: error,
      });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new TidingError("OUTPUT_UNWRITABLE", "The output cannot be written: permission denied or read-only.", {
        place: path,
        mend: "Choose another output.path, or allow writing there.",
        cause: error,
      });
    case "ENOTDIR":
    case "EEXIST":
      return new TidingError("OUTPUT_UNWRITABLE", "The output path, or a folder above it, is a file.", {
        place: path,
        mend: "Choose another output.path.",
        cause: error,
      });
    default:
      return error as Error;
  }
}
