/** On which cores a thread runs, and before or behind whom: what util-linux' `taskset` and `chrt` ask the kernel for. */
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Those that this process may use, as it was started. */
export const CORES = process.platform === "linux" ? allowedIn(readFileSync("/proc/self/status", "utf8")) : [];

/** The cores that a process or a thread may use now. Linux; rejects where there is none of that number. */
export async function coresOf(id: number): Promise<readonly number[]> {
  return allowedIn(await readFile(`/proc/${id}/status`, "utf8"));
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
 * From now on it runs as soon as it wants to, whoever has its core, and the helpers of V8 first of all. The highest nice value does
 * not do that: since Linux 6.6 whoever has a core keeps it for his slice of some 3 ms (`RUN_TO_PARITY`). For root or whoever
 * has an `rtprio` limit.
 */
export async function beforeAllOthers(id: number): Promise<void> {
  await run("chrt", ["--rr", "--pid", "1", String(id)]);
}

function allowedIn(status: string): readonly number[] {
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(status)?.[1] ?? "";
  return list.split(",").flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split("-").map(Number);
    return Number.isNaN(first) ? [] : Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
