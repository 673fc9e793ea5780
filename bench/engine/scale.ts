/**
 * Whether workers add up: `node dist/bench/engine/scale.js`.
 *
 * One job on an endpoint that answers after a second, with 1, 2, 4 and 8 worker processes of 64 slots each: rows a second
 * by the endpoint's own log, over as many times what one worker does. Measured in the middle of the run, between the 20th
 * and the 80th of 100 requests; beside it stands the whole run, with its beginning and its tail. Then ten thousand slots on
 * this one machine, with answers that take 20 seconds: the mean in flight in the middle of the run.
 */
import { rm } from "node:fs/promises";
import path from "node:path";
import { startSimulatorProcess } from "../simulator/child.ts";
import { readRequestLog } from "../simulator/request-log.ts";
import { meanInFlight } from "../simulator/slot-use.ts";
import { printFigure, rounded, sizesFrom, tell } from "./figure.ts";
import { runFleet } from "./fleet.ts";
import { jobSpec, openWorkspace } from "./workspace.ts";

const LEAST_LINEAR = 0.95;
const LEAST_IN_FLIGHT = 0.98;
const SLOTS = 64;
const { most, rounds, slots, latency } = sizesFrom({ most: 8, rounds: 30, slots: 10_000, latency: 20_000 });

interface Run {
  readonly workers: number;
  readonly rowsPerSecond: number;
  readonly wholeRunRowsPerSecond: number;
  /** In the middle, and from the first request to the last. */
  readonly slotUse: number;
  readonly wholeRunSlotUse: number;
  readonly serverCpuMsPerThousand: number;
}

const runs: Run[] = [];
for (let workers = 1; workers <= most; workers *= 2)
  runs.push(await run({ workers, slots: SLOTS, rounds, latencyMs: 1_000 }));
const one = runs[0]!.rowsPerSecond;
const linear = runs.map(({ workers, rowsPerSecond }) => rowsPerSecond / (one * workers));
const wide = slots === 0 ? null : await run({ workers: 4, slots: slots / 4, rounds: 3, latencyMs: latency });
const value = Math.min(...linear);
printFigure({
  figure: "scale_linear",
  value: rounded(value),
  want: `>= ${LEAST_LINEAR}, with >= ${LEAST_IN_FLIGHT} of ${slots} slots in flight`,
  ok: value >= LEAST_LINEAR && (wide === null || wide.slotUse >= LEAST_IN_FLIGHT),
  details: {
    runs: runs.map(asDetails),
    wide: wide === null ? null : { slots, latencyMs: latency, ...asDetails(wide) },
  },
});

async function run(size: {
  readonly workers: number;
  readonly slots: number;
  readonly rounds: number;
  readonly latencyMs: number;
}): Promise<Run> {
  const { workers, latencyMs } = size;
  const rows = workers * size.slots * size.rounds;
  await using workspace = await openWorkspace(rows);
  const { folder } = workspace;
  const log = path.join(folder, "requests.log");
  let serverCpuMs: number;
  {
    await using simulator = await startSimulatorProcess({
      // Not fixed: slots that are refilled in step would come and go in waves, and so would what is measured.
      latency: { distribution: "lognormal", medianMs: latencyMs, sigma: 0.2 },
      log,
      maxConcurrentRequests: 0,
    });
    const spec = jobSpec({ url: simulator.url, slots: size.slots, output: "out" });
    const fleet = await runFleet({ spec, folder, workers });
    serverCpuMs = fleet.server.cpuMs;
    if (fleet.job.result.rows.accepted !== rows) throw new Error(`${fleet.job.result.rows.accepted} of ${rows} rows.`);
    await rm(path.join(folder, "out"), { recursive: true });
  }
  const requests = await readRequestLog(log);
  if (requests.length !== rows) throw new Error(`The endpoint saw ${requests.length} requests for ${rows} rows.`);
  const starts = requests.map(({ startMs }) => startMs).toSorted((a, b) => a - b);
  const at = (share: number): number => starts[Math.round(share * (rows - 1))]!;
  const rate = (from: number, to: number): number => ((to - from) * rows * 1_000) / (at(to) - at(from));
  const inUse = (from: number, to: number): number => meanInFlight(requests, at(from), at(to)) / (workers * size.slots);
  const done = {
    workers,
    rowsPerSecond: rate(0.2, 0.8),
    wholeRunRowsPerSecond: rate(0, 1),
    slotUse: inUse(0.2, 0.8),
    wholeRunSlotUse: inUse(0, 1),
    serverCpuMsPerThousand: (serverCpuMs * 1_000) / rows,
  };
  tell(`${workers} workers with ${size.slots} slots: ${JSON.stringify(asDetails(done))}`);
  return done;
}

function asDetails({ workers, serverCpuMsPerThousand, ...rates }: Run) {
  return {
    workers,
    rowsPerSecond: rounded(rates.rowsPerSecond, 1),
    wholeRunRowsPerSecond: rounded(rates.wholeRunRowsPerSecond, 1),
    slotUse: rounded(rates.slotUse, 4),
    wholeRunSlotUse: rounded(rates.wholeRunSlotUse, 4),
    serverCpuMsPerThousandRows: rounded(serverCpuMsPerThousand, 1),
  };
}
