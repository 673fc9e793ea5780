/**
 * One worker's ownership of one shard: the compare-and-swap chain in the commit log.
 *
 * Appends are sequential. An append whose outcome is unknown is repeated until it went through or until the tail shows
 * that it had; a tail by someone else means that the shard was lost, and raises `FENCED`.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { TidingError } from "../shared/errors.ts";
import { decodeCommitRecord, encodeCommitRecord, type CommitRecord } from "../shared/protocol/commit-record.ts";
import { nextOpening, type Opening } from "../shared/protocol/open-shard.ts";
import { PROTOCOL_VERSION } from "../shared/protocol/version.ts";
import type { Bitmap } from "../shared/rows/bitmap.ts";
import {
  isPassing,
  TransportError,
  type BlobRef,
  type CommitLog,
  type JobKey,
  type Position,
} from "../shared/transport/transport.ts";

const REPEAT_DELAY_MS = 200;
const NONCE_BYTES = 12;

export interface ShardPlace {
  readonly job: JobKey;
  readonly shard: number;
  readonly size: number;
  readonly only: Bitmap | null;
  readonly runsForeignCode: boolean;
  readonly worker: string;
  readonly signal: AbortSignal;
  readonly isStale?: () => boolean;
  /** Told when an append begins (1) and ends (-1) to wait for a log that takes nothing now. */
  readonly onWait?: ((change: 1 | -1) => void) | undefined;
}

export class ShardOwner {
  readonly shard: number;
  readonly opening: Opening;
  readonly #log: CommitLog;
  readonly #job: JobKey;
  readonly #size: number;
  readonly #nonce = randomBytes(NONCE_BYTES).toString("base64url");
  readonly #signal: AbortSignal;
  readonly #onWait: (change: 1 | -1) => void;
  readonly #done: Bitmap;
  #lost: number;
  #suspect: Opening["suspect"];
  #index = 0;
  #position: Position | null;
  #chain: Promise<void> = Promise.resolve();

  private constructor(
    log: CommitLog,
    place: { readonly job: JobKey; readonly shard: number; readonly size: number; readonly position: Position | null },
    opening: Opening,
    { signal, onWait = () => undefined }: Pick<ShardPlace, "signal" | "onWait">,
  ) {
    this.#log = log;
    this.#job = place.job;
    this.shard = place.shard;
    this.#size = place.size;
    this.#position = place.position;
    this.opening = opening;
    this.#done = opening.done.copy();
    this.#lost = opening.lost;
    this.#suspect = opening.suspect;
    this.#signal = signal;
    this.#onWait = onWait;
  }

  /**
   * Takes the shard from whoever had it; null when it is closed already, or `isStale`. From here on the former owner's
   * next append fails.
   *
   * Whether the right to do so is stale is asked behind the look at the log: what another writes after that look makes
   * this opening fail, so that nobody is fenced who opened the shard since the right was given.
   */
  static async open(log: CommitLog, shard: ShardPlace): Promise<ShardOwner | null> {
    const tail = await log.tail(shard.job, shard.shard);
    const record = tail === null ? null : decodeCommitRecord(tail.body);
    const opening = nextOpening(record, shard);
    if (opening.done.isFull || shard.isStale?.() === true) return null;
    const owner = new ShardOwner(log, { ...shard, position: tail?.position ?? null }, opening, shard);
    await owner.#append((common) => ({ type: "open", worker: shard.worker, ...common }));
    return owner;
  }

  /** Rows committed so far, by this owner and those before it. */
  get done(): Bitmap {
    return this.#done;
  }

  /** Nobody has written to the shard since. */
  async isLast(): Promise<boolean> {
    await this.#chain;
    const tail = await this.#log.tail(this.#job, this.shard);
    return tail !== null && decodeCommitRecord(tail.body).nonce === this.#nonce;
  }

  /** Commits rows whose batches are stored. */
  commit(rows: { readonly own: Bitmap; readonly batches: readonly BlobRef[]; readonly bytes: number }): Promise<void> {
    this.#lost = 0;
    this.#suspect = null;
    this.#done.addAll(rows.own);
    return this.#append((common) => ({
      type: "rows",
      ...common,
      own: rows.own.toText(),
      batches: [...rows.batches],
      bytes: rows.bytes,
    }));
  }

  /** Records that a suspect row is about to run alone. */
  start(position: number): Promise<void> {
    return this.#append((common) => ({ type: "start", ...common, position }));
  }

  /** Hands the shard back, so that this opening does not count against its rows. */
  release(): Promise<void> {
    return this.#append((common) => ({ type: "release", ...common }));
  }

  #append(build: (common: Omit<Extract<CommitRecord, { type: "release" }>, "type">) => CommitRecord): Promise<void> {
    const index = this.#index++;
    const body = encodeCommitRecord(
      build({
        version: PROTOCOL_VERSION,
        epoch: this.opening.epoch,
        nonce: this.#nonce,
        index,
        size: this.#size,
        done: this.#done.toText(),
        lost: this.#lost,
        suspect: this.#suspect,
      }),
    );
    const appended = this.#chain.then(() => this.#appendUntilKnown(body, index));
    this.#chain = appended.catch(() => {});
    return appended;
  }

  async #appendUntilKnown(body: Uint8Array, index: number): Promise<void> {
    let isWaiting = false;
    try {
      while (!(await this.#appended(body, index))) {
        if (!isWaiting) this.#onWait(1);
        isWaiting = true;
        // Not all at once, when a broker has room again.
        await delay(REPEAT_DELAY_MS * (0.5 + Math.random()), undefined, { signal: this.#signal });
      }
    } finally {
      if (isWaiting) this.#onWait(-1);
    }
  }

  /** False when it must be tried again. */
  async #appended(body: Uint8Array, index: number): Promise<boolean> {
    this.#signal.throwIfAborted();
    try {
      this.#position = await this.#log.append(this.#job, this.shard, this.#position, body);
      return true;
    } catch (error) {
      if (isPassing(error)) return false;
      if (!(error instanceof TransportError) || error.fault !== "conflict") throw error;
      if (this.#isOwn(error, index)) return true;
      throw new TidingError("FENCED", `Shard ${this.shard} was taken over by another worker.`, { cause: error });
    }
  }

  /** The conflict may be with one's own append whose answer was lost. */
  #isOwn(conflict: TransportError, index: number): boolean {
    if (conflict.tail === null) return false;
    const tail = decodeCommitRecord(conflict.tail.body);
    if (tail.nonce !== this.#nonce || tail.index !== index) return false;
    this.#position = conflict.tail.position;
    return true;
  }
}
