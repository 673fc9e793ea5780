/**
 * The write-ahead log: records in segments, durable in groups.
 *
 *   add ──► pending ──► written ──► synced            one cycle at a time; what comes meanwhile is the next one's
 *                          ▲
 *   oldest segment's live ─┘ moved forward, when dead bytes take too much; then that segment is deleted
 *
 * Segments die strictly oldest first. So a drop, which lies behind all it ends, outlives every copy of it, and no
 * half of a state can come back. A segment is deleted only after a sync that followed the decision to delete it.
 *
 * After a failed write or sync nothing is accepted any more: what the disk holds is known again only by opening anew.
 */

import { randomInt } from "node:crypto";
import { mkdir } from "node:fs/promises";

import { TransportError } from "../transport.ts";
import { encodeFrame } from "./frame.ts";
import type { FrameFields } from "./frame.ts";
import { highestEpoch, listLogFiles, markComplete, removeEpochs } from "./generations.ts";
import { recoverLog } from "./recover.ts";
import { loadLive, readBody, SegmentFiles } from "./segment-files.ts";
import type { SegmentFilesOptions } from "./segment-files.ts";
import type { Segment, StoredRecord } from "./segment.ts";
import { assertFits, ownershipLost, storeFailure } from "./store-errors.ts";
import { Wakeup } from "../../wakeup.ts";

export interface WriteAheadLogOptions extends SegmentFilesOptions {
  /** Files take at most this, or the live bytes where these are more, and three segments. */
  readonly budgetBytes: number;
  /** Called once, with the error that every later call rejects with. */
  readonly onFailure: (error: Error) => void;
}

interface Waiter {
  readonly durable: () => void;
  readonly failed: (error: Error) => void;
}

export class WriteAheadLog {
  readonly #options: WriteAheadLogOptions;
  readonly #files: SegmentFiles;
  readonly #room = new Wakeup();
  /** Tells what is written from here on from what a copy of the directory, put back later, would write. */
  readonly opening = randomInt(2 ** 48 - 1);
  /** Which opening gave out which LSNs: from its own on, up to the next one's. */
  readonly #openings: StoredRecord[] = [];
  #nextLsn = 1;
  #pending: StoredRecord[] = [];
  #pendingBytes = 0;
  #waiters: Waiter[] = [];
  #liveBytes = 0;
  #running = false;
  #cycles: Promise<void> = Promise.resolve();
  #failure: Error | null = null;
  #closed = false;

  private constructor(options: WriteAheadLogOptions) {
    this.#options = options;
    this.#files = new SegmentFiles(options);
  }

  /**
   * Takes the directory over: hands every record of the newest epoch to `replay`, oldest LSN first, drops included,
   * copies what it did not kill into segments of this epoch, and deletes the others'. Throws OWNERSHIP_LOST when `epoch`
   * is not above every epoch on disk, STORE_DAMAGED, or DISK_FULL.
   */
  static async open<T>(
    options: WriteAheadLogOptions,
    replay: (log: WriteAheadLog, records: readonly StoredRecord[]) => T,
  ): Promise<T> {
    const { directory, epoch } = options;
    await mkdir(directory, { recursive: true });
    const highest = highestEpoch(await listLogFiles(directory));
    if (highest >= epoch) throw ownershipLost(directory, `epoch ${highest} is there, this one has ${epoch}`);

    const log = new WriteAheadLog(options);
    const { segments, records, nextLsn } = await recoverLog(directory);
    try {
      log.#nextLsn = nextLsn;
      log.#openings.push(...records.filter(({ type }) => type === "opening"));
      log.#liveBytes = bytesOf(records.filter(({ live }) => live));
      const replayed = replay(log, records);
      await log.#copyAll(segments);
      await markComplete(directory, epoch);
      await removeEpochs(directory, (other) => other < epoch);
      return replayed;
    } catch (error) {
      await log.#files.close();
      throw storeFailure(error, directory);
    } finally {
      for (const segment of segments) await segment.file.close();
    }
  }

  /** Gives the record its place in the order. It becomes durable with the next flush, and can be read at once. */
  add(fields: Omit<FrameFields, "lsn">, body: Uint8Array = new Uint8Array()): StoredRecord {
    if (this.#failure !== null) throw this.#failure;
    if (this.#closed) throw new TransportError("closed", "The transport was closed.");
    assertFits(body);
    const lsn = this.#nextLsn++;
    const frame = encodeFrame({ ...fields, lsn }, body);
    const live = fields.type !== "drop-entries" && fields.type !== "drop-blobs";
    const length = frame.length;
    const record = { ...fields, lsn, crc: frame.readUInt32LE(0), length, live, frame, segment: null, offset: 0 };
    this.#pending.push(record);
    this.#pendingBytes += length;
    if (live) this.#liveBytes += length;
    if (this.#pendingBytes >= this.#pendingLimit / 2) this.#run();
    return record;
  }

  /** Whether large records should wait for `room`: much waits in memory, or dead bytes are about to pass their limit. */
  get isFull(): boolean {
    if (this.#failure !== null || this.#closed) return false;
    const { segmentBytes, budgetBytes } = this.#options;
    const tooMuch = Math.max(budgetBytes, this.#liveBytes) + 1.5 * segmentBytes;
    return this.#pendingBytes >= this.#pendingLimit || (this.#isCrowded() && this.#files.totalBytes > tooMuch);
  }

  /** Resolves when there may be room again. */
  room(): Promise<void> {
    this.#run();
    return this.#room.wait();
  }

  /** Resolves when everything added so far is durable; `apply` runs just before, in the order of the calls. */
  flush(apply: () => void = () => {}): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const durable = (): void => {
        apply();
        resolve();
      };
      this.#waiters.push({ durable, failed: reject });
      this.#run();
    });
  }

  /** The record is no longer needed. What makes it needless must have been added, or be durable, before. */
  kill(record: StoredRecord): void {
    if (!record.live) return;
    record.live = false;
    record.segment?.live.delete(record);
    this.#liveBytes -= record.length;
  }

  /** The highest LSN that was given out. */
  get lastLsn(): number {
    return this.#nextLsn - 1;
  }

  /** Whether this log, not one that a copy of the directory replaced, gave out that LSN. */
  gaveOut(lsn: number, opening: number): boolean {
    const owner = this.#openings.findLast((record) => record.lsn <= lsn);
    return owner?.number === opening && lsn <= this.lastLsn;
  }

  /** A copy of the body of a live record. Throws STORE_DAMAGED where the disk gives other bytes than were written. */
  async read(record: StoredRecord): Promise<Uint8Array> {
    if (this.#closed) throw new TransportError("closed", "The transport was closed.");
    return await readBody(record);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#room.notify();
    try {
      if (this.#failure === null) await this.flush();
      await this.#cycles;
    } finally {
      await this.#files.close();
    }
  }

  get #pendingLimit(): number {
    return this.#options.segmentBytes / 4;
  }

  /** Whether dead bytes take more room than is worth the work of moving the live ones away. */
  #isCrowded(): boolean {
    const { segmentBytes, budgetBytes } = this.#options;
    const tight = Math.max(budgetBytes, this.#liveBytes) + segmentBytes;
    const wasteful = 2 * this.#liveBytes + 2 * segmentBytes;
    return this.#files.count > 1 && this.#files.totalBytes > Math.min(tight, wasteful);
  }

  #hasWork(): boolean {
    return this.#pending.length + this.#waiters.length > 0 || this.#isCrowded() || this.#files.dead().length > 0;
  }

  #run(): void {
    if (this.#running || this.#failure !== null) return;
    this.#running = true;
    this.#cycles = this.#cycle();
  }

  async #cycle(): Promise<void> {
    let waiters: Waiter[] = [];
    try {
      while (this.#hasWork()) {
        await Promise.resolve(); // What was called together is synced together.
        const moved = this.#isCrowded() ? await loadLive(this.#files.oldest) : [];
        const pending = this.#pending;
        const dead = this.#files.dead();
        waiters = this.#waiters;
        this.#pending = [];
        this.#waiters = [];
        // Moved ones first: the drop of one that died while it was read is among the pending, and must lie behind it.
        await this.#write([...moved, ...pending]);
        this.#pendingBytes -= bytesOf(pending);
        if (waiters.length + moved.length + dead.length > 0) await this.#files.sync();
        for (const waiter of waiters) waiter.durable();
        waiters = [];
        for (const segment of dead) await this.#files.delete(segment);
        this.#room.notify();
      }
    } catch (error) {
      this.#failure = storeFailure(error, this.#options.directory);
      for (const waiter of [...waiters, ...this.#waiters]) waiter.failed(this.#failure);
      this.#waiters = [];
      this.#room.notify();
      this.#options.onFailure(this.#failure);
    }
    this.#running = false;
  }

  #write(records: readonly StoredRecord[]): Promise<void> {
    return this.#files.write(records, () => this.#nextLsn);
  }

  async #copyAll(segments: readonly Segment[]): Promise<void> {
    try {
      await this.#files.start(this.#nextLsn);
      for (const segment of segments) {
        while (segment.live.size > 0) await this.#write(await loadLive(segment));
      }
      this.#openings.push(this.add({ type: "opening", key: "", shard: 0, number: this.opening }));
      await this.flush();
      await this.#cycles;
    } catch (error) {
      // Half a copy would take the room that the next try needs.
      await this.#files.deleteAll();
      throw error;
    }
  }
}

function bytesOf(records: readonly StoredRecord[]): number {
  return records.reduce((bytes, record) => bytes + record.length, 0);
}
