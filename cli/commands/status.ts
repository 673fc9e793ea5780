import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { Command } from "commander";
import type { JobStatus } from "../../jobs/job-status.ts";
import { addBrokerOptions, refuseWithoutBroker, type BrokerFlags } from "../broker-options.ts";
import type { ExitCode, Finish } from "../exit-codes.ts";
import { EXIT, exitCodeOfOutcome } from "../exit-codes.ts";
import { renderSubmitted } from "../fleet-view.ts";
import { exitCodesOfFollowing, helpEnd } from "../help.ts";
import { watchInterrupts } from "../interrupts.ts";
import { renderDescription } from "../print-error.ts";
import { outputFolder } from "../output-folder.ts";
import { ProgressFeed } from "../progress-feed.ts";
import { renderStatus } from "../summary.ts";
import type { CliContext } from "../terminal.ts";
import { lookOf, writeJson, writeLines } from "../terminal.ts";
import { brokerWords, withBroker } from "../with-broker.ts";

interface StatusFlags extends BrokerFlags {
  readonly json?: true;
  readonly watch?: true;
}

/** `tiding status`: what an output folder says of its job, while it runs and afterwards. */
export function statusCommand(context: CliContext, finish: Finish): Command {
  return addBrokerOptions(new Command("status"), "show a job that was submitted there, by its id")
    .summary("show how far a job is, from its output folder or its broker")
    .description(
      "Shows how far a job is: its rows, its failures, its dataset, and who runs it. Reads the output folder only, " +
        "so it works while the job runs, after it ended, and on another machine that sees the folder. " +
        "With --broker it takes the id of a submitted job, and needs no folder.",
    )
    .argument("<job>", "the job's output folder; with a broker its id")
    .option("--json", "print the status as one JSON document on standard output")
    .option("-w, --watch", "show progress until the job ends or pauses, then its status")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding status out/gsm8k", does: "once" },
          { command: "tiding status out/gsm8k --watch", does: "until it ends; Ctrl-C ends the watching, not the job" },
          { command: "tiding status out/gsm8k --json", does: "for a program" },
          { command: "tiding status gsm8k-3f2a --broker nats://10.0.0.1:4222", does: "a job that was submitted" },
        ],
        exitCodes: exitCodesOfFollowing("--watch", "when the status could be read, however the job is"),
        next: "Next: `tiding run JOB` resumes, `tiding retry DIR` runs failed rows again.",
      }),
    )
    .action(async (job: string, flags: StatusFlags) => {
      // TIDING_BROKER alone does not take a folder's name for an id.
      const isId = flags.broker !== undefined || (context.environment["TIDING_BROKER"] && !existsSync(job));
      finish(await (isId ? submittedStatus(context, job, flags) : status(context, job, flags)));
    });
}

async function submittedStatus(
  context: CliContext,
  id: string,
  { json, watch, ...flags }: StatusFlags,
): Promise<ExitCode> {
  const { stdout, environment } = context;
  const resume = `tiding resume ${id}${brokerWords(flags)}`;
  const { showJob } = await import("../../jobs/broker-view.ts");
  return withBroker(context, flags, async (transport) => {
    if (watch) {
      const { showUntilItEnds } = await import("../follow-submitted.ts");
      return showUntilItEnds(context, transport, { id, flags: { json: json ?? false, quiet: false, resume } });
    }
    const job = await showJob(transport, id);
    if (json) writeJson(stdout, job);
    else writeLines(stdout, renderSubmitted(job, { look: lookOf(stdout, environment), resume }));
    return EXIT.accepted;
  });
}

async function status(context: CliContext, folder: string, { json, watch, ...flags }: StatusFlags): Promise<ExitCode> {
  const { stdout, environment } = context;
  if (!environment["TIDING_BROKER"]) refuseWithoutBroker(flags);
  const output = outputFolder(folder);
  const { jobStatus } = await import("../../jobs/job-status.ts");
  let shown = await jobStatus(output);
  if (watch) shown = await watchJob(context, shown, () => jobStatus(output));
  if (json) writeJson(stdout, shown);
  else {
    const look = lookOf(stdout, environment);
    writeLines(stdout, renderStatus(shown, look));
    if (shown.error !== null) writeLines(stdout, ["", ...renderDescription(shown.error, look)]);
  }
  if (!watch) return EXIT.accepted;
  return shown.state === "running" ? EXIT.interrupted : exitCodeOfOutcome(shown.state);
}

const watchMs = 1_000;

async function watchJob(context: CliContext, first: JobStatus, look: () => Promise<JobStatus>): Promise<JobStatus> {
  using feed = new ProgressFeed({
    name: first.name,
    stream: context.stderr,
    environment: context.environment,
    quiet: false,
  });
  using interrupts = watchInterrupts(context.signals, () => {});
  let latest = first;
  while (latest.state === "running" && !interrupts.drain.aborted) {
    if (latest.progress !== null) feed.show(latest.progress);
    // An interrupt ends the wait, and with it the watching.
    await delay(watchMs, undefined, { signal: interrupts.drain }).catch(() => {});
    latest = await look();
  }
  return latest;
}
