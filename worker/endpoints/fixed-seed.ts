/** What becomes of a seed that the user fixed by `generation_kwargs.seed`. Pure. */
import { deriveSeed } from "../../shared/spec/seed.ts";
import type { SeedKey } from "../../shared/spec/seed.ts";

/**
 * The fixed seed, which is `key.jobSeed`, for the first of the answers to one prompt (`num_generations`), and the numbers
 * after it for the others: all would be equal otherwise. After an answer that was no use the same seed might bring it
 * again: what is asked then derives from the fixed seed as from a job's, the same on every run.
 *
 * @param generation which of those answers, from 0
 */
export function seedUnderFixed(key: SeedKey, generation: number): number {
  return key.answerAttempt === 0 ? key.jobSeed + generation : deriveSeed(key);
}
