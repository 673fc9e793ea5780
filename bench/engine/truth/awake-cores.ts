/**
 * Cores that never sleep. A virtual machine's host takes a core that halts for somebody else, and gives it back when it pleases:
 * processes that worked 0.05 of each millisecond waited for their cores for 106 to 247 ms a second in bad moments, and for 0 to 18
 * in the same minute with something beside them that turned when nobody else did.
 */
import { startMeasured } from "../measured-child.ts";
import type { AwakeTask } from "../awake-core-child.ts";

/** Until it is disposed of. Where it can not be done, for want of `chrt`, that is said and nothing is changed. */
export function keepAwake(cores: readonly number[]): AsyncDisposable {
  const children = cores.map((core) => startMeasured<AwakeTask, null>("awake-core-child", { core }));
  const ended = Promise.allSettled(children.map(({ done }) => done));
  return {
    async [Symbol.asyncDispose]() {
      for (const child of children) child.leave();
      for (const end of await ended) {
        if (end.status === "rejected") process.stderr.write(`A core was let sleep: ${String(end.reason)}\n`);
      }
    },
  };
}
