import { Command } from "commander";
import { addBrokerOptions, type BrokerFlags } from "../broker-options.ts";
import { EXIT, type Finish } from "../exit-codes.ts";
import { renderJobs } from "../fleet-view.ts";
import { helpEnd } from "../help.ts";
import type { CliContext } from "../terminal.ts";
import { lookOf, writeJson, writeLines } from "../terminal.ts";
import { withBroker } from "../with-broker.ts";

interface JobsFlags extends BrokerFlags {
  readonly all?: true;
  readonly json?: true;
}

/** `tiding jobs`: the jobs that were submitted to a broker. */
export function jobsCommand(context: CliContext, finish: Finish): Command {
  return addBrokerOptions(new Command("jobs"), "the broker, e.g. nats://host:4222")
    .summary("list the jobs that were submitted to a broker")
    .description("Lists submitted jobs with their state and progress, and says who coordinates them.")
    .option("-a, --all", "those too that ended more than a day ago")
    .option("--json", "print one JSON document on standard output")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding jobs --broker nats://10.0.0.1:4222", does: "what is queued, runs or ended lately" },
          { command: "tiding jobs --broker nats://10.0.0.1:4222 --all --json", does: "all of them, for a program" },
        ],
        exitCodes: "Exit codes: 0 listed; 1 the broker could not be reached; 2 an option is wrong.",
        next: "Next: `tiding status ID --broker URL` shows one; `pause`, `resume` and `cancel` take its id.",
      }),
    )
    .action(async ({ all, json, ...flags }: JobsFlags) => {
      const { listJobs } = await import("../../jobs/broker-view.ts");
      const listed = await withBroker(context, flags, (transport) => listJobs(transport, { all: all ?? false }));
      const { stdout, environment } = context;
      if (json) writeJson(stdout, listed);
      else writeLines(stdout, renderJobs(listed, lookOf(stdout, environment)));
      finish(EXIT.accepted);
    });
}
