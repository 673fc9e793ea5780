/** Picks the endpoint for the next request, and says when none can be had. */
import { TidingError } from "../../shared/errors.ts";
import { isRefusal } from "./decide-retry.ts";
import type { SlotPool } from "./slot-pool.ts";

export class EndpointRouter {
  readonly pools: readonly SlotPool[];
  #next = 0;

  constructor(pools: readonly SlotPool[]) {
    this.pools = pools;
  }

  /** Slots of all endpoints, usable right now or not. */
  get slots(): number {
    return this.pools.reduce((sum, { slots }) => sum + slots, 0);
  }

  /** The pool with the least outstanding work relative to its limit among those that may be called; ties take turns. */
  pick(nowMs: number): SlotPool | null {
    const { pools } = this;
    let best: SlotPool | null = null;
    let bestLoad = Number.POSITIVE_INFINITY;
    for (let step = 0; step < pools.length; step++) {
      const pool = pools[(this.#next + step) % pools.length] as SlotPool;
      if (!pool.mayTake(nowMs)) continue;
      const load = pool.inUse / pool.limit;
      if (load >= bestLoad) continue;
      best = pool;
      bestLoad = load;
    }
    this.#next = (this.#next + 1) % pools.length;
    return best;
  }

  /** Since when no endpoint has been usable; null while one is. */
  downSinceMs(): number | null {
    let sinceMs = 0;
    for (const pool of this.pools) {
      const down = pool.downFor();
      if (down === null) return null;
      sinceMs = Math.max(sinceMs, down.sinceMs);
    }
    return sinceMs;
  }

  /** The error to stop with when every endpoint refuses for a reason that waiting does not mend; otherwise null. */
  refusal(): TidingError | null {
    let first: TidingError | null = null;
    for (const { circuit } of this.pools) {
      if (circuit.kind === "closed" || !isRefusal(circuit.error)) return null;
      first ??= circuit.error;
    }
    return first;
  }

  /** The next time at which time alone changes something; infinite when it won't. */
  wakeAtMs(nowMs: number): number {
    let atMs = Number.POSITIVE_INFINITY;
    for (const pool of this.pools) atMs = Math.min(atMs, pool.wakeAtMs(nowMs));
    return atMs;
  }

  noEndpoint(nowMs: number): TidingError {
    return new TidingError("NO_ENDPOINT", `No endpoint could be used: ${this.reasons(nowMs)}.`, {
      mend: "Start the server, then run the same command again: it goes on where it stopped.",
    });
  }

  /** Why nothing can be had, endpoint by endpoint. */
  reasons(nowMs: number): string {
    return this.pools
      .flatMap((pool) => {
        const down = pool.downFor();
        if (down === null) return [];
        return `${down.error.message.replace(/\.$/, "")}, for ${seconds(nowMs - down.sinceMs)}`;
      })
      .join("; ");
  }
}

/** A duration for a sentence. */
export function seconds(ms: number): string {
  const whole = Math.max(0, Math.round(ms / 1_000));
  return whole < 120 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
