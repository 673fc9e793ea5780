/** Reads the clock on one core as fast as it can, and counts the moments in which it did not have that core. */
import { pin } from "./truth/cores-apart.ts";
import { rounded } from "./figure.ts";
import { serveMeasured } from "./measured-child.ts";

export interface PausesTask {
  readonly core: number;
  readonly seconds: number;
}

/** How often a second the core was gone for longer than that, and for how long at most. */
export interface Pauses {
  readonly core: number;
  readonly over1Ms: number;
  readonly over2Ms: number;
  readonly longestMs: number;
}

serveMeasured<PausesTask, Pauses>(async ({ core, seconds }) => {
  await pin([core], process.pid);
  const pauses: number[] = [];
  const endMs = performance.now() + seconds * 1_000;
  for (let beforeMs = performance.now(); beforeMs < endMs;) {
    const nowMs = performance.now();
    if (nowMs - beforeMs > 1) pauses.push(nowMs - beforeMs);
    beforeMs = nowMs;
  }
  const over = (ms: number): number => rounded(pauses.filter((pause) => pause > ms).length / seconds, 2);
  return { core, over1Ms: over(1), over2Ms: over(2), longestMs: rounded(Math.max(0, ...pauses), 1) };
});
