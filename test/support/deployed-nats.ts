/** A nats-server with a configuration of `deploy/`, as a deployment runs it, on a port and in a store of a test's own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { natsServerBinary, type NatsServerVersion } from "./nats-server.ts";
import { watchForDeath } from "./server-death.ts";

export const DEPLOY = fileURLToPath(new URL("../../../deploy/", import.meta.url));

/** Of the users of `deploy/nats.conf`. */
export const PASSWORDS = {
  TIDING_COORDINATOR_PASSWORD: passwordOf("coordinator"),
  TIDING_WORKER_PASSWORD: passwordOf("worker"),
  TIDING_CLIENT_PASSWORD: passwordOf("client"),
};

export type Role = "coordinator" | "worker" | "client";

const READY_WITHIN_MS = 10_000;

export interface DeployedNats extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  readonly storeDir: string;
  /** The variables that make a process the role's, with its password. */
  environmentOf(role: Role): Readonly<Record<string, string>>;
  /** What the server has logged so far. */
  log(): Promise<string>;
}

/**
 * When it ends before it is disposed of, so does this process.
 *
 * @param options.config a file of `deploy/`, or an absolute path
 * @param options.trace logs every message with its body
 */
export async function startDeployedNats(
  version: NatsServerVersion,
  options: {
    readonly config: string;
    readonly environment?: Readonly<Record<string, string>>;
    readonly trace?: boolean;
    /** A free one where none is given. */
    readonly port?: number;
  },
): Promise<DeployedNats> {
  const storeDir = await mkdtemp(path.join(tmpdir(), "tiding-deployed-"));
  const logFile = path.join(storeDir, "server.log");
  // A crash is on standard error.
  const log = await open(logFile, "a");
  const child = spawn(
    await natsServerBinary(version),
    // Over the configuration's own: port and address. The rest is as deployed.
    `-a 127.0.0.1 -p ${options.port ?? -1} --ports_file_dir ${storeDir} -l ${logFile} ${options.trace === true ? "-DV " : ""}-c`
      .split(" ")
      .concat(path.resolve(DEPLOY, options.config)),
    { stdio: ["ignore", "ignore", log.fd], env: { TIDING_NATS_STORE: storeDir, ...PASSWORDS, ...options.environment } },
  );
  const ended = once(child, "exit");
  await log.close();
  const kill = (): void => void child.kill("SIGTERM");
  process.once("exit", kill);
  let expectEnd = (): void => undefined;
  const dispose = async (): Promise<void> => {
    expectEnd();
    kill();
    await ended;
    process.off("exit", kill);
    await rm(storeDir, { recursive: true, force: true });
  };
  const deadline = performance.now() + READY_WITHIN_MS;
  for (;;) {
    const ports = (await readdir(storeDir)).find((name) => name.endsWith(".ports"));
    const url =
      ports === undefined
        ? undefined
        : /\w+:\/\/127\.0\.0\.1:\d+/.exec(await readFile(path.join(storeDir, ports), "utf8"))?.[0];
    if (url !== undefined) {
      const port = Number(new URL(url).port);
      expectEnd = watchForDeath({
        name: `nats-server ${version} with ${options.config}`,
        ended: ended.then(() => child.signalCode ?? `code ${child.exitCode}`),
        logFile,
      });
      return {
        port,
        pid: child.pid!,
        storeDir,
        environmentOf: (role) => ({
          TIDING_BROKER: `nats://${role}:${passwordOf(role)}@127.0.0.1:${port}`,
          TIDING_BROKER_INBOX: `_INBOX_${role}`,
        }),
        log: () => readFile(logFile, "utf8"),
        [Symbol.asyncDispose]: dispose,
      };
    }
    if (child.exitCode !== null || performance.now() > deadline) {
      const said = await readFile(logFile, "utf8");
      await dispose();
      throw new Error(`nats-server did not start with ${options.config}: ${said}`);
    }
    await delay(5);
  }
}

export function passwordOf(role: Role): string {
  return `canary-${role}-password`;
}
