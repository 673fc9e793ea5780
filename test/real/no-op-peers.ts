/**
 * `npm run bench:no-op:peers`: streamed token events that a CPU second of `tiding bench`, guidellm and aiperf takes in, all of
 * their metrics and records included, and of a bare `undici` loop that only counts them. All from one server that streams as
 * fast as it can and counts what it sends; each must have seen every event.
 *
 *   --rounds N          runs of each, 3 when absent
 *   --streams N         in flight, 64 when absent
 *   --requests N        of ours and the bare loop, 1,000 when absent; each answer has 500 events
 *   --peer-requests N   of the other tools, 256 when absent
 *
 * CPU is user and system time of all processes of a tool, without its start: of another tool what a run with `--streams`
 * requests took is taken off, of ours what came before the measured stage. The first run makes the same Python environments
 * as `npm run test:real:bench` (docs/bench-peers.md). The last line is one JSON object with the figure: our events a CPU
 * second over those of the better of the two.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median, printFigure, rounded, sizesFrom } from "../../bench/engine/figure.ts";
import { runMeasured } from "../../bench/engine/measured-child.ts";
import type { NoOpCounts, NoOpTask } from "../../bench/engine/no-op-ceiling.ts";
import { startNoOpServer } from "../../bench/load/no-op-server.ts";
import type { NoOpServer } from "../../bench/load/no-op-server.ts";
import { writeTokenizer } from "./model-tokenizer.ts";
import { openAiperf } from "./peers/aiperf.ts";
import type { BenchTool } from "./peers/bench-tool.ts";
import { freshPrompts } from "./peers/fresh-prompts.ts";
import { openGuidellm } from "./peers/guidellm.ts";
import { preparePython } from "./python-environment.ts";

/** As the server's usage says, which the tools count tokens by. */
const TOKENS = 500;
const PROMPT_TOKENS = 20;

const sizes = sizesFrom({ rounds: 3, streams: 64, requests: 1_000, "peer-requests": 320 });
const { rounds, streams, requests } = sizes;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const folder = await mkdtemp(join(tmpdir(), "tiding-real-"));
try {
  await main();
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const { model } = await preparePython(say);
  const peers = [await openGuidellm(say), await openAiperf(say)];
  const tokenizer = join(folder, "tokenizer");
  await writeTokenizer(model, tokenizer);
  await using server = await startNoOpServer(TOKENS);
  const measurements: readonly Measurement[] = [
    { name: "bare undici loop", measure: () => ownEvents("no-op-bare-child", server) },
    { name: "tiding bench", measure: () => ownEvents("no-op-load-child", server) },
    ...peers.map((tool) => ({
      name: tool.name,
      measure: (round: number) =>
        peerEvents(tool, { server, tokenizer, folder: join(folder, `${tool.name}-${round}`) }),
    })),
  ];
  const results = new Map(measurements.map(({ name }): [string, number[]] => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const order = measurements.map((_, place) => measurements[(round + place) % measurements.length]!);
    for (const { name, measure } of order) {
      const events = await measure(round);
      results.get(name)!.push(events);
      say(`round ${round + 1}: ${name} ${events} events a CPU second`);
    }
  }
  const medians = new Map([...results].map(([name, values]) => [name, median(values)]));
  const value = medians.get("tiding bench")! / Math.max(...peers.map(({ name }) => medians.get(name)!));
  const versions = Object.fromEntries(peers.map(({ name, version }) => [name, version]));
  printFigure({
    figure: "no_op_events_over_peers",
    value: rounded(value, 2),
    want: ">= 1, of the better of guidellm and aiperf",
    ok: value >= 1,
    details: { ...sizes, tokens: TOKENS, versions, eventsPerCpuSecond: Object.fromEntries(results) },
  });
}

interface Measurement {
  readonly name: string;
  /** Token events a CPU second. Throws an Error where an event went missing. */
  readonly measure: (round: number) => Promise<number>;
}

async function ownEvents(child: "no-op-bare-child" | "no-op-load-child", server: NoOpServer): Promise<number> {
  const warmUp = Math.ceil(requests / 4);
  const path = "/v1/chat/completions";
  const task: NoOpTask = { url: server.url, route: "chat", path, streams, warmUp, requests, tokens: TOKENS };
  const before = await server.sent();
  const { result } = await runMeasured<NoOpTask, NoOpCounts>(child, task);
  const sent = (await server.sent()).events - before.events;
  if (sent !== (warmUp + requests) * TOKENS) throw new Error(`The server sent ${sent} events to ${child}.`);
  return Math.round((requests * TOKENS) / result.cpuSeconds);
}

interface PeerTask {
  readonly server: NoOpServer;
  readonly tokenizer: string;
  readonly folder: string;
}

async function peerEvents(tool: BenchTool, { server, tokenizer, folder: own }: PeerTask): Promise<number> {
  const cpuSeconds: number[] = [];
  const counts = [streams, sizes["peer-requests"]];
  for (const count of counts) {
    const prompts = await freshPrompts({ run: tool.name, count, tokens: PROMPT_TOKENS, tokenizer });
    const before = await server.sent();
    const task = { url: server.url, model: "tgi", prompts, tokens: TOKENS, concurrency: streams, tokenizer };
    const run = await tool.run({ ...task, folder: join(own, `${count}`) });
    const sent = (await server.sent()).events - before.events;
    if (run.events !== sent || sent !== count * TOKENS) {
      throw new Error(`${tool.name} saw ${run.events} events of ${sent}, for ${count} requests.`);
    }
    cpuSeconds.push(run.cpuSeconds);
  }
  return Math.round(((counts[1]! - counts[0]!) * TOKENS) / (cpuSeconds[1]! - cpuSeconds[0]!));
}
