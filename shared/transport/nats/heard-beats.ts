import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import type { NatsHealth } from "./nats-health.ts";
import { shardOf } from "./nats-names.ts";

/** Past this many shards, those that were not heard of lately are forgotten. */
const MOST_KEPT = 10_000;

/** Which shards of a job were heard to be worked on within a lease. Beats are plain messages: some may be lost. */
export class HeardBeats {
  readonly #lastMs = new Map<number, number>();
  readonly #subscription: Subscription;
  readonly #health: NatsHealth;
  readonly #leaseMs: number;
  readonly #now: () => number;
  #session: AbortSignal;
  #sinceMs: number;
  #sweepAt = MOST_KEPT;

  constructor(
    connection: NatsConnection,
    subject: string,
    options: { readonly health: NatsHealth; readonly leaseMs: number; readonly now: () => number },
  ) {
    this.#health = options.health;
    this.#leaseMs = options.leaseMs;
    this.#now = options.now;
    this.#session = options.health.session;
    this.#sinceMs = options.now();
    this.#subscription = connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) this.#note(shardOf(message.subject));
      },
    });
  }

  /** True as well while nothing can be said: a lease from when listening began, or began anew. */
  mayBeAlive(shard: number): boolean {
    if (this.#health.session !== this.#session) {
      this.#session = this.#health.session;
      this.#sinceMs = this.#now();
    }
    const earliest = this.#now() - this.#leaseMs;
    return this.#sinceMs > earliest || (this.#lastMs.get(shard) ?? -Infinity) > earliest;
  }

  close(): void {
    this.#subscription.unsubscribe();
  }

  #note(shard: number): void {
    this.#lastMs.set(shard, this.#now());
    if (this.#lastMs.size < this.#sweepAt) return;
    for (const [each, atMs] of this.#lastMs) if (atMs < this.#now() - this.#leaseMs) this.#lastMs.delete(each);
    this.#sweepAt = Math.max(MOST_KEPT, 2 * this.#lastMs.size);
  }
}
