/**
 * One job, run by processes that are killed again and again: at random moments with requests in flight, and at every named
 * step of the commit protocol. After each death the output is read from its files alone; in the end it must be whole.
 *
 * A few rows hang at the endpoint for some lives at a time: their shards stay open while the result store, which is kept
 * tiny, fills up, so that batches are spilled, and their late parts interleave with others, so that parts are merged.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { startSimulatorProcess, type SimulatorProcess } from "../../bench/simulator/child.ts";
import { readRequestLog } from "../../bench/simulator/request-log.ts";
import { PROTOCOL_STEPS, type ProtocolStep } from "../../shared/protocol/protocol-step.ts";
import { committedRows, damagedFiles, folderBytes } from "../support/committed-rows.ts";
import { startJobProcess, type JobProcess } from "../support/job-process.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { checkOutput } from "./check-output.ts";
import { checkRequests, type Death } from "./oracle.ts";
import { questionOf, rowsByKey, writeInput } from "./questions.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly rows: number;
  /** Deaths at random moments. */
  readonly kills: number;
  /** Deaths at each step of the protocol. */
  readonly killsPerStep: number;
  readonly slots: number;
  /** Told what happens, a line at a time. */
  readonly say?: (line: string) => void;
}

export interface ChaosOutcome {
  readonly violations: readonly string[];
  /** Deaths that were planned and could not be had: the plan's fault, not the engine's. */
  readonly unreached: readonly string[];
  readonly details: Readonly<Record<string, unknown>>;
}

type Attempt = { readonly kind: "random" } | { readonly kind: "step"; readonly step: ProtocolStep };

/** The step that is reached only once all rows have landed. */
const LAST_STEP: ProtocolStep = "parts-merged";
/** Lives between two changes of the rows that hang. */
const LIVES_PER_HANG = 3;
/** Their shards, of 32 rows with a few hundred bytes each, are more than the result store below may hold. */
const HANGING_ROWS = 10;
/** Lives beyond those that were planned, for steps that were not reached at the first try. */
const SPARE_LIVES = 12;
/** How long a life that is to die at a step may take to get there. */
const STEP_PATIENCE_MS = 6_000;
const LIFE_PATIENCE_MS = 120_000;

export async function runChaos(options: ChaosOptions): Promise<ChaosOutcome> {
  const folder = await mkdtemp(join(tmpdir(), "tiding-chaos-"));
  try {
    return await new Chaos(folder, options).run();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

class Chaos {
  readonly #options: ChaosOptions;
  readonly #folder: string;
  readonly #root: string;
  readonly #log: string;
  readonly #random: () => number;
  readonly #violations: string[] = [];
  readonly #unreached: string[] = [];
  readonly #deaths: Death[] = [];
  readonly #reached: Record<string, number> = Object.fromEntries(PROTOCOL_STEPS.map((step) => [step, 0]));
  #simulator: SimulatorProcess | null = null;
  #port = 0;
  #randomDeaths = 0;
  #peakBytes = 0;
  #hasFinished = false;

  constructor(folder: string, options: ChaosOptions) {
    this.#options = options;
    this.#folder = folder;
    this.#root = join(folder, "out");
    this.#log = join(folder, "requests.log");
    this.#random = seededRandom(options.seed);
  }

  async run(): Promise<ChaosOutcome> {
    const startedMs = performance.now();
    await writeInput(join(this.#folder, "input.jsonl"), this.#options.rows);
    try {
      await this.#liveAndDie();
      if (!this.#hasFinished) await this.#liveToTheEnd();
      await this.#simulator?.flushLog();
    } finally {
      await this.#simulator?.stop();
    }
    const rows = rowsByKey(this.#options.rows);
    const checked = checkRequests(await readRequestLog(this.#log), this.#deaths, (key) => rows.get(key));
    const { violations, reader } = await checkOutput(this.#root, this.#options.rows);
    this.#violations.push(...checked.violations, ...violations);
    return {
      violations: this.#violations,
      unreached: this.#unreached,
      details: {
        seed: this.#options.seed,
        rows: this.#options.rows,
        randomKills: this.#randomDeaths,
        stepKills: this.#reached,
        answersPaidTwice: checked.paidTwice,
        answersNotYetCommittedAtKills: checked.uncommitted,
        requestsInFlightAtKills: checked.inFlight,
        privateFolderPeakBytes: this.#peakBytes,
        reader,
        seconds: Math.round((performance.now() - startedMs) / 1_000),
      },
    };
  }

  async #liveAndDie(): Promise<void> {
    let attempts = this.#plan();
    const mostLives = attempts.length + SPARE_LIVES;
    for (let life = 0; attempts.length > 0 && !this.#hasFinished && life < mostLives; life++) {
      const next = attempts[0] as Attempt;
      const isLast = next.kind === "step" && next.step === LAST_STEP;
      if (isLast) await this.#startSimulator(life, []);
      else if (life % LIVES_PER_HANG === 0) await this.#startSimulator(life, await this.#rowsToHang());
      if (await this.#liveOnce(next)) attempts = attempts.slice(1);
      // The step was out of reach this time: the rows that hang now may not be in the way later.
      else attempts = [...attempts.slice(1), next].toSorted(inReach);
    }
    this.#unreached.push(...attempts.map((left) => (left.kind === "step" ? left.step : "at random")));
  }

  /** All deaths in a random order, those of the last step behind the others. */
  #plan(): Attempt[] {
    const { kills, killsPerStep } = this.#options;
    const attempts: Attempt[] = Array.from({ length: kills }, () => ({ kind: "random" }));
    for (const step of PROTOCOL_STEPS) for (let n = 0; n < killsPerStep; n++) attempts.push({ kind: "step", step });
    return attempts
      .map((attempt) => ({ attempt, at: this.#random() }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ attempt }) => attempt)
      .toSorted(inReach);
  }

  /** Rows that come soon and are not committed. */
  async #rowsToHang(): Promise<readonly number[]> {
    const committed = await committedRows(this.#root).catch(() => new Set<number>());
    const open: number[] = [];
    for (let row = 0; row < this.#options.rows && open.length < 400; row++) if (!committed.has(row)) open.push(row);
    return Array.from({ length: HANGING_ROWS }, () => open[Math.floor(this.#random() * open.length)] ?? 0);
  }

  async #startSimulator(life: number, hanging: readonly number[]): Promise<void> {
    await this.#simulator?.stop();
    this.#simulator = await startSimulatorProcess({
      port: this.#port,
      latency: { distribution: "lognormal", medianMs: 40, sigma: 0.6 },
      faults: { "429": 0.01, "500": 0.01 },
      faultSeed: life,
      retryAfterSeconds: 0,
      hangPrompts: hanging.map((row) => questionOf(row)),
      log: this.#log,
    });
    this.#port = Number(new URL(this.#simulator.url).port);
  }

  /** True when the process died as planned. */
  async #liveOnce(attempt: Attempt): Promise<boolean> {
    const count = 1 + Math.floor(this.#random() * 2);
    const crash =
      attempt.kind === "step" ? { step: attempt.step, count: attempt.step === LAST_STEP ? 1 : count } : null;
    const patienceMs = crash?.step === LAST_STEP ? LIFE_PATIENCE_MS : STEP_PATIENCE_MS;
    const job = this.#startJob(crash);
    const isKilledByUs =
      crash === null ? await this.#killWithRequestsInFlight(job) : !(await endsWithin(job, patienceMs));
    if (isKilledByUs && crash !== null) job.kill("SIGKILL");
    const end = await job.ended;
    if (end.result !== null) {
      this.#noteEnd(end.result);
      return false;
    }
    if (end.signal !== "SIGKILL")
      this.#violations.push(`a process ended with ${end.signal ?? "an error"}: ${end.stderr.slice(0, 400)}`);
    await this.#noteDeath();
    if (isKilledByUs) this.#randomDeaths += 1;
    else if (crash !== null) this.#reached[crash.step] = (this.#reached[crash.step] ?? 0) + 1;
    this.#options.say?.(
      `death ${this.#deaths.length}: ${isKilledByUs ? "random" : crash?.step}, ${this.#deaths.at(-1)?.committed.size} rows committed`,
    );
    return crash === null ? isKilledByUs : !isKilledByUs;
  }

  #startJob(crash: { readonly step: ProtocolStep; readonly count: number } | null): JobProcess {
    return startJobProcess({
      folder: this.#folder,
      spec: {
        input: { path: "input.jsonl" },
        steps: [
          {
            task: "text-generation",
            columns: { instruction: "question" },
            llm: { base_url: this.#simulator?.url, model_id: "simulated/magpie-1", slots: this.#options.slots },
          },
        ],
        output: { path: "out", part_bytes: 30_000 },
        run: { shard_rows: 32, flush_interval: "50ms", attempts: 20 },
      },
      settings: { leaseMs: 3_000, reconcileMs: 200, resultsBudgetBytes: 120_000, segmentBytes: 200_000 },
      crash,
    });
  }

  /** False when the process ended before. */
  async #killWithRequestsInFlight(job: JobProcess): Promise<boolean> {
    let leftMs = 50 + this.#random() * 400;
    while (!job.hasEnded) {
      await pause(10);
      const isWorking = ((await this.#simulator?.stats())?.inFlight ?? 0) > 0;
      if (isWorking) leftMs -= 10;
      if (!isWorking || leftMs > 0) continue;
      job.kill("SIGKILL");
      return true;
    }
    return false;
  }

  async #noteDeath(): Promise<void> {
    // What the process had sent before it died was read by the endpoint when it answers this.
    await this.#simulator?.stats();
    this.#deaths.push({ atMs: performance.timeOrigin + performance.now(), committed: await committedRows(this.#root) });
    this.#violations.push(...(await damagedFiles(this.#root)));
    this.#peakBytes = Math.max(this.#peakBytes, await folderBytes(join(this.#root, ".tiding")).catch(() => 0));
  }

  async #liveToTheEnd(): Promise<void> {
    await this.#startSimulator(this.#deaths.length, []);
    const job = this.#startJob(null);
    if (!(await endsWithin(job, LIFE_PATIENCE_MS))) {
      this.#violations.push("the last run, which nobody disturbed, did not end");
      job.kill("SIGKILL");
    }
    const { result, stderr } = await job.ended;
    if (result === null) this.#violations.push(`the last run died: ${stderr.slice(0, 400)}`);
    else this.#noteEnd(result);
  }

  #noteEnd({ report, error }: NonNullable<Awaited<JobProcess["ended"]>["result"]>): void {
    this.#hasFinished = true;
    if (report?.outcome === "finished") return;
    this.#violations.push(
      `a run ended ${report?.outcome ?? "with an error"}: ${JSON.stringify(error ?? report?.error ?? report?.failures)}`,
    );
  }
}

/** Spills need many rows that are still to come, merges that none is; the rest can die at any time. */
function inReach(a: Attempt, b: Attempt): number {
  const rank = (attempt: Attempt) => {
    if (attempt.kind === "random") return 1;
    if (attempt.step === LAST_STEP) return 2;
    return attempt.step.startsWith("spill") ? 0 : 1;
  };
  return rank(a) - rank(b);
}

async function endsWithin(job: JobProcess, patienceMs: number): Promise<boolean> {
  const over = new AbortController();
  const patience = pause(patienceMs, false, { signal: over.signal }).catch(() => false);
  const inTime = await Promise.race([job.ended.then(() => true), patience]);
  over.abort();
  return inTime;
}
