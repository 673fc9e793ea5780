/**
 * Whether memory and broker space follow the work in flight over NATS too: `node dist/bench/engine/nats-memory.js`.
 *
 * As `memory.ts`: few rows, many rows, and many of which the tenth hangs until all others are done. Peak memory (VmHWM) of
 * coordinator, worker and nats-server, each over what it is with few rows; and the most that the blob streams held, every
 * 250 ms, over their budgets.
 */
import { rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connectBroker } from "../../jobs/open-broker.ts";
import { startSimulatorProcess } from "../simulator/child.ts";
import { printFigure, rounded, sizesFrom, tell } from "./figure.ts";
import { runFleet } from "./fleet.ts";
import { jobSpec, openWorkspace } from "./workspace.ts";

const MOST_RATIO = 1.15;
const SAMPLE_MS = 250;
const HANGING_ROW = 9;
const { few, many, slots } = sizesFrom({ few: 100_000, many: 1_000_000, slots: 64 });

interface Run {
  readonly coordinatorBytes: number;
  readonly workerBytes: number;
  readonly serverBytes: number;
  /** Shares of the budgets. */
  readonly results: number;
  readonly inputs: number;
}

await using workspace = await openWorkspace(many);
const { folder } = workspace;
const small = await run(few, { hangs: false });
const large = await run(many, { hangs: false });
const hanging = await run(many, { hangs: true });
const ratios = [large, hanging].flatMap((each) => [
  each.coordinatorBytes / small.coordinatorBytes,
  each.workerBytes / small.workerBytes,
  each.serverBytes / small.serverBytes,
]);
const budgets = Math.max(...[small, large, hanging].flatMap(({ results, inputs }) => [results, inputs]));
const value = Math.max(...ratios);
printFigure({
  figure: "nats_memory_ratio",
  value: rounded(value),
  want: `<= ${MOST_RATIO} in every process, with blob streams within their budgets`,
  ok: value <= MOST_RATIO && budgets <= 1,
  details: { few, many, slots, small: asDetails(small), large: asDetails(large), oneRowHangs: asDetails(hanging) },
});

async function run(rows: number, { hangs }: { readonly hangs: boolean }): Promise<Run> {
  const options = { answerChars: 250, maxConcurrentRequests: 0 };
  const faults = hangs ? { hangPrompts: [`Question ${HANGING_ROW}:`] } : {};
  let simulator = await startSimulatorProcess({ ...options, ...faults });
  const { url } = simulator;
  const peak = { results: 0, inputs: 0 };
  let replacing: Promise<void> = Promise.resolve();
  try {
    const fleet = await runFleet({
      spec: jobSpec({ url, slots, output: "out", limit: rows }),
      folder,
      workers: 1,
      onProgress: (done) => {
        if (!hangs || done < rows - 1) return;
        hangs = false;
        replacing = simulator.stop().then(async () => {
          simulator = await startSimulatorProcess({ ...options, port: Number(new URL(url).port) });
        });
      },
      watch: (broker) => watchStreams(broker, peak),
    });
    if (fleet.job.result.rows.accepted !== rows) throw new Error(`${fleet.job.result.rows.accepted} of ${rows} rows.`);
    const measured = {
      coordinatorBytes: fleet.job.peakRssBytes,
      workerBytes: fleet.workers[0]?.peakRssBytes ?? 0,
      serverBytes: fleet.server.peakRssBytes,
      ...peak,
    };
    tell(`${rows} rows: ${JSON.stringify(asDetails(measured))}`);
    return measured;
  } finally {
    await replacing;
    await simulator.stop();
    await rm(path.join(folder, "out"), { recursive: true, force: true });
  }
}

async function watchStreams(address: string, peak: { results: number; inputs: number }): Promise<AsyncDisposable> {
  const stopped = new AbortController();
  const transport = await connectBroker(
    { address },
    { name: "bench", provision: false, setupWaitMs: Infinity, signal: stopped.signal },
  );
  const watch = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      for (const store of ["results", "inputs"] as const) {
        const { bytes, budgetBytes } = await transport[store].usage();
        peak[store] = Math.max(peak[store], bytes / budgetBytes);
      }
      await delay(SAMPLE_MS);
    }
  };
  const watching = watch();
  return {
    async [Symbol.asyncDispose]() {
      stopped.abort();
      await watching;
      await transport.close();
    },
  };
}

function asDetails({ coordinatorBytes, workerBytes, serverBytes, results, inputs }: Run) {
  return {
    coordinatorMB: rounded(coordinatorBytes / 1e6, 1),
    workerMB: rounded(workerBytes / 1e6, 1),
    serverMB: rounded(serverBytes / 1e6, 1),
    resultsShareOfBudget: rounded(results),
    inputsShareOfBudget: rounded(inputs),
  };
}
