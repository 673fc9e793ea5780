import { availableParallelism } from "node:os";
import { Command, Option } from "commander";
import type { BenchOptions, BenchStart } from "../../bench/bench-options.ts";
import type { BenchReport, SloLimits } from "../../bench/report/bench-report.ts";
import { TidingError } from "../../shared/errors.ts";
import { inFlags, keyReference } from "../endpoint-flags.ts";
import type { ExitCode, Finish } from "../exit-codes.ts";
import { EXIT } from "../exit-codes.ts";
import { helpEnd } from "../help.ts";
import { watchInterrupts } from "../interrupts.ts";
import { positiveNumber, wholeNumber } from "../options.ts";
import type { CliContext, Environment } from "../terminal.ts";
import { lookOf, writeJson, writeLines } from "../terminal.ts";
import { compareCommand } from "./bench/compare.ts";
import { benchJobCommand } from "./bench/job.ts";
import { loadProfile } from "./bench/load-profile.ts";
import type { LoadFlags } from "./bench/load-profile.ts";
import type { Length, SharedPrefix } from "./bench/values.ts";
import {
  generationSetting,
  header,
  length,
  rates,
  seconds,
  sharedPrefix,
  slo,
  someSeconds,
  wholeNumbers,
} from "./bench/values.ts";

interface BenchFlags extends LoadFlags {
  readonly slo?: SloLimits;
  readonly data?: string;
  readonly column?: string;
  readonly promptTokens?: Length;
  readonly maxTokens: Length;
  readonly sharedPrefix?: SharedPrefix;
  /** False for `--no-nonce`. */
  readonly nonce: boolean;
  readonly tokenizer?: string;
  /** False for `--no-ignore-eos`. */
  readonly ignoreEos: boolean;
  readonly generation?: Readonly<Record<string, unknown>>;
  readonly modelId?: string;
  readonly apiKeyEnv?: string;
  readonly header?: Readonly<Record<string, string>>;
  readonly route: "auto" | "generate" | "chat" | "completions";
  readonly requestTimeout: number;
  readonly threads?: number;
  /** False for `--no-self-check`. */
  readonly selfCheck: boolean;
  readonly out?: string;
  readonly force?: true;
  readonly json?: true;
  readonly quiet?: true;
}

/** `tiding bench`: how fast an endpoint is, at which load. */
export function benchCommand(context: CliContext, finish: Finish): Command {
  const command = new Command("bench")
    .summary("measure how fast an endpoint is, and under which load")
    .description(
      "Sends streaming requests to an endpoint and measures what it makes of them: time to first token, inter-token " +
        "latency, throughput, failures, each at one load after the other. Writes a folder with a page of plots. " +
        "Requests cost what requests cost; Ctrl-C ends the run and reports what was measured.",
    )
    .argument("<url>", "the endpoint, as a spec's base_url: with or without /v1");
  addLoadOptions(command);
  addPromptOptions(command);
  addEndpointOptions(command);
  addOutputOptions(command);
  return command
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding bench http://127.0.0.1:8080", does: "1, 8 and 32 requests in flight, 30 s each" },
          {
            command: "tiding bench http://127.0.0.1:8080 --sweep --slo ttft=500,tpot=50",
            does: "find the highest rate at which 99 % of requests meet both limits (ms)",
          },
          {
            command: "tiding bench https://api.example.com/v1 --api-key-env MY_KEY --rate 2,4,8 --seconds 60",
            does: "certain rates, at an endpoint that asks for a key",
          },
          {
            command: "tiding bench compare before/report.json after/report.json",
            does: "two runs side by side",
          },
        ],
        exitCodes: `Exit codes:
  0    measured
  1    nothing could be measured: the endpoint cannot be reached, or answered no request
  2    an option, the URL or the data is wrong, or the folder holds another report
  130  interrupted; what was measured is in the report`,
        next: "Next: open report.html of the folder; docs/bench.md says what each figure means.",
      }),
    )
    .action(async (url: string, flags: BenchFlags) => {
      finish(await bench(context, url, flags));
    })
    .addCommand(compareCommand(context, finish))
    .addCommand(benchJobCommand(context, finish));
}

function addLoadOptions(command: Command): void {
  const arrivals = new Option("--sweep-arrivals <kind>", "how a sweep's requests arrive").choices([
    "constant",
    "poisson",
  ]);
  command
    .optionsGroup("Load, of one kind:")
    .option("--concurrency <n,…>", "so many requests in flight, the next sent when one ends", wholeNumbers)
    .option("--rate <n,…>", "so many requests a second, evenly spaced, whether answered or not", rates)
    .option("--poisson <n,…>", "so many requests a second, spaced by chance as many users' are", rates)
    .option("--all-at-once <n,…>", "so many requests, all sent at the start", wholeNumbers)
    .option("--sweep", "one at a time, full load, rates between, then the highest that is kept up with")
    .optionsGroup("Each stage:")
    .option("--seconds <s>", "how long requests are sent (default: 30)", someSeconds)
    .option("--requests <n>", "ends after so many requests; without --seconds by them alone", positiveNumber)
    .option("--warm-up <s>", "first seconds, not measured (default: a sixth)", seconds)
    .option("--cool-down <s>", "last seconds, not measured (default: a fifteenth)", seconds)
    .option("--ramp <s>", "seconds in which the load rises to its value, within the warm-up", seconds)
    .option(
      "--max-in-flight <n>",
      "most requests in flight at a rate; beyond it they wait, which counts",
      positiveNumber,
      1024,
    )
    .option("--grace <s>", "seconds that the last answers are waited for", seconds, 60)
    .option("--slo <limits>", "limits in ms: ttft=500,tpot=50,e2e=9000,attainment=0.99", slo)
    .addOption(arrivals)
    .option("--steps <n>", "stages of a sweep before it looks closer (default: 10)", positiveNumber)
    .option(
      "--max-concurrency <n>",
      "in flight at a sweep's full load (default: the server's limit up to 1,024, or 256)",
      positiveNumber,
    );
}

const PROMPT_TOKENS: Length = { mean: 200 };
const MAX_TOKENS: Length = { mean: 128 };

function addPromptOptions(command: Command): void {
  const maxTokens = new Option("--max-tokens <mean[,std,min,max]>", "most tokens of an answer");
  command
    .optionsGroup("Prompts:")
    .option("--data <file>", "prompts from a dataset: JSONL, CSV, Parquet or Arrow (default: made of words)")
    .option("--column <name>", "the dataset's column with texts or conversations")
    .option("--prompt-tokens <mean[,std,min,max]>", "length of prompts made of words (default: 200)", length)
    .addOption(maxTokens.argParser(length).default(MAX_TOKENS, String(MAX_TOKENS.mean)))
    .option("--shared-prefix <tokens[,groups,share]>", "a beginning that prompts have in common", sharedPrefix)
    .option("--no-nonce", "prompts without a beginning of their own, so that a prefix cache may help")
    .option("--tokenizer <id>", "tokenizer to make lengths by: a folder, a tokenizer.json, a name on the Hub")
    .option("--no-ignore-eos", "let the model end its answers where the server could be told to go on")
    .option("-g, --generation <key=value>", "a sampling parameter, e.g. temperature=0.7; repeatable", generationSetting)
    .option("--seed <n>", "draws prompts, lengths and Poisson arrivals", wholeNumber, 1);
}

function addEndpointOptions(command: Command): void {
  const route = new Option("--route <route>", "where requests go").choices(["auto", "generate", "chat", "completions"]);
  command
    .optionsGroup("Endpoint:")
    .option("--model-id <name>", "the model to ask for, where several are served")
    .option("--api-key-env <name>", "variable that holds the key; HF_TOKEN is taken by itself for Hugging Face")
    .option("--header <name: value>", "a header of every request, ${NAME} for a variable; repeatable", header)
    .addOption(route.default("auto", "TGI's own route for prompts of words, else chat"))
    .option("--request-timeout <s>", "an answer that takes longer has failed", someSeconds, 600)
    .option("--threads <n>", "threads that send and read (default: the cores but one, at most 8)", positiveNumber)
    .option("--no-self-check", "don't measure first, for seconds, what this client can take in");
}

function addOutputOptions(command: Command): void {
  command
    .optionsGroup("Output:")
    .option("-o, --out <folder>", "where the report goes (default: bench-MODEL-TIME)")
    .option("--force", "replace the report that lies there")
    .option("--json", "print the report as one JSON document on standard output")
    .option("-q, --quiet", "no progress; the report's table stays");
}

async function bench(context: CliContext, url: string, flags: BenchFlags): Promise<ExitCode> {
  const { stdout, stderr, environment, signals } = context;
  const options = benchOptions(url, flags, environment);
  const { runBench } = await import("../../bench/run-bench.ts");
  const { BenchFeed } = await import("../bench-feed.ts");
  let folder = "";
  const ending = new AbortController();
  let report: BenchReport;
  {
    using feed = new BenchFeed({ stream: stderr, environment, quiet: flags.quiet ?? false });
    using _interrupts = watchInterrupts(signals, () => {
      feed.say("Ending: the report is written from what was measured.");
      ending.abort();
    });
    const onStart = (start: BenchStart): void => {
      folder = start.folder;
      feed.onStart(start);
    };
    const { onStage, onProgress, onStageEnd, onNotice } = feed;
    const hooks = { signal: ending.signal, onStart, onStage, onProgress, onStageEnd, onNotice };
    report = await runBench(options, hooks).catch((error: unknown) => {
      throw inFlags(error);
    });
  }
  if (flags.json === true) writeJson(stdout, report);
  else {
    const { renderBenchReport } = await import("../bench-view.ts");
    writeLines(stdout, renderBenchReport(report, folder, lookOf(stdout, environment)));
  }
  if (ending.signal.aborted) return EXIT.interrupted;
  return report.stages.some(({ counts }) => counts.ok > 0) ? EXIT.accepted : EXIT.jobError;
}

const ROUTES = { auto: "auto", generate: "tgi", chat: "chat", completions: "completions" } as const;

function benchOptions(url: string, flags: BenchFlags, environment: Environment): BenchOptions {
  const { maxTokens, sharedPrefix: prefix, nonce, tokenizer, seed } = flags;
  return {
    endpoint: {
      url,
      modelId: flags.modelId ?? null,
      apiKey: flags.apiKeyEnv === undefined ? null : keyReference(flags.apiKeyEnv),
      headers: flags.header ?? {},
      route: ROUTES[flags.route],
    },
    profile: loadProfile(flags),
    prompts: {
      source: sourceOf(flags),
      maxTokens: { std: 0, ...maxTokens },
      seed,
      nonce,
      sharedPrefix: prefix ?? null,
      tokenizerId: tokenizer ?? null,
      folder: process.cwd(),
    },
    slo: flags.slo ?? null,
    threads: flags.threads ?? Math.max(1, Math.min(8, availableParallelism() - 1)),
    selfCheck: flags.selfCheck,
    ignoreEos: flags.ignoreEos,
    generation: flags.generation ?? {},
    requestTimeoutMs: flags.requestTimeout * 1_000,
    output: flags.out ?? null,
    force: flags.force ?? false,
    environment,
  };
}

function sourceOf({ data, column, promptTokens }: BenchFlags): BenchOptions["prompts"]["source"] {
  if (data === undefined) {
    if (column === undefined) return { kind: "synthetic", tokens: promptTokens ?? PROMPT_TOKENS };
    throw misfit("--column names a column of a dataset, and there is none.", "Add --data FILE.");
  }
  if (promptTokens !== undefined) {
    throw misfit(
      "--prompt-tokens is the length of prompts made of words; a dataset's have their own.",
      "Leave it out.",
    );
  }
  return { kind: "dataset", path: data, ...(column === undefined ? {} : { column }) };
}

function misfit(message: string, mend: string): TidingError {
  return new TidingError("USAGE", message, { place: "tiding bench", mend });
}
