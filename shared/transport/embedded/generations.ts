/**
 * The files of the write-ahead log: `<epoch>-<n>.wal`, numbered without gaps, and `<epoch>.complete` once they hold
 * everything that the epoch before held. Only the newest complete epoch counts; lower ones are left-overs, and may still
 * be written by an owner that does not know yet that it lost the directory.
 */

import { open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

import { damagedAt } from "./store-errors.ts";

export interface Generations {
  readonly highestEpoch: number;
  /** The files that count, oldest first. */
  readonly segments: readonly string[];
}

export function segmentPath(directory: string, epoch: number, n: number): string {
  return join(directory, `${epoch}-${n}.wal`);
}

/** Throws STORE_DAMAGED where a segment of the newest complete epoch is missing. */
export async function listGenerations(directory: string): Promise<Generations> {
  const files = await logFiles(directory);
  const newest = files.reduce((epoch, file) => (file.n === null ? Math.max(epoch, file.epoch) : epoch), -1);
  const numbers = files
    .flatMap((file) => (file.epoch === newest && file.n !== null ? [file.n] : []))
    .toSorted((a, b) => a - b);
  const gap = numbers.find((n, i) => n !== numbers[0]! + i);
  if (gap !== undefined) throw damagedAt(segmentPath(directory, newest, gap), 0, "the file before this one is missing");
  if (newest >= 0 && numbers.length === 0)
    throw damagedAt(segmentPath(directory, newest, 1), 0, "all its files are missing");
  return { highestEpoch: highest(files), segments: numbers.map((n) => segmentPath(directory, newest, n)) };
}

/** The highest epoch that ever began to open the directory and left a file, or -1. */
export async function highestEpoch(directory: string): Promise<number> {
  return highest(await logFiles(directory));
}

function highest(files: readonly { readonly epoch: number }[]): number {
  return files.reduce((epoch, file) => Math.max(epoch, file.epoch), -1);
}

/** From here on the epoch's files count, and those of lower epochs no longer do. Its segments must be on disk. */
export async function markComplete(directory: string, epoch: number): Promise<void> {
  const marker = await open(join(directory, `${epoch}.complete`), "wx");
  await marker.close();
  await syncDirectory(directory);
}

export async function removeEpochs(directory: string, isMeant: (epoch: number) => boolean): Promise<void> {
  for (const { name, epoch } of await logFiles(directory)) {
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

async function logFiles(directory: string): Promise<{ name: string; epoch: number; n: number | null }[]> {
  return (await readdir(directory)).flatMap((name) => {
    const match = /^(\d+)(?:-(\d+)\.wal|\.complete)$/.exec(name);
    return match === null
      ? []
      : [{ name, epoch: Number(match[1]), n: match[2] === undefined ? null : Number(match[2]) }];
  });
}
