/** Who owned which shard, and what came of it, as the commit log tells it: one half of what paid-twice calls are held against. */
import { decodeCommitRecord } from "../../shared/protocol/commit-record.ts";
import { Bitmap } from "../../shared/rows/bitmap.ts";
import type { LogEntry, Position } from "../../shared/transport/transport.ts";

export interface Ownership {
  readonly worker: string;
  readonly openedAtMs: number;
  /** Rows that were committed by its end. */
  done: Bitmap;
  /** Null while it lasts. `closed`: all rows are committed. `lost`: the next one opened the shard. */
  end: { readonly atMs: number; readonly how: "closed" | "released" | "lost" | "reopened" } | null;
}

export class ShardHistory {
  readonly #shards = new Map<number, Ownership[]>();
  readonly #seen = new Set<Position>();
  /** Most rows that were ever committed of each shard. */
  readonly #most = new Map<number, number>();
  #committed = 0;
  #reopenings = 0;

  /** Rows that were committed, were they taken back or not. */
  get committed(): number {
    return this.#committed;
  }

  get reopenings(): number {
    return this.#reopenings;
  }

  ownershipsOf(shard: number): readonly Ownership[] {
    return this.#shards.get(shard) ?? [];
  }

  /** A worker that has opened a shard and not lost or closed it. */
  isWorking(worker: (id: string) => boolean): boolean {
    for (const ownerships of this.#shards.values()) {
      const last = ownerships.at(-1);
      if (last?.end === null && worker(last.worker)) return true;
    }
    return false;
  }

  /** @param atMs when it was read: a little after it was written. The same entry may come again, after a rollback. */
  read({ shard, position, body }: LogEntry, atMs: number): void {
    if (this.#seen.has(position)) return;
    this.#seen.add(position);
    const record = decodeCommitRecord(body);
    const done = Bitmap.fromText(record.size, record.done);
    const ownerships = this.#shards.get(shard) ?? [];
    this.#shards.set(shard, ownerships);
    let last = ownerships.at(-1);
    if (record.type === "open") {
      if (last?.end === null) last.end = { atMs, how: "lost" };
      ownerships.push({ worker: record.worker, openedAtMs: atMs, done, end: null });
      return;
    }
    if (record.type === "reopen") this.#reopenings += 1;
    if (last === undefined) {
      // Its opening was trimmed before it was read.
      last = { worker: "unknown", openedAtMs: atMs, done, end: null };
      ownerships.push(last);
    }
    last.done = done;
    if (record.type === "release") last.end = { atMs, how: "released" };
    else if (record.type === "reopen") last.end = { atMs, how: "reopened" };
    else if (done.isFull) last.end = { atMs, how: "closed" };
    const before = this.#most.get(shard) ?? 0;
    if (done.count <= before) return;
    this.#most.set(shard, done.count);
    this.#committed += done.count - before;
  }
}
