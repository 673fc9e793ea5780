/** The seed of every call: derived, never drawn, so that a job gives each call the same one on every run and machine. */

export interface SeedKey {
  readonly jobSeed: number;
  readonly row: number;
  readonly step: number;
  readonly generation: number;
  readonly turn: number;
  readonly call: number;
  /** 0 for the first answer; a retry of transport keeps it, a retry after an invalid answer counts it up. */
  readonly answerAttempt: number;
}

/**
 * A seed from 0 to 2^53-1. Takes integers, negative ones too; the job's seed and the row to 2^53, the others to 2^31.
 * MurmurHash3's 32-bit mixing in two lanes, the second fed by the first: fast in plain JavaScript, not cryptographic.
 * Changing it changes every seed of every job: the values are pinned by tests.
 */
export function deriveSeed(key: SeedKey): number {
  let high = 0x9e3779b9;
  let low = 0x7f4a7c15;
  const add = (word: number): void => {
    high = mix(high, word);
    low = mix(low ^ high, word ^ 0x5bd1e995);
  };
  add(key.jobSeed);
  add(Math.floor(key.jobSeed / 0x1_0000_0000));
  add(key.row);
  add(Math.floor(key.row / 0x1_0000_0000));
  add(key.step);
  add(key.generation);
  add(key.turn);
  add(key.call);
  add(key.answerAttempt);
  high = finish(high);
  low = finish(low ^ high);
  return (high & 0x1f_ffff) * 0x1_0000_0000 + (low >>> 0);
}

function mix(state: number, word: number): number {
  let scrambled = Math.imul(word, 0xcc9e2d51);
  scrambled = Math.imul((scrambled << 15) | (scrambled >>> 17), 0x1b873593);
  const mixed = state ^ scrambled;
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(state: number): number {
  let mixed = state ^ (state >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
