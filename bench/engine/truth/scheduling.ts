/**
 * On which cores a thread runs, and before or behind whom: what util-linux' `taskset` and `chrt` ask the kernel for. All that is
 * asked for rejects where the tool is missing or the kernel refuses.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Those that this process may use, as it was started. */
export const CORES = process.platform === "linux" ? coresOf(process.pid) : [];

/** The cores that a process or a thread may use now. Linux; throws where there is none of that number. */
export function coresOf(id: number): readonly number[] {
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1] ?? "";
  return list.split(",").flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split("-").map(Number);
    return Number.isNaN(first) ? [] : Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** The threads of this process by their numbers, the main thread's being the process's. */
export async function ownThreads(): Promise<readonly number[]> {
  return (await readdir("/proc/self/task")).map(Number);
}

/** `id`, as below, is a thread: a process's number is its main thread, and what that starts later has it from there. */
export async function pin(cores: readonly number[], id: number): Promise<void> {
  await run("taskset", ["--cpu-list", "--pid", cores.join(","), String(id)]);
}

/** From now on it runs when nobody else wants its core. */
export async function onlyWhenIdle(id: number): Promise<void> {
  await run("chrt", ["--idle", "--pid", "0", String(id)]);
}

/**
 * From now on it runs as soon as it wants to, whoever has its core. The highest nice value does not do that: since Linux 6.6
 * whoever has a core keeps it for a slice of some 3 ms (`RUN_TO_PARITY`). For root, or where the limit `rtprio` permits it.
 */
export async function beforeAllOthers(id: number): Promise<void> {
  await run("chrt", ["--rr", "--pid", "1", String(id)]);
}
