import { resolve } from "node:path";
import { Command } from "commander";
import type { ExitCode, Finish } from "../exit-codes.ts";
import { addRunOptions, followRun, runWords, type RunFlags } from "../follow-run.ts";
import { EXIT_CODES_HELP, helpEnd } from "../help.ts";
import { addSetOption, wholeNumber } from "../options.ts";
import { quoteForShell } from "../summary.ts";
import { inputOf, type CliContext } from "../terminal.ts";

interface JobFlags extends RunFlags {
  readonly set?: readonly string[];
  readonly limit?: number;
  readonly output?: string;
}

/** `tiding run`: runs, resumes or extends a job. */
export function runCommand(context: CliContext, finish: Finish): Command {
  return addRunOptions(addSetOption(new Command("run")))
    .summary("run a job; the same command again resumes or extends it")
    .description(
      "Runs a job: reads its rows, sends them to the endpoints, writes the dataset. " +
        "Given again after an interruption it does what is missing; with a larger limit it extends the dataset. " +
        "Ctrl-C finishes the running requests first, a second Ctrl-C stops now. No row is lost or written twice.",
    )
    .argument("<job>", "the job spec: a YAML or JSON file, or a module that exports one")
    .option("-n, --limit <rows>", "most rows to take from the input", wholeNumber)
    .option("-o, --output <folder>", "where the dataset goes, in place of the spec's output.path")
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
            command: "zcat rows.jsonl.gz | tiding run job.yaml -s input.path=- -s input.format=jsonl",
            does: "rows by standard input; to resume it no input is needed",
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
    .action(async (job: string, flags: JobFlags) => {
      finish(await run(context, job, flags));
    });
}

async function run(context: CliContext, job: string, flags: JobFlags): Promise<ExitCode> {
  const overrides = [...(flags.set ?? [])];
  if (flags.limit !== undefined) overrides.push(`input.limit=${flags.limit}`);
  // The spec's own path is relative to the spec, a path on the command line to where the reader stands.
  if (flags.output !== undefined) overrides.push(`output.path=${JSON.stringify(resolve(flags.output))}`);
  const { loadSpec } = await import("../../shared/spec/load-spec.ts");
  const loaded = await loadSpec(job, { overrides, environment: context.environment });
  const { runJob } = await import("../../jobs/run-job.ts");
  return followRun(context, flags, {
    name: loaded.name,
    resume: resumeCommand(job, flags),
    start: (options) => runJob({ ...options, ...inputOf(loaded.spec, context), loaded }),
  });
}

function resumeCommand(job: string, flags: JobFlags): string {
  const { set = [], limit, output } = flags;
  const words = ["tiding", "run", quoteForShell(job)];
  if (limit !== undefined) words.push("--limit", String(limit));
  if (output !== undefined) words.push("--output", quoteForShell(output));
  for (const override of set) words.push("--set", quoteForShell(override));
  return `${words.join(" ")}${runWords(flags)}`;
}
