import { once } from "node:events";
import { Command, InvalidArgumentError, Option } from "commander";
import { PRESET_NAMES, PRESETS } from "../../bench/simulator/batching/preset-figures.ts";
import type { PresetName } from "../../bench/simulator/batching/preset-figures.ts";
import { FAULT_KINDS } from "../../bench/simulator/faults.ts";
import type { SimulatorInput } from "../../bench/simulator/options.ts";
import { TidingError } from "../../shared/errors.ts";
import type { ExitCode, Finish } from "../exit-codes.ts";
import { EXIT } from "../exit-codes.ts";
import { formatCounted } from "../format.ts";
import { helpEnd } from "../help.ts";
import { watchInterrupts } from "../interrupts.ts";
import { duration, fraction, positiveNumber, wholeNumber } from "../options.ts";
import type { CliContext } from "../terminal.ts";
import { writeLines } from "../terminal.ts";

type AnswerLengthInput = NonNullable<SimulatorInput["answerLength"]>;

interface SimulateFlags {
  readonly host: string;
  readonly port: number;
  readonly model?: string;
  readonly images?: boolean;
  readonly slots?: number;
  readonly medianMs?: number;
  readonly stragglers?: number;
  readonly answerChars?: number;
  readonly answerTokens?: AnswerLengthInput;
  readonly preset?: PresetName;
  readonly kvTokens?: number;
  readonly chunkedPrefill: boolean;
  readonly prefixCache: boolean;
  readonly fixed?: NonNullable<SimulatorInput["knownTruth"]>;
  readonly replicas?: number;
  readonly coldStart?: number;
  readonly scaleToZero?: number;
  readonly fault?: Readonly<Record<string, number>>;
  readonly seed?: number;
  readonly log?: string;
}

/** `tiding simulate`: an endpoint without a model, to try a job on. */
export function simulateCommand(context: CliContext, finish: Finish): Command {
  return new Command("simulate")
    .summary("start a simulated endpoint, to try a job without a model")
    .description(
      "Starts an endpoint that speaks TGI's and OpenAI's HTTP without a model, and serves until Ctrl-C. " +
        "The same prompt always gets the same answer, the same latency and the same faults.",
    )
    .option("--host <address>", "address to listen on", "127.0.0.1")
    .option("-p, --port <port>", "port to listen on; 0 takes a free one", portNumber, 8080)
    .option("--model <name>", "model name to report")
    .option("--images", "make images in place of texts: a container at /, and OpenAI's /v1/images/generations")
    .option("--slots <requests>", "requests in flight before it answers 429; 0 for no limit", wholeNumber)
    .option("--median-ms <ms>", "median time of an answer, spread as real ones are", wholeNumber)
    .option("--stragglers <share>", "share of prompts that take ten times as long, e.g. 0.01", fraction)
    .option("--answer-chars <characters>", "most characters of an answer", positiveNumber)
    .option("--answer-tokens <mean[,sigma[,min,max]]>", "tokens of an answer, in place of characters", answerLength)
    .addOption(
      new Option("--preset <name>", "run in batches as TGI does on this hardware, see below")
        .choices(PRESET_NAMES)
        .conflicts(["fixed", "medianMs", "stragglers"]),
    )
    .option("--kv-tokens <tokens>", "tokens that a replica's memory holds, in place of the preset's", positiveNumber)
    .option("--no-chunked-prefill", "hold up running requests for a prompt, in place of computing it beside them")
    .option("--no-prefix-cache", "share nothing between prompts")
    .addOption(
      new Option("--fixed <ttft,step,places>", "known times in ms and places in the batch, to check a benchmark by")
        .argParser(knownTruth)
        .conflicts(["medianMs", "stragglers"]),
    )
    .option("--replicas <count>", "servers behind the one address, with --preset or --fixed", positiveNumber)
    .option("--cold-start <duration>", "refuse with 503 for so long, e.g. 90s", duration)
    .option("--scale-to-zero <duration>", "sleep after so long without a request, until one comes", duration)
    .option("--fault <kind=share>", "share of requests that go wrong so, e.g. 429=0.1; repeatable", collectFault)
    .option("--seed <number>", "changes which requests go wrong", wholeNumber)
    .option("--log <file>", "append what was requested to this file")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding simulate", does: "on http://127.0.0.1:8080, which the spec of `tiding init` names" },
          { command: "tiding simulate --port 0 --median-ms 800 --stragglers 0.01", does: "as slow as a real one" },
          {
            command: "tiding simulate --preset h100 --slots 512 --answer-tokens 400,100,50,800",
            does: "as TGI on an H100",
          },
          { command: "tiding simulate --fault 429=0.1 --fault reset=0.02 --fault 422=0.01", does: "with trouble" },
        ],
        exitCodes: [
          "Presets, an 8B model on one GPU; KV tokens in brackets:",
          ...PRESET_NAMES.map(presetLine),
          "",
          `Kinds of fault: ${[FAULT_KINDS.slice(0, 8), FAULT_KINDS.slice(8, 15), FAULT_KINDS.slice(15)].map((some) => some.join(", ")).join(",\n")}.`,
          "",
          "Exit codes: 0 after Ctrl-C; 2 an option is wrong or the port is taken.",
        ].join("\n"),
        next: "Next: `tiding run job.yaml --set steps.0.llm.base_url=URL` in another terminal.",
      }),
    )
    .action(async (flags: SimulateFlags) => {
      finish(await simulate(context, flags));
    });
}

async function simulate({ stdout, stderr, signals }: CliContext, flags: SimulateFlags): Promise<ExitCode> {
  const { startSimulator } = await import("../../bench/simulator/simulator.ts");
  await using simulator = await startSimulator(simulatorInput(flags));
  using interrupts = watchInterrupts(signals, () => {});
  writeLines(stdout, [
    `Simulated endpoint at ${simulator.url}; Ctrl-C ends it.`,
    `Try a job on it:  tiding run job.yaml --set steps.0.llm.base_url=${simulator.url}`,
  ]);
  if (!interrupts.drain.aborted) await once(interrupts.drain, "abort");
  writeLines(stderr, [`Simulated endpoint ended after ${formatCounted(simulator.stats().requests, "request")}.`]);
  return EXIT.accepted;
}

function simulatorInput(flags: SimulateFlags): SimulatorInput {
  const { host, port, model, images, slots, medianMs, stragglers, answerChars, fault, seed, log } = flags;
  const { answerTokens, fixed, replicas, coldStart, scaleToZero } = flags;
  return {
    host,
    port,
    ...(fault === undefined ? {} : { faults: fault }),
    latency: {
      ...(medianMs === undefined ? {} : { distribution: "lognormal", medianMs }),
      ...(stragglers === undefined ? {} : { stragglers: { share: stragglers } }),
    },
    ...batchingInput(flags),
    ...(model === undefined ? {} : { model }),
    ...(images === true ? { serves: "images" } : {}),
    ...(slots === undefined ? {} : { maxConcurrentRequests: slots }),
    ...(answerChars === undefined ? {} : { answerChars }),
    ...(answerTokens === undefined ? {} : { answerLength: answerTokens }),
    ...(fixed === undefined ? {} : { knownTruth: fixed }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(coldStart === undefined ? {} : { coldStartMs: coldStart }),
    ...(scaleToZero === undefined ? {} : { scaleToZeroMs: scaleToZero }),
    ...(seed === undefined ? {} : { faultSeed: seed }),
    ...(log === undefined ? {} : { log }),
  };
}

function batchingInput({ preset, kvTokens, chunkedPrefill, prefixCache }: SimulateFlags): Partial<SimulatorInput> {
  if (preset === undefined && kvTokens === undefined && chunkedPrefill && prefixCache) return {};
  if (preset === undefined) {
    throw new TidingError("USAGE", "--kv-tokens, --no-chunked-prefill and --no-prefix-cache change a preset.", {
      place: "tiding simulate",
      mend: `Name one with --preset: ${PRESET_NAMES.join(", ")}.`,
    });
  }
  return { batching: { preset, chunkedPrefill, prefixCache, ...(kvTokens === undefined ? {} : { kvTokens }) } };
}

function presetLine(name: PresetName): string {
  const { hardware, figures } = PRESETS[name];
  const of = (basis: string): string[] =>
    Object.entries(figures).flatMap(([figure, { basis: own }]) => (own === basis ? [FIGURE_WORDS[figure]!] : []));
  const measured = [...new Set(of("measured"))];
  const estimated = [...new Set(of("estimated"))];
  const label =
    measured.length === 0 ? "all estimated" : `measured: ${measured.join(", ")}; estimated: ${estimated.join(", ")}`;
  return `  ${name.padEnd(8)} ${hardware.padEnd(10)} (${figures.kvTokens.value / 1_000}k)  ${label}`;
}

const FIGURE_WORDS: Readonly<Record<string, string>> = {
  graphsBaseMs: "decode",
  graphsSequenceMs: "decode",
  eagerBaseMs: "decode",
  eagerSequenceMs: "decode",
  prefillTokenMs: "prefill",
  kvTokens: "memory",
  maxBatchPrefillTokens: "prefill budget",
};

function answerLength(text: string): AnswerLengthInput {
  const [meanTokens, sigmaTokens = 0, minTokens, maxTokens, ...more] = text.split(",").map(wholeNumber);
  if (more.length > 0 || (minTokens !== undefined && maxTokens === undefined)) {
    throw new InvalidArgumentError("Expected tokens as 400, 400,100 or 400,100,50,800.");
  }
  const limits = minTokens === undefined ? {} : { minTokens, maxTokens };
  return { meanTokens: meanTokens!, sigmaTokens, ...limits };
}

function knownTruth(text: string): NonNullable<SimulateFlags["fixed"]> {
  const [ttft, step, places, ...more] = text.split(",");
  const [fixedTtftMs, stepMs, maxBatch] = [Number(ttft), Number(step), Number(places)];
  if (more.length > 0 || !(fixedTtftMs > 0) || !(stepMs > 0) || !Number.isInteger(maxBatch) || maxBatch < 1) {
    throw new InvalidArgumentError("Expected milliseconds, milliseconds and a number of places, such as 50,10,64.");
  }
  return { fixedTtftMs, stepMs, maxBatch };
}

function portNumber(text: string): number {
  const number = wholeNumber(text);
  if (number > 65_535) throw new InvalidArgumentError("Expected a port, from 0 to 65535.");
  return number;
}

function collectFault(value: string, earlier: Readonly<Record<string, number>> = {}): Record<string, number> {
  const [kind = "", share = ""] = value.split("=", 2);
  if (kind === "" || share === "") throw new InvalidArgumentError("Expected kind=share, such as 429=0.1.");
  if (!FAULT_KINDS.some((known) => known === kind)) {
    throw new InvalidArgumentError(`Expected a kind that there is: ${FAULT_KINDS.join(", ")}.`);
  }
  return { ...earlier, [kind]: fraction(share) };
}
