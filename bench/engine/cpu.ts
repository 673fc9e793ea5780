/**
 * CPU that the engine spends on a row, against a bare `undici.request` loop: `node dist/bench/engine/cpu.js`.
 *
 * Zero-latency endpoint in a process of its own, JSONL in, Parquet out, answers of 800 characters. User and system time
 * of the whole process, all threads and the start-up included, for both. They take turns, so that both see the same machine.
 */
import { rm } from "node:fs/promises";
import path from "node:path";
import type { JobReport } from "../../shared/observe/job-report.ts";
import { startSimulatorProcess } from "../simulator/child.ts";
import type { BareTask } from "./bare-child.ts";
import { median, printFigure, rounded, sizesFrom, tell } from "./figure.ts";
import type { JobTask } from "./job-child.ts";
import { runMeasured } from "./measured-child.ts";
import { jobSpec, openWorkspace } from "./workspace.ts";

const MOST = 2;
const { rows, rounds, slots } = sizesFrom({ rows: 200_000, rounds: 3, slots: 64 });

await using workspace = await openWorkspace(rows);
await using simulator = await startSimulatorProcess({ answerChars: 800, maxConcurrentRequests: 0 });
const { folder } = workspace;
const engine: number[] = [];
const bare: number[] = [];
for (let round = 0; round < rounds; round++) {
  const spec = jobSpec({ url: simulator.url, slots, output: "out" });
  const job = await runMeasured<JobTask, JobReport>("job-child", { spec, folder });
  if (job.result.rows.accepted !== rows) throw new Error(`${job.result.rows.accepted} of ${rows} rows were accepted.`);
  await rm(path.join(folder, "out"), { recursive: true });
  const loop = await runMeasured<BareTask, unknown>("bare-child", { url: simulator.url, rows, slots });
  engine.push((job.cpuMs * 1_000) / rows);
  bare.push((loop.cpuMs * 1_000) / rows);
  tell(`round ${round + 1}: engine ${engine.at(-1)?.toFixed(0)} µs a row, bare loop ${bare.at(-1)?.toFixed(0)} µs`);
}
const value = median(engine) / median(bare);
printFigure({
  figure: "cpu_per_row_ratio",
  value: rounded(value),
  want: `<= ${MOST.toFixed(1)}`,
  ok: value <= MOST,
  details: {
    rows,
    slots,
    engineMicrosecondsPerRow: engine.map((each) => rounded(each, 1)),
    bareMicrosecondsPerRow: bare.map((each) => rounded(each, 1)),
  },
});
