import type { NatsConnection } from "@nats-io/transport-node";
import type { FullStore, HealthListener, TransportHealth } from "../transport.ts";

/** Follows whether connections stand. What was under way on one when it broke is lost: a reconnect begins anew. */
export class NatsHealth {
  readonly #down = new Set<NatsConnection>();
  readonly #listeners = new Set<HealthListener>();
  #session = new AbortController();

  constructor(connections: readonly NatsConnection[]) {
    for (const connection of connections) void this.#follow(connection);
  }

  get isUp(): boolean {
    return this.#down.size === 0;
  }

  /** Aborted when a connection breaks, and replaced: whoever sees another one than before knows that there was a gap. */
  get session(): AbortSignal {
    return this.#session.signal;
  }

  listen(listener: HealthListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  tell(health: TransportHealth, full: FullStore | null = null): void {
    for (const listener of this.#listeners) listener(health, full);
  }

  async #follow(connection: NatsConnection): Promise<void> {
    for await (const { type } of connection.status()) {
      const wasUp = this.isUp;
      if (type === "disconnect") {
        this.#down.add(connection);
        const broken = this.#session;
        this.#session = new AbortController();
        broken.abort();
      }
      if (type === "reconnect") this.#down.delete(connection);
      if (this.isUp !== wasUp) this.tell(this.isUp ? "up" : "down");
    }
  }
}
