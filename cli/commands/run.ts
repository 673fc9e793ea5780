import { resolve } from "node:path";
import { Command } from "commander";
import { addBrokerOptions, brokerOptions, withoutSecrets, type BrokerFlags } from "../broker-options.ts";
import type { ExitCode, Finish } from "../exit-codes.ts";
import { followJob } from "../follow-job.ts";
import { EXIT_CODES_HELP, helpEnd } from "../help.ts";
import { addMetricsOption, serveProgress, type MetricsFlag } from "../metrics-option.ts";
import { addSetOption, wholeNumber } from "../options.ts";
import { quoteForShell } from "../summary.ts";
import type { JobProgress } from "../../shared/observe/job-report.ts";
import type { CliContext } from "../terminal.ts";

interface RunFlags extends BrokerFlags, MetricsFlag {
  readonly set?: readonly string[];
  readonly limit?: number;
  readonly output?: string;
  readonly json?: true;
  readonly quiet?: true;
  /** False for `--no-work`. */
  readonly work: boolean;
}

/** `tiding run`: runs, resumes or extends a job. */
export function runCommand(context: CliContext, finish: Finish): Command {
  const command = addMetricsOption(
    addBrokerOptions(
      addSetOption(new Command("run")),
      "run it over NATS, with workers elsewhere: nats://host:4222, or nats:spawn",
    ),
  );
  return command
    .summary("run a job; the same command again resumes or extends it")
    .description(
      "Runs a job: reads its rows, sends them to the endpoints, writes the dataset. " +
        "Given again after an interruption it does what is missing; with a larger limit it extends the dataset. " +
        "Ctrl-C finishes the running requests first, a second Ctrl-C stops now. No row is lost or written twice.",
    )
    .argument("<job>", "the job spec: a YAML or JSON file, or a module that exports one")
    .option("-n, --limit <rows>", "most rows to take from the input", wholeNumber)
    .option("-o, --output <folder>", "where the dataset goes, in place of the spec's output.path")
    .option("--no-work", "with a broker: leave the rows to workers elsewhere")
    .option("--json", "print the report as one JSON document on standard output")
    .option("-q, --quiet", "no progress and no notices; the summary stays")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding run job.yaml", does: "run it; again after Ctrl-C, a crash or a reboot, resume it" },
          {
            command: "tiding run job.yaml --limit 100 --output out/trial",
            does: "100 rows to try it, in a folder of their own",
          },
          {
            command: "tiding run job.yaml -s steps.0.llm.slots=128 -s run.attempts=3",
            does: "more requests at a time, fewer attempts",
          },
          {
            command: "tiding run job.yaml --broker nats://10.0.0.1:4222",
            does: "with the help of every `tiding worker` of that broker",
          },
        ],
        exitCodes: EXIT_CODES_HELP,
        next: "Next: `tiding preview job.yaml` shows the prompts first; `tiding status DIR` watches from elsewhere.",
      }),
    )
    .action(async (job: string, flags: RunFlags) => {
      finish(await run(context, job, flags));
    });
}

async function run(context: CliContext, job: string, flags: RunFlags): Promise<ExitCode> {
  const overrides = [...(flags.set ?? [])];
  if (flags.limit !== undefined) overrides.push(`input.limit=${flags.limit}`);
  // The spec's own path is relative to the spec, a path on the command line to where the reader stands.
  if (flags.output !== undefined) overrides.push(`output.path=${JSON.stringify(resolve(flags.output))}`);
  const { environment } = context;
  const { loadSpec } = await import("../../shared/spec/load-spec.ts");
  const loaded = await loadSpec(job, { overrides, environment });
  const { runJob } = await import("../../jobs/run-job.ts");
  const broker = await brokerOptions(flags, environment);
  return followJob(
    context,
    async (followed) => {
      const latest = new Map<string, JobProgress>();
      await using _metrics = await serveProgress(flags, latest);
      const onProgress = (progress: JobProgress): void => {
        latest.set(loaded.name, progress);
        followed.onProgress(progress);
      };
      const options = { ...followed, onProgress };
      if (broker === null) return await runJob({ ...options, loaded });
      const { openJobBroker } = await import("../../jobs/open-broker.ts");
      await using opened = await openJobBroker(broker, { ...options, works: flags.work });
      return await runJob({ ...options, loaded, broker: opened.broker });
    },
    {
      name: loaded.name,
      resume: resumeCommand(job, flags),
      json: flags.json ?? false,
      quiet: flags.quiet ?? false,
    },
  );
}

function resumeCommand(job: string, { set = [], limit, output, broker }: RunFlags): string {
  const words = ["tiding", "run", quoteForShell(job)];
  if (limit !== undefined) words.push("--limit", String(limit));
  if (output !== undefined) words.push("--output", quoteForShell(output));
  if (broker !== undefined) words.push("--broker", quoteForShell(withoutSecrets(broker)));
  for (const override of set) words.push("--set", quoteForShell(override));
  return words.join(" ");
}
