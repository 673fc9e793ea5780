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
import { startChild, type ChildWork } from "./child-work.ts";
import { totalSlots } from "./endpoint-slots.ts";
import type { JobNote, JobOutcome, JobTask } from "./job-child.ts";
import type { Recovery } from "./job-bench-report.ts";
import { measureTrace, type TraceFigures } from "./measure-trace.ts";
import { inOrder, RecoveryTally } from "./recovery.ts";
import { readTrace } from "./request-trace.ts";
import type { WorkerNote, WorkerTask } from "./worker-child.ts";

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
  const crew: ChildWork<unknown>[] = [];
  const traces: string[] = [];
  const startWorker = (): Promise<void> => {
    const trace = path.join(folder, `worker-${crew.length}.trace`);
    traces.push(trace);
    return new Promise((resolve, reject) => {
      const task = { broker: server.url, trace, folder: specFolder };
      const worker = startChild<WorkerTask, unknown, WorkerNote>("worker-child", task, {
        environment,
        signal,
        onNote: () => resolve(),
      });
      worker.done.catch(reject);
      crew.push(worker);
    });
  };
  let killedMs: number | null = null;
  const kill = async (): Promise<void> => {
    killedMs = clockMs();
    await crew[0]!.kill();
    if (options.replace) await startWorker();
  };
  let killing: Promise<void> = Promise.resolve();
  try {
    await Promise.all(Array.from({ length: WORKERS }, startWorker));
    const task = { file: options.file, overrides: options.overrides, trace: path.join(folder, "coordinator.trace") };
    const job = startChild<JobTask, JobOutcome, JobNote>(
      "job-child",
      { ...task, broker: server.url },
      {
        environment,
        signal,
        onNote: (rows) => {
          if (killedMs === null && rows >= options.rows / 2 && rows < options.rows) killing = kill();
        },
      },
    );
    crew.push(job);
    const outcome = await job.done;
    await killing;
    const survivors = crew.filter((child) => child !== job && (killedMs === null || child !== crew[0]));
    for (const child of survivors) child.leave();
    await Promise.all(survivors.map((child) => child.done));
    return await outcomeOf(outcome, { traces, killedMs, ...options });
  } catch (error) {
    await Promise.all(crew.map((child) => child.kill()));
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
  const tally = new RecoveryTally({ slots: allSlots, beganMs, killed: { worker: 0, atMs: killedMs } });
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
      killed_at_ms: killedMs - beganMs,
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
