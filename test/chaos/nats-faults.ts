/** What a chaos run does to the server and to the processes of the job. */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { readManifest } from "../../coordinator/output/output-directory.ts";
import type { WorkerProcess } from "../support/job-process.ts";
import type { NatsServer } from "../support/nats-server.ts";
import type { ChaosDiary } from "./chaos-diary.ts";
import { clock } from "./clock.ts";
import { LEASE_MS, type NatsCrew } from "./nats-crew.ts";
import { NatsStore } from "./nats-store.ts";
import type { Span } from "./paid-twice.ts";

const LONGEST_OUTAGE_MS = 3_000;
/** Whoever has lost the server is back at it within this time, after it is. */
const RECONNECT_MS = 1_000;
const LEAST_ROLLBACK_MS = 1_500;
const TAKEOVER_WITHIN_MS = 30_000;
const END_WITHIN_MS = 20_000;

export interface NatsFaultsOptions {
  readonly folder: string;
  readonly server: NatsServer;
  readonly crew: NatsCrew;
  readonly random: () => number;
  readonly diary: ChaosDiary;
  /** Nobody sleeps on once the job is over. */
  readonly over: AbortSignal;
}

export class NatsFaults {
  readonly serverAway: Span[] = [];
  readonly #options: NatsFaultsOptions;
  readonly #store: NatsStore;

  constructor(options: NatsFaultsOptions) {
    this.#options = options;
    this.#store = new NatsStore(options.server, options.folder);
  }

  async killCoordinator(): Promise<void> {
    (await this.#options.crew.owner())?.kill("SIGKILL");
  }

  async killServer(): Promise<void> {
    const { server, random, diary } = this.#options;
    const awayMs = random() < 0.5 ? 0 : random() * LONGEST_OUTAGE_MS;
    diary.note("server", `the server is killed, for ${Math.round(awayMs)} ms`);
    await this.#away(async () => {
      await server.kill9();
      await pause(awayMs);
      await server.restart();
    });
  }

  async sleepServer(): Promise<void> {
    const { server, diary } = this.#options;
    const asleepMs = this.#sleepMs();
    diary.note("zombie", `the server sleeps for ${Math.round(asleepMs)} ms`, "zombieServers");
    await this.#away(async () => {
      server.pause();
      await pause(asleepMs);
      server.resume();
    });
  }

  /** The whole store, or the result batches alone. */
  async rollBack(): Promise<void> {
    const { random, diary } = this.#options;
    const stream = random() < 0.3 ? "TIDING_RESULTS" : null;
    await this.#away(async () => {
      const ageMs = await this.#store.rollBack({ leastAgeMs: LEAST_ROLLBACK_MS, stream });
      if (ageMs !== null) diary.note("rollback", `${stream ?? "the store"} goes back by ${Math.round(ageMs)} ms`);
    });
  }

  copyStore(): Promise<void> {
    return this.#store.copy();
  }

  async sleepWorker(child: WorkerProcess): Promise<void> {
    const { crew, diary } = this.#options;
    const asleepMs = this.#sleepMs();
    diary.note("zombie", `worker ${child.pid} sleeps for ${Math.round(asleepMs)} ms`, "zombieWorkers");
    const span: Span = { fromMs: clock(), toMs: Infinity };
    crew.sleeps.set(child.pid, [...(crew.sleeps.get(child.pid) ?? []), span]);
    child.kill("SIGSTOP");
    await this.#pause(asleepMs);
    child.kill("SIGCONT");
    span.toMs = clock();
  }

  /** Its successor is started while it sleeps; it wakes when the output is another's, and must undo nothing. */
  async sleepCoordinator(): Promise<void> {
    const { crew, diary, folder, random, over } = this.#options;
    const child = await crew.owner();
    if (child === null) return;
    child.kill("SIGSTOP");
    const root = join(folder, "out");
    const before = await readManifest(root);
    diary.note("zombie", `coordinator ${child.pid} sleeps`, "zombieCoordinators");
    crew.replaceCoordinator();
    for (const until = performance.now() + TAKEOVER_WITHIN_MS; performance.now() < until && !over.aborted;) {
      await pause(100);
      if ((await readManifest(root))?.epoch !== before?.epoch) break;
    }
    await this.#pause(random() * LEASE_MS);
    child.kill("SIGCONT");
    const end = await Promise.race([child.ended, pause(END_WITHIN_MS, null)]);
    child.kill("SIGKILL");
    if (end === null)
      return diary.violate(`a coordinator did not end when it woke: ${(await child.ended).stderr.slice(0, 800)}`);
    const code = end.result?.error?.code ?? end.result?.report?.error?.code;
    if (code === "DISK_FULL" && crew.limited.has(child.pid)) return diary.count("fullDisks");
    if (end.signal === null && code !== "OWNERSHIP_LOST")
      diary.violate(`a coordinator that slept and woke ended with ${code}: ${JSON.stringify(end).slice(0, 600)}`);
  }

  async #away(act: () => Promise<void>): Promise<void> {
    const span: Span = { fromMs: clock(), toMs: Infinity };
    this.serverAway.push(span);
    await act();
    span.toMs = clock() + RECONNECT_MS;
  }

  #sleepMs(): number {
    return LEASE_MS * (1.1 + this.#options.random());
  }

  async #pause(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#options.over }).catch(() => undefined);
  }
}
