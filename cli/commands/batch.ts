import { resolve } from "node:path";
import { Argument, Command } from "commander";
import type { ExitCode, Finish } from "../exit-codes.ts";
import { followJob } from "../follow-job.ts";
import { EXIT_CODES_HELP, helpEnd } from "../help.ts";
import { addSetOption } from "../options.ts";
import { quoteForShell } from "../summary.ts";
import { inputOf, type CliContext } from "../terminal.ts";

interface BatchFlags {
  readonly set?: readonly string[];
  readonly output?: string;
  readonly json?: true;
  readonly quiet?: true;
}

type Way = "write" | "read";

/** `tiding batch`: the requests of a job with offline batches as files, to be submitted by hand. */
export function batchCommand(context: CliContext, finish: Finish): Command {
  return addSetOption(new Command("batch"))
    .summary("write a job's offline batch to a file, and read its results from one")
    .description(
      "For a job with use_offline_batch_generation whose batches are submitted by hand: its requests and their results are " +
        "files in the form of OpenAI's batches. Where the server has that API, `tiding run` does all of this by itself.",
    )
    .addArgument(new Argument("<way>", "what to do with the file").choices(["write", "read"]))
    .argument("<job>", "the job spec: a YAML or JSON file, or a module that exports one")
    .argument("<file>", "where the requests go, FILE-2 and on for further batches; or a batch's output or error file")
    .option("-o, --output <folder>", "where the dataset goes, in place of the spec's output.path")
    .option("--json", "print the report as one JSON document on standard output")
    .option("-q, --quiet", "no progress and no notices; the summary stays")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding batch write job.yaml requests.jsonl", does: "what is not answered yet; exit code 4" },
          { command: "tiding batch read job.yaml results.jsonl", does: "take answers; when none is missing, finish" },
        ],
        exitCodes: EXIT_CODES_HELP,
        next: "Next: `tiding status DIR` shows what is waited for.",
      }),
    )
    .action(async (way: Way, job: string, file: string, flags: BatchFlags) => {
      finish(await batch(context, { way, job, file: resolve(file) }, flags));
    });
}

async function batch(
  context: CliContext,
  { way, job, file }: { readonly way: Way; readonly job: string; readonly file: string },
  flags: BatchFlags,
): Promise<ExitCode> {
  const overrides = [...(flags.set ?? [])];
  if (flags.output !== undefined) overrides.push(`output.path=${JSON.stringify(resolve(flags.output))}`);
  const { loadSpec } = await import("../../shared/spec/load-spec.ts");
  const loaded = await loadSpec(job, { overrides, environment: context.environment });
  const { runJob } = await import("../../jobs/run-job.ts");
  const batchFile = way === "write" ? { write: file } : { read: file };
  return await followJob(
    context,
    (options) => runJob({ ...options, ...inputOf(loaded.spec, context), loaded, batchFile }),
    { name: loaded.name, resume: readCommand(job, flags), json: flags.json ?? false, quiet: flags.quiet ?? false },
  );
}

function readCommand(job: string, { set = [], output }: BatchFlags): string {
  const words = ["tiding batch read", quoteForShell(job), "RESULTS.jsonl"];
  if (output !== undefined) words.push("--output", quoteForShell(output));
  for (const override of set) words.push("--set", quoteForShell(override));
  return words.join(" ");
}
