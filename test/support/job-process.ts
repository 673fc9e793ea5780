/** Runs of a job, and workers of a broker, as processes of their own, to be killed, put to sleep and woken. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { WorkerEnd, WorkerOrder } from "../chaos/nats-worker-child.ts";
import type { ChildOrder, ChildResult } from "../chaos/run-job-child.ts";

export interface ChildEnd<Result> {
  /** Null for a process that was killed. */
  readonly result: Result | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

export interface Child<Result> {
  readonly pid: number;
  readonly ended: Promise<ChildEnd<Result>>;
  readonly hasEnded: boolean;
  readonly isAsleep: boolean;
  /** By `kill`, and not by itself. */
  readonly wasKilled: boolean;
  kill(signal: NodeJS.Signals): void;
}

export type JobProcess = Child<ChildResult>;
export type WorkerProcess = Child<WorkerEnd>;

/** @param through a command to run it through, such as `prlimit` with its options */
export function startJobProcess(order: ChildOrder, through: readonly string[] = []): JobProcess {
  return start("../chaos/run-job-child.js", order, through);
}

export function startWorkerProcess(order: WorkerOrder): WorkerProcess {
  return start("../chaos/nats-worker-child.js", order, []);
}

/** Those that sleep do not see that this process is gone. */
const alive = new Set<ReturnType<typeof spawn>>();
process.on("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
});

function start<Result>(entry: string, order: unknown, through: readonly string[]): Child<Result> {
  const path = fileURLToPath(new URL(entry, import.meta.url));
  const [command, ...rest] = [...through, process.execPath, path, JSON.stringify(order)];
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe", "ipc"] });
  alive.add(child);
  let hasEnded = false;
  let isAsleep = false;
  let wasKilled = false;
  const ended = Promise.all([once(child, "exit"), text(child.stdout!), text(child.stderr!)]).then(
    ([[, signal], stdout, stderr]): ChildEnd<Result> => {
      hasEnded = true;
      alive.delete(child);
      const result = stdout.endsWith("\n") ? (JSON.parse(stdout) as Result) : null;
      return { result, signal: signal as NodeJS.Signals | null, stderr };
    },
  );
  return {
    pid: child.pid ?? 0,
    ended,
    get hasEnded() {
      return hasEnded;
    },
    get isAsleep() {
      return isAsleep;
    },
    get wasKilled() {
      return wasKilled;
    },
    kill(signal) {
      if (signal === "SIGSTOP") isAsleep = true;
      if (signal === "SIGCONT") isAsleep = false;
      if (signal === "SIGKILL") wasKilled = true;
      child.kill(signal);
    },
  };
}
