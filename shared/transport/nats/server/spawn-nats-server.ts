/**
 * A nats-server of our own, for `--broker nats:spawn`: JetStream on 127.0.0.1 and a free port, in a store directory.
 *
 * It ends with us where Node lets us see to it; after a SIGKILL it is left behind, and the next spawn on the same store
 * terminates it first. Who spawns must own the store directory: whatever runs on it is taken for an orphan.
 */
import { spawn, execFile } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

import { messageOf, TidingError } from "../../../errors.ts";
import { isAtLeast, natsServerVersion, OLDEST_NATS_SERVER } from "./nats-server-version.ts";

const run = promisify(execFile);

const READY_WITHIN_MS = 10_000;
const TERMINATE_WITHIN_MS = 5_000;
const POLL_MS = 5;
const LOG = "nats-server.log";
const MAX_MEMORY_STORE_BYTES = 64 * 1024 ** 2;
const MAX_FILE_STORE_BYTES = 16 * 1024 ** 3;

export interface SpawnNatsServerOptions {
  readonly binary: string;
  /** Made where it is missing; kept on stop. */
  readonly storeDir: string;
  /** What all streams together may take on disk; 16 GiB where none is given. */
  readonly maxFileStoreBytes?: number;
  /** A free one where none is given. */
  readonly port?: number;
  /** Further lines of the server's configuration. */
  readonly config?: string;
  /** Ends the wait for the server, not a server that runs. */
  readonly signal?: AbortSignal;
}

export interface SpawnedNatsServer extends AsyncDisposable {
  /** `nats://127.0.0.1:<port>` */
  readonly url: string;
  readonly pid: number;
  readonly version: string;
  /** What it and its crashes say, over all starts on the store. */
  readonly logFile: string;
  /** Resolves with how it ended, whoever ended it: "code 1" or "SIGKILL". */
  readonly ended: Promise<string>;
  /** Does nothing once it has ended. */
  kill(signal: NodeJS.Signals): void;
  /** Lets the server write what it holds and end; resolves when it has ended. */
  stop(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGTERM");
});

/** Throws BROKER_UNFIT for a server that is too old, and BROKER_FAILED, with the end of its log, for one that does not start. */
export async function spawnNatsServer(options: SpawnNatsServerOptions): Promise<SpawnedNatsServer> {
  const { binary, signal } = options;
  const storeDir = resolve(options.storeDir);
  const version = await natsServerVersion(binary, signal);
  if (!isAtLeast(version, OLDEST_NATS_SERVER)) {
    throw new TidingError(
      "BROKER_UNFIT",
      `${binary} is nats-server ${version}; ${OLDEST_NATS_SERVER} is the oldest that will do.`,
      {
        place: binary,
        mend: "Install a newer nats-server, or give the URL of one as the broker.",
      },
    );
  }
  await mkdir(storeDir, { recursive: true });
  const config = join(storeDir, "nats-server.conf");
  await endOrphan(storeDir, config);
  // A killed server leaves its ports file, and its number may come again.
  for (const name of await readdir(storeDir)) if (name.endsWith(".ports")) await rm(join(storeDir, name));
  await writeFile(config, configText(storeDir, options));

  // Its own process group: a Ctrl-C in the terminal is ours to answer, while the server still serves us.
  // What it says before it reads its configuration, or as it crashes, belongs to its log too.
  const logFile = join(storeDir, LOG);
  const log = await open(logFile, "a");
  const child = spawn(binary, ["--config", config], { detached: true, stdio: ["ignore", "ignore", log.fd] });
  child.unref();
  const ended = new Promise<string>((tell) => child.once("exit", () => tell(endOf(child))));
  try {
    await once(child, "spawn");
  } finally {
    await log.close();
  }
  running.add(child);
  void ended.then(() => running.delete(child));
  const pid = child.pid!;
  const stop = async (): Promise<void> => {
    child.ref();
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), TERMINATE_WITHIN_MS);
    await ended;
    clearTimeout(timer);
  };
  try {
    const url = await untilReady(child, join(storeDir, `${basename(binary)}_${pid}.ports`), signal);
    const kill = (name: NodeJS.Signals): void => void child.kill(name);
    return { url, pid, version, logFile, ended, kill, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    signal?.throwIfAborted();
    const said = await readFile(logFile, "utf8");
    throw new TidingError(
      "BROKER_FAILED",
      `nats-server ${version} did not start: ${messageOf(error)}\n${said.split("\n").slice(-12).join("\n")}`.trim(),
      {
        place: storeDir,
        mend: "Mend what the server's log says, or give the URL of a running server as the broker.",
        cause: error,
      },
    );
  }
}

function configText(storeDir: string, options: SpawnNatsServerOptions): string {
  const text = JSON.stringify;
  return [
    `listen: "127.0.0.1:${options.port ?? -1}"`,
    `ports_file_dir: ${text(storeDir)}`,
    `pid_file: ${text(join(storeDir, "nats-server.pid"))}`,
    `log_file: ${text(join(storeDir, LOG))}`,
    `jetstream {`,
    `  store_dir: ${text(storeDir)}`,
    `  max_mem_store: ${MAX_MEMORY_STORE_BYTES}`,
    `  max_file_store: ${options.maxFileStoreBytes ?? MAX_FILE_STORE_BYTES}`,
    `}`,
    options.config ?? "",
    "",
  ].join("\n");
}

/** The server writes its ports file when it takes connections and JetStream is up. */
async function untilReady(child: ChildProcess, portsFile: string, signal: AbortSignal | undefined): Promise<string> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (performance.now() < deadline) {
    signal?.throwIfAborted();
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended with ${endOf(child)}.`);
    const url = firstUrl(await readFile(portsFile, "utf8").catch(() => ""));
    if (url !== null) return url;
    await delay(POLL_MS);
  }
  throw new Error(`it took no connections within ${READY_WITHIN_MS / 1000} seconds.`);
}

function endOf({ signalCode, exitCode }: ChildProcess): string {
  return signalCode ?? `code ${exitCode}`;
}

function systemCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Null for a file that is not whole yet. */
function firstUrl(ports: string): string | null {
  try {
    return (JSON.parse(ports) as { nats?: string[] }).nats?.[0] ?? null;
  } catch {
    return null;
  }
}

async function endOrphan(storeDir: string, config: string): Promise<void> {
  const pid = Number(await readFile(join(storeDir, "nats-server.pid"), "utf8").catch(() => "0"));
  if (!Number.isSafeInteger(pid) || pid <= 0) return;
  // The number may have come to belong to another since: only one that was started with our configuration is ours.
  const runs = async (): Promise<boolean> => (await commandOf(pid)).includes(config);
  for (const [signal, withinMs] of [
    ["SIGTERM", TERMINATE_WITHIN_MS],
    ["SIGKILL", TERMINATE_WITHIN_MS],
  ] as const) {
    if (!(await runs())) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (systemCode(error) !== "ESRCH") throw error;
    }
    const deadline = performance.now() + withinMs;
    while (performance.now() < deadline && (await runs())) await delay(POLL_MS);
  }
}

/** The command line of a process; empty when it is gone. */
async function commandOf(pid: number): Promise<string> {
  if (process.platform === "linux") {
    return (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " ");
  }
  const listed = await run("ps", ["-ww", "-o", "args=", "-p", String(pid)]).catch(() => ({ stdout: "" }));
  return listed.stdout;
}
