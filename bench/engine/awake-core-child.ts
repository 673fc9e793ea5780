/** Turns on one core whenever nobody else wants it, so that it never sleeps (truth/awake-cores.ts says why). */
import { setImmediate as nextTurn } from "node:timers/promises";
import { onlyWhenIdle, pin } from "./truth/scheduling.ts";
import { serveMeasured } from "./measured-child.ts";

export interface AwakeTask {
  readonly core: number;
}

/** Some milliseconds; without garbage, whose collectors would be somebody who wants the core. */
const TURNS = 1_000_000;

serveMeasured<AwakeTask, null>(async ({ core }, _note, leave) => {
  await pin([core], process.pid);
  await onlyWhenIdle(process.pid);
  const cell = new Int32Array(new SharedArrayBuffer(4));
  while (!leave.aborted) {
    for (let turn = 0; turn < TURNS; turn++) Atomics.load(cell, 0);
    await nextTurn();
  }
  return null;
});
