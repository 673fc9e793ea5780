import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import type { PlanPrices, TokenPrice } from "../../bench/plan/prices.ts";
import type { ExitCode, Finish } from "../exit-codes.ts";
import { EXIT } from "../exit-codes.ts";
import { helpEnd } from "../help.ts";
import { watchInterrupts } from "../interrupts.ts";
import { addSetOption, wholeNumber } from "../options.ts";
import { renderPlan } from "../plan-view.ts";
import { quoteForShell } from "../summary.ts";
import type { CliContext } from "../terminal.ts";
import { inputOf, lookOf, writeJson, writeLines } from "../terminal.ts";
import { plain } from "../text.ts";

interface PlanFlags {
  /** False for `--no-sample`. */
  readonly sample: number | false;
  readonly seed?: number;
  readonly preset?: string;
  readonly bench?: readonly string[];
  readonly priceIn?: TokenPrice;
  readonly priceOut?: TokenPrice;
  readonly priceHour?: number;
  readonly limit?: number;
  readonly output?: string;
  readonly set?: readonly string[];
  readonly json?: true;
}

/** `tiding plan`: what a job would take, before it is started. */
export function planCommand(context: CliContext, finish: Finish): Command {
  return addSetOption(new Command("plan"), "change a key of the spec for this plan")
    .summary("foretell a job's rows, tokens, time and cost, from a sample of at most 20 rows")
    .description(
      "Foretells what a job would take: rows, calls, tokens in and out, time and cost, each with a range. Counts the input, " +
        "runs at most 20 rows for real to see what a row takes (they are paid for; nothing is written), and simulates the " +
        "whole job on what is known of the endpoint: a bench run of it (--bench), a preset (--preset), or else the sample's " +
        "own answer times, which give no more than a bound where the job has many more slots. Of a job that was begun, " +
        "what is left is planned.",
    )
    .argument("<job>", "the job spec: a YAML or JSON file, or a module that exports one")
    .option("--sample <rows>", "rows to run for real, 1 to 20, drawn over the whole input", sampleRows, 20)
    .option("--no-sample", "run none: prompts are rendered here, answers may be as long as max_new_tokens; wide ranges")
    .option("--seed <number>", "draws other rows for the sample; the job's run.seed when absent", wholeNumber)
    .option(
      "--bench <report>",
      "what `tiding bench` wrote of the job's endpoint, a folder or report.json; repeatable",
      collect,
    )
    .option(
      "--preset <name>",
      "take the endpoint to be this hardware: h100, a100-80, l40s, a10g or l4, with an 8B model",
    )
    .option(
      "--price-in <dollars>",
      "price of a million prompt tokens, or of one step's: NAME=DOLLARS, repeatable",
      price,
    )
    .option("--price-out <dollars>", "price of a million generated tokens, likewise", price)
    .option("--price-hour <dollars>", "price of an hour of all the job's endpoints together", dollars)
    .option("-n, --limit <rows>", "most rows to take from the input", wholeNumber)
    .option("-o, --output <folder>", "where the dataset would go, in place of the spec's output.path")
    .option("--json", "print the plan as one JSON document on standard output")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding plan job.yaml", does: "what it takes, by 20 rows" },
          {
            command: "tiding plan job.yaml --bench bench-llama --price-hour 4.5",
            does: "time from an earlier bench run of the endpoint, and what its hours cost",
          },
          {
            command: "tiding plan job.yaml --no-sample --preset h100",
            does: "without paying, and without an endpoint",
          },
          {
            command: "tiding plan job.yaml --price-in 0.15 --price-out 0.6 --price-out judge=2",
            does: "by the token, with a dearer model in the step named judge",
          },
        ],
        exitCodes: `Exit codes:
  0    the plan is made
  1    the endpoint or the task does not work as the job needs it
  2    the command, the spec, the input or a report is wrong
  3    the plan is made, and some rows of the sample failed
  130  interrupted`,
        next: "Prices are in US dollars; those of Hugging Face's dedicated endpoints are looked up.\nNext: `tiding run job.yaml`. What every line means: docs/plan.md.",
      }),
    )
    .action(async (job: string, flags: PlanFlags) => {
      finish(await plan(context, job, flags));
    });
}

async function plan(context: CliContext, job: string, flags: PlanFlags): Promise<ExitCode> {
  const { stdout, stderr, environment, signals } = context;
  const { sample, seed, preset, bench = [], priceIn, priceOut, priceHour, json } = flags;
  const overrides = [...(flags.set ?? [])];
  if (flags.limit !== undefined) overrides.push(`input.limit=${flags.limit}`);
  // As `tiding run` has it: a path on the command line starts where the reader stands.
  if (flags.output !== undefined) overrides.push(`output.path=${JSON.stringify(resolve(flags.output))}`);
  const { loadSpec } = await import("../../shared/spec/load-spec.ts");
  const loaded = await loadSpec(job, { overrides, environment });
  const { readReport } = await import("../../bench/report/read-report.ts");
  const benches = await Promise.all(bench.map(readReport));
  const { planJob } = await import("../../bench/plan/plan-job.ts");
  const stop = new AbortController();
  using _interrupts = watchInterrupts(signals, () => stop.abort());
  const prices: PlanPrices = { input: priceIn, output: priceOut, hour: priceHour };
  const planned = await planJob({
    ...inputOf(loaded.spec, context),
    loaded,
    environment,
    sample: sample === false ? 0 : sample,
    ...(seed === undefined ? {} : { seed }),
    ...(preset === undefined ? {} : { preset }),
    benches,
    prices,
    next: runCommandLine(job, flags),
    stop: stop.signal,
    onNotice: (notice) => writeLines(stderr, [plain(notice)]),
  });
  if (json) writeJson(stdout, planned);
  else writeLines(stdout, renderPlan(planned, lookOf(stdout, environment)));
  return (planned.sample?.failed ?? 0) > 0 ? EXIT.failedRows : EXIT.accepted;
}

function runCommandLine(job: string, { limit, output, set = [] }: PlanFlags): string {
  const words = ["tiding", "run", quoteForShell(job)];
  if (limit !== undefined) words.push("--limit", String(limit));
  if (output !== undefined) words.push("--output", quoteForShell(output));
  for (const override of set) words.push("--set", quoteForShell(override));
  return words.join(" ");
}

function sampleRows(text: string): number {
  const rows = wholeNumber(text);
  if (rows < 1 || rows > 20) throw new InvalidArgumentError("Expected 1 to 20 rows; --no-sample for none.");
  return rows;
}

function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value];
}

function dollars(text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !(number >= 0 && number < Infinity))
    throw new InvalidArgumentError("Expected a number of US dollars, such as 0.15.");
  return number;
}

/** `0.15`, or `judge=0.15` again and again; a number alone stands for the steps that are not named. */
function price(text: string, earlier?: TokenPrice): TokenPrice {
  const [, step, amount] = /^(?:(.+)=)?([^=]+)$/.exec(text) ?? [];
  const number = dollars(amount ?? "");
  const before = typeof earlier === "number" ? { "*": earlier } : earlier;
  if (step !== undefined) return { ...before, [step]: number };
  return before === undefined ? number : { ...before, "*": number };
}
