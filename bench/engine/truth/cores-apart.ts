/**
 * A core for the simulator and the others for the client, as two machines would have them, and before what else runs there.
 * Both turn their event loops for up to 2 ms before a deadline (fine-timer.ts); where the kernel wakes both on one core
 * while another is free, as it does with processes that talk to each other, one waits for a slice of the other's, some 3 ms.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { promisify } from "node:util";

/** Those that this process may use, as it was started: what is asked for below narrows them. */
export const CORES = allowedCores();

/**
 * Whether it could be done: on Linux with two cores and util-linux's `taskset`. Of main threads, and of what they start later;
 * V8's helpers stay free, because a compiler on the main thread's only core holds it up as well. They come first too where
 * that is permitted, as to root: a daemon that had the core kept a read of a token waiting for up to 4.5 ms, once in some
 * seconds (`perf sched timehist`).
 */
export async function keepCoresApart(simulatorPid: number, simulator: number): Promise<boolean> {
  const client = CORES.filter((core) => core !== simulator);
  if (client.length === 0) return false;
  try {
    await Promise.all([pin([simulator], simulatorPid), pin(client, process.pid)]);
    if (process.getuid?.() === 0) {
      for (const pid of [simulatorPid, process.pid]) setPriority(pid, constants.priority.PRIORITY_HIGHEST);
    }
    return true;
  } catch (error) {
    process.stderr.write(`Simulator and client share their cores: ${String(error)}\n`);
    return false;
  }
}

/** From now on its main thread runs when nobody else wants its core. Rejects where there is no `chrt`. */
export async function onlyWhenIdle(pid: number): Promise<void> {
  await promisify(execFile)("chrt", ["--idle", "--pid", "0", String(pid)]);
}

/** Rejects where there is no `taskset`. */
export async function pin(cores: readonly number[], pid: number): Promise<void> {
  await promisify(execFile)("taskset", ["--cpu-list", "--pid", cores.join(","), String(pid)]);
}

function allowedCores(): number[] {
  if (process.platform !== "linux") return [];
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
  return list.split(",").flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split("-").map(Number);
    return Number.isNaN(first) ? [] : Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
