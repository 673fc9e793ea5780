import { z } from "zod";

import type { Lease, VersionedState } from "../transport.ts";
import { isPassing, TransportError } from "../transport.ts";

/** What lies under a lease's key. It changes with every beat, and whoever sees it unchanged for `ttlMs` may take over. */
const LeaseRecordSchema = z.object({
  holder: z.string(),
  ttlMs: z.number(),
  beat: z.int(),
  released: z.boolean(),
});

export type LeaseRecord = z.output<typeof LeaseRecordSchema>;

export function encodeLease(record: LeaseRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record));
}

/** Throws for what is not a lease's record. */
export function decodeLease(value: Uint8Array): LeaseRecord {
  return LeaseRecordSchema.parse(JSON.parse(new TextDecoder().decode(value)));
}

export interface NatsLeaseOptions {
  readonly name: string;
  readonly holder: string;
  /** Of the record that took the lease. */
  readonly version: number;
  readonly ttlMs: number;
  /** Monotonic; when the write that took the lease was sent. */
  readonly sentAt: number;
  readonly now: () => number;
  readonly read: () => Promise<VersionedState | null>;
  readonly swap: (value: Uint8Array, version: number) => Promise<number>;
}

/**
 * A lease that beats in its record every third of its time. It ends two thirds after the last beat that got through was
 * sent, while others wait for the whole: no clocks are compared, and only a machine that slept may hold it too long.
 * Against that, `version` fences.
 */
export class NatsLease implements Lease {
  readonly name: string;
  readonly version: number;
  readonly #options: NatsLeaseOptions;
  readonly #expired = new AbortController();
  #latest: number;
  #until: number;
  #beat = 0;
  #beating: Promise<void> = Promise.resolve();
  #nextBeat: NodeJS.Timeout | undefined;
  #end: NodeJS.Timeout | undefined;
  #released: Promise<void> | null = null;

  constructor(options: NatsLeaseOptions) {
    this.name = options.name;
    this.version = options.version;
    this.#options = options;
    this.#latest = options.version;
    this.#until = options.sentAt;
    this.#extend(options.sentAt);
    this.#beatIn(options.ttlMs / 3);
  }

  get expired(): AbortSignal {
    return this.#expired.signal;
  }

  /** Whether the lease is still valid; from the first no on it is over for good. */
  isHeld(): boolean {
    if (this.#options.now() >= this.#until) this.#stop();
    return !this.#expired.signal.aborted;
  }

  /** Resolves when others can have it at once, or when it could not be told: then they can after its time. */
  release(): Promise<void> {
    this.#stop();
    this.#released ??= this.#tellReleased();
    return this.#released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  #stop(): void {
    clearTimeout(this.#nextBeat);
    clearTimeout(this.#end);
    this.#expired.abort();
  }

  #extend(sentAt: number): void {
    const { ttlMs, now } = this.#options;
    this.#until = sentAt + (ttlMs * 2) / 3;
    clearTimeout(this.#end);
    this.#end = setTimeout(() => this.#stop(), this.#until - now()).unref();
  }

  #beatIn(ms: number): void {
    this.#nextBeat = setTimeout(() => {
      if (this.isHeld()) this.#beating = this.#renew();
    }, ms).unref();
  }

  async #renew(): Promise<void> {
    const { ttlMs, now } = this.#options;
    const sentAt = now();
    let nextMs = ttlMs / 3;
    try {
      await this.#write(false);
      if (this.isHeld()) this.#extend(sentAt);
    } catch (error) {
      if (!isPassing(error)) return this.#stop();
      nextMs = ttlMs / 12;
    }
    if (this.isHeld()) this.#beatIn(nextMs);
  }

  async #tellReleased(): Promise<void> {
    await this.#beating;
    try {
      await this.#write(true);
    } catch (error) {
      // Another has it, or it runs out by itself: there is nothing left to give back.
      if (!(error instanceof TransportError)) throw error;
    }
  }

  async #write(released: boolean): Promise<void> {
    const { holder, ttlMs, read, swap } = this.#options;
    const value = encodeLease({ holder, ttlMs, beat: ++this.#beat, released });
    try {
      this.#latest = await swap(value, this.#latest);
    } catch (error) {
      if (!(error instanceof TransportError) || error.fault !== "conflict") throw error;
      // An earlier beat whose outcome was unknown may have got through.
      const present = await read();
      if (present === null || decodeLease(present.value).holder !== holder) throw error;
      this.#latest = await swap(value, present.version);
    }
  }
}
