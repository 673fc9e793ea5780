/**
 * What an output knows of its offline batches. Each owner writes a file of its own, named by its epoch, so that a sleeper
 * that wakes writes one that nobody reads any more.
 *
 *   .tiding/batches/state.<epoch>.json
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { hasCode, storageError } from "../../coordinator/output/durable-file.ts";
import { outputPaths } from "../../coordinator/output/output-directory.ts";
import { TidingError } from "../../shared/errors.ts";
import type { BatchProgress } from "../../shared/observe/job-report.ts";

const count = z.int().nonnegative();

const BatchEntry = z.strictObject({
  /** From 1, in the order in which they were written. */
  number: z.int().positive(),
  /** Random: how the server's batch is recognised, and what its files here are called. */
  submission: z.string().regex(/^[0-9a-f]{16}$/),
  /** Which of the job's LLMs asks. */
  llm: count,
  /** Where it was or is to be submitted. */
  endpoint: z.string(),
  url: z.string(),
  requests: z.int().positive(),
  bytes: z.int().positive(),
  /** SHA-256 of the file of requests, hex. */
  content: z.string(),
  /** Epoch milliseconds. */
  recordedAt: z.number(),
  /** The server's name for it; null until the server has it. */
  id: z.string().nullable(),
  /** The server's word, as it was last heard. */
  status: z.string(),
  completed: count.nullable(),
  failed: count.nullable(),
  /** ISO 8601; null where the server does not say. */
  expiresAt: z.string().nullable(),
  /** Its results are here. */
  isSettled: z.boolean(),
});
export type BatchEntry = z.output<typeof BatchEntry>;

const BatchState = z.strictObject({
  version: z.literal(1),
  job: z.string(),
  batches: z.array(BatchEntry),
});
export type BatchState = z.output<typeof BatchState>;

export function batchFolder(root: string): string {
  return join(outputPaths(root).private, "batches");
}

export function statePath(folder: string, epoch: number): string {
  return join(folder, `state.${epoch}.json`);
}

/** The newest owner's; null where there is none. Throws `OUTPUT_DAMAGED`. */
export async function readBatchState(folder: string): Promise<BatchState | null> {
  for (;;) {
    const newest = (await namesIn(folder))
      .map((name) => Number(/^state\.(\d+)\.json$/.exec(name)?.[1] ?? 0))
      .reduce((most, epoch) => Math.max(most, epoch), 0);
    if (newest === 0) return null;
    const path = statePath(folder, newest);
    try {
      return parseState(await readFile(path, "utf8"), path);
    } catch (error) {
      // A newer owner has written its own meanwhile, or the job has come to its end.
      if (!hasCode(error, "ENOENT")) throw error;
    }
  }
}

function parseState(text: string, path: string): BatchState {
  try {
    return BatchState.parse(JSON.parse(text));
  } catch (error) {
    throw new TidingError("OUTPUT_DAMAGED", "What is known of the job's batches cannot be read.", {
      place: path,
      mend: "Put the file back from a copy. Without it batches that are paid for would be submitted again.",
      cause: error,
    });
  }
}

export async function namesIn(folder: string): Promise<readonly string[]> {
  return await readdir(folder).catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) return [];
    throw storageError(error, folder);
  });
}

/** As `tiding status` and reports show them. */
export function progressOf({ batches }: BatchState): readonly BatchProgress[] {
  return batches.map(({ number, id, status, requests, completed, failed, expiresAt, isSettled }) => ({
    number,
    id,
    status,
    requests,
    completed,
    failed,
    expiresAt,
    isSettled,
  }));
}
