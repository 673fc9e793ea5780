import { setTimeout as delay } from "node:timers/promises";
import { jobStatus } from "../../jobs/job-status.ts";
import type { JobStatus } from "../../jobs/job-status.ts";
import { isTidingError } from "../../shared/errors.ts";
import type { RunningCommand } from "./tiding-command.ts";

/** The status of a running job as soon as it is as wanted; null when the command ended before. */
export async function jobReaches(
  output: string,
  command: RunningCommand,
  isReached: (status: JobStatus) => boolean,
): Promise<JobStatus | null> {
  while (!command.hasEnded) {
    const status = await statusOf(output);
    if (status !== null && isReached(status)) return status;
    await delay(50);
  }
  return null;
}

/** Null while the job has no manifest. */
export async function statusOf(output: string): Promise<JobStatus | null> {
  try {
    return await jobStatus(output);
  } catch (error) {
    if (isTidingError(error) && error.code === "OUTPUT_NOT_A_JOB") return null;
    throw error;
  }
}
