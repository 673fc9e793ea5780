/**
 * The blocks of a server's key-value cache: what running requests hold, what the prefix cache holds, and what is free.
 * Everything that a request may need is taken before it starts (TGI v3, `backends/v3/src/block_allocator.rs`), so a running
 * request is never put back for want of memory.
 */

import { PrefixCache } from "./prefix-cache.ts";
import type { PrefixNode } from "./prefix-cache.ts";

/** Opaque to callers, but for `cachedTokens`. */
export interface KvAllocation {
  /** Tokens of the prompt that need no prefill. */
  readonly cachedTokens: number;
  readonly node: PrefixNode | null;
  readonly ownBlocks: number;
}

export interface KvBlocksOptions {
  readonly kvTokens: number;
  readonly blockTokens: number;
  readonly prefixCache: boolean;
}

export class KvBlocks {
  readonly #blockTokens: number;
  readonly #total: number;
  readonly #cache: PrefixCache | null;
  #free: number;

  constructor({ kvTokens, blockTokens, prefixCache }: KvBlocksOptions) {
    this.#blockTokens = blockTokens;
    this.#total = Math.max(0, Math.floor(kvTokens / blockTokens) - 1); // TGI keeps block 0 for itself.
    this.#free = this.#total;
    this.#cache = prefixCache ? new PrefixCache(blockTokens) : null;
  }

  /** Most tokens that one request can have. */
  get capacityTokens(): number {
    return this.#total * this.#blockTokens;
  }

  /** Tokens whose blocks running requests hold; a prefix that only the cache holds is left out. */
  get takenTokens(): number {
    return (this.#total - this.#free - this.#cachedBlocks) * this.#blockTokens;
  }

  get cachedTokens(): number {
    return this.#cachedBlocks * this.#blockTokens;
  }

  /**
   * Blocks for `tokens`, of which those of a known prefix are shared; null where there are too few even after eviction.
   * `ids` null: the prompt neither reads nor fills the prefix cache.
   */
  allocate(tokens: number, ids: Uint32Array | null): KvAllocation | null {
    const found = ids === null ? null : (this.#cache?.find(ids) ?? null);
    const cachedTokens = found?.tokens ?? 0;
    const ownBlocks = Math.ceil((tokens - cachedTokens) / this.#blockTokens);
    if (ownBlocks > this.#free) this.#free += this.#cache?.evict(ownBlocks - this.#free) ?? 0;
    if (ownBlocks > this.#free) {
      if (found !== null) this.#cache!.release(found.node);
      return null;
    }
    this.#free -= ownBlocks;
    return { cachedTokens, node: found?.node ?? null, ownBlocks };
  }

  /** Gives blocks back; with `ids` those of whole blocks of the prompt go to the prefix cache. */
  release({ node, ownBlocks }: KvAllocation, ids: Uint32Array | null): void {
    const kept = ids === null ? 0 : (this.#cache?.insert(ids) ?? 0);
    if (node !== null) this.#cache!.release(node);
    this.#free += ownBlocks - kept;
  }

  get #cachedBlocks(): number {
    return this.#cache?.blocks ?? 0;
  }
}
