/** What the sink has received of a shard that is not landed: rows by bitmap, and where their batches lie. */
import type { Bitmap } from "../../shared/rows/bitmap.ts";
import type { BlobRef } from "../../shared/transport/transport.ts";

/** A batch of `bytes` bytes, in the result store or, packed, in a spill file. */
export type BatchPlace =
  | { readonly kind: "stored"; readonly ref: BlobRef; readonly bytes: number }
  | ({ readonly kind: "spilled" } & SpilledBatch);

export interface SpilledBatch {
  readonly file: string;
  readonly offset: number;
  readonly packedBytes: number;
  readonly bytes: number;
}

export interface Piece {
  readonly place: BatchPlace;
  /** Rows to take from this batch. */
  readonly fresh: Bitmap;
  /** The batch holds rows besides, that were received before. */
  readonly partial: boolean;
}

export class ShardProgress {
  readonly shard: number;
  readonly firstRow: number;
  /** Positions that count as received from the start: a retry runs only some of a shard's rows. */
  readonly received: Bitmap;
  pieces: Piece[] = [];
  /** When the newest record was seen, on the monotonic clock. */
  activeAtMs: number;
  completedAtMs: number | null = null;
  readonly #before: number;

  constructor(shard: {
    readonly shard: number;
    readonly firstRow: number;
    readonly received: Bitmap;
    readonly nowMs: number;
  }) {
    this.shard = shard.shard;
    this.firstRow = shard.firstRow;
    this.received = shard.received;
    this.#before = shard.received.count;
    this.activeAtMs = shard.nowMs;
  }

  get isComplete(): boolean {
    return this.received.isFull;
  }

  /** Rows that a record brought. */
  get receivedRows(): number {
    return this.received.count - this.#before;
  }

  get bytes(): number {
    return this.pieces.reduce((sum, piece) => sum + piece.place.bytes, 0);
  }

  /** Bytes that lie in the result store. */
  get storedBytes(): number {
    return this.pieces.reduce((sum, { place }) => sum + (place.kind === "stored" ? place.bytes : 0), 0);
  }

  /** Takes a record's batches; false when it has all of their rows already. */
  add(own: Bitmap, places: readonly BatchPlace[]): boolean {
    const fresh = own.without(this.received);
    if (fresh.isEmpty) return false;
    const partial = places.length > 1 || fresh.count !== own.count;
    for (const place of places) this.pieces.push({ place, fresh, partial });
    this.received.addAll(fresh);
    return true;
  }

  /** Takes a batch that an earlier owner spilled, for what other spilled ones do not bring. */
  restore(own: Bitmap, place: BatchPlace): void {
    const fresh = own.without(this.received);
    if (fresh.isEmpty) return;
    this.pieces.push({ place, fresh, partial: true });
    this.received.addAll(fresh);
  }

  /** As it is now; what comes, or is taken back, does not change the copy. */
  copy(): ShardProgress {
    const { shard, firstRow, received, activeAtMs } = this;
    const copy = new ShardProgress({ shard, firstRow, received: received.copy(), nowMs: activeAtMs });
    copy.pieces = [...this.pieces];
    copy.completedAtMs = this.completedAtMs;
    return copy;
  }

  /** Takes back what a lost batch was to bring, unless it was taken back before: another may bring that now. */
  lose(piece: Piece): void {
    if (!this.pieces.some((other) => other.fresh === piece.fresh)) return;
    this.pieces = this.pieces.filter((other) => other.fresh !== piece.fresh);
    this.received.removeAll(piece.fresh);
    this.completedAtMs = null;
  }

  /** Takes back the batches in the store that bring rows besides those done: the log says that they are gone. */
  takeBack(done: Bitmap): void {
    for (const piece of this.pieces) {
      if (piece.place.kind === "stored" && !piece.fresh.without(done).isEmpty) this.lose(piece);
    }
  }
}
