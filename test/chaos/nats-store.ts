/** A nats-server whose store can be set back to what it was some seconds ago, as after a power loss. */
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { NatsServer } from "../support/nats-server.ts";

const KEPT = 4;
const STREAMS = join("jetstream", "$G", "streams");

export class NatsStore {
  readonly #server: NatsServer;
  readonly #folder: string;
  #copies: { readonly path: string; readonly atMs: number }[] = [];
  #count = 0;

  constructor(server: NatsServer, folder: string) {
    this.#server = server;
    this.#folder = folder;
  }

  /** Copies the store while the server stands still: what a disk might hold at one moment. */
  async copy(): Promise<void> {
    const path = join(this.#folder, `copy-${this.#count++}`);
    this.#server.pause();
    try {
      await cp(join(this.#server.storeDir, "jetstream"), path, { recursive: true });
    } finally {
      this.#server.resume();
    }
    this.#copies.push({ path, atMs: performance.now() });
    for (const { path: old } of this.#copies.splice(0, this.#copies.length - KEPT))
      await rm(old, { recursive: true, force: true });
  }

  /**
   * Kills the server, sets its store back, or one stream of it alone, and starts it again. Gives the copy's age in
   * milliseconds; null where there is no copy of that age yet.
   */
  async rollBack(options: { readonly leastAgeMs: number; readonly stream: string | null }): Promise<number | null> {
    const { leastAgeMs, stream } = options;
    const copy = this.#copies.findLast(({ atMs }) => performance.now() - atMs >= leastAgeMs);
    if (copy === undefined) return null;
    await this.#server.kill9();
    const part = stream === null ? "" : join(STREAMS.slice("jetstream/".length), stream);
    const place = join(this.#server.storeDir, "jetstream", part);
    await rm(place, { recursive: true, force: true });
    await cp(join(copy.path, part), place, { recursive: true });
    // Later copies are of what never happened now.
    this.#copies = this.#copies.filter(({ atMs }) => atMs <= copy.atMs);
    const ageMs = performance.now() - copy.atMs;
    await this.#server.restart();
    return ageMs;
  }
}
