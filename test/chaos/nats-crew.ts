/** The processes of a job over NATS: one coordinator and some workers, each started again when it ended. */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ownerOf, readManifest } from "../../coordinator/output/output-directory.ts";
import type { ProtocolStep } from "../../shared/protocol/protocol-step.ts";
import { damagedFiles } from "../support/committed-rows.ts";
import {
  startJobProcess,
  startWorkerProcess,
  type ChildEnd,
  type JobProcess,
  type WorkerProcess,
} from "../support/job-process.ts";
import type { ChaosDiary } from "./chaos-diary.ts";
import type { Span } from "./paid-twice.ts";
import type { ChildResult } from "./run-job-child.ts";

/** Of claims, and how long a shard may be silent: short, so that things move fast. */
export const LEASE_MS = 3_000;
export const SLOTS = 16;
export const SHARD_ROWS = 32;
const TAKEOVER_MS = 3_000;
/** Little, so that it fills while the coordinator is away, and batches are spilled. */
const RESULTS_BUDGET_BYTES = 2_000_000;
/** Of processes that are started, the share that dies at a step of the protocol. */
const CRASHING = 0.4;

/** Of coordinators that are started, the share whose disk is full soon: no file of theirs can grow beyond a limit. */
const FULL_DISKS = 0.15;
const LEAST_FILE_BYTES = 1_024;
const MOST_FILE_BYTES = 16_384;

const WORKER_STEPS: readonly ProtocolStep[] = ["shard-opened", "batch-stored", "batch-recorded"];
const COORDINATOR_STEPS: readonly ProtocolStep[] = [
  "spill-written",
  "spill-recorded",
  "part-written",
  "part-linked",
  "manifest-linked",
  "batches-dropped",
];

export interface NatsCrewOptions {
  readonly folder: string;
  readonly broker: string;
  readonly endpoint: string;
  readonly workers: number;
  readonly random: () => number;
  readonly diary: ChaosDiary;
  /** Nobody is told to die at a step before the job is under way. */
  readonly isUnderWay: () => boolean;
}

type Crash = { readonly step: ProtocolStep; readonly count: number };

export class NatsCrew {
  readonly workers = new Set<WorkerProcess>();
  /** When processes died and slept, by their numbers. */
  readonly deaths = new Map<number, number>();
  readonly sleeps = new Map<number, Span[]>();
  /** Coordinators that meet a full disk. */
  readonly limited = new Set<number>();
  readonly #options: NatsCrewOptions;
  readonly #over = new AbortController();
  readonly #kept: Promise<void>[] = [];
  #coordinator: JobProcess | null = null;
  #replaceCoordinator: () => void = () => undefined;
  #hasFinished = false;
  /** The last step is reached once in a job. */
  #mayDieAtLast = true;

  constructor(options: NatsCrewOptions) {
    this.#options = options;
    this.#kept.push(this.#keepCoordinator());
    for (let each = 0; each < options.workers; each++) this.#kept.push(this.#keepWorker());
  }

  get hasFinished(): boolean {
    return this.#hasFinished;
  }

  /** The coordinator, once the output is its own. */
  async owner(): Promise<JobProcess | null> {
    const child = this.#coordinator;
    const root = join(this.#options.folder, "out");
    const manifest = await readManifest(root);
    if (child === null || child.hasEnded || manifest === null) return null;
    return (await ownerOf(root, manifest))?.pid === child.pid ? child : null;
  }

  /** Starts another coordinator beside the one that sleeps. */
  replaceCoordinator(): void {
    this.#replaceCoordinator();
  }

  async close(): Promise<void> {
    this.#over.abort();
    for (const child of [...this.workers, this.#coordinator]) child?.kill("SIGKILL");
    await Promise.all(this.#kept);
  }

  async #keepCoordinator(): Promise<void> {
    const { folder, broker } = this.#options;
    while (!this.#over.signal.aborted) {
      const crash = this.#coordinatorCrash();
      const order = {
        folder,
        spec: this.#spec(),
        settings: { leaseMs: LEASE_MS, reconcileMs: 200 },
        takeoverMs: TAKEOVER_MS,
        broker: { servers: broker, resultsBudgetBytes: RESULTS_BUDGET_BYTES },
        crash,
      };
      const limit = this.#fileLimit();
      const child = startJobProcess(order, limit);
      const isLimited = limit.length > 0;
      if (isLimited) this.limited.add(child.pid);
      this.#coordinator = child;
      const replaced = new Promise<void>((resolve) => (this.#replaceCoordinator = resolve));
      await Promise.race([child.ended, replaced]);
      if (child.isAsleep) continue;
      await this.#noteCoordinatorEnd(await child.ended, {
        crash: child.wasKilled ? null : crash,
        isLimited,
      });
      if (this.#hasFinished) return;
      await this.#rest(1_000);
    }
  }

  async #noteCoordinatorEnd(
    { result, signal, stderr }: ChildEnd<ChildResult>,
    { crash, isLimited }: { readonly crash: Crash | null; readonly isLimited: boolean },
  ): Promise<void> {
    const { diary, folder } = this.#options;
    if (this.#over.signal.aborted) return;
    diary.violations.push(...(await damagedFiles(join(folder, "out"))));
    if (result?.report?.outcome === "finished") {
      this.#hasFinished = true;
      return;
    }
    if (signal === "SIGKILL") return diary.note("coordinator", "the coordinator died", crash?.step);
    const error = result?.error ?? result?.report?.error;
    if (error?.code === "BROKER_UNREACHABLE") return diary.count("startsWithoutBroker");
    if (error?.code === "DISK_FULL" && isLimited) return diary.count("fullDisks");
    diary.violate(`a coordinator ended: ${JSON.stringify(error ?? result ?? signal)} ${stderr.slice(0, 800)}`);
  }

  async #keepWorker(): Promise<void> {
    const { broker, diary } = this.#options;
    while (!this.#over.signal.aborted) {
      const crash = this.#crash("worker", WORKER_STEPS, 20);
      const child = startWorkerProcess({ address: broker, leaseMs: LEASE_MS, crash });
      this.workers.add(child);
      const { result, signal, stderr } = await child.ended;
      this.workers.delete(child);
      this.deaths.set(child.pid, performance.timeOrigin + performance.now());
      if (this.#over.signal.aborted) return;
      const step = child.wasKilled ? undefined : crash?.step;
      if (signal === "SIGKILL") diary.note("worker", `worker ${child.pid} died`, step);
      else if (result?.error?.code === "BROKER_UNREACHABLE") diary.count("startsWithoutBroker");
      else if (result === null || result.error !== null)
        diary.violate(`a worker ended: ${JSON.stringify(result?.error ?? signal)} ${stderr.slice(0, 800)}`);
      await this.#rest(500);
    }
  }

  #coordinatorCrash(): Crash | null {
    const { diary } = this.#options;
    if (!diary.isOver("coordinator") || diary.done("coordinator") === 0 || !this.#mayDieAtLast)
      // It links a manifest as it begins: let it come further.
      return this.#crash("coordinator", COORDINATOR_STEPS, 4);
    this.#mayDieAtLast = false;
    return { step: "parts-merged", count: 1 };
  }

  #fileLimit(): readonly string[] {
    const { random, isUnderWay } = this.#options;
    if (process.platform !== "linux" || random() >= FULL_DISKS || !isUnderWay()) return [];
    return ["prlimit", `--fsize=${LEAST_FILE_BYTES + Math.floor(random() * (MOST_FILE_BYTES - LEAST_FILE_BYTES))}`];
  }

  #crash(fault: "worker" | "coordinator", steps: readonly ProtocolStep[], mostTimes: number): Crash | null {
    const { random, diary, isUnderWay } = this.#options;
    if (random() >= CRASHING || diary.isOver(fault) || !isUnderWay()) return null;
    const step = steps[Math.floor(random() * steps.length)] ?? "batch-stored";
    return { step, count: 2 + Math.floor(random() * mostTimes) };
  }

  #spec(): object {
    const llm = { base_url: this.#options.endpoint, model_id: "simulated/magpie-1", slots: SLOTS };
    return {
      input: { path: "input.jsonl" },
      steps: [{ task: "text-generation", columns: { instruction: "question" }, llm }],
      output: { path: "out", part_bytes: 100_000 },
      run: { shard_rows: SHARD_ROWS, flush_interval: "50ms", attempts: 20, grace: "5s" },
    };
  }

  async #rest(mostMs: number): Promise<void> {
    await pause(this.#options.random() * mostMs, undefined, { signal: this.#over.signal }).catch(() => undefined);
  }
}
