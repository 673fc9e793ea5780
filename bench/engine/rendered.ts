/**
 * What rendering prompts here costs: `node dist/bench/engine/rendered.js`.
 *
 * Zero-latency endpoint in a process of its own, the same rows over TGI's chat route and, rendered with the chat template of
 * Llama 3.1, over its `/generate`. Nothing is counted: every prompt fits by its length. They take turns; rows a second, from
 * the first request to the last landing. The CPU time of both processes is told beside it: it says what rendering costs on a
 * machine that does other work as well, and whether one route was dearer for the simulator.
 */
import { rm } from "node:fs/promises";
import path from "node:path";
import type { JobReport } from "../../shared/observe/job-report.ts";
import { tokenizerFolder } from "../../test/support/chat-templates.ts";
import { startSimulatorProcess } from "../simulator/child.ts";
import { median, printFigure, rounded, sizesFrom, tell } from "./figure.ts";
import type { JobTask } from "./job-child.ts";
import { runMeasured } from "./measured-child.ts";
import { jobSpec, openWorkspace } from "./workspace.ts";

const LEAST = 0.6;
const { rows, rounds, slots } = sizesFrom({ rows: 100_000, rounds: 3, slots: 64 });

await using workspace = await openWorkspace(rows);
await using simulator = await startSimulatorProcess({ answerChars: 800, maxConcurrentRequests: 0 });
await using tokenizer = await tokenizerFolder("llama3.1", "llama3.1");
const { folder } = workspace;
const chat: Run[] = [];
const rendered: Run[] = [];
for (let round = 0; round < rounds; round++) {
  chat.push(await run({}));
  rendered.push(await run({ tokenizerId: tokenizer.folder }));
  tell(`round ${round + 1}: chat ${inWords(chat)}, rendered ${inWords(rendered)}`);
}
const value = medianRate(rendered) / medianRate(chat);
printFigure({
  figure: "rendered_throughput_ratio",
  value: rounded(value),
  want: `>= ${LEAST}`,
  ok: value >= LEAST,
  details: {
    rows,
    slots,
    chat: told(chat),
    rendered: told(rendered),
  },
});

interface Run {
  readonly rowsPerSecond: number;
  /** Microseconds of CPU time a row. */
  readonly engine: number;
  readonly simulator: number;
}

async function run(more: { readonly tokenizerId?: string }): Promise<Run> {
  const spec = jobSpec({ url: simulator.url, slots, output: "out", ...more });
  const before = await simulator.stats();
  const { result, cpuMs } = await runMeasured<JobTask, JobReport>("job-child", { spec, folder });
  const after = await simulator.stats();
  if (result.rows.accepted !== rows) throw new Error(`${result.rows.accepted} of ${rows} rows were accepted.`);
  await rm(path.join(folder, "out"), { recursive: true });
  return {
    rowsPerSecond: result.run.rowsPerSecond,
    engine: (cpuMs * 1_000) / rows,
    simulator: ((after.cpuMs - before.cpuMs) * 1_000) / rows,
  };
}

function medianRate(runs: readonly Run[]): number {
  return median(runs.map((each) => each.rowsPerSecond));
}

function inWords(runs: readonly Run[]): string {
  const latest = runs.at(-1);
  return `${latest?.rowsPerSecond.toFixed(0)} rows a second and ${latest?.engine.toFixed(0)} µs of CPU a row`;
}

function told(runs: readonly Run[]) {
  return {
    rowsPerSecond: runs.map((each) => rounded(each.rowsPerSecond, 0)),
    engineMicrosecondsPerRow: runs.map((each) => rounded(each.engine, 1)),
    simulatorMicrosecondsPerRow: runs.map((each) => rounded(each.simulator, 1)),
  };
}
