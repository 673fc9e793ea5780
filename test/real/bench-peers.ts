/**
 * `npm run test:real:bench`: `tiding bench` beside guidellm and aiperf on llama.cpp's server with a small model, taking turns
 * on one machine, with one load. Whatever they define alike they must measure alike.
 *
 *   --rounds N      runs of each tool, 5 when absent
 *   --requests N    of each run, 40 when absent
 *   --tokens N      of each answer, 48 when absent
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
import { isTidingError } from "../../shared/errors.ts";
import { Findings } from "./findings.ts";
import { MODEL_NAMES, ModelServer } from "./model-server.ts";
import { writeTokenizer } from "./model-tokenizer.ts";
import { agreementTable, runsTable } from "./peers/agreement-table.ts";
import type { ComparedTool, ToolRuns } from "./peers/agreement-table.ts";
import { mean, MOST_ROUNDS } from "./peers/agreement.ts";
import { openAiperf } from "./peers/aiperf.ts";
import type { BenchTask, BenchTool } from "./peers/bench-tool.ts";
import { compareTool } from "./peers/comparison.ts";
import type { Observed } from "./peers/comparison.ts";
import { freshPrompts } from "./peers/fresh-prompts.ts";
import { openGuidellm } from "./peers/guidellm.ts";
import { ownTool } from "./peers/own-tool.ts";
import { readCounters, serverTimes } from "./peers/server-clock.ts";
import { preparePython } from "./python-environment.ts";

/** Requests in flight, and as many as the server works on at a time. */
const CONCURRENCY = 2;
const PROMPT_TOKENS = 50;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    requests: { type: "string", default: "40" },
    tokens: { type: "string", default: "48" },
    keep: { type: "string" },
  },
});
const [rounds, requests, tokens] = [Number(values.rounds), Number(values.requests), Number(values.tokens)];
if (!(rounds >= 2 && rounds <= MOST_ROUNDS)) throw new RangeError(`--rounds is from 2 to ${MOST_ROUNDS}.`);
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const findings = new Findings(say);
const details: Record<string, unknown> = { rounds, requests, tokens, concurrency: CONCURRENCY };
let [agreed, compared] = [0, 0];

const folder = await mkdtemp(join(tmpdir(), "tiding-real-"));
const root = values.keep === undefined ? folder : resolve(values.keep);
try {
  await main();
} catch (error) {
  const mend = isTidingError(error) ? ` ${error.mend ?? ""}` : "";
  findings.expect(false, `${error instanceof Error ? error.message : String(error)}${mend}`);
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
  await using server = await ModelServer.create(environment, { parallel: CONCURRENCY });
  server.start();
  await server.reaches("ready");
  // So that the template's own text is in every slot before anything counts.
  const first = await freshPrompts({ run: "warm-up", count: 2 * CONCURRENCY, tokens: PROMPT_TOKENS, tokenizer });
  await own.run({ ...taskOf(server.url, tokenizer, first), folder: join(root, "warm-up") });
  const runs = new Map(tools.map((tool): [BenchTool, Observed[]] => [tool, []]));
  for (let round = 0; round < rounds; round++) {
    // Each begins a round in its turn, so that none always comes after the same other.
    const order = tools.map((_, place) => tools[(round + place) % tools.length]!);
    for (const tool of order) runs.get(tool)!.push(await observe(tool, { round, url: server.url, tokenizer }));
  }
  const others = tools
    .filter((tool) => tool !== own)
    .map((tool): ComparedTool => {
      const theirs = runs.get(tool)!;
      return { tool, runs: theirs, comparisons: compareTool(tool, { ours: runs.get(own)!, theirs }) };
    });
  const ours: ToolRuns = { tool: own, runs: runs.get(own)! };
  for (const line of [...agreementTable(ours, others), ...runsTable([ours, ...others])]) say(line);
  const all = others.flatMap(({ comparisons }) => comparisons);
  compared = all.length;
  agreed = all.filter(({ verdict }) => verdict === "agrees").length;
  for (const { tool, comparisons } of others) details[tool.name] = summary(tool, comparisons);
}

interface Turn {
  readonly round: number;
  readonly url: string;
  readonly tokenizer: string;
}

function taskOf(url: string, tokenizer: string, prompts: readonly string[]): Omit<BenchTask, "folder"> {
  return { url, model: MODEL_NAMES[0], prompts, tokens, concurrency: CONCURRENCY, tokenizer };
}

/** One run of a tool, with prompts that the server has not seen. */
async function observe(tool: BenchTool, { round, url, tokenizer }: Turn): Promise<Observed> {
  const name = `${tool.name.replaceAll(" ", "-")}-${round + 1}`;
  // The time makes them new to a server's cache that outlived an earlier run of this program.
  const run = `${name} ${Date.now()}`;
  const prompts = await freshPrompts({ run, count: requests, tokens: PROMPT_TOKENS, tokenizer });
  const load = loadavg()[0]!;
  const before = await readCounters(url);
  const measured = await tool.run({ ...taskOf(url, tokenizer, prompts), folder: join(root, name) });
  const server = serverTimes(before, await readCounters(url), requests);
  const { metrics, promptTokens, outputTokens } = measured;
  const shown = Object.entries(metrics).map(([metric, value]) => `${metric} ${value.toFixed(2)}`);
  say(`round ${round + 1}, ${tool.name}: ${shown.join(", ")}; load ${load.toFixed(1)}`);
  findings.expect(measured.requests === requests, `${name} measured ${measured.requests} requests of ${requests}.`);
  findings.expect(outputTokens === tokens, `${name} had ${outputTokens} tokens an answer, expected ${tokens}.`);
  details["promptTokens"] ??= promptTokens;
  findings.expect(promptTokens === details["promptTokens"], `${name} had ${promptTokens} tokens a prompt.`);
  findings.expect(server.tokens === requests * tokens, `${name}: the server generated ${server.tokens} tokens.`);
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
