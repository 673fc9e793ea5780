/** llama.cpp's server in a process of its own, to be asked, killed, and held up while it loads. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { availableParallelism } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { pythonProgram } from "./python-environment.ts";
import type { PythonEnvironment } from "./python-environment.ts";

/** Both are aliases; the server calls itself by the first, in the order of the alphabet. */
export const MODEL_NAMES = ["smollm2", "smollm2-135m-instruct"] as const;
/** Requests that it works on at a time, each with a context of its own. */
export const PARALLEL = 4;
export const CONTEXT_TOKENS = 1_024;

type Health = "down" | "loading" | "ready";

export class ModelServer {
  readonly url: string;
  readonly #command: readonly string[];
  #child: ChildProcess | null = null;
  #said = "";

  private constructor({ python, model }: PythonEnvironment, port: number) {
    this.url = `http://127.0.0.1:${port}`;
    // One core is left to those who ask.
    const threads = Math.max(1, Math.min(4, availableParallelism() - 1));
    const options = { model, names: MODEL_NAMES, port, parallel: PARALLEL, contextTokens: CONTEXT_TOKENS, threads };
    this.#command = [python, pythonProgram("serve_model.py"), JSON.stringify(options)];
  }

  static async create(environment: PythonEnvironment): Promise<ModelServer> {
    return new ModelServer(environment, await freePort());
  }

  start(): void {
    const [program = "", ...rest] = this.#command;
    const child = spawn(program, rest, {
      stdio: ["pipe", "ignore", "pipe"],
      // Threads that wait for one another give up the core, which matters wherever something else runs too.
      env: { ...process.env, GOMP_SPINCOUNT: "0" },
    });
    child.stderr.on("data", (text) => (this.#said = (this.#said + String(text)).slice(-4_000)));
    this.#child = child;
  }

  /** Resolves once the server says that it is in this state, or beyond. */
  async reaches(state: "loading" | "ready"): Promise<void> {
    for (;;) {
      const health = await this.health();
      if (health === state || health === "ready") return;
      if (!this.#isRunning) throw new Error(`The model server ended while it started:\n${this.#said}`);
      await delay(5);
    }
  }

  async health(): Promise<Health> {
    try {
      const { status } = await fetch(`${this.url}/health`);
      return status === 200 ? "ready" : "loading";
    } catch {
      return "down";
    }
  }

  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  async kill(): Promise<void> {
    if (this.#child === null || !this.#isRunning) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  get #isRunning(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }
}

/** Another program may take it meanwhile; then the server says so and ends. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
