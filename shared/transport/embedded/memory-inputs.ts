import { SHARDS_IN_GROUP, type BlobRef, type BlobStore, type JobKey } from "../transport.ts";
import type { Budget } from "./budget.ts";
import { ALL_SHARDS } from "./frame.ts";
import { ShardRecords } from "./shard-records.ts";
import { assertFits, assertOpen } from "./store-errors.ts";

interface InputBlob {
  readonly key: JobKey;
  readonly shard: number;
  readonly lsn: number;
  readonly bytes: Uint8Array;
}

/** Input blobs, in memory alone: after a restart the input is read again. */
export class MemoryInputs implements BlobStore {
  readonly #closing: AbortSignal;
  readonly #budget: Budget;
  readonly #shards = new ShardRecords<InputBlob>();
  readonly #byRef = new Map<string, InputBlob>();
  #count = 0;

  constructor(options: { readonly closing: AbortSignal; readonly budget: Budget }) {
    this.#closing = options.closing;
    this.#budget = options.budget;
  }

  async put(job: JobKey, shard: number, bytes: Uint8Array): Promise<BlobRef> {
    assertOpen(this.#closing);
    assertFits(bytes);
    this.#budget.take(bytes.byteLength);
    const blob = { key: job, shard, lsn: ++this.#count, bytes: new Uint8Array(bytes) };
    this.#shards.add(blob);
    this.#byRef.set(String(blob.lsn), blob);
    return String(blob.lsn) as BlobRef;
  }

  async get(ref: BlobRef): Promise<Uint8Array | null> {
    assertOpen(this.#closing);
    const blob = this.#byRef.get(ref);
    return blob === undefined ? null : new Uint8Array(blob.bytes);
  }

  async drop(job: JobKey, shard: number, upTo?: BlobRef): Promise<void> {
    assertOpen(this.#closing);
    let bytes = 0;
    for (const blob of this.#shards.takeBelow(job, shard, Number(upTo ?? this.#count) + 1)) {
      this.#byRef.delete(String(blob.lsn));
      bytes += blob.bytes.byteLength;
    }
    this.#budget.giveBack(bytes);
  }

  async dropGroup(job: JobKey, group: number): Promise<void> {
    for (let at = 0; at < SHARDS_IN_GROUP; at++) await this.drop(job, group * SHARDS_IN_GROUP + at);
  }

  dropJob(job: JobKey): Promise<void> {
    return this.drop(job, ALL_SHARDS);
  }

  async usage(): Promise<{ readonly bytes: number; readonly budgetBytes: number }> {
    return { bytes: this.#budget.bytes, budgetBytes: this.#budget.budgetBytes };
  }
}
