/** A broker, coordinators, workers and jobs between them, with the command line in this process. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { SimulatorInput } from "../../bench/simulator/options.ts";
import { runCli } from "../../cli/main.ts";
import { showJob, type SubmittedJob } from "../../jobs/broker-view.ts";
import { coordinate, type CoordinateOptions } from "../../jobs/coordinate.ts";
import type { Transport } from "../../shared/transport/transport.ts";
import { cliWorld, type CliWorld } from "./cli-world.ts";
import { JobWorld } from "./job-world.ts";
import type { NatsServerVersion } from "./nats-server.ts";
import { NatsWorld } from "./nats-world.ts";

const LEASE_MS = 1_500;

export interface CoordinatorHere {
  readonly notices: readonly string[];
  /** As SIGTERM. */
  leave(): Promise<void>;
}

export class FleetWorld implements AsyncDisposable {
  readonly world: JobWorld;
  readonly nats: NatsWorld;
  readonly transport: Transport;
  readonly #coordinators: CoordinatorHere[] = [];

  private constructor(world: JobWorld, nats: NatsWorld, transport: Transport) {
    this.world = world;
    this.nats = nats;
    this.transport = transport;
  }

  /** With `workers` workers, and no coordinator yet. */
  static async open(
    rows: number,
    {
      workers = 1,
      version = "2.9.10",
      server = {},
      ...simulator
    }: SimulatorInput & {
      readonly workers?: number;
      readonly version?: NatsServerVersion;
      readonly server?: Parameters<typeof NatsWorld.open>[1];
    } = {},
  ): Promise<FleetWorld> {
    const world = await JobWorld.open(rows, { latency: { distribution: "fixed", medianMs: 20 }, ...simulator });
    const nats = await NatsWorld.open(version, server);
    const fleet = new FleetWorld(world, nats, await nats.connect());
    for (let worker = 0; worker < workers; worker++) await nats.work();
    return fleet;
  }

  get requests(): number {
    return this.world.simulator.stats().requests;
  }

  coordinate(options: Partial<CoordinateOptions> = {}): CoordinatorHere {
    const drain = new AbortController();
    const notices: string[] = [];
    const ended = coordinate({
      broker: { address: this.nats.server.url },
      environment: {},
      drain: drain.signal,
      stop: new AbortController().signal,
      leaseMs: LEASE_MS,
      settings: { leaseMs: 3_000, reconcileMs: 200 },
      onNotice: (notice) => notices.push(notice),
      ...options,
    });
    // A failure shows where it is waited for.
    ended.catch(() => undefined);
    const coordinator = {
      notices,
      async leave() {
        drain.abort();
        await ended;
      },
    };
    this.#coordinators.push(coordinator);
    return coordinator;
  }

  /** Starts a command with this broker. */
  start(...argv: readonly string[]): { readonly world: CliWorld; readonly ended: Promise<number> } {
    const world = cliWorld({ TIDING_BROKER: this.nats.server.url });
    return { world, ended: runCli(argv, world) };
  }

  async tiding(...argv: readonly string[]): Promise<CliWorld & { readonly code: number }> {
    const { world, ended } = this.start(...argv);
    return { ...world, code: await ended };
  }

  /** The path of a spec that writes to a folder of its own. */
  async spec(name: string, changes: Parameters<JobWorld["spec"]>[0] = {}): Promise<string> {
    const file = path.join(this.world.folder, `${name}.json`);
    await writeFile(file, JSON.stringify(this.world.spec({ output: { path: name }, ...changes })));
    return file;
  }

  /** Submits a job of that name; gives its id. */
  async submit(name: string, changes: Parameters<JobWorld["spec"]>[0] = {}): Promise<string> {
    const { code, stdout, stderr } = await this.tiding("submit", await this.spec(name, changes), "--json");
    if (code !== 0) throw new Error(stdout.text + stderr.text);
    return (JSON.parse(stdout.text) as { id: string }).id;
  }

  /** Resolves when so many requests were sent. */
  async untilRequests(count: number): Promise<void> {
    while (this.requests < count) await delay(20);
  }

  /** Resolves when no request was sent for a while. */
  async untilStill(): Promise<void> {
    for (let before = -1; before !== this.requests; await delay(400)) before = this.requests;
  }

  async until(id: string, holds: (job: SubmittedJob) => boolean): Promise<SubmittedJob> {
    const deadline = performance.now() + 20_000;
    for (;;) {
      const job = await showJob(this.transport, id);
      if (holds(job)) return job;
      if (performance.now() > deadline) throw new Error(`It does not come to that: ${JSON.stringify(job)}`);
      await delay(50);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#coordinators.map((coordinator) => coordinator.leave()));
    await this.nats[Symbol.asyncDispose]();
    await this.world[Symbol.asyncDispose]();
  }
}
