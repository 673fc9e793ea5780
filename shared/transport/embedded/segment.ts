import type { FileHandle } from "node:fs/promises";

import { decodeFrame } from "./frame.ts";
import type { Frame, FrameFields } from "./frame.ts";

/** A file of the write-ahead log. All but the newest are complete and never written again. */
export interface Segment {
  readonly path: string;
  readonly file: FileHandle;
  size: number;
  /** The records that are still needed, in the order of the file. */
  readonly live: Set<StoredRecord>;
}

/** Where one record lies. It stays the same object while compaction moves the bytes. */
export interface StoredRecord extends FrameFields {
  readonly crc: number;
  readonly length: number;
  live: boolean;
  /** The whole frame, until it is written. */
  frame: Buffer | null;
  segment: Segment | null;
  offset: number;
}

/**
 * The name under which callers know an entry or a blob. LSN and checksum identify its content; the number of the
 * opening it was written in tells it from one that took its LSN after a rollback.
 */
export function recordName(record: Pick<StoredRecord, "lsn" | "number" | "crc">): string {
  return `${record.lsn}-${record.number.toString(36)}-${record.crc.toString(36)}`;
}

/** The parts of such a name, or null where it is none. */
export function parseRecordName(name: string): { lsn: number; number: number; crc: number } | null {
  const match = /^(\d+)-([0-9a-z]+)-([0-9a-z]+)$/.exec(name);
  if (match === null) return null;
  return { lsn: Number(match[1]), number: parseInt(match[2]!, 36), crc: parseInt(match[3]!, 36) };
}

const SCAN_BYTES = 4 * 1024 * 1024;

/**
 * Reads the file's frames in order. `end` is the first byte that belongs to none, `whole` says that it is the end of the
 * file. Holds a few MB, whatever the size of the file.
 */
export async function scanSegment(
  file: FileHandle,
  visit: (frame: Frame, offset: number) => void,
): Promise<{ readonly end: number; readonly whole: boolean }> {
  let buffer = Buffer.allocUnsafe(SCAN_BYTES);
  let start = 0;
  let filled = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, start + filled);
    if (bytesRead === 0) return { end: start, whole: filled === 0 };
    filled += bytesRead;

    let at = 0;
    for (;;) {
      const frame = decodeFrame(buffer.subarray(at, filled));
      if (frame === "bad") return { end: start + at, whole: false };
      if (frame === "short") break;
      visit(frame, start + at);
      at += frame.length;
    }
    buffer.copyWithin(0, at, filled);
    start += at;
    filled -= at;
    if (filled === buffer.length) buffer = Buffer.concat([buffer], buffer.length * 2);
  }
}

/** Writes all of `chunks` at `position`; a short write (a full disk's first sign) is carried on with. */
export async function writeFully(file: FileHandle, chunks: readonly Buffer[], position: number): Promise<void> {
  let rest = [...chunks];
  let at = position;
  while (rest.length > 0) {
    let { bytesWritten } = await file.writev(rest, at);
    at += bytesWritten;
    let done = 0;
    while (done < rest.length && bytesWritten >= rest[done]!.length) bytesWritten -= rest[done++]!.length;
    rest = rest.slice(done);
    if (bytesWritten > 0) rest[0] = rest[0]!.subarray(bytesWritten);
  }
}
