/** A load thread as the main thread sees it. One pool each, so that a stage's parts never share a thread. */
import { MessageChannel } from "node:worker_threads";
import type { MessagePort, Transferable } from "node:worker_threads";
import { Piscina } from "piscina";
import type { ThreadOutcome } from "../../shared/thread-outcome.ts";
import { resultOf } from "../../shared/thread-outcome.ts";
import type { PromptOptions } from "../prompts/prompt-options.ts";
import type { LoadTarget } from "./load-target.ts";
import type { LoadTask, StageCommand, StageMessage, StageTask, ThreadEnd } from "./thread-messages.ts";

export interface StagePart {
  command(command: StageCommand): void;
  readonly ended: Promise<ThreadEnd>;
}

export class LoadThread {
  readonly #pool = new Piscina<LoadTask, ThreadOutcome<void>>({
    // .ts when types are stripped, .js when built
    filename: new URL(import.meta.url.endsWith(".ts") ? "./load.thread.ts" : "./load.thread.js", import.meta.url).href,
    minThreads: 1,
    maxThreads: 1,
    // Between stages the thread must go on to see connections that the server closes.
    atomics: "disabled",
  });

  async open(target: LoadTarget, prompts: PromptOptions): Promise<void> {
    await this.#run({ type: "open", target, prompts });
  }

  /** Begins its part of a stage; `onMessage` is told all but the end. */
  begin(
    task: Omit<StageTask, "port">,
    onMessage: (message: Exclude<StageMessage, { type: "end" }>) => void,
  ): StagePart {
    const { port1, port2 } = new MessageChannel();
    const told = new Promise<ThreadEnd>((resolve) => {
      port1.on("message", (message: StageMessage) => {
        if (message.type === "end") resolve(message.end);
        else onMessage(message);
      });
    });
    const done = this.#run({ type: "stage", ...task, port: port2 }, [port2]);
    return {
      command: (command) => port1.postMessage(command),
      ended: endOf(done, told, port1),
    };
  }

  async close(): Promise<void> {
    try {
      await this.#run({ type: "close" });
    } finally {
      await this.#pool.destroy();
    }
  }

  async #run(task: LoadTask, transferList: readonly Transferable[] = []): Promise<void> {
    resultOf(await this.#pool.run(task, { transferList: [...transferList] }));
  }
}

async function endOf(done: Promise<void>, told: Promise<ThreadEnd>, port: MessagePort): Promise<ThreadEnd> {
  try {
    await done;
    return await told;
  } finally {
    port.close();
  }
}
