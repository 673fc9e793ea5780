import { resolve } from "node:path";
import { Command } from "commander";
import { addBrokerOptions, type BrokerFlags } from "../broker-options.ts";
import { EXIT, type ExitCode, type Finish } from "../exit-codes.ts";
import { describeCoordinator } from "../fleet-view.ts";
import { exitCodesOfFollowing, helpEnd } from "../help.ts";
import { addSetOption, wholeNumber } from "../options.ts";
import type { CliContext } from "../terminal.ts";
import { writeJson, writeLines } from "../terminal.ts";
import { plain } from "../text.ts";
import { brokerWords, requiredBroker, withBroker } from "../with-broker.ts";

interface SubmitFlags extends BrokerFlags {
  readonly set?: readonly string[];
  readonly limit?: number;
  readonly output?: string;
  readonly follow?: true;
  readonly json?: true;
  readonly quiet?: true;
}

/** `tiding submit`: gives a job to the coordinator of a broker. */
export function submitCommand(context: CliContext, finish: Finish): Command {
  return addBrokerOptions(addSetOption(new Command("submit")), "the broker, e.g. nats://host:4222")
    .summary("give a job to the coordinator of a broker")
    .description(
      "Checks a job spec, gives it to the coordinator and prints the job's id; the job runs without this terminal. " +
        "Input, output and modules are read and written where the coordinator runs: relative paths start at the spec's " +
        "folder, as an absolute path there, so coordinator and workers must see that folder under the same path. Keys and " +
        "tokens stay references; workers resolve them.",
    )
    .argument("<job>", "the job spec: a YAML or JSON file, or a module that exports one")
    .option("-n, --limit <rows>", "most rows to take from the input", wholeNumber)
    .option("-o, --output <folder>", "where the dataset goes, in place of the spec's output.path")
    .option("-f, --follow", "show progress until the job ends; Ctrl-C ends the following, not the job")
    .option("--json", "print what was submitted, or with --follow the job as it ended, as one JSON document")
    .option("-q, --quiet", "with --follow: no progress and no notices")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding submit job.yaml --broker nats://10.0.0.1:4222", does: "submit it, and be done here" },
          {
            command: "tiding submit job.yaml --broker nats://10.0.0.1:4222 -n 100 -o /shared/trial --follow",
            does: "100 rows of it, followed to the end",
          },
        ],
        exitCodes: exitCodesOfFollowing("--follow", "when it was submitted"),
        next: "Next: `tiding jobs` lists jobs; `tiding status`, `pause`, `resume` and `cancel` take the id.",
      }),
    )
    .action(async (job: string, flags: SubmitFlags) => {
      finish(await submit(context, job, flags));
    });
}

async function submit(context: CliContext, job: string, flags: SubmitFlags): Promise<ExitCode> {
  const overrides = [...(flags.set ?? [])];
  if (flags.limit !== undefined) overrides.push(`input.limit=${flags.limit}`);
  if (flags.output !== undefined) overrides.push(`output.path=${JSON.stringify(resolve(flags.output))}`);
  const { environment, stdout } = context;
  const { loadSpec } = await import("../../shared/spec/load-spec.ts");
  const loaded = await loadSpec(job, { overrides, environment });
  await requiredBroker(context, flags);
  const { submitJob } = await import("../../jobs/submit-job.ts");
  return withBroker(context, flags, async (transport) => {
    const { id, output, coordinator } = await submitJob(transport, loaded);
    const json = flags.json ?? false;
    const words = brokerWords(flags);
    if (flags.follow !== true && json) writeJson(stdout, { version: 1, id, output });
    if (!json) {
      writeLines(stdout, [`Submitted ${id}, output ${plain(output)}`]);
      if (flags.follow !== true)
        writeLines(stdout, [describeCoordinator(coordinator), `Follow it:  tiding status ${id} --watch${words}`]);
    }
    if (flags.follow !== true) return EXIT.accepted;
    const { showUntilItEnds } = await import("../follow-submitted.ts");
    const resume = `tiding resume ${id}${words}`;
    return showUntilItEnds(context, transport, { id, flags: { json, quiet: flags.quiet ?? false, resume } });
  });
}
