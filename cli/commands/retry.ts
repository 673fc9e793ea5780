import { resolve } from "node:path";
import { Command } from "commander";
import type { ExitCode, Finish } from "../exit-codes.ts";
import { followJob } from "../follow-job.ts";
import { EXIT_CODES_HELP, helpEnd } from "../help.ts";
import { addSetOption } from "../options.ts";
import { quoteForShell } from "../summary.ts";
import type { CliContext } from "../terminal.ts";

interface RetryFlags {
  readonly set?: readonly string[];
  readonly json?: true;
  readonly quiet?: true;
}

/** `tiding retry`: runs the failed rows of a job again. */
export function retryCommand(context: CliContext, finish: Finish): Command {
  return addSetOption(new Command("retry"), "change a key of the spec, recorded as a revision")
    .summary("run the failed rows of a job again")
    .description(
      "Runs the failed rows of a job again. A row that succeeds joins the dataset and leaves the failed ones. " +
        "The spec is the one that the output folder keeps; --set changes it and is recorded there.",
    )
    .argument("<folder>", "the job's output folder")
    .option("--json", "print the report as one JSON document on standard output")
    .option("-q, --quiet", "no progress and no notices; the summary stays")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding retry out/gsm8k", does: "the failed rows once more, as they were" },
          {
            command: "tiding retry out/gsm8k -s steps.0.llm.generation_kwargs.max_new_tokens=2048",
            does: "with longer answers, where answers were cut",
          },
        ],
        exitCodes: EXIT_CODES_HELP,
        next: "Next: `tiding status DIR` lists why rows failed; failed/ in it holds each with its reason.",
      }),
    )
    .action(async (folder: string, flags: RetryFlags) => {
      finish(await retry(context, folder, flags));
    });
}

async function retry(context: CliContext, folder: string, { set = [], json, quiet }: RetryFlags): Promise<ExitCode> {
  const output = resolve(folder);
  const { jobStatus } = await import("../../jobs/job-status.ts");
  const { retryJob } = await import("../../jobs/retry-job.ts");
  const { name } = await jobStatus(output);
  const changes = set.map((override) => ` --set ${quoteForShell(override)}`).join("");
  return followJob(context, (options) => retryJob({ ...options, output, overrides: set }), {
    name,
    resume: `tiding retry ${quoteForShell(folder)}${changes}`,
    json: json ?? false,
    quiet: quiet ?? false,
  });
}
