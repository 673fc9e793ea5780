/** A nats-server of a test's own, to be stopped, killed, paused and started again on the same port and store. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { findNatsServer } from "../../shared/transport/nats/server/find-nats-server.ts";
import { spawnNatsServer, type SpawnedNatsServer } from "../../shared/transport/nats/server/spawn-nats-server.ts";
import { watchForDeath } from "./server-death.ts";

/** Both ends of what the transport is tested on. */
export const NATS_SERVER_VERSIONS = ["2.9.10", "newest"] as const;
export type NatsServerVersion = (typeof NATS_SERVER_VERSIONS)[number];

export interface NatsServer extends AsyncDisposable {
  /** The same over restarts. */
  readonly url: string;
  readonly version: string;
  readonly pid: number;
  readonly storeDir: string;
  stop(): Promise<void>;
  kill9(): Promise<void>;
  /** On the same port and store; stops it first when it runs. */
  restart(): Promise<void>;
  pause(): void;
  resume(): void;
}

/**
 * When it ends otherwise than by the methods here, so does this process.
 *
 * @param options.config further lines of its configuration
 */
export async function startNatsServer(
  version: NatsServerVersion,
  options: {
    readonly config?: string;
    readonly storeDir?: string;
    readonly port?: number;
    readonly maxFileStoreBytes?: number;
  } = {},
): Promise<NatsServer> {
  const binary = await natsServerBinary(version);
  const storeDir = options.storeDir ?? (await mkdtemp(join(tmpdir(), "tiding-nats-")));
  const { config = "", maxFileStoreBytes } = options;
  const given = { binary, storeDir, config, ...(maxFileStoreBytes === undefined ? {} : { maxFileStoreBytes }) };
  let expectEnd: () => void;
  const begin = async (port: number): Promise<SpawnedNatsServer> => {
    const begun = await spawnNatsServer({ ...given, port });
    expectEnd = watchForDeath({ ...begun, name: `nats-server ${begun.version}` });
    return begun;
  };
  let server = await begin(options.port ?? -1);
  const { url } = server;
  const port = Number(new URL(url).port);
  const stop = async (): Promise<void> => {
    expectEnd();
    server.kill("SIGCONT");
    await server.stop();
  };
  return {
    url,
    version: server.version,
    get pid() {
      return server.pid;
    },
    storeDir,
    stop,
    async kill9() {
      expectEnd();
      server.kill("SIGKILL");
      await server.stop();
    },
    async restart() {
      await stop();
      server = await begin(port);
    },
    pause: () => server.kill("SIGSTOP"),
    resume: () => server.kill("SIGCONT"),
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(storeDir, { recursive: true, force: true });
    },
  };
}

const signal = new AbortController().signal;
const cache = fileURLToPath(new URL("../../../.cache/nats-server/", import.meta.url));
const binaries = new Map<NatsServerVersion, Promise<string>>();

/** The path of a binary of that version, found on this machine or fetched into the repository's cache. */
export async function natsServerBinary(version: NatsServerVersion): Promise<string> {
  const found = binaries.get(version) ?? findNatsServer({ version, cache, signal, install: true });
  binaries.set(version, found);
  return await found;
}
