/** A run of a job in a child process, to be killed, stopped and woken. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { ChildOrder, ChildResult } from "../chaos/run-job-child.ts";

const entry = fileURLToPath(new URL("../chaos/run-job-child.js", import.meta.url));

export interface JobEnd {
  /** Null for a process that was killed. */
  readonly result: ChildResult | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

export interface JobProcess {
  readonly pid: number;
  readonly ended: Promise<JobEnd>;
  readonly hasEnded: boolean;
  kill(signal: NodeJS.Signals): void;
}

/** @param through a command to run it through, such as `prlimit` with its options */
export function startJobProcess(order: ChildOrder, through: readonly string[] = []): JobProcess {
  const [command, ...rest] = [...through, process.execPath, entry, JSON.stringify(order)];
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"] });
  let hasEnded = false;
  const ended = Promise.all([once(child, "exit"), text(child.stdout), text(child.stderr)]).then(
    ([[, signal], stdout, stderr]): JobEnd => {
      hasEnded = true;
      const result = stdout.endsWith("\n") ? (JSON.parse(stdout) as ChildResult) : null;
      return { result, signal: signal as NodeJS.Signals | null, stderr };
    },
  );
  return {
    pid: child.pid ?? 0,
    ended,
    get hasEnded() {
      return hasEnded;
    },
    kill: (signal) => void child.kill(signal),
  };
}
