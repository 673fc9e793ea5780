/**
 * Which prompt prefixes a server still holds: a radix trie over token identities, block by block, evicted from the least
 * recently used leaf, as TGI v3's router keeps it (`backends/v3/src/radix.rs`).
 *
 * Identities only have to be equal where tokens are: a hash of a word does. Blocks have no address here, only a number.
 */

import { hashIds } from "./token-ids.ts";

/** A stretch of a cached prefix. Opaque to callers, who hold it between `find` and `release`. */
export interface PrefixNode {
  ids: Uint32Array;
  parent: PrefixNode | null;
  readonly children: Map<number, PrefixNode>;
  /** Holders, and children: what has none may be evicted. */
  uses: number;
  lastUse: number;
}

export interface FoundPrefix {
  /** To give back with `release`. */
  readonly node: PrefixNode;
  /** Tokens of the prompt that are held; a multiple of the block. */
  readonly tokens: number;
}

export class PrefixCache {
  readonly #blockTokens: number;
  readonly #root: PrefixNode = nodeOf(new Uint32Array(0), null);
  /** Nodes without holders and children. */
  readonly #idle = new Set<PrefixNode>();
  #blocks = 0;
  #clock = 0;

  constructor(blockTokens: number) {
    this.#blockTokens = blockTokens;
    this.#root.uses = 1; // Never evicted.
  }

  /** Blocks held. */
  get blocks(): number {
    return this.#blocks;
  }

  /** The longest held prefix, which is not evicted until it is released. */
  find(ids: Uint32Array): FoundPrefix {
    const { node, tokens } = this.#descend(ids);
    this.#hold(node);
    return { node, tokens };
  }

  release(node: PrefixNode): void {
    node.uses--;
    if (node.uses === 0) this.#idle.add(node);
  }

  /** Holds every whole block of `ids`. Returns how many blocks are new; the caller's copies of the others are its own. */
  insert(ids: Uint32Array): number {
    const whole = ids.length - (ids.length % this.#blockTokens);
    const { node, tokens } = this.#descend(ids.subarray(0, whole));
    // The second is another block with the same hash: rare enough to go without.
    if (tokens === whole || node.children.has(this.#blockKey(ids, tokens))) return 0;
    const leaf = nodeOf(ids.slice(tokens, whole), node);
    leaf.lastUse = this.#clock;
    this.#adopt(node, leaf);
    this.#idle.add(leaf);
    const added = (whole - tokens) / this.#blockTokens;
    this.#blocks += added;
    return added;
  }

  /** Gives up blocks that nobody holds, oldest use first. Returns how many, at most `wanted`. */
  evict(wanted: number): number {
    let evicted = 0;
    while (evicted < wanted && this.#idle.size > 0) {
      const oldest = this.#oldestIdle();
      const blocks = oldest.ids.length / this.#blockTokens;
      const taken = Math.min(blocks, wanted - evicted);
      if (taken === blocks) this.#remove(oldest);
      else oldest.ids = oldest.ids.slice(0, (blocks - taken) * this.#blockTokens);
      evicted += taken;
    }
    this.#blocks -= evicted;
    return evicted;
  }

  #descend(ids: Uint32Array): FoundPrefix {
    this.#clock++;
    let node = this.#root;
    let tokens = 0;
    for (;;) {
      const child = node.children.get(this.#blockKey(ids, tokens));
      if (child === undefined) return { node, tokens };
      const shared = this.#sharedTokens(child.ids, ids, tokens);
      if (shared === 0) return { node, tokens };
      node = shared < child.ids.length ? this.#split(child, shared) : child;
      node.lastUse = this.#clock;
      tokens += shared;
    }
  }

  /** NaN, which no node has for a key, where less than a block is left. */
  #blockKey(ids: Uint32Array, from: number): number {
    const to = from + this.#blockTokens;
    if (to > ids.length) return Number.NaN;
    return this.#blockTokens === 1 ? ids[from]! : hashIds(ids, from, to);
  }

  #sharedTokens(held: Uint32Array, ids: Uint32Array, from: number): number {
    const most = Math.min(held.length, ids.length - from);
    let shared = 0;
    while (shared < most && held[shared] === ids[from + shared]) shared++;
    return shared - (shared % this.#blockTokens);
  }

  /** Puts the first `tokens` of a node into a node of their own above it, which is returned. */
  #split(lower: PrefixNode, tokens: number): PrefixNode {
    const parent = lower.parent!;
    const upper = nodeOf(lower.ids.slice(0, tokens), parent);
    upper.lastUse = lower.lastUse;
    parent.children.set(this.#blockKey(upper.ids, 0), upper);
    lower.ids = lower.ids.slice(tokens);
    lower.parent = upper;
    upper.children.set(this.#blockKey(lower.ids, 0), lower);
    upper.uses = 1;
    return upper;
  }

  #adopt(parent: PrefixNode, child: PrefixNode): void {
    parent.children.set(this.#blockKey(child.ids, 0), child);
    this.#hold(parent);
  }

  #hold(node: PrefixNode): void {
    if (node.uses === 0) this.#idle.delete(node);
    node.uses++;
  }

  #remove(node: PrefixNode): void {
    this.#idle.delete(node);
    const parent = node.parent!;
    parent.children.delete(this.#blockKey(node.ids, 0));
    this.release(parent);
  }

  #oldestIdle(): PrefixNode {
    let oldest: PrefixNode | null = null;
    for (const node of this.#idle) if (oldest === null || node.lastUse < oldest.lastUse) oldest = node;
    return oldest!;
  }
}

function nodeOf(ids: Uint32Array, parent: PrefixNode | null): PrefixNode {
  return { ids, parent, children: new Map(), uses: 0, lastUse: 0 };
}
