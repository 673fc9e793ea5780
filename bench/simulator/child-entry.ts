/** Runs in the process that `startSimulatorProcess` forks. */

import { messageOf } from "../../shared/errors.ts";
import type { FromSimulator, ToSimulator } from "./child.ts";
import { startSimulator } from "./simulator.ts";
import type { Simulator } from "./simulator.ts";

let simulator: Simulator | null = null;

// The parent is gone: nobody is left to serve, and nothing may outlive it.
process.on("disconnect", () => process.exit(1));

process.on("message", (message: ToSimulator) => {
  (message.type === "start" ? start(message) : stop()).catch((error: unknown) => {
    send({ type: "failed", message: messageOf(error) }, 1);
  });
});

async function start({ options }: Extract<ToSimulator, { type: "start" }>): Promise<void> {
  simulator = await startSimulator(options);
  send({ type: "started", url: simulator.url });
}

async function stop(): Promise<void> {
  await simulator?.close();
  process.exit(0);
}

function send(message: FromSimulator, exitCode?: number): void {
  process.send!(message, () => {
    if (exitCode !== undefined) process.exit(exitCode);
  });
}
