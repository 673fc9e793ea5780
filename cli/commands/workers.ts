import { Command } from "commander";
import { addBrokerOptions, type BrokerFlags } from "../broker-options.ts";
import { EXIT, type Finish } from "../exit-codes.ts";
import { renderWorkers } from "../fleet-view.ts";
import { helpEnd } from "../help.ts";
import type { CliContext } from "../terminal.ts";
import { lookOf, writeJson, writeLines } from "../terminal.ts";
import { withBroker } from "../with-broker.ts";

interface WorkersFlags extends BrokerFlags {
  readonly all?: true;
  readonly json?: true;
}

/** `tiding workers`: who works on the jobs of a broker. */
export function workersCommand(context: CliContext, finish: Finish): Command {
  return addBrokerOptions(new Command("workers"), "the broker, e.g. nats://host:4222")
    .summary("list the workers of a broker")
    .description(
      "Lists the workers with their jobs, the rows they finished in the present runs, and the requests they have in " +
        "flight. One that has told nothing of itself for 15 s is shown as silent: it died, sleeps, or is cut off.",
    )
    .option("-a, --all", "those too that left within the last hour")
    .option("--json", "print one JSON document on standard output")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding workers --broker nats://10.0.0.1:4222", does: "once" },
          { command: "tiding workers --broker nats://10.0.0.1:4222 --json", does: "for a program" },
        ],
        exitCodes: "Exit codes: 0 listed; 1 the broker could not be reached; 2 an option is wrong.",
        next: "Next: `tiding worker --broker URL` adds one, on any machine.",
      }),
    )
    .action(async ({ all, json, ...flags }: WorkersFlags) => {
      const { listWorkers } = await import("../../jobs/broker-view.ts");
      const listed = await withBroker(context, flags, (transport) => listWorkers(transport, { all: all ?? false }));
      const { stdout, environment } = context;
      if (json) writeJson(stdout, listed);
      else writeLines(stdout, renderWorkers(listed, lookOf(stdout, environment), Date.now()));
      finish(EXIT.accepted);
    });
}
