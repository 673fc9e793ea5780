/** A model server in a process of its own, to be asked, killed, and held up while it loads. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";

type Health = "down" | "loading" | "ready";

export interface ServerCommand {
  /** The program and its arguments; it must end once its standard input does. */
  readonly command: readonly string[];
  readonly port: number;
  /** Beside that of this process. */
  readonly environment: Readonly<Record<string, string>>;
  readonly folder?: string;
}

/** What a job's `llm` says to reach a server. */
export interface ServerAccess {
  readonly base_url: string;
  readonly model_id?: string;
  readonly api_key?: string;
}

export abstract class ServerProcess {
  readonly url: string;
  readonly #options: ServerCommand;
  #child: ChildProcess | null = null;
  #said = "";

  protected constructor(options: ServerCommand) {
    this.url = `http://127.0.0.1:${options.port}`;
    this.#options = options;
  }

  get access(): ServerAccess {
    return { base_url: this.url };
  }

  start(): void {
    const { command, environment, folder } = this.#options;
    const [program = "", ...rest] = command;
    const child = spawn(program, rest, {
      stdio: ["pipe", "ignore", "pipe"],
      env: { ...process.env, ...environment },
      // A group of its own, so that processes of the server's end with it.
      detached: true,
      ...(folder === undefined ? {} : { cwd: folder }),
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
    this.#signal("SIGSTOP");
  }

  thaw(): void {
    this.#signal("SIGCONT");
  }

  async kill(): Promise<void> {
    if (this.#child === null || !this.#isRunning) return;
    const exited = once(this.#child, "exit");
    this.#signal("SIGKILL");
    await exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#child?.pid !== undefined && this.#isRunning) process.kill(-this.#child.pid, signal);
  }

  get #isRunning(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }
}
