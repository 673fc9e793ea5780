import type { JobKey, Transport } from "../../shared/transport/transport.ts";
import type { ShardRange } from "../output/manifest.ts";

/** Shards whose batches are dropped at one time: a store that is full for another reason must not be kept busy. */
const AT_ONCE = 64;

/**
 * Drops what the result store holds of landed shards: an owner that died behind its manifest did not get to it, and a store
 * that was rolled back has it again. Goes through them a few at a time, the newest first, and then once more.
 */
export class LandedSweep {
  readonly #transport: Transport;
  readonly #job: JobKey;
  readonly #landed: () => readonly ShardRange[];
  #left: Iterator<number> = [].values();

  constructor(transport: Transport, job: JobKey, landed: () => readonly ShardRange[]) {
    this.#transport = transport;
    this.#job = job;
    this.#landed = landed;
  }

  async dropSome(): Promise<void> {
    for (let count = 0; count < AT_ONCE; count++) {
      const next = this.#left.next();
      if (next.done === true) {
        this.#left = backwards(this.#landed());
        return;
      }
      await this.#transport.results.drop(this.#job, next.value);
    }
  }
}

function* backwards(ranges: readonly ShardRange[]): Generator<number, undefined> {
  for (const [first, last] of ranges.toReversed()) for (let shard = last; shard >= first; shard--) yield shard;
}
