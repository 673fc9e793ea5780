/** A page in Chromium without a window, over its debugging pipe: no package, no port. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

const PROGRAMS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

interface Asked {
  resolve(result: Record<string, unknown>): void;
  reject(error: Error): void;
}

export interface Screen {
  readonly width: number;
  readonly height: number;
  readonly dark: boolean;
  readonly phone: boolean;
}

export class Browser implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #session: string;
  readonly #asked: Map<number, Asked>;
  readonly #events: Message[];
  readonly #send: (message: object) => number;

  private constructor(parts: {
    readonly child: ChildProcess;
    readonly profile: string;
    readonly session: string;
    readonly asked: Map<number, Asked>;
    readonly events: Message[];
    readonly send: (message: object) => number;
  }) {
    this.#child = parts.child;
    this.#profile = parts.profile;
    this.#session = parts.session;
    this.#asked = parts.asked;
    this.#events = parts.events;
    this.#send = parts.send;
  }

  /** Throws an Error that says how to get a browser where none is on the PATH. */
  static async start(): Promise<Browser> {
    const profile = await mkdtemp(join(tmpdir(), "tiding-browser-"));
    const child = await firstOf(PROGRAMS, [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--hide-scrollbars",
      "--remote-debugging-pipe",
      `--user-data-dir=${profile}`,
    ]);
    const asked = new Map<number, Asked>();
    const events: Message[] = [];
    let last = 0;
    const send = (message: object): number => {
      (child.stdio[3] as Writable).write(`${JSON.stringify({ id: ++last, ...message })}\0`);
      return last;
    };
    read(child.stdio[4] as Readable, (message) => {
      const { id, result = {}, error } = message;
      if (id === undefined) events.push(message);
      else if (error === undefined) asked.get(id)?.resolve(result);
      else asked.get(id)?.reject(new Error(`The browser refuses: ${error.message}`));
    });
    child.once("exit", () => {
      for (const one of asked.values()) one.reject(new Error("The browser ended."));
    });
    const ask = (message: object) =>
      new Promise<Record<string, unknown>>((resolve, reject) => asked.set(send(message), { resolve, reject }));
    const { targetId } = await ask({ method: "Target.createTarget", params: { url: "about:blank" } });
    const { sessionId } = await ask({ method: "Target.attachToTarget", params: { targetId, flatten: true } });
    const browser = new Browser({ child, profile, session: String(sessionId), asked, events, send });
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await browser.#ask(`${domain}.enable`);
    return browser;
  }

  /** Opens a page as on such a screen, and waits until it was laid out and painted. */
  async open(url: string, { width, height, dark, phone }: Screen): Promise<void> {
    const size = { width, height, deviceScaleFactor: phone ? 2 : 1, mobile: phone };
    await this.#ask("Emulation.setDeviceMetricsOverride", size);
    const features = [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }];
    await this.#ask("Emulation.setEmulatedMedia", { features });
    this.#events.length = 0;
    await this.#ask("Page.navigate", { url });
    while ((await this.evaluate("document.readyState")) !== "complete") await new Promise(setImmediate);
    await this.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))");
  }

  /** The value of an expression in the page; of a promise, what it resolves to. */
  async evaluate(expression: string): Promise<unknown> {
    const params = { expression, returnByValue: true, awaitPromise: true };
    const { result, exceptionDetails } = await this.#ask("Runtime.evaluate", params);
    if (exceptionDetails !== undefined) throw new Error(`In the page: ${JSON.stringify(exceptionDetails)}`);
    return (result as { readonly value?: unknown }).value;
  }

  /** What the page complained of since it was opened: console, exceptions, the browser's own log. */
  complaints(): string[] {
    const kinds = ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"];
    return this.#events
      .filter(({ method = "" }) => kinds.includes(method))
      .map((event) => JSON.stringify(event.params));
  }

  /** What the page asked the network for, itself left out. */
  loads(): string[] {
    const sent = this.#events.filter(({ method }) => method === "Network.requestWillBeSent");
    return sent.map(({ params = {} }) => (params["request"] as { readonly url: string }).url).slice(1);
  }

  /** The page as a PNG: the whole of it, or what is on the screen. */
  async screenshot(whole = true): Promise<Buffer> {
    const { data } = await this.#ask("Page.captureScreenshot", { captureBeyondViewport: whole });
    return Buffer.from(String(data), "base64");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.kill();
    await ended;
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #ask(method: string, params: object = {}): Promise<Record<string, unknown>> {
    return new Promise((resolve, reject) => {
      this.#asked.set(this.#send({ method, params, sessionId: this.#session }), { resolve, reject });
    });
  }
}

async function firstOf(programs: readonly string[], flags: readonly string[]): Promise<ChildProcess> {
  for (const program of programs) {
    const child = spawn(program, flags, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    const started = await new Promise<boolean>((resolve, reject) => {
      child.once("spawn", () => resolve(true));
      child.once("error", (error: NodeJS.ErrnoException) => (error.code === "ENOENT" ? resolve(false) : reject(error)));
    });
    if (started) return child;
  }
  throw new Error(`None of ${programs.join(", ")} is on the PATH. On Debian: apt-get install chromium.`);
}

/** Messages end with a zero byte. */
function read(stream: Readable, onMessage: (message: Message) => void): void {
  let rest = "";
  stream.setEncoding("utf8").on("data", (text: string) => {
    const parts = (rest + text).split("\0");
    rest = parts.pop() ?? "";
    for (const part of parts) onMessage(JSON.parse(part) as Message);
  });
}
