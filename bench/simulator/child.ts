/** The simulator as a process of its own, so that a benchmark does not pay its CPU. */

import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { TidingError } from "../../shared/errors.ts";
import type { SimulatorInput } from "./options.ts";
import type { SimulatorStats } from "./simulator.ts";

/** Parent to child. */
export type ToSimulator = { readonly type: "start"; readonly options: SimulatorInput } | { readonly type: "stop" };
/** Child to parent. */
export type FromSimulator =
  | { readonly type: "started"; readonly url: string }
  | { readonly type: "failed"; readonly message: string };

export interface SimulatorProcess extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  stats(): Promise<SimulatorStats>;
  /** Resolves when every request that ended is in the log file. */
  flushLog(): Promise<void>;
  /** Closes the simulator and waits for its process to end. */
  stop(): Promise<void>;
}

const entry = new URL(import.meta.url.endsWith(".ts") ? "./child-entry.ts" : "./child-entry.js", import.meta.url);

/**
 * Starts a simulator in a child process, which ends when this process does, however that dies. Throws `USAGE` as
 * `startSimulator` does. `log: "memory"` is of no use here.
 */
export async function startSimulatorProcess(options: SimulatorInput = {}): Promise<SimulatorProcess> {
  const child = fork(entry, { execArgv: [] });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = await started(child, options);
  const stop = async (): Promise<void> => {
    if (child.connected) child.send({ type: "stop" } satisfies ToSimulator);
    await exited;
  };
  return {
    url,
    pid: child.pid!,
    stats: async () => (await get(`${url}/simulator/stats`)) as SimulatorStats,
    flushLog: async () => void (await get(`${url}/simulator/flush`)),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function started(child: ChildProcess, options: SimulatorInput): Promise<string> {
  return new Promise((resolve, reject) => {
    const failed = (message: string): void =>
      reject(
        new TidingError("USAGE", message, { place: "simulator process", mend: "Correct what the message names." }),
      );
    child.once("error", (error) => failed(`The simulator process did not start: ${error.message}.`));
    child.once("exit", (code) => failed(`The simulator process ended with code ${code} before it was ready.`));
    child.once("message", (message: FromSimulator) => {
      if (message.type === "started") resolve(message.url);
      else failed(message.message);
    });
    child.send({ type: "start", options } satisfies ToSimulator);
  });
}

async function get(url: string): Promise<unknown> {
  const response = await fetch(url);
  if (response.ok) return response.json();
  throw new TidingError("INTERNAL", `The simulator answered ${response.status} to ${url}.`);
}
