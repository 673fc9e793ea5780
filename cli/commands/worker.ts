import { statSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import { addBrokerOptions, type BrokerFlags } from "../broker-options.ts";
import { EXIT, type ExitCode, type Finish } from "../exit-codes.ts";
import { formatCounted } from "../format.ts";
import { helpEnd, SERVING_EXIT_CODES_HELP } from "../help.ts";
import { addMetricsOption, type MetricsFlag } from "../metrics-option.ts";
import { watchLeaving } from "../interrupts.ts";
import { TidingError } from "../../shared/errors.ts";
import type { CliContext } from "../terminal.ts";
import { writeLines } from "../terminal.ts";
import { plain } from "../text.ts";
import { requiredBroker } from "../with-broker.ts";

interface WorkerFlags extends BrokerFlags, MetricsFlag {
  readonly folder?: string;
  readonly quiet?: true;
}

/** `tiding worker`: joins the jobs of a broker, and leaves them whole. */
export function workerCommand(context: CliContext, finish: Finish): Command {
  return addMetricsOption(addBrokerOptions(new Command("worker"), "the broker to join, e.g. nats://host:4222"))
    .summary("work on the jobs of a broker, from any machine")
    .description(
      "Joins every job that runs over the broker and calls its endpoints from here; keys and tokens are taken from this " +
        "process's environment. Workers may come and go at any time; a broker, or a first coordinator, that is " +
        "not there yet is waited for. Ctrl-C (or SIGTERM) takes no more rows, gives those " +
        "that run their job's grace, commits them and hands back the rest; a second Ctrl-C stops now.",
    )
    .option("--folder <folder>", "where modules of tasks and LLMs lie here, in place of the coordinator's folder")
    .option("-q, --quiet", "no notices")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding worker --broker nats://10.0.0.1:4222", does: "work until Ctrl-C" },
          {
            command: "tiding worker --broker tls://broker:4222 --broker-creds worker.creds",
            does: "with credentials for the broker; keys of endpoints come from the environment",
          },
        ],
        exitCodes: SERVING_EXIT_CODES_HELP,
        next: "Next: `tiding run job.yaml --broker URL` starts a job for it.",
      }),
    )
    .action(async (flags: WorkerFlags) => {
      finish(await work(context, flags));
    });
}

async function work(context: CliContext, flags: WorkerFlags): Promise<ExitCode> {
  const { stderr, environment } = context;
  const broker = await requiredBroker(context, flags);
  const folder = flags.folder === undefined ? undefined : resolve(flags.folder);
  if (folder !== undefined && statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new TidingError("USAGE", "There is no such folder for modules of tasks and LLMs.", {
      place: folder,
      mend: "Correct --folder; it is taken from the current folder.",
    });
  }
  const say = (text: string): void => writeLines(stderr, [plain(text)]);
  const { workForBroker } = await import("../../jobs/work-for-broker.ts");
  using interrupts = watchLeaving(context);
  const { rows } = await workForBroker({
    broker,
    environment,
    folder,
    metrics: flags.metrics,
    drain: interrupts.drain,
    stop: interrupts.stop,
    onNotice: flags.quiet === true ? () => undefined : say,
  });
  say(`Left after ${formatCounted(rows, "row")}.`);
  return EXIT.accepted;
}
