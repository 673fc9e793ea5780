/**
 * What a virtual machine's host took of its cores while they were wanted, as the kernel counts it: nothing in the machine can
 * keep time in it, neither server nor client. proc_stat(5), `steal`; /proc tells it in hundredths of a second.
 */
import { readFileSync } from "node:fs";
import type { Try } from "./least-stolen.ts";
import { CORES } from "./scheduling.ts";

const TICK_MS = 10;
const STEAL = 8;

/** Does `work` and says what was stolen meanwhile, as a share of a core's time; 0 where no kernel tells. */
export async function stolenWhile<Result>(work: () => Promise<Result>): Promise<Try<Result>> {
  const [before, beganMs] = [stolenMs(), performance.now()];
  const result = await work();
  return { result, stolen: (stolenMs() - before) / (performance.now() - beganMs) };
}

/** Milliseconds since the machine's start, of the cores that this process may use. */
function stolenMs(): number {
  if (process.platform !== "linux") return 0;
  const lines = readFileSync("/proc/stat", "utf8").split("\n");
  return CORES.reduce((sum, core) => {
    const fields = lines.find((line) => line.startsWith(`cpu${core} `))?.split(" ") ?? [];
    return sum + Number(fields[STEAL] ?? 0) * TICK_MS;
  }, 0);
}
