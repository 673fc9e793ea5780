import { coordinatorAtWork, type SubmittedJob } from "../jobs/broker-view.ts";
import { followSubmitted } from "../jobs/follow-submitted.ts";
import { ERROR_CODES } from "../shared/errors.ts";
import type { Transport } from "../shared/transport/transport.ts";
import type { ExitCode } from "./exit-codes.ts";
import { EXIT } from "./exit-codes.ts";
import { describeCoordinator, describeState, renderSubmitted } from "./fleet-view.ts";
import { watchInterrupts } from "./interrupts.ts";
import { ProgressFeed } from "./progress-feed.ts";
import type { CliContext } from "./terminal.ts";
import { lookOf, writeJson, writeLines } from "./terminal.ts";

export interface FollowSubmittedFlags {
  readonly json: boolean;
  readonly quiet: boolean;
  /** The command that lets a paused or stopped job go on. */
  readonly resume: string;
}

/** Shows a submitted job until it ends, then its summary; an interrupt ends the following alone. */
export async function showUntilItEnds(
  context: CliContext,
  transport: Transport,
  { id, flags }: { readonly id: string; readonly flags: FollowSubmittedFlags },
): Promise<ExitCode> {
  const { stdout, environment } = context;
  const { json, resume } = flags;
  const job = await follow(context, transport, { id, quiet: flags.quiet });
  if (json) writeJson(stdout, job);
  else writeLines(stdout, renderSubmitted(job, { look: lookOf(stdout, environment), resume }));
  return exitCodeOfSubmitted(job);
}

async function follow(
  { stderr, environment, signals }: CliContext,
  transport: Transport,
  { id, quiet }: { readonly id: string; readonly quiet: boolean },
): Promise<SubmittedJob> {
  using feed = new ProgressFeed({ name: id, stream: stderr, environment, quiet });
  using interrupts = watchInterrupts(signals, (step) => {
    if (step === "drain") feed.say("Following ends here; the job goes on.");
  });
  const coordinator = await coordinatorAtWork(transport);
  if (coordinator === null) feed.notice(describeCoordinator(null));
  let shown = "";
  return await followSubmitted(transport, id, {
    signal: interrupts.drain,
    onNotice: (notice) => feed.notice(notice),
    onJob: (job) => {
      const state = describeState(job);
      const why = job.progress === null && job.waitingFor !== null ? `: ${job.waitingFor}` : "";
      if (state + why !== shown) feed.notice(`${id} is ${state}${why}`);
      shown = state + why;
      if (job.progress !== null) feed.show(job.progress);
    },
  });
}

/** As `tiding run` would have ended. */
export function exitCodeOfSubmitted({ state, error }: Pick<SubmittedJob, "state" | "error">): ExitCode {
  switch (state) {
    case "finished":
      return EXIT.accepted;
    case "finished-with-failed-rows":
      return EXIT.failedRows;
    case "stopped":
      return error !== null && ERROR_CODES[error.code] === "usage" ? EXIT.usage : EXIT.jobError;
    case "queued":
    case "running":
    case "paused":
    case "cancelled":
      return EXIT.interrupted;
  }
}
