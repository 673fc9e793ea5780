import type { RunJobOptions } from "../jobs/run-job.ts";
import type { JobReport } from "../shared/observe/job-report.ts";
import type { ExitCode } from "./exit-codes.ts";
import { exitCodeOfOutcome } from "./exit-codes.ts";
import { formatCounted } from "./format.ts";
import { watchInterrupts } from "./interrupts.ts";
import { renderDescription } from "./print-error.ts";
import { ProgressFeed } from "./progress-feed.ts";
import { renderReport } from "./summary.ts";
import type { CliContext } from "./terminal.ts";
import { lookOf, writeJson, writeLines } from "./terminal.ts";

export interface FollowOptions {
  /** Heads the progress. */
  readonly name: string;
  /** The command that carries on after an interruption. */
  readonly resume: string;
  readonly json: boolean;
  readonly quiet: boolean;
}

export type FollowedJob = Required<Pick<RunJobOptions, "environment" | "drain" | "stop" | "onProgress" | "onNotice">>;

/** Runs a job in front of a reader: progress, interrupts, then its summary and exit code. Throws what the job throws. */
export async function followJob(
  context: CliContext,
  start: (options: FollowedJob) => Promise<JobReport>,
  { name, resume, json, quiet }: FollowOptions,
): Promise<ExitCode> {
  const { stdout, stderr, environment, signals } = context;
  const report = await follow();
  if (json) writeJson(stdout, report);
  else writeLines(stdout, renderReport(report, { look: lookOf(stdout, environment), resume }));
  if (report.error !== null && !json) writeLines(stderr, renderDescription(report.error, lookOf(stderr, environment)));
  return exitCodeOfOutcome(report.outcome);

  async function follow(): Promise<JobReport> {
    using feed = new ProgressFeed({ name, stream: stderr, environment, quiet });
    using interrupts = watchInterrupts(signals, (step) => {
      const running = formatCounted(feed.requestsRunning, "running request");
      if (step === "drain") feed.say(`Interrupted: finishing ${running}; once more (Ctrl-C) to stop now.`);
      else feed.say(`Stopping now; ${running} given up. What is committed is kept.`);
    });
    return await start({
      environment,
      drain: interrupts.drain,
      stop: interrupts.stop,
      onProgress: (progress) => feed.show(progress),
      onNotice: (notice) => feed.notice(notice),
    });
  }
}
