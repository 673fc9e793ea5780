/** Hosts of their own on one Linux machine: network namespaces, joined by bridges in one more. Needs root. */
import { execFile, spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { mkdir, open, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const IP = "ip";
const SLOW_CABLE = fileURLToPath(new URL("../../../test/support/slow-cable.py", import.meta.url));

const ENVIRONMENT = { PATH: process.env["PATH"], HOME: process.env["HOME"] };

const run = promisify(execFile);

async function ip(...words: string[]): Promise<void> {
  await run(IP, words);
}

export interface SlowCable {
  readonly network: string;
  /** Each way. */
  readonly delayMs: number;
  /** Of frames, each way. */
  readonly lostShare: number;
}

export interface HostOptions {
  /** Lines of the host's own /etc/hosts. */
  readonly names?: readonly string[];
  readonly slow?: SlowCable;
}

export interface HostProcess {
  readonly child: ChildProcess;
  /** The exit code; null for one that a signal ended. */
  readonly ended: Promise<number | null>;
}

/**
 * Everything is made in namespaces whose names begin with the prefix, and goes with them: the machine's own network is
 * not touched.
 */
export class Netns implements AsyncDisposable {
  readonly #prefix: string;
  readonly #hosts: string[] = [];
  readonly #running = new Set<ChildProcess>();

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** @param networks names of at most five letters; one bridge each */
  static async open(prefix: string, networks: readonly string[]): Promise<Netns> {
    const netns = new Netns(prefix);
    await ip("netns", "add", netns.#wires);
    for (const network of networks) {
      await netns.#ip("link", "add", network, "type", "bridge");
      await netns.#ip("link", "set", network, "up");
    }
    return netns;
  }

  get #wires(): string {
    return `${this.#prefix}-wires`;
  }

  /** @param addresses by network, such as `{ ring: ["10.77.1.2"] }`, each within its network's /24 */
  async addHost(
    host: string,
    addresses: Readonly<Record<string, readonly string[]>>,
    { names = [], slow }: HostOptions = {},
  ): Promise<void> {
    const namespace = this.#namespace(host);
    this.#hosts.push(host);
    await ip("netns", "add", namespace);
    await mkdir(this.#etc(host), { recursive: true });
    await writeFile(path.join(this.#etc(host), "hosts"), ["127.0.0.1 localhost", ...names, ""].join("\n"));
    await ip("-n", namespace, "link", "set", "lo", "up");
    for (const [network, own] of Object.entries(addresses)) {
      const wire = wireOf(host, network);
      const far = `${wire}~`;
      if (slow?.network === network) await this.#layPairOfTaps(wire, far, slow);
      else await this.#ip("link", "add", wire, "type", "veth", "peer", "name", far);
      await this.#ip("link", "set", far, "netns", namespace, "name", network);
      await this.#ip("link", "set", wire, "master", network, "up");
      for (const address of own) await ip("-n", namespace, "address", "add", `${address}/24`, "dev", network);
      await ip("-n", namespace, "link", "set", network, "up");
    }
  }

  /** As if the cable were pulled: nobody is told, packets go nowhere. */
  async unplug(host: string, network: string): Promise<void> {
    await this.#ip("link", "set", wireOf(host, network), "down");
  }

  async plug(host: string, network: string): Promise<void> {
    await this.#ip("link", "set", wireOf(host, network), "up");
  }

  /** Runs a program on a host; what it prints goes to the file. */
  async start(
    host: string,
    command: readonly string[],
    options: { readonly output: string; readonly environment?: Readonly<Record<string, string>> },
  ): Promise<HostProcess> {
    const output = await open(options.output, "a");
    const process = this.#spawn(this.#namespace(host), command, {
      stdio: ["ignore", output.fd, output.fd],
      env: { ...ENVIRONMENT, ...options.environment },
    });
    await once(process.child, "spawn");
    await output.close();
    return process;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = [...this.#running].map((child) => once(child, "exit"));
    for (const child of this.#running) child.kill("SIGKILL");
    await Promise.all(gone);
    for (const host of this.#hosts) {
      await ip("netns", "delete", this.#namespace(host));
      await rm(this.#etc(host), { recursive: true });
    }
    await ip("netns", "delete", this.#wires);
  }

  async #layPairOfTaps(one: string, other: string, { delayMs, lostShare }: SlowCable): Promise<void> {
    const command = ["python3", SLOW_CABLE, one, other, String(delayMs), String(lostShare)];
    const stdio = ["ignore", "pipe", "inherit"] as const;
    const { child, ended } = this.#spawn(this.#wires, command, { stdio: [...stdio], env: ENVIRONMENT });
    const isReady = await Promise.race([once(child.stdout!, "data").then(() => true), ended.then(() => false)]);
    if (!isReady) throw new Error("A slow cable needs python3 and /dev/net/tun; what it said is above.");
  }

  #spawn(namespace: string, command: readonly string[], options: SpawnOptions): HostProcess {
    const child = spawn(IP, ["netns", "exec", namespace, ...command], options);
    this.#running.add(child);
    const ended = once(child, "exit").then(([code]) => {
      this.#running.delete(child);
      return code as number | null;
    });
    return { child, ended };
  }

  /** What `ip netns exec` lays over /etc in that namespace. */
  #etc(host: string): string {
    return path.join("/etc/netns", this.#namespace(host));
  }

  #namespace(host: string): string {
    return `${this.#prefix}-${host}`;
  }

  async #ip(...words: string[]): Promise<void> {
    await ip("-n", this.#wires, ...words);
  }
}

/** The bridge's end of a host's cable; 14 letters at most, its other end has one more until it is moved. */
function wireOf(host: string, network: string): string {
  return `${host}-${network}`;
}
