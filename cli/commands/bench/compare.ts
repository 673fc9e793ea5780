import { Command } from "commander";
import type { ExitCode, Finish } from "../../exit-codes.ts";
import { EXIT } from "../../exit-codes.ts";
import { helpEnd } from "../../help.ts";
import type { CliContext } from "../../terminal.ts";
import { lookOf, writeJson, writeLines } from "../../terminal.ts";

/** `tiding bench compare`: two runs side by side. */
export function compareCommand(context: CliContext, finish: Finish): Command {
  return new Command("compare")
    .summary("put two runs side by side")
    .description(
      "Compares the reports of two runs, stage by stage: both figures, the change, and whether it is more than the runs " +
        "spread in themselves. Runs with other prompts, answer lengths, loads or routes are refused with the reasons: " +
        "a difference between them says nothing of the endpoints.",
    )
    .argument("<a>", "a folder that `tiding bench` wrote, or its report.json")
    .argument("<b>", "another, compared with the first")
    .option("--json", "print the comparison as one JSON document on standard output")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding bench compare before after", does: "two folders" },
          { command: "tiding bench compare a/report.json b/report.json --json", does: "two files, for a program" },
        ],
        exitCodes: `Exit codes:
  0    compared
  2    one of the two is no report, or they are unlike`,
        next: "Next: `tiding bench URL` measures; docs/bench.md says what each figure means.",
      }),
    )
    .action(async (a: string, b: string, flags: { readonly json?: true }) => {
      finish(await compare(context, { a, b, json: flags.json ?? false }));
    });
}

interface CompareOptions {
  readonly a: string;
  readonly b: string;
  readonly json: boolean;
}

async function compare({ stdout, environment }: CliContext, { a, b, json }: CompareOptions): Promise<ExitCode> {
  const { readReport } = await import("../../../bench/report/read-report.ts");
  const { compareReports } = await import("../../../bench/report/compare-reports.ts");
  const reports = { a: await readReport(a), b: await readReport(b) };
  const comparison = compareReports(reports.a, reports.b);
  if (json) writeJson(stdout, comparison);
  else {
    const { renderComparison } = await import("../../compare-view.ts");
    writeLines(stdout, renderComparison(comparison, reports, lookOf(stdout, environment)));
  }
  return EXIT.accepted;
}
