/**
 * CPU that a row costs over NATS, coordinator and worker together, against a bare `undici.request` loop:
 * `node dist/bench/engine/nats-cpu.js`.
 *
 * As `cpu.ts`, with the job's coordinator and one worker in processes of their own. The server's CPU is told beside it.
 */
import { rm } from "node:fs/promises";
import path from "node:path";
import { startSimulatorProcess } from "../simulator/child.ts";
import type { BareTask } from "./bare-child.ts";
import { median, printFigure, rounded, sizesFrom, tell } from "./figure.ts";
import { runFleet } from "./fleet.ts";
import { runMeasured } from "./measured-child.ts";
import { jobSpec, openWorkspace } from "./workspace.ts";

const MOST = 3;
const { rows, rounds, slots } = sizesFrom({ rows: 200_000, rounds: 3, slots: 64 });

await using workspace = await openWorkspace(rows);
await using simulator = await startSimulatorProcess({ answerChars: 800, maxConcurrentRequests: 0 });
const { folder } = workspace;
const coordinator: number[] = [];
const worker: number[] = [];
const server: number[] = [];
const bare: number[] = [];
const perRow = (cpuMs: number): number => (cpuMs * 1_000) / rows;
let version = "";
for (let round = 0; round < rounds; round++) {
  const fleet = await runFleet({
    spec: jobSpec({ url: simulator.url, slots, output: "out" }),
    folder,
    workers: 1,
  });
  if (fleet.job.result.rows.accepted !== rows) throw new Error(`${fleet.job.result.rows.accepted} of ${rows} rows.`);
  await rm(path.join(folder, "out"), { recursive: true });
  const loop = await runMeasured<BareTask, unknown>("bare-child", { url: simulator.url, rows, slots });
  coordinator.push(perRow(fleet.job.cpuMs));
  worker.push(perRow(fleet.workers.reduce((sum, { cpuMs }) => sum + cpuMs, 0)));
  server.push(perRow(fleet.server.cpuMs));
  bare.push(perRow(loop.cpuMs));
  ({ version } = fleet.server);
  const shown = [coordinator, worker, server, bare].map((figures) => figures.at(-1)?.toFixed(0));
  tell(
    `round ${round + 1}: coordinator ${shown[0]}, worker ${shown[1]}, server ${shown[2]}, bare loop ${shown[3]} µs a row`,
  );
}
const value = median(coordinator.map((each, round) => each + (worker[round] ?? 0))) / median(bare);
const details = Object.entries({ coordinator, worker, server, bare }).map(([name, figures]) => [
  `${name}MicrosecondsPerRow`,
  figures.map((each) => rounded(each, 1)),
]);
printFigure({
  figure: "nats_cpu_per_row_ratio",
  value: rounded(value),
  want: `<= ${MOST.toFixed(1)}`,
  ok: value <= MOST,
  details: { rows, slots, natsServer: version, ...Object.fromEntries(details) },
});
