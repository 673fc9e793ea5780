import { open, rm } from "node:fs/promises";

import { decodeFrame, encodeFrame, FORMAT_VERSION, HEADER_BYTES } from "./frame.ts";
import type { Frame } from "./frame.ts";
import { highestEpoch, listLogFiles, segmentPath, syncDirectory } from "./generations.ts";
import { writeFully } from "./segment.ts";
import type { Segment, StoredRecord } from "./segment.ts";
import { damagedAt, ownershipLost } from "./store-errors.ts";

/** How much is moved at a time at most: an append waits for one move, of some milliseconds. */
const MOVE_BYTES = 1024 * 1024;
/** Dead bytes between two live records that are read along rather than read around. */
const MOVE_GAP_BYTES = 64 * 1024;

export interface SegmentFilesOptions {
  readonly directory: string;
  readonly epoch: number;
  /** At which size a file is closed; a record that is larger has a file to itself. */
  readonly segmentBytes: number;
}

/** The files of one epoch: records go to the end of the newest; the oldest goes when nothing in it is needed. One call at a time. */
export class SegmentFiles {
  readonly #options: SegmentFilesOptions;
  readonly #segments: Segment[] = [];
  #started = 0;
  #isSynced = true;

  constructor(options: SegmentFilesOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#segments.length;
  }

  get totalBytes(): number {
    return this.#segments.reduce((bytes, segment) => bytes + segment.size, 0);
  }

  get oldest(): Segment {
    return this.#segments[0]!;
  }

  get #newest(): Segment {
    return this.#segments.at(-1)!;
  }

  /** The oldest files that nobody needs any more. Never one behind a file that is needed: see `WriteAheadLog`. */
  dead(): Segment[] {
    const needed = this.#segments.findIndex((segment) => segment === this.#newest || segment.live.size > 0);
    return this.#segments.slice(0, needed);
  }

  /** Begins the next file; `nextLsn` is above all that were given out. Throws OWNERSHIP_LOST. */
  async start(nextLsn: number): Promise<void> {
    const { directory, epoch } = this.#options;
    const path = segmentPath(directory, epoch, ++this.#started);
    const segment: Segment = { path, file: await open(path, "wx+"), size: HEADER_BYTES, live: new Set() };
    this.#segments.push(segment);
    const head = { type: "segment", key: "", shard: 0, lsn: nextLsn, number: FORMAT_VERSION } as const;
    await writeFully(segment.file, [encodeFrame(head, new Uint8Array())], 0);
    this.#isSynced = false;
    await syncDirectory(directory);
    // A next owner that cannot be seen here has yet to delete this file, and then the sync tells.
    if (highestEpoch(await listLogFiles(directory)) > epoch) throw ownershipLost(directory, "a higher epoch is there");
  }

  /** Writes the records' frames behind each other, in as many files as they need, and notes where they lie now. */
  async write(records: readonly StoredRecord[], nextLsn: () => number): Promise<void> {
    let rest = records;
    while (rest.length > 0) {
      let { size } = this.#newest;
      let count = 0;
      while (count < rest.length && size + rest[count]!.length <= this.#options.segmentBytes)
        size += rest[count++]!.length;
      if (count === 0 && size > HEADER_BYTES) {
        await this.sync();
        await this.start(nextLsn());
        continue;
      }
      count = Math.max(count, 1);
      await this.#place(rest.slice(0, count));
      rest = rest.slice(count);
    }
  }

  /** Makes durable what was written. Throws OWNERSHIP_LOST when a next owner took the file away: nobody will read it. */
  async sync(): Promise<void> {
    if (this.#isSynced) return;
    await this.#newest.file.datasync();
    if ((await this.#newest.file.stat()).nlink === 0) {
      throw ownershipLost(this.#options.directory, "its files were replaced by those of a higher epoch");
    }
    this.#isSynced = true;
  }

  async delete(segment: Segment): Promise<void> {
    this.#segments.splice(this.#segments.indexOf(segment), 1);
    await segment.file.close();
    await rm(segment.path, { force: true });
    // So that no crash can keep an older file and lose a younger one.
    await syncDirectory(this.#options.directory);
  }

  async deleteAll(): Promise<void> {
    while (this.count > 0) await this.delete(this.oldest);
  }

  async close(): Promise<void> {
    for (const segment of this.#segments) await segment.file.close();
  }

  async #place(records: readonly StoredRecord[]): Promise<void> {
    const segment = this.#newest;
    const frames = records.map((record) => record.frame!);
    await writeFully(segment.file, frames, segment.size);
    this.#isSynced = false;
    for (const record of records) {
      record.segment?.live.delete(record);
      record.segment = segment;
      record.offset = segment.size;
      record.frame = null;
      segment.size += record.length;
      if (record.live) segment.live.add(record);
    }
  }
}

/** The file's first live records, about 1 MiB of them, with their frames in memory. */
export async function loadLive(segment: Segment): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  let start = 0;
  let end = 0;
  for (const record of segment.live) {
    if (records.length === 0) start = end = record.offset;
    const next = record.offset + record.length;
    if (records.length > 0 && (next - start > MOVE_BYTES || record.offset - end > MOVE_GAP_BYTES)) break;
    records.push(record);
    end = next;
  }
  const bytes = await readExactly(segment, start, end - start);
  for (const record of records) {
    const frame = bytes.subarray(record.offset - start, record.offset - start + record.length);
    checkedFrame(frame, record, segment.path);
    record.frame = frame;
  }
  return records;
}

/** The record's body, a copy. Throws STORE_DAMAGED where the disk gives other bytes than were written. */
export async function readBody(record: StoredRecord): Promise<Uint8Array> {
  // A file that compaction closes meanwhile waits for the reads that began before.
  const { frame, segment, offset, length } = record;
  const bytes = frame === null ? await readExactly(segment!, offset, length) : Buffer.from(frame);
  const { body } = checkedFrame(bytes, record, segment?.path ?? "memory");
  return new Uint8Array(body.buffer, body.byteOffset, body.length);
}

async function readExactly(segment: Segment, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  const { bytesRead } = await segment.file.read(bytes, 0, length, offset);
  if (bytesRead < length) throw damagedAt(segment.path, offset + bytesRead, "the file ends too early");
  return bytes;
}

function checkedFrame(bytes: Buffer, record: StoredRecord, path: string): Frame {
  const frame = decodeFrame(bytes);
  if (frame === "short" || frame === "bad" || frame.lsn !== record.lsn) {
    throw damagedAt(path, record.offset, "a record changed after it was written");
  }
  return frame;
}
