/**
 * One job over NATS, run by processes that die, sleep and come back, with a server that does so too.
 *
 *   run child (coordinator) ──┐                      ┌── log observer ──► shard history ──┐
 *   worker children ──────────┼──► nats-server ──────┘                                    ├──► oracle
 *   simulator (its own process) ──► request log ──────────────────────────────────────────┘
 *
 * Faults come by a seeded plan, at marks along the rows that are committed; whoever died is started again. In the end
 * everybody is left alone, and the output must become whole.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { startSimulatorProcess, type SimulatorProcess } from "../../bench/simulator/child.ts";
import { readRequestLog } from "../../bench/simulator/request-log.ts";
import { readManifest } from "../../coordinator/output/output-directory.ts";
import { rangesHave } from "../../coordinator/output/shard-ranges.ts";
import { messageOf } from "../../shared/errors.ts";
import { openNatsTransport } from "../../shared/transport/nats/nats-transport.ts";
import type { Transport } from "../../shared/transport/transport.ts";
import type { WorkerProcess } from "../support/job-process.ts";
import { startNatsServer, type NatsServer, type NatsServerVersion } from "../support/nats-server.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { ChaosDiary, type Fault } from "./chaos-diary.ts";
import { checkOutput } from "./check-output.ts";
import { clock } from "./clock.ts";
import { describeStandstill } from "./describe-standstill.ts";
import { LEASE_MS, NatsCrew, SHARD_ROWS, SLOTS } from "./nats-crew.ts";
import { NatsFaults } from "./nats-faults.ts";
import { countPaidTwice, type PaidTwice } from "./paid-twice.ts";
import { rowsByKey, writeInput } from "./questions.ts";
import { ShardHistory } from "./shard-history.ts";

export interface NatsChaosOptions {
  readonly seed: number;
  readonly rows: number;
  readonly workers: number;
  /** How many of each there are to be. */
  readonly faults: Readonly<Record<Fault, number>>;
  readonly server: NatsServerVersion;
  /** Median time of an answer. */
  readonly latencyMs: number;
  /** Told what happens, a line at a time. */
  readonly say?: (line: string) => void;
}

export interface NatsChaosOutcome {
  readonly violations: readonly string[];
  readonly details: Readonly<Record<string, unknown>>;
}

const TICK_MS = 50;
const TELL_EVERY_MS = 10_000;
const COPY_EVERY_MS = 1_500;
/** How long after the last fault the job may take; no progress for so long is none at all. */
const PATIENCE_MS = 120_000;
/** Of calls that are paid twice without a fault to explain it, the share of all rows that may be. */
const UNEXPLAINED_SHARE = 0.005;
/** Or so many, in a small job: what one worker loses at once. */
const UNEXPLAINED_AT_LEAST = 2 * SLOTS;

export async function runNatsChaos(options: NatsChaosOptions): Promise<NatsChaosOutcome> {
  const folder = await mkdtemp(join(tmpdir(), "tiding-nats-chaos-"));
  try {
    await using server = await startNatsServer(options.server, { storeDir: join(folder, "store") });
    await using simulator = await startSimulatorProcess({
      latency: {
        distribution: "lognormal",
        medianMs: options.latencyMs,
        sigma: 0.6,
        stragglers: { share: 0.002, factor: 20 },
      },
      maxConcurrentRequests: 0,
      faults: { "429": 0.01, "500": 0.01 },
      faultSeed: options.seed % 2 ** 31,
      retryAfterSeconds: 0,
      log: join(folder, "requests.log"),
    });
    await writeInput(join(folder, "input.jsonl"), options.rows);
    return await new NatsChaos({ folder, server, simulator }, options).run();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Surroundings {
  readonly folder: string;
  readonly server: NatsServer;
  readonly simulator: SimulatorProcess;
}

class NatsChaos {
  readonly #options: NatsChaosOptions;
  readonly #around: Surroundings;
  readonly #root: string;
  readonly #random: () => number;
  readonly #diary: ChaosDiary;
  readonly #crew: NatsCrew;
  readonly #faults: NatsFaults;
  readonly #history = new ShardHistory();
  readonly #over = new AbortController();
  readonly #acting: Promise<void>[] = [];
  /** One fault at a time for each of these. */
  readonly #busy = new Set<"coordinator" | "server">();

  constructor(around: Surroundings, options: NatsChaosOptions) {
    const { folder, server, simulator } = around;
    const { rows, workers, faults, seed, say = () => undefined } = options;
    const random = seededRandom(seed);
    const diary = new ChaosDiary(faults, { rows, random, say });
    this.#around = around;
    this.#options = options;
    this.#root = join(folder, "out");
    this.#random = random;
    this.#diary = diary;
    const isUnderWay = (): boolean => this.#history.committed > 0;
    this.#crew = new NatsCrew({
      folder,
      broker: server.url,
      endpoint: simulator.url,
      workers,
      random,
      diary,
      isUnderWay,
    });
    this.#faults = new NatsFaults({ folder, server, crew: this.#crew, random, diary, over: this.#over.signal });
  }

  async run(): Promise<NatsChaosOutcome> {
    const startedMs = performance.now();
    const observing = this.#observe();
    await this.#disturb();
    if (!this.#crew.hasFinished) await this.#describeStandstill();
    const times = {
      seconds: Math.round((performance.now() - startedMs) / 1_000),
      secondsAfterLastFault: Math.round(this.#diary.sinceLastFaultMs / 1_000),
    };
    this.#over.abort();
    await Promise.all(this.#acting);
    await this.#crew.close();
    await observing;
    return await this.#judge(times);
  }

  /** Until the job has finished, or does not come on any more. */
  async #disturb(): Promise<void> {
    let toldMs = performance.now();
    let copiedMs = toldMs;
    while (!this.#crew.hasFinished) {
      await pause(TICK_MS);
      const nowMs = performance.now();
      const { committed } = this.#history;
      if (this.#diary.sinceLastFaultMs > PATIENCE_MS)
        return this.#diary.violate(`nothing happened for ${PATIENCE_MS / 1_000} s: ${committed} rows are committed`);
      if (nowMs - toldMs > TELL_EVERY_MS) {
        toldMs = nowMs;
        this.#diary.say(`${committed} rows committed; ${JSON.stringify(this.#diary.happened)}`);
      }
      for (const fault of this.#diary.due(committed)) this.#act(fault);
      if (!this.#diary.isOver("rollback") && committed > 0 && nowMs - copiedMs > COPY_EVERY_MS) {
        copiedMs = nowMs;
        this.#occupy("server", () => this.#faults.copyStore());
      }
    }
  }

  #act(fault: Fault): void {
    const working = [...this.#crew.workers].filter((child) => this.#isWorking(child));
    const worker = working[Math.floor(this.#random() * working.length)];
    switch (fault) {
      case "worker":
        // It is noted when it has ended.
        worker?.kill("SIGKILL");
        return;
      case "drain":
        if (worker === undefined) return;
        worker.kill("SIGTERM");
        return this.#diary.note("drain", `worker ${worker.pid} is asked to leave`);
      case "coordinator":
        return this.#occupy("coordinator", () => this.#faults.killCoordinator());
      case "server":
        return this.#occupy("server", () => this.#faults.killServer());
      case "rollback":
        return this.#occupy("server", () => this.#faults.rollBack());
      case "zombie": {
        // By turns: most are workers, coordinators and servers one in five each.
        const turn = this.#diary.done("zombie") % 5;
        if (turn === 1) this.#occupy("coordinator", () => this.#faults.sleepCoordinator());
        else if (turn === 3) this.#occupy("server", () => this.#faults.sleepServer());
        else if (worker !== undefined) this.#begin(this.#faults.sleepWorker(worker));
      }
    }
  }

  /** Does nothing while it is busy: what is due stays due. */
  #occupy(whom: "coordinator" | "server", act: () => Promise<void>): void {
    if (this.#busy.has(whom)) return;
    this.#busy.add(whom);
    this.#begin(act().finally(() => this.#busy.delete(whom)));
  }

  #begin(acting: Promise<void>): void {
    this.#acting.push(acting.catch((error: unknown) => this.#diary.violate(`the driver failed: ${messageOf(error)}`)));
  }

  #isWorking(child: WorkerProcess): boolean {
    return !child.hasEnded && !child.isAsleep && this.#history.isWorking((worker) => pidOf(worker) === child.pid);
  }

  /** Reads the commit log along, to know who works on what and how far the job has come. */
  async #observe(): Promise<void> {
    const { signal } = this.#over;
    let job = null;
    for (; job === null && !signal.aborted; await pause(TICK_MS))
      job = (await readManifest(this.#root))?.job.id ?? null;
    if (job === null) return;
    await using transport = await this.#connect();
    for await (const entry of transport.log.read(job, null, signal)) this.#history.read(entry, clock());
  }

  async #describeStandstill(): Promise<void> {
    const manifest = await readManifest(this.#root);
    if (manifest === null) return;
    await using transport = await this.#connect();
    const shards = Array.from({ length: Math.ceil(this.#options.rows / SHARD_ROWS) }, (_, shard) => shard);
    const missing = shards.filter((shard) => !rangesHave(manifest.landed, shard));
    for (const line of await describeStandstill(transport, manifest.job.id, missing)) this.#diary.say(line);
  }

  #connect(): Promise<Transport> {
    return openNatsTransport({
      servers: this.#around.server.url,
      name: "chaos driver",
      provision: false,
      setupWaitMs: PATIENCE_MS,
      leaseMs: LEASE_MS,
      signal: this.#over.signal,
    });
  }

  async #judge(times: object): Promise<NatsChaosOutcome> {
    const { seed, rows, workers, faults } = this.#options;
    const paidTwice = await this.#countPaidTwice();
    const mostUnexplained = Math.max(UNEXPLAINED_AT_LEAST, Math.floor(rows * UNEXPLAINED_SHARE));
    const { unexplained = 0, released = 0 } = paidTwice.byCause;
    const { violations, reader } = await checkOutput(this.#root, rows);
    this.#diary.violations.push(...paidTwice.violations, ...violations);
    // A store that was set back has forgotten what was paid for, and so has the log that would explain it.
    if (faults.rollback === 0 && unexplained + released > mostUnexplained)
      this.#diary.violate(
        `${unexplained + released} calls were paid twice without a cause, ${mostUnexplained} at most may be`,
      );
    for (const fault of Object.keys(faults) as Fault[])
      if (!this.#diary.isOver(fault)) this.#diary.violate(`the job ended before all faults of kind ${fault} happened`);
    return {
      violations: this.#diary.violations,
      details: {
        seed,
        rows,
        workers,
        slots: SLOTS,
        natsServer: this.#around.server.version,
        happened: this.#diary.happened,
        callsPaidTwice: paidTwice.calls,
        answersPaidTwice: paidTwice.answered,
        paidTwiceByCause: paidTwice.byCause,
        mostUnexplained,
        lossesByCause: paidTwice.losses,
        unexplainedLosses: paidTwice.unexplained.slice(0, 5),
        reopenings: this.#history.reopenings,
        reader,
        ...times,
      },
    };
  }

  async #countPaidTwice(): Promise<PaidTwice> {
    const { folder, simulator } = this.#around;
    await simulator.flushLog();
    const keys = rowsByKey(this.#options.rows);
    return countPaidTwice(await readRequestLog(join(folder, "requests.log")), {
      rowOf: (key) => keys.get(key),
      shardRows: SHARD_ROWS,
      ownershipsOf: (shard) => this.#history.ownershipsOf(shard),
      disturbances: {
        diedAtMs: (worker) => this.#crew.deaths.get(pidOf(worker)),
        sleeps: (worker) => this.#crew.sleeps.get(pidOf(worker)) ?? [],
        serverAway: this.#faults.serverAway,
      },
    });
  }
}

/** A worker's name holds the number of its process. */
function pidOf(worker: string): number {
  return Number(/-(\d+)-[0-9a-f]+$/.exec(worker)?.[1] ?? 0);
}
