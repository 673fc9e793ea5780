/**
 * One run of a job over a nats-server of its own with two workers, of which one is killed in the middle.
 *
 * In flight is what the workers recorded themselves, line by line as it came: a proxy between them and the endpoint would
 * change the endpoint that is measured, and the server's own gauge exists for few servers and moves in steps of a scrape.
 */
import path from "node:path";
import { findNatsServer } from "../../shared/transport/nats/server/find-nats-server.ts";
import { spawnNatsServer } from "../../shared/transport/nats/server/spawn-nats-server.ts";
import { clockMs } from "../fine-timer.ts";
import { startChild, type ChildWork } from "../child-work.ts";
import { totalSlots } from "./endpoint-slots.ts";
import type { JobNote, JobOutcome, JobTask } from "./job-child.ts";
import type { Recovery } from "./job-bench-report.ts";
import { measureTrace, type TraceFigures } from "./measure-trace.ts";
import { inOrder, RecoveryTally } from "./recovery.ts";
import { readTrace } from "./request-trace.ts";
import type { WorkerNote, WorkerTask } from "./worker-child.ts";

const WORKER_CHILD = new URL("./worker-child.ts", import.meta.url);
const JOB_CHILD = new URL("./job-child.ts", import.meta.url);

export interface KillOptions {
  readonly file: string;
  /** With the output's path and the number of rows. */
  readonly overrides: readonly string[];
  /** Where the spec lies. */
  readonly specFolder: string;
  readonly rows: number;
  /** As the overrides have it. */
  readonly shardRows: number;
  /** Temporary; the traces and the server's store lie there. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Starts another worker as soon as the one is killed, as whoever keeps a fleet running does. */
  readonly replace: boolean;
  readonly signal: AbortSignal;
}

export interface KillOutcome {
  /** Null where the job was over before a worker could be killed. */
  readonly recovery: Recovery | null;
  readonly sent: readonly TraceFigures[];
}

const WORKERS = 2;

export async function measureRecovery(options: KillOptions): Promise<KillOutcome> {
  const { folder, environment, signal, specFolder } = options;
  const binary = await findNatsServer({ signal, env: { ...environment } });
  await using server = await spawnNatsServer({ binary, storeDir: path.join(folder, "nats"), signal });
  const workers: ChildWork<unknown>[] = [];
  const traces: string[] = [];
  let killedMs: number | null = null;
  let fail = (_error: unknown): void => undefined;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  failed.catch(() => undefined); // Whoever waits for something else hears of it by the race below.
  const startWorker = async (): Promise<void> => {
    const index = workers.length;
    const trace = path.join(folder, `worker-${index}.trace`);
    let isStarted = (): void => undefined;
    const started = new Promise<void>((resolve) => (isStarted = resolve));
    const task = { broker: server.url, trace, folder: specFolder };
    const starting = { environment, signal, onNote: () => isStarted() };
    const worker = startChild<WorkerTask, unknown, WorkerNote>(WORKER_CHILD, task, starting);
    workers.push(worker);
    traces.push(trace);
    worker.done.catch((error: unknown) => {
      if (index > 0 || killedMs === null) fail(error);
    });
    await Promise.race([started, failed]);
  };
  const kill = async (): Promise<void> => {
    killedMs = clockMs();
    await workers[0]!.kill();
    if (options.replace) await startWorker();
  };
  let killing = Promise.resolve();
  const onNote = (note: JobNote): void => {
    if ("notice" in note) return;
    const rows = Math.min(options.rows, note.total ?? Infinity);
    if (killedMs !== null || note.done < rows / 2 || note.done >= rows) return;
    killing = kill();
    killing.catch(fail);
  };
  let job: ChildWork<JobOutcome> | null = null;
  try {
    await Promise.all(Array.from({ length: WORKERS }, startWorker));
    const task = { file: options.file, overrides: options.overrides, trace: path.join(folder, "coordinator.trace") };
    const fleetTask = { ...task, broker: server.url };
    job = startChild<JobTask, JobOutcome, JobNote>(JOB_CHILD, fleetTask, { environment, signal, onNote });
    const outcome = await Promise.race([job.done, failed]);
    await killing;
    const survivors = killedMs === null ? workers : workers.slice(1);
    for (const worker of survivors) worker.leave();
    await Promise.all(survivors.map((worker) => worker.done));
    return await outcomeOf(outcome, { traces, killedMs, ...options });
  } catch (error) {
    await Promise.all([...workers, ...(job === null ? [] : [job])].map((child) => child.kill()));
    throw error;
  }
}

async function outcomeOf(
  { report, beganMs, endedMs, slots }: JobOutcome,
  run: Pick<KillOptions, "replace" | "shardRows"> & {
    readonly traces: readonly string[];
    readonly killedMs: number | null;
  },
): Promise<KillOutcome> {
  const { traces, killedMs } = run;
  const allSlots = WORKERS * totalSlots(slots);
  const sent = await Promise.all(traces.map((trace) => measureTrace(trace, { beganMs, endedMs, slots: allSlots })));
  if (killedMs === null) return { recovery: null, sent };
  const diedMs = Math.max(killedMs, await lastStamp(traces[0]!));
  const tally = new RecoveryTally({ slots: allSlots, beganMs, killed: { worker: 0, atMs: diedMs } });
  for await (const event of inOrder(traces.map(readTrace))) tally.add(event);
  const { figures, ...found } = tally.finish(endedMs);
  return {
    sent,
    recovery: {
      workers: WORKERS,
      replaced: run.replace,
      shard_rows: run.shardRows,
      slots: allSlots,
      rows: { accepted: report.rows.accepted, failed: report.rows.failed },
      wall_ms: figures.wallMs,
      killed_at_ms: diedMs - beganMs,
      in_flight_before: found.inFlightBefore,
      in_flight_lowest: found.inFlightLowest,
      recovery_ms: found.recoveryMs,
      requests_cut: found.cut,
      requests_sent_again: found.sentAgain,
      sent_again_ms: found.sentAgainMs,
      timeline: { step_ms: figures.timeline.stepMs, in_flight: [...figures.timeline.inFlight] },
    },
  };
}

/** A killed process may go on for a moment, until the system comes to it: what it sent then was sent. */
async function lastStamp(trace: string): Promise<number> {
  let lastMs = -Infinity;
  for await (const { atMs } of readTrace(trace)) lastMs = atMs;
  return lastMs;
}
