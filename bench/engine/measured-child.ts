/**
 * Work in a process of its own, because CPU time and peak memory are counted per process.
 *
 * The parent sends one task; the child answers with notes while it works, and at its end with the result and what it used
 * from its very start. A child ends when its parent does.
 */
import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { messageOf } from "../../shared/errors.ts";

export interface Usage {
  /** User and system time of all threads, start-up included. */
  readonly cpuMs: number;
  readonly peakRssBytes: number;
  /** Milliseconds since 1970, when the work was done. */
  readonly endedAtMs: number;
}

export interface Measured<Result> extends Usage {
  readonly result: Result;
}

type FromChild =
  | { readonly type: "note"; readonly note: unknown }
  | { readonly type: "done"; readonly result: unknown; readonly usage: Usage }
  | { readonly type: "failed"; readonly message: string };

export interface MeasuredChild<Result> {
  readonly pid: number;
  readonly done: Promise<Measured<Result>>;
  /** Asks it to end; `onLeave` in the child hears it. */
  leave(): void;
  /** Kills it as it stands; resolves when it is gone. */
  kill(): Promise<void>;
}

/** Starts `name`, an entry beside this file, on a task. */
export function startMeasured<Task, Result, Note = never>(
  name:
    | "job-child"
    | "bare-child"
    | "half-done-child"
    | "fleet-job-child"
    | "fleet-worker-child"
    | "no-op-bare-child"
    | "no-op-load-child",
  task: Task,
  options: { readonly onNote?: (note: Note) => void } = {},
): MeasuredChild<Result> {
  const entry = new URL(import.meta.url.endsWith(".ts") ? `./${name}.ts` : `./${name}.js`, import.meta.url);
  const child = fork(entry, { execArgv: [] });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const done = new Promise<Measured<Result>>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => reject(new Error(`${name} ended early (${signal ?? code}).`)));
    child.on("message", (message: FromChild) => {
      if (message.type === "note") options.onNote?.(message.note as Note);
      else if (message.type === "failed") reject(new Error(`${name}: ${message.message}`));
      else resolve({ result: message.result as Result, ...message.usage });
    });
  });
  child.send({ task });
  const kill = async (): Promise<void> => {
    done.catch(() => undefined);
    child.kill("SIGKILL");
    await exited;
  };
  return { pid: child.pid ?? 0, done, leave: () => void child.send({ leave: true }), kill };
}

/** `startMeasured` to its end. */
export function runMeasured<Task, Result, Note = never>(
  ...child: Parameters<typeof startMeasured<Task, Result, Note>>
): Promise<Measured<Result>> {
  return startMeasured<Task, Result, Note>(...child).done;
}

/** In the child: does the task that the parent sends. */
export function serveMeasured<Task, Result, Note = never>(
  work: (task: Task, note: (note: Note) => void) => Promise<Result>,
): void {
  const send = (message: FromChild, sent: () => void = () => undefined): void => {
    process.send?.(message, undefined, {}, sent);
  };
  process.on("disconnect", () => process.exit(1));
  process.once("message", ({ task }: { readonly task: Task }) => {
    work(task, (note) => send({ type: "note", note })).then(
      (result) => send({ type: "done", result, usage: usageSoFar() }, () => process.exit(0)),
      (error: unknown) => send({ type: "failed", message: messageOf(error) }, () => process.exit(1)),
    );
  });
}

/** In the child: calls back when the parent asks it to end. */
export function onLeave(listener: () => void): void {
  process.on("message", (message: { readonly leave?: true }) => void (message.leave === true && listener()));
}

function usageSoFar(): Usage {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  return {
    cpuMs: (userCPUTime + systemCPUTime) / 1_000,
    peakRssBytes: peakRss(),
    endedAtMs: performance.timeOrigin + performance.now(),
  };
}

/** `maxRSS` of a forked process counts its parent's memory at the fork as well (getrusage(2)); VmHWM is its own. */
function peakRss(): number {
  try {
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
    if (match !== null) return Number(match[1]) * 1_024;
  } catch {
    // No /proc: below.
  }
  return process.resourceUsage().maxRSS * 1_024;
}
