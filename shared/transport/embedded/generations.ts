/**
 * The files of the write-ahead log: `<epoch>-<n>.wal`, numbered without gaps, and `<epoch>.complete` once they hold
 * everything that the epoch before held. Only the newest complete epoch counts; lower ones are left-overs, and may still
 * be written by an owner that does not know yet that it lost the directory.
 */

import { open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

import { damagedAt } from "./store-errors.ts";

export interface LogFile {
  readonly name: string;
  readonly epoch: number;
  /** The segment's number; null for the mark that the epoch is complete. */
  readonly n: number | null;
}

/** In the order of epochs and numbers, so that equal lists mean that nothing came or went. */
export async function listLogFiles(directory: string): Promise<LogFile[]> {
  const files = (await readdir(directory)).flatMap((name) => {
    const match = /^(\d+)(?:-(\d+)\.wal|\.complete)$/.exec(name);
    if (match === null) return [];
    return [{ name, epoch: Number(match[1]), n: match[2] === undefined ? null : Number(match[2]) }];
  });
  return files.toSorted((a, b) => a.epoch - b.epoch || (a.n ?? 0) - (b.n ?? 0));
}

/** The highest epoch that ever began to open the directory and left a file, or -1. */
export function highestEpoch(files: readonly LogFile[]): number {
  return files.at(-1)?.epoch ?? -1;
}

export function segmentPath(directory: string, epoch: number, n: number): string {
  return join(directory, `${epoch}-${n}.wal`);
}

/** The segments that count, oldest first. Throws STORE_DAMAGED where one of them is missing. */
export function newestSegments(directory: string, files: readonly LogFile[]): string[] {
  const epoch = files.findLast(({ n }) => n === null)?.epoch;
  if (epoch === undefined) return [];
  const numbers = files.flatMap((file) => (file.epoch === epoch && file.n !== null ? [file.n] : []));
  if (numbers.length === 0) throw damagedAt(segmentPath(directory, epoch, 1), 0, "all files of its epoch are missing");
  const gap = numbers.find((n, i) => n !== numbers[0]! + i);
  if (gap !== undefined) throw damagedAt(segmentPath(directory, epoch, gap), 0, "the file before this one is missing");
  return numbers.map((n) => segmentPath(directory, epoch, n));
}

/** From here on the epoch's files count, and those of lower epochs no longer do. Its segments must be on disk. */
export async function markComplete(directory: string, epoch: number): Promise<void> {
  const marker = await open(join(directory, `${epoch}.complete`), "wx");
  await marker.close();
  await syncDirectory(directory);
}

export async function removeEpochs(directory: string, isMeant: (epoch: number) => boolean): Promise<void> {
  for (const { name, epoch } of await listLogFiles(directory)) {
    if (isMeant(epoch)) await rm(join(directory, name), { force: true });
  }
}

/** Makes created, renamed and deleted names durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const file = await open(directory, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
