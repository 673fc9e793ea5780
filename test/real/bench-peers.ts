/**
 * `npm run test:real:bench`: `tiding bench` beside guidellm and aiperf on llama.cpp's server with a small model, taking turns
 * on one machine, with one load. Whatever they define alike they must measure alike.
 *
 *   --rounds N      runs of each tool, 5 when absent
 *   --requests N    of each run with two in flight, 32 when absent; with one in flight three for every eight of them
 *   --tokens N      of each answer, 40 when absent
 *   --keep FOLDER   keeps the tools' own files there
 *
 * The first run makes a Python environment for each tool, 7 GB on disk (docs/bench-peers.md). Prints what happens, a table
 * and as its last line one JSON object with the figure: comparisons that agree, as they stand or by a difference that was
 * measured and is named. Exits with 1 when one does not, or the runs are too noisy to tell.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { printFigure, rounded } from "../../bench/engine/figure.ts";
import { Findings } from "./findings.ts";
import { MODEL_NAMES, ModelServer } from "./model-server.ts";
import { writeTokenizer } from "./model-tokenizer.ts";
import { agreementTable, runsTable } from "./peers/agreement-table.ts";
import type { ComparedTool } from "./peers/agreement-table.ts";
import { mean, MOST_ROUNDS } from "./peers/agreement.ts";
import { openAiperf } from "./peers/aiperf.ts";
import { METRICS } from "./peers/bench-tool.ts";
import type { BenchTask, BenchTool, Metric } from "./peers/bench-tool.ts";
import { compareTool } from "./peers/comparison.ts";
import type { Observed } from "./peers/comparison.ts";
import { freshPrompts } from "./peers/fresh-prompts.ts";
import { openGuidellm } from "./peers/guidellm.ts";
import { ownTool } from "./peers/own-tool.ts";
import { readCounters, serverTimes } from "./peers/server-clock.ts";
import { preparePython } from "./python-environment.ts";

interface Load {
  /** Requests in flight; the server works on two at a time. */
  readonly concurrency: number;
  /** Of those that `--requests` says. */
  readonly share: number;
  readonly metrics: readonly Metric[];
}

/**
 * With two in flight TTFT is not judged: of two prompts that reach llama.cpp within a few milliseconds both are done in one
 * batch, after twice the time of one, and of two that do not, one after the other. Which it is, chance decides.
 */
const LOADS: readonly Load[] = [
  { concurrency: 1, share: 0.375, metrics: METRICS },
  { concurrency: 2, share: 1, metrics: METRICS.filter((metric) => metric !== "ttft") },
];
const SLOTS = 2;
const PROMPT_TOKENS = 50;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    requests: { type: "string", default: "32" },
    tokens: { type: "string", default: "40" },
    keep: { type: "string" },
  },
});
const [rounds, requests, tokens] = [Number(values.rounds), Number(values.requests), Number(values.tokens)];
if (!(rounds >= 2 && rounds <= MOST_ROUNDS)) throw new RangeError(`--rounds is from 2 to ${MOST_ROUNDS}.`);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const findings = new Findings(say);
const details: Record<string, unknown> = { rounds, requests, tokens };
let [agreed, compared] = [0, 0];

const folder = await mkdtemp(join(tmpdir(), "tiding-real-"));
const root = values.keep === undefined ? folder : resolve(values.keep);
try {
  await main();
} catch (error) {
  findings.threw(error);
} finally {
  await rm(folder, { recursive: true, force: true });
}
details["problems"] = findings.problems;
const ok = findings.problems.length === 0 && compared > 0 && agreed === compared;
printFigure({ figure: "peers_agree", value: agreed, want: String(compared), ok, details });

async function main(): Promise<void> {
  const environment = await preparePython(say);
  const own = ownTool(environment.python, "of this tree");
  const tools = [own, await openGuidellm(say), await openAiperf(say)];
  const tokenizer = join(folder, "tokenizer");
  await writeTokenizer(environment.model, tokenizer);
  await using server = await ModelServer.create(environment, { parallel: SLOTS });
  server.start();
  await server.reaches("ready");
  const { url } = server;
  // So that the template's own text is in every slot before anything counts.
  const first = await freshPrompts({ run: "warm-up", count: 2 * SLOTS, tokens: PROMPT_TOKENS, tokenizer });
  await own.run({ ...taskOf(url, tokenizer, first), concurrency: SLOTS, folder: join(root, "warm-up") });
  const runs = LOADS.map(() => new Map(tools.map((tool): [BenchTool, Observed[]] => [tool, []])));
  for (let round = 0; round < rounds; round++) {
    // Each begins a round in its turn, so that none always comes after the same other.
    const order = tools.map((_, place) => tools[(round + place) % tools.length]!);
    for (const tool of order) {
      for (const [index, load] of LOADS.entries()) {
        runs[index]!.get(tool)!.push(await observe(tool, load, { round, url, tokenizer }));
      }
    }
  }
  for (const [index, load] of LOADS.entries()) tellLoad(load, { own, tools, runs: runs[index]! });
}

interface LoadRuns {
  readonly own: BenchTool;
  readonly tools: readonly BenchTool[];
  /** Of each tool, in the order of the rounds. */
  readonly runs: ReadonlyMap<BenchTool, readonly Observed[]>;
}

/** Judges what was measured at one load, and prints it. */
function tellLoad({ concurrency, metrics }: Load, { own, tools, runs }: LoadRuns): void {
  const ours = runs.get(own)!;
  const others = tools
    .filter((tool) => tool !== own)
    .map((tool): ComparedTool => {
      const theirs = runs.get(tool)!;
      return { tool, runs: theirs, comparisons: compareTool(tool, { ours, theirs }, metrics) };
    });
  const ownRuns = { tool: own, runs: ours };
  say(`\n== ${concurrency} in flight`);
  for (const line of [...agreementTable(ownRuns, others), ...runsTable([ownRuns, ...others])]) say(line);
  const all = others.flatMap(({ comparisons }) => comparisons);
  compared += all.length;
  agreed += all.filter(({ verdict }) => verdict === "agrees").length;
  const summaries = others.map(({ tool, comparisons }) => [tool.name, summary(tool, comparisons)] as const);
  details[`in flight ${concurrency}`] = Object.fromEntries(summaries);
}

interface Turn {
  readonly round: number;
  readonly url: string;
  readonly tokenizer: string;
}

type SameForAll = Omit<BenchTask, "folder" | "concurrency">;

function taskOf(url: string, tokenizer: string, prompts: readonly string[]): SameForAll {
  return { url, model: MODEL_NAMES[0], prompts, tokens, tokenizer };
}

/** One run of a tool, with prompts that the server has not seen. */
async function observe(
  tool: BenchTool,
  { concurrency, share }: Load,
  { round, url, tokenizer }: Turn,
): Promise<Observed> {
  const name = `${tool.name.replaceAll(" ", "-")}-${concurrency}-${round + 1}`;
  const count = Math.ceil(requests * share);
  // The time makes them new to a server's cache that outlived an earlier run of this program.
  const prompts = await freshPrompts({ run: `${name} ${Date.now()}`, count, tokens: PROMPT_TOKENS, tokenizer });
  const load = loadavg()[0]!;
  const before = await readCounters(url);
  const measured = await tool.run({ ...taskOf(url, tokenizer, prompts), concurrency, folder: join(root, name) });
  const server = serverTimes(before, await readCounters(url), count);
  const { metrics, promptTokens, outputTokens } = measured;
  const shown = Object.entries(metrics).map(([metric, value]) => `${metric} ${value.toFixed(2)}`);
  say(`round ${round + 1}, ${tool.name}, ${concurrency} in flight: ${shown.join(", ")}; load ${load.toFixed(1)}`);
  findings.expect(measured.requests === count, `${name} measured ${measured.requests} requests of ${count}.`);
  findings.expect(outputTokens === tokens, `${name} had ${outputTokens} tokens an answer, expected ${tokens}.`);
  details["promptTokens"] ??= promptTokens;
  findings.expect(promptTokens === details["promptTokens"], `${name} had ${promptTokens} tokens a prompt.`);
  findings.expect(server.tokens === count * tokens, `${name}: the server generated ${server.tokens} tokens.`);
  return { ...measured, load, server };
}

function summary({ version }: BenchTool, comparisons: ComparedTool["comparisons"]): Readonly<Record<string, unknown>> {
  return {
    version,
    ...Object.fromEntries(
      comparisons.map(({ metric, ours, theirs, verdict, difference, spread, explanation }) => [
        metric,
        {
          ours: rounded(mean(ours)),
          theirs: rounded(mean(theirs)),
          difference: rounded(difference),
          spread: rounded(spread),
          verdict,
          ...(explanation === null ? {} : { explanation }),
        },
      ]),
    ),
  };
}
