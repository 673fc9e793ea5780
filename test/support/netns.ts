/** Hosts of their own on one Linux machine: network namespaces, joined by bridges in one more. Needs root. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, open, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

const IP = "ip";

const run = promisify(execFile);

async function ip(...words: string[]): Promise<void> {
  await run(IP, words);
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

  /**
   * @param addresses by network, such as `{ ring: ["10.77.1.2"] }`, each within its network's /24
   * @param names lines of the host's own /etc/hosts
   */
  async addHost(
    host: string,
    addresses: Readonly<Record<string, readonly string[]>>,
    names: readonly string[] = [],
  ): Promise<void> {
    const namespace = this.#namespace(host);
    this.#hosts.push(host);
    await ip("netns", "add", namespace);
    await mkdir(this.#etc(host), { recursive: true });
    await writeFile(path.join(this.#etc(host), "hosts"), ["127.0.0.1 localhost", ...names, ""].join("\n"));
    await ip("-n", namespace, "link", "set", "lo", "up");
    for (const [network, own] of Object.entries(addresses)) {
      const wire = wireOf(host, network);
      await this.#ip("link", "add", wire, "type", "veth", "peer", "name", network, "netns", namespace);
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

  /** Rejects where the kernel has no netem. */
  async disturb(host: string, network: string, how: readonly string[]): Promise<void> {
    await run("tc", ["-n", this.#wires, "qdisc", "add", "dev", wireOf(host, network), "root", "netem", ...how]);
  }

  /** Runs a program on a host; what it prints goes to the file. */
  async start(
    host: string,
    command: readonly string[],
    options: { readonly output: string; readonly environment?: Readonly<Record<string, string>> },
  ): Promise<HostProcess> {
    const output = await open(options.output, "a");
    const child = spawn(IP, ["netns", "exec", this.#namespace(host), ...command], {
      stdio: ["ignore", output.fd, output.fd],
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...options.environment },
    });
    this.#running.add(child);
    const ended = once(child, "exit").then(([code]) => {
      this.#running.delete(child);
      return code as number | null;
    });
    await once(child, "spawn");
    await output.close();
    return { child, ended };
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

/** The bridge's end of a host's cable: 15 letters at most. */
function wireOf(host: string, network: string): string {
  return `${host}-${network}`;
}
