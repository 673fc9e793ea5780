import { once } from "node:events";
import { Command, InvalidArgumentError } from "commander";
import { FAULT_KINDS } from "../../bench/simulator/faults.ts";
import type { SimulatorInput } from "../../bench/simulator/options.ts";
import type { ExitCode, Finish } from "../exit-codes.ts";
import { EXIT } from "../exit-codes.ts";
import { formatCounted } from "../format.ts";
import { helpEnd } from "../help.ts";
import { watchInterrupts } from "../interrupts.ts";
import { fraction, positiveNumber, wholeNumber } from "../options.ts";
import type { CliContext } from "../terminal.ts";
import { writeLines } from "../terminal.ts";

interface SimulateFlags {
  readonly host: string;
  readonly port: number;
  readonly model?: string;
  readonly images?: boolean;
  readonly slots?: number;
  readonly medianMs?: number;
  readonly stragglers?: number;
  readonly answerChars?: number;
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
    .option("--fault <kind=share>", "share of requests that go wrong so, e.g. 429=0.1; repeatable", collectFault)
    .option("--seed <number>", "changes which requests go wrong", wholeNumber)
    .option("--log <file>", "append what was requested to this file")
    .addHelpText(
      "after",
      helpEnd({
        examples: [
          { command: "tiding simulate", does: "on http://127.0.0.1:8080, which the spec of `tiding init` names" },
          { command: "tiding simulate --port 0 --median-ms 800 --stragglers 0.01", does: "as slow as a real one" },
          { command: "tiding simulate --fault 429=0.1 --fault reset=0.02 --fault 422=0.01", does: "with trouble" },
        ],
        exitCodes:
          `Kinds of fault: ${FAULT_KINDS.slice(0, 8).join(", ")},\n${FAULT_KINDS.slice(8).join(", ")}.\n\n` +
          "Exit codes: 0 after Ctrl-C; 2 an option is wrong or the port is taken.",
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
  return {
    host,
    port,
    ...(fault === undefined ? {} : { faults: fault }),
    latency: {
      ...(medianMs === undefined ? {} : { distribution: "lognormal", medianMs }),
      ...(stragglers === undefined ? {} : { stragglers: { share: stragglers } }),
    },
    ...(model === undefined ? {} : { model }),
    ...(images === true ? { serves: "images" } : {}),
    ...(slots === undefined ? {} : { maxConcurrentRequests: slots }),
    ...(answerChars === undefined ? {} : { answerChars }),
    ...(seed === undefined ? {} : { faultSeed: seed }),
    ...(log === undefined ? {} : { log }),
  };
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
