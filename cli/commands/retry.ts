import { Command } from "commander";
import type { ExitCode, Finish } from "../exit-codes.ts";
import { addRunOptions, followRun, runWords, type RunFlags } from "../follow-run.ts";
import { EXIT_CODES_HELP, helpEnd } from "../help.ts";
import { outputFolder } from "../output-folder.ts";
import { addSetOption } from "../options.ts";
import { quoteForShell } from "../summary.ts";
import type { CliContext } from "../terminal.ts";

interface RetryFlags extends RunFlags {
  readonly set?: readonly string[];
}

/** `tiding retry`: runs the failed rows of a job again. */
export function retryCommand(context: CliContext, finish: Finish): Command {
  return addRunOptions(addSetOption(new Command("retry"), "change a key of the spec, recorded as a revision"))
    .summary("run the failed rows of a job again")
    .description(
      "Runs the failed rows of a job again. A row that succeeds joins the dataset and leaves the failed ones. " +
        "The spec is the one that the output folder keeps; --set changes it and is recorded there.",
    )
    .argument("<folder>", "the job's output folder")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding retry out/gsm8k", does: "the failed rows once more, as they were" },
          {
            command: "tiding retry out/gsm8k -s steps.0.llm.generation_kwargs.max_new_tokens=2048",
            does: "with longer answers, where answers were cut",
          },
          {
            command: "tiding retry out/gsm8k --broker nats://10.0.0.1:4222 --no-work",
            does: "by the workers of that broker; here no key is needed",
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

async function retry(context: CliContext, folder: string, flags: RetryFlags): Promise<ExitCode> {
  const { set = [] } = flags;
  const output = outputFolder(folder);
  const { jobStatus } = await import("../../jobs/job-status.ts");
  const { retryJob } = await import("../../jobs/retry-job.ts");
  const { name } = await jobStatus(output);
  const changes = set.map((override) => ` --set ${quoteForShell(override)}`).join("");
  return followRun(context, flags, {
    name,
    resume: `tiding retry ${quoteForShell(folder)}${changes}${runWords(flags)}`,
    start: (options) => retryJob({ ...options, output, overrides: set }),
  });
}
