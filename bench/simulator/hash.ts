/**
 * A cheap, deterministic hash, so that what the simulator answers depends on the prompt alone: the same in every run,
 * in every worker and on every machine.
 *
 * Two 32-bit lanes run over the UTF-16 code units, each a multiply-xor step (FNV-1a with a prime of its own), are mixed
 * into each other at the end and finished with murmur3's 32-bit finalizer. About 2 ns a character. Not for secrets:
 * collisions can be made at will.
 */

/** 64 bits in two unsigned 32-bit halves. */
export interface TextHash {
  readonly high: number;
  readonly low: number;
}

export function hashText(text: string): TextHash {
  let high = 0x811c9dc5;
  let low = 0x9e3779b9;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    high = Math.imul(high ^ unit, 0x01000193);
    low = Math.imul(low ^ unit, 0x85ebca6b);
    low ^= low >>> 15; // A multiplication carries upwards only; without this the low lane's low bits stay weak.
  }
  const mixed = finish(high ^ Math.imul(low, 0xc2b2ae35) ^ text.length);
  return { high: mixed, low: finish(low ^ Math.imul(mixed, 0x27d4eb2f)) };
}

/** The hash as 16 hexadecimal digits. */
export function hexOf(hash: TextHash): string {
  return hash.high.toString(16).padStart(8, "0") + hash.low.toString(16).padStart(8, "0");
}

/** The upper 53 bits of the hash as a whole number: a key for a `Map`. */
export function keyOf(hash: TextHash): number {
  return hash.high * 0x20_0000 + (hash.low >>> 11);
}

/** A number in [0, 1) that depends on the hash and on up to three whole numbers that tell the draws apart. */
export function draw(hash: TextHash, purpose: number, first = 0, second = 0): number {
  let state = finish(hash.high ^ Math.imul(purpose + 1, 0x9e3779b1));
  state = finish(state ^ hash.low ^ Math.imul(first, 0x85ebca77));
  return finish(state ^ Math.imul(second, 0xc2b2ae3d)) / 0x1_0000_0000;
}

function finish(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
