/** A fleet on this machine: a nats-server, a coordinator and workers, each a process of its own that is measured. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { findNatsServer } from "../../shared/transport/nats/server/find-nats-server.ts";
import { spawnNatsServer } from "../../shared/transport/nats/server/spawn-nats-server.ts";
import type { JobReport } from "../../shared/observe/job-report.ts";
import type { FleetJobNote, FleetJobTask } from "./fleet-job-child.ts";
import type { FleetWorkerTask } from "./fleet-worker-child.ts";
import { startMeasured, type Measured } from "./measured-child.ts";

/** Clock ticks a second of /proc/<pid>/stat; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

export interface FleetOptions {
  readonly spec: unknown;
  readonly folder: string;
  readonly workers: number;
  readonly onProgress?: (rows: number) => void;
  /** Called when the job runs; what it gives is disposed of before the broker is stopped. */
  readonly watch?: (fleet: RunningFleet) => Promise<AsyncDisposable>;
}

export interface RunningFleet {
  readonly broker: string;
  readonly pids: { readonly coordinator: number; readonly workers: readonly number[]; readonly server: number };
}

export interface FleetRun {
  readonly job: Measured<JobReport>;
  readonly workers: readonly Measured<{ readonly rows: number }>[];
  readonly server: { readonly version: string; readonly cpuMs: number; readonly peakRssBytes: number };
}

/** Runs a job over a nats-server of its own. The server's figures are read from /proc, and are 0 where there is none. */
export async function runFleet({ spec, folder, workers, onProgress, watch }: FleetOptions): Promise<FleetRun> {
  const signal = new AbortController().signal;
  const binary = await findNatsServer({ signal });
  await using server = await spawnNatsServer({ binary, storeDir: path.join(folder, `nats-${Date.now()}`) });
  const broker = server.url;
  const started: Promise<unknown>[] = [];
  const crew = Array.from({ length: workers }, () => {
    let isStarted = (): void => undefined;
    started.push(new Promise<void>((resolve) => (isStarted = resolve)));
    const options = { onNote: isStarted };
    return startMeasured<FleetWorkerTask, { readonly rows: number }, true>("fleet-worker-child", { broker }, options);
  });
  // So that what is measured is not how long processes take to start.
  await Promise.all(started);
  const job = startMeasured<FleetJobTask, JobReport, FleetJobNote>(
    "fleet-job-child",
    { spec, folder, broker },
    onProgress === undefined ? {} : { onNote: onProgress },
  );
  const pids = { coordinator: job.pid, workers: crew.map(({ pid }) => pid), server: server.pid };
  try {
    await using _watching = (await watch?.({ broker, pids })) ?? null;
    const finished = await job.done;
    for (const worker of crew) worker.leave();
    const left = await Promise.all(crew.map((worker) => worker.done));
    const { version, pid } = server;
    return { job: finished, workers: left, server: { version, ...(await usageOf(pid)) } };
  } catch (error) {
    for (const child of [job, ...crew]) await child.kill();
    throw error;
  }
}

async function usageOf(pid: number): Promise<{ readonly cpuMs: number; readonly peakRssBytes: number }> {
  const read = (file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
  const fields = (await read("stat")).split(") ")[1]?.split(" ") ?? [];
  const ticks = Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(await read("status"));
  return { cpuMs: (ticks / TICKS_PER_SECOND) * 1_000, peakRssBytes: Number(peak?.[1] ?? 0) * 1_024 };
}
