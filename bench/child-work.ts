/**
 * Work in a process of its own, so that measuring it costs it nothing and its CPU is counted apart.
 *
 * The parent sends one task; the child answers with notes while it works, and at its end with the result, or with the error
 * as the parent would have thrown it. A Ctrl-C in the terminal is the parent's to answer; a child ends when its parent does.
 */
import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { asTidingError, ERROR_CODES, TidingError, type ErrorCode } from "../shared/errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

interface ToldError {
  readonly code: string;
  readonly message: string;
  readonly place: string | undefined;
  readonly mend: string | undefined;
}

type FromChild =
  | { readonly type: "note"; readonly note: unknown }
  | { readonly type: "done"; readonly result: unknown }
  | { readonly type: "failed"; readonly error: ToldError };

type ToChild = { readonly task: unknown } | { readonly leave: true };

export interface ChildWork<Result> {
  readonly pid: number;
  /** Rejects with the child's own `TidingError`, or `INTERNAL` for one that ended without a word. */
  readonly done: Promise<Result>;
  /** Asks it to end early; the child's work has a signal for it. */
  leave(): void;
  /** Kills it as it stands; resolves when it is gone. */
  kill(): Promise<void>;
}

export interface StartOptions<Note> {
  /** The child's whole environment; this process's by default. */
  readonly environment?: Environment;
  readonly onNote?: (note: Note) => void;
  /** Asks it to leave, and kills it when it has not after `GRACE_MS`. */
  readonly signal?: AbortSignal;
}

/** For what the child has begun elsewhere and must end: endpoints that it woke, requests in flight. */
const GRACE_MS = 10_000;

/** Starts `entry`, named as its source is, on a task. */
export function startChild<Task, Result, Note = never>(
  entry: URL,
  task: Task,
  { environment = process.env, onNote, signal }: StartOptions<Note> = {},
): ChildWork<Result> {
  const built = import.meta.url.endsWith(".ts") ? entry : new URL(entry.href.replace(/\.ts$/, ".js"));
  const child = fork(built, {
    execArgv: [],
    env: { ...environment },
    serialization: "advanced",
    // What a job's own modules print is none of the benchmark's output.
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const send = (message: ToChild): void => {
    // One that has gone is told by its exit.
    if (child.connected) child.send(message, () => undefined);
  };
  let deadline: NodeJS.Timeout | undefined;
  const leave = (): void => {
    send({ leave: true });
    deadline ??= setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  };
  const done = new Promise<Result>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, killed) =>
      reject(
        new TidingError("INTERNAL", `The benchmark's ${nameOf(entry)} ended without a result (${killed ?? code}).`),
      ),
    );
    child.on("message", (message: FromChild) => {
      if (message.type === "note") onNote?.(message.note as Note);
      else if (message.type === "failed") reject(errorOf(message.error));
      else resolve(message.result as Result);
    });
  });
  void exited.then(() => {
    clearTimeout(deadline);
    signal?.removeEventListener("abort", leave);
  });
  send({ task });
  if (signal?.aborted === true) leave();
  else signal?.addEventListener("abort", leave, { once: true });
  const settled = Promise.allSettled([done, exited]).then(() => done);
  const kill = async (): Promise<void> => {
    settled.catch(() => undefined); // Whoever kills it expects no result.
    child.kill("SIGKILL");
    await exited;
  };
  return { pid: child.pid ?? 0, done: settled, leave, kill };
}

/** In the child: does the task that the parent sends. `leave` is aborted when the parent asks it to end early. */
export function serveChild<Task, Result, Note = never>(
  work: (task: Task, context: { readonly leave: AbortSignal; readonly note: (note: Note) => void }) => Promise<Result>,
): void {
  const leaving = new AbortController();
  const send = (message: FromChild, sent: () => void = () => undefined): void => {
    process.send?.(message, undefined, {}, sent);
  };
  process.on("disconnect", () => process.exit(1));
  process.on("SIGINT", () => undefined);
  process.on("message", (message: ToChild) => {
    if ("leave" in message) return leaving.abort(new DOMException("The benchmark was interrupted.", "AbortError"));
    work(message.task as Task, { leave: leaving.signal, note: (note) => send({ type: "note", note }) }).then(
      (result) => send({ type: "done", result }, () => process.exit(0)),
      (error: unknown) => send({ type: "failed", error: told(error) }, () => process.exit(1)),
    );
  });
}

export interface Usage {
  /** User and system time of all threads. */
  readonly cpuMs: number;
  readonly peakRssBytes: number;
}

/** In the child: what it has used from its start on. */
export function usageSoFar(): Usage {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  return { cpuMs: (userCPUTime + systemCPUTime) / 1_000, peakRssBytes: peakRss() };
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

function nameOf(entry: URL): string {
  return path.basename(entry.pathname, ".ts");
}

function told(error: unknown): ToldError {
  const { code, message, place, mend } = asTidingError(error);
  return { code, message, place, mend };
}

function errorOf({ code, message, place, mend }: ToldError): TidingError {
  return new TidingError(code in ERROR_CODES ? (code as ErrorCode) : "INTERNAL", message, {
    ...(place === undefined ? {} : { place }),
    ...(mend === undefined ? {} : { mend }),
  });
}
