/** Identities of tokens, so that shared prefixes can be told: equal where the tokens are. */

const FNV_PRIME = 0x01000193;
const FNV_START = 0x811c9dc5;

/** One identity a word, as the simulator counts tokens (answer.ts): runs of characters other than space and line breaks. */
export function wordIds(text: string): Uint32Array {
  const ids: number[] = [];
  let hash = FNV_START;
  let insideWord = false;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    const blank = unit === 32 || (unit >= 9 && unit <= 13);
    if (!blank) hash = Math.imul(hash ^ unit, FNV_PRIME);
    else if (insideWord) ids.push(hash);
    if (blank) hash = FNV_START;
    insideWord = !blank;
  }
  if (insideWord) ids.push(hash);
  return Uint32Array.from(ids);
}

/** Identities that only this owner has, from `from` up to and without `to`; the same when asked again. */
export function ownIds(owner: number, from: number, to: number): Uint32Array {
  return Uint32Array.from({ length: to - from }, (_, index) =>
    Math.imul(Math.imul(FNV_START ^ owner, FNV_PRIME) ^ (from + index), FNV_PRIME),
  );
}

/** One number for a stretch of identities. */
export function hashIds(ids: Uint32Array, from: number, to: number): number {
  let hash = FNV_START;
  for (let index = from; index < to; index++) hash = Math.imul(hash ^ ids[index]!, FNV_PRIME);
  return hash;
}
