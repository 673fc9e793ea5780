/**
 * Whether the endpoint stays busy to the end: `node dist/bench/engine/saturation.js`.
 *
 * Latencies are log-normal around 100 ms by the prompt's hash, 2 % of them ten times as long: both sides meet the same
 * ones in the same order. Slots in use are what the endpoint's log says, from the first request until the last one came.
 * The engine's wall time ends when `runJob` returns, with the last manifest in place; the bare pool's with its last answer.
 */
import { rm } from "node:fs/promises";
import path from "node:path";
import type { JobReport } from "../../shared/observe/job-report.ts";
import { startSimulatorProcess } from "../simulator/child.ts";
import { readRequestLog, type RequestLogEntry } from "../simulator/request-log.ts";
import { meanInFlight } from "../simulator/slot-use.ts";
import type { BareTask } from "./bare-child.ts";
import { median, printFigure, rounded, sizesFrom, tell } from "./figure.ts";
import type { JobTask } from "./job-child.ts";
import { runMeasured } from "./measured-child.ts";
import { jobSpec, openWorkspace } from "./workspace.ts";

const LEAST_SLOT_USE = 0.98;
const MOST_WALL_RATIO = 1.05;
const { rows, rounds, slots } = sizesFrom({ rows: 1_000, rounds: 3, slots: 50 });

interface Run {
  readonly slotUse: number;
  readonly wallMs: number;
}

await using workspace = await openWorkspace(rows);
const { folder } = workspace;
const engine: Run[] = [];
const bare: Run[] = [];
for (let round = 0; round < rounds; round++) {
  engine.push(
    await runAgainstEndpoint(`engine-${round}`, async (url) => {
      const spec = jobSpec({ url, slots, output: "out" });
      const job = await runMeasured<JobTask, JobReport>("job-child", { spec, folder });
      await rm(path.join(folder, "out"), { recursive: true });
      return job.endedAtMs;
    }),
  );
  bare.push(
    await runAgainstEndpoint(`bare-${round}`, async (url) => {
      return (await runMeasured<BareTask, unknown>("bare-child", { url, rows, slots })).endedAtMs;
    }),
  );
  tell(`round ${round + 1}: engine ${text(engine.at(-1)!)}; bare pool ${text(bare.at(-1)!)}`);
}
const use = median(engine.map((run) => run.slotUse));
const value = median(engine.map((run) => run.wallMs)) / median(bare.map((run) => run.wallMs));
printFigure({
  figure: "saturation",
  value: rounded(value),
  want: `<= ${MOST_WALL_RATIO}, with slot use >= ${LEAST_SLOT_USE}`,
  ok: value <= MOST_WALL_RATIO && use >= LEAST_SLOT_USE,
  details: {
    slotUse: rounded(use, 4),
    wallRatio: rounded(value, 4),
    rows,
    slots,
    engine: engine.map(asDetails),
    bare: bare.map(asDetails),
  },
});

/** Starts an endpoint for one run, and reads its log once the run is over. */
async function runAgainstEndpoint(name: string, run: (url: string) => Promise<number>): Promise<Run> {
  const log = path.join(folder, `${name}.log`);
  const latency = { distribution: "lognormal", medianMs: 100, stragglers: { share: 0.02, factor: 10 } } as const;
  let endedAtMs: number;
  {
    await using simulator = await startSimulatorProcess({ latency, log, maxConcurrentRequests: 0 });
    endedAtMs = await run(simulator.url);
  }
  return measure(await readRequestLog(log), endedAtMs);
}

function measure(log: readonly RequestLogEntry[], endedAtMs: number): Run {
  if (log.length !== rows) throw new Error(`The endpoint saw ${log.length} requests for ${rows} rows.`);
  const starts = log.map(({ startMs }) => startMs);
  const firstMs = Math.min(...starts);
  return { slotUse: meanInFlight(log, firstMs, Math.max(...starts)) / slots, wallMs: endedAtMs - firstMs };
}

function asDetails({ slotUse, wallMs }: Run) {
  return { slotUse: rounded(slotUse, 4), wallMs: Math.round(wallMs) };
}

function text({ slotUse, wallMs }: Run): string {
  return `${(slotUse * 100).toFixed(2)} % of ${slots} slots, ${wallMs.toFixed(0)} ms`;
}
