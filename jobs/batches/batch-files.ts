/**
 * Requests as a file for whoever submits it by hand, and the results of such a file: OpenAI's JSON Lines both, over the same
 * rounds that a run goes through with a server.
 */
import { constants, copyFile, open } from "node:fs/promises";
import path from "node:path";
import { hasCode, storageError } from "../../coordinator/output/durable-file.ts";
import { TidingError } from "../../shared/errors.ts";
import type { BatchEntry } from "./batch-state.ts";
import type { BatchStore } from "./batch-store.ts";

/** Absolute paths. */
export type BatchFile = { readonly write: string } | { readonly read: string };

/** The status of a batch that no server of ours has. */
export const IN_A_FILE = "written to a file";

export function isInFile({ status, isSettled }: BatchEntry): boolean {
  return status === IN_A_FILE && !isSettled;
}

/** Where the file of each batch goes: `name.jsonl`, `name-2.jsonl` and on. */
export function fileOf(given: string, index: number): string {
  const { dir, name, ext } = path.parse(given);
  return index === 0 ? given : path.join(dir, `${name}-${index + 1}${ext}`);
}

/** Throws `USAGE` for a file that is there already, and errors of the file system. */
export async function writeOut(store: BatchStore, entries: readonly BatchEntry[], given: string): Promise<void> {
  for (const [index, { submission }] of entries.entries()) {
    const file = fileOf(given, index);
    await copyFile(store.path("requests", submission), file, constants.COPYFILE_EXCL).catch((error: unknown) => {
      if (!hasCode(error, "EEXIST")) throw storageError(error, file);
      throw new TidingError("USAGE", "The file for the requests is there already.", {
        place: file,
        mend: "Give another name, or delete it.",
      });
    });
  }
}

/** Takes a file of results as those of this batch. Throws `USAGE` for one that is not there. */
export async function takeIn(store: BatchStore, { submission }: BatchEntry, given: string): Promise<void> {
  const whole = store.path("output", submission);
  try {
    // Told apart from a folder of ours that cannot be written.
    await open(given, "r").then((file) => file.close());
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw storageError(error, given);
    throw new TidingError("USAGE", "There is no such file of results.", { place: given, mend: "Check its name." });
  }
  await copyFile(given, `${whole}.part`).catch((error: unknown) => {
    throw storageError(error, whole);
  });
  await store.keep(`${whole}.part`, whole);
}

export function underWay(number: number): TidingError {
  return new TidingError("USAGE", `Batch ${number} of this job has been or is being submitted to its server.`, {
    mend: "Collect it with `tiding run` first: in a file as well, its requests would be paid for twice.",
  });
}

export function inFile(number: number): TidingError {
  return new TidingError("USAGE", `The requests of batch ${number} were written to a file, to be submitted by hand.`, {
    mend: "Bring the results with `tiding batch read JOB FILE`; to begin anew choose another output.path.",
  });
}

export function nothingWritten(): TidingError {
  return new TidingError("USAGE", "This job has no requests that were written to a file.", {
    mend: "Write them first: tiding batch write JOB FILE",
  });
}
