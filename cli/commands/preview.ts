import { Command } from "commander";
import type { ExitCode, Finish } from "../exit-codes.ts";
import { EXIT } from "../exit-codes.ts";
import { helpEnd } from "../help.ts";
import { watchInterrupts } from "../interrupts.ts";
import { addSetOption, positiveNumber } from "../options.ts";
import { renderPreviewRow } from "../preview-view.ts";
import type { CliContext } from "../terminal.ts";
import { inputOf, lookOf, writeJson, writeLines } from "../terminal.ts";
import { plain } from "../text.ts";

interface PreviewFlags {
  readonly rows: number;
  readonly set?: readonly string[];
  readonly json?: true;
}

/** `tiding preview`: the first rows of a job, with everything that was sent and answered. */
export function previewCommand(context: CliContext, finish: Finish): Command {
  return addSetOption(new Command("preview"), "change a key of the spec for this preview")
    .summary("run the first rows and show prompts and answers; nothing is written")
    .description(
      "Runs the first rows of a job for real and shows, for each, the messages sent, the answer, the columns that " +
        "would land in the dataset, and the tokens. Nothing is written.",
    )
    .argument("<job>", "the job spec: a YAML or JSON file, or a module that exports one")
    .option("-n, --rows <rows>", "how many rows", positiveNumber, 3)
    .option("--json", "print the rows as one JSON document on standard output")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding preview job.yaml", does: "the first three rows" },
          { command: "tiding preview job.yaml -n 1 -s input.offset=41", does: "one certain row" },
          {
            command: "tiding preview job.yaml -s steps.0.llm.generation_kwargs.temperature=0",
            does: "try another setting",
          },
        ],
        exitCodes: `Exit codes:
  0    every row was accepted
  1    the endpoint or the task does not work as the job needs it
  2    the command, the spec or the input is wrong
  3    some of the rows failed
  130  interrupted`,
        next: "Next: `tiding run job.yaml` runs all rows.",
      }),
    )
    .action(async (job: string, flags: PreviewFlags) => {
      finish(await preview(context, job, flags));
    });
}

async function preview(context: CliContext, job: string, { rows, set = [], json }: PreviewFlags): Promise<ExitCode> {
  const { stdout, stderr, environment, signals } = context;
  const { loadSpec } = await import("../../shared/spec/load-spec.ts");
  const loaded = await loadSpec(job, { overrides: set, environment });
  const { previewJob } = await import("../../jobs/preview-job.ts");
  const stop = new AbortController();
  using _interrupts = watchInterrupts(signals, () => stop.abort());
  const onNotice = (notice: string): void => writeLines(stderr, [plain(notice)]);
  const previewed = await previewJob({
    ...inputOf(loaded.spec, context),
    loaded,
    rows,
    environment,
    stop: stop.signal,
    onNotice,
  });
  if (json) writeJson(stdout, { version: 1, rows: previewed });
  else {
    const look = lookOf(stdout, environment);
    for (const row of previewed) writeLines(stdout, renderPreviewRow(row, look));
    if (previewed.length === 0) writeLines(stdout, ["The input has no rows."]);
  }
  return previewed.some((row) => row.error !== null) ? EXIT.failedRows : EXIT.accepted;
}
