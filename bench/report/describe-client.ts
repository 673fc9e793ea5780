import { readFile } from "node:fs/promises";
import { availableParallelism, cpus, hostname } from "node:os";
import type { BenchReport } from "./bench-report.ts";

/** Where Linux says how the first core's clock is governed. */
const GOVERNOR_FILE = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";

/** The machine that the load is made on. Its governor is null where the system does not tell, as in most virtual machines. */
export async function describeClient(threads: number): Promise<BenchReport["client"]> {
  return {
    host: hostname(),
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    governor: await readGovernor(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    threads,
  };
}

async function readGovernor(): Promise<string | null> {
  try {
    return (await readFile(GOVERNOR_FILE, "utf8")).trim();
  } catch {
    // Whatever the reason, it is not known; nothing else depends on it.
    return null;
  }
}
