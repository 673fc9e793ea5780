import { runMeasured } from "../measured-child.ts";
import type { Pauses, PausesTask } from "../pauses-child.ts";
import { CORES } from "./cores-apart.ts";

/**
 * What the machine takes of its cores while all of them are busy: the least by which anything measured on it in milliseconds
 * may be late, whoever measures. Empty where processes cannot be kept to cores.
 */
export async function machinePauses(seconds: number): Promise<readonly Pauses[]> {
  const runs = CORES.map((core) => runMeasured<PausesTask, Pauses>("pauses-child", { core, seconds }));
  const settled = await Promise.allSettled(runs);
  return settled.flatMap((run) => {
    if (run.status === "fulfilled") return [run.value.result];
    process.stderr.write(`What the machine takes of a core was not measured: ${String(run.reason)}\n`);
    return [];
  });
}
