/**
 * Whether memory and broker space follow the work in flight over NATS too: `node dist/bench/engine/nats-memory.js`.
 *
 * Many rows, and as many of which the tenth hangs until all others are done. Resident memory of coordinator, worker and
 * nats-server every 250 ms: its mean over the last third of the rows over that of the middle third, the first being taken up
 * by heaps that find their size. And the most that the blob streams held, over their budgets.
 *
 * A nats-server holds a stream's last block in memory, up to 8 MB, and the blocks that were read in the last seconds: at this
 * size the commit log and the queue are still filling their first. What comes afterwards is seen with more and smaller
 * shards, `--rows 2000000 --shard 64`.
 */
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connectBroker } from "../../jobs/open-broker.ts";
import type { Transport } from "../../shared/transport/transport.ts";
import { startSimulatorProcess } from "../simulator/child.ts";
import { printFigure, rounded, sizesFrom, tell } from "./figure.ts";
import { runFleet, type RunningFleet } from "./fleet.ts";
import { jobSpec, openWorkspace } from "./workspace.ts";

const MOST_GROWTH = 1.15;
const SAMPLE_MS = 250;
const HANGING_ROW = 9;
const PROCESSES = ["coordinator", "worker", "server"] as const;
const STORES = ["results", "inputs"] as const;
const { rows, slots, shard } = sizesFrom({ rows: 1_000_000, slots: 64, shard: 256 });

/** At one moment: rows done, bytes in memory, and the streams' shares of their budgets. */
type Sample = Readonly<Record<"rows" | (typeof PROCESSES)[number] | (typeof STORES)[number], number>>;

await using workspace = await openWorkspace(rows);
const { folder } = workspace;
const whole = describe(await run({ hangs: false }));
const hanging = describe(await run({ hangs: true }));
const value = Math.max(...Object.values(whole.growth), ...Object.values(hanging.growth));
const fullest = Math.max(...Object.values(whole.budgets), ...Object.values(hanging.budgets));
printFigure({
  figure: "nats_memory_growth",
  value: rounded(value),
  want: `<= ${MOST_GROWTH} in every process, with blob streams within their budgets`,
  ok: value <= MOST_GROWTH && fullest <= 1,
  details: { rows, slots, shardRows: shard, whole, oneRowHangs: hanging },
});

async function run({ hangs }: { readonly hangs: boolean }): Promise<readonly Sample[]> {
  const options = { answerChars: 250, maxConcurrentRequests: 0 };
  const faults = hangs ? { hangPrompts: [`Question ${HANGING_ROW}:`] } : {};
  let simulator = await startSimulatorProcess({ ...options, ...faults });
  const { url } = simulator;
  const samples: Sample[] = [];
  let done = 0;
  const replacing: { done?: Promise<void> } = {};
  try {
    const fleet = await runFleet({
      spec: jobSpec({ url, slots, output: "out", limit: rows, shardRows: shard }),
      folder,
      workers: 1,
      onProgress(progress) {
        done = progress;
        if (!hangs || done < rows - 1) return;
        replacing.done ??= simulator.stop().then(async () => {
          simulator = await startSimulatorProcess({ ...options, port: Number(new URL(url).port) });
        });
      },
      watch: (running) => sampleFleet(running, (sample) => samples.push({ rows: done, ...sample })),
    });
    if (fleet.job.result.rows.accepted !== rows) throw new Error(`${fleet.job.result.rows.accepted} of ${rows} rows.`);
    return samples;
  } finally {
    await replacing.done;
    await simulator.stop();
    await rm(path.join(folder, "out"), { recursive: true, force: true });
  }
}

async function sampleFleet(
  { broker, pids }: RunningFleet,
  take: (sample: Omit<Sample, "rows">) => void,
): Promise<AsyncDisposable> {
  const stopped = new AbortController();
  const transport = await connectBroker(
    { address: broker },
    { name: "bench", provision: false, setupWaitMs: Infinity, signal: stopped.signal },
  );
  const watch = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      take({
        coordinator: await residentBytes(pids.coordinator),
        worker: await residentBytes(pids.workers[0] ?? 0),
        server: await residentBytes(pids.server),
        results: await shareOfBudget(transport, "results"),
        inputs: await shareOfBudget(transport, "inputs"),
      });
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

async function shareOfBudget(transport: Transport, store: (typeof STORES)[number]): Promise<number> {
  const { bytes, budgetBytes } = await transport[store].usage();
  return bytes / budgetBytes;
}

async function residentBytes(pid: number): Promise<number> {
  // A process that has ended since the last look uses nothing.
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1_024;
}

function describe(samples: readonly Sample[]) {
  const third = (from: number) =>
    samples.filter((sample) => sample.rows >= (from * rows) / 3 && sample.rows < ((from + 1) * rows) / 3);
  const mean = (of: readonly Sample[], name: keyof Sample) =>
    of.reduce((sum, sample) => sum + sample[name], 0) / of.length;
  const most = (name: keyof Sample) => Math.max(...samples.map((sample) => sample[name]));
  const each = <Name extends keyof Sample>(names: readonly Name[], figure: (name: Name) => number) =>
    Object.fromEntries(names.map((name) => [name, rounded(figure(name))]));
  const described = {
    growth: each(PROCESSES, (name) => mean(third(2), name) / mean(third(1), name)),
    meanMB: each(PROCESSES, (name) => mean(third(2), name) / 1e6),
    serverByThirdMB: [0, 1, 2].map((from) => rounded(mean(third(from), "server") / 1e6, 1)),
    peakMB: each(PROCESSES, (name) => most(name) / 1e6),
    budgets: each(STORES, most),
  };
  tell(JSON.stringify(described));
  return described;
}
