/**
 * Decides the stages of a sweep, one after the other, from the reports so far. No clock, no chance.
 *
 *   one at a time ─► at full load ─► rates between, up ─► first not kept up ─► bisect: knee ─► bisect: SLO ─► end
 *                                         │ all kept up ─► rates above full load, up to where one is not
 *
 * The rates between are those of guidellm's sweep (`research/bench-peers.md`, section 1.3). They are constant: a queue that
 * grows is told from a chance rush of Poisson arrivals only by stages of minutes.
 */
import type { StageLoad } from "../load/stage-load.ts";
import type { BenchReport, SloLimits, StageReport } from "../report/bench-report.ts";
import { stageMeetsSlo, whyNotKeptUp } from "./stage-verdict.ts";

export interface SweepOptions {
  /** What all stages have in common; those of rates are lengthened in proportion where answers are long. */
  readonly stage: Omit<StageLoad, "name" | "arrivals">;
  /** Of the stage at full load. */
  readonly maxConcurrency: number;
  readonly slo: SloLimits | null;
  /** One at a time, full load, and the rates between; 10 by default. */
  readonly steps?: number;
}

/** A bisection ends when the rate that failed is so close above the one that passed. */
const CLOSE_ENOUGH = 0.05;
/** Full load was at a limited concurrency, so more may be kept up: so much more a stage, so many stages. */
const BEYOND = 1.25;
const MOST_BEYOND = 4;
/** Of both bisections together. */
const MOST_BISECTED = 14;
/** A server that answered more at full load should keep up less than this share of it: a failure there is looked at twice. */
const DOUBTFUL_BELOW = 0.8;
/** Where full load is hardly faster than one at a time, the rates between begin at this share of it. */
const LOWEST_SHARE = 0.5;

/**
 * So many answers' lengths, of those at full load, must a stage be long: until then a batch that still fills looks like a queue
 * that grows (a model of the h100 preset, whose answers take 15 s, was judged wrong at 80 % of its knee in 30 s, and right in
 * 60). It is not made longer than so many times what was asked for.
 */
const LEAST_TURNS = 4;
const MOST_LONGER = 4;

/** A rate that was tried; by its last stage, where there were two. */
interface Tried {
  readonly rate: number;
  readonly stages: number;
  readonly report: StageReport;
}

export class Sweep {
  readonly #options: Required<SweepOptions>;
  #reports: readonly StageReport[] = [];

  constructor(options: SweepOptions) {
    this.#options = { steps: 10, ...options };
  }

  /** The stage after those that were reported, which are the sweep's in their order; null at the end. */
  next(reports: readonly StageReport[]): StageLoad | null {
    this.#reports = reports;
    const [synchronous, full] = reports;
    if (synchronous === undefined) return this.#closed("one at a time", 1);
    if (synchronous.throughput.req_s === 0) return null;
    if (full === undefined) return this.#closed("full load", this.#options.maxConcurrency);
    const again = this.#doubtful();
    if (again !== null) return this.#open(again, " again");
    const rate = this.#nextRate();
    return rate === null ? null : this.#open(rate);
  }

  /** What the reports given to `next` last have shown. */
  result(): NonNullable<BenchReport["sweep"]> {
    const [synchronous, full] = this.#reports;
    const keptUp = this.#bracket((report) => whyNotKeptUp(report) === null);
    return {
      synchronous_req_s: synchronous?.throughput.req_s ?? 0,
      throughput_req_s: full?.throughput.req_s ?? 0,
      knee_req_s: keptUp.passed,
      slo_req_s: this.#sloRate(),
      stopped: this.#stopped(),
    };
  }

  #nextRate(): number | null {
    const tried = this.#tried();
    const kept = this.#bracket((report) => whyNotKeptUp(report) === null);
    const rates = this.#rates();
    if (kept.failed === null) {
      const between = rates.find((rate) => !tried.some((one) => one.rate === rate));
      if (between !== undefined) return between;
      const highest = Math.max(...tried.map(({ rate }) => rate));
      const beyond = tried.filter(({ rate }) => rate > rates.at(-1)!).length;
      if (beyond < MOST_BEYOND) return shown(highest * BEYOND);
    }
    const bisected = tried.filter(({ rate }) => rate < rates.at(-1)! && !rates.includes(rate)).length;
    if (bisected >= MOST_BISECTED) return null;
    return this.#middle(kept) ?? this.#middleOfSlo();
  }

  #middleOfSlo(): number | null {
    const { slo } = this.#options;
    if (slo === null || !stageMeetsSlo(this.#reports[0]!, slo)) return null;
    return this.#middle(this.#bracket((report) => stageMeetsSlo(report, slo)));
  }

  #middle({ passed, failed }: { passed: number | null; failed: number | null }): number | null {
    if (failed === null) return null;
    const floor = passed ?? this.#lowest();
    if (failed - floor <= CLOSE_ENOUGH * failed) return null;
    const middle = shown((floor + failed) / 2);
    return middle > floor && middle < failed ? middle : null;
  }

  /** The lowest rate that failed, and the highest below it that passed. */
  #bracket(passes: (report: StageReport) => boolean): { passed: number | null; failed: number | null } {
    const tried = this.#tried();
    const failed = tried.filter(({ report }) => !passes(report)).map(({ rate }) => rate);
    const lowestFailed = failed.length === 0 ? null : Math.min(...failed);
    const passed = tried.map(({ rate }) => rate).filter((rate) => rate < (lowestFailed ?? Infinity));
    return { passed: passed.length === 0 ? null : Math.max(...passed), failed: lowestFailed };
  }

  #sloRate(): number | null {
    const { slo } = this.#options;
    if (slo === null) return null;
    const { passed } = this.#bracket((report) => stageMeetsSlo(report, slo));
    if (passed !== null) return passed;
    const [synchronous] = this.#reports;
    return synchronous !== undefined && stageMeetsSlo(synchronous, slo) ? synchronous.throughput.req_s : null;
  }

  #stopped(): string | null {
    const [synchronous] = this.#reports;
    if (synchronous === undefined) return null;
    if (synchronous.throughput.req_s === 0) return "One at a time, no request was answered.";
    const failed = this.#tried()
      .filter(({ report }) => whyNotKeptUp(report) !== null)
      .toSorted((a, b) => a.rate - b.rate)[0];
    if (failed !== undefined) return `At ${failed.rate} req/s ${whyNotKeptUp(failed.report)}.`;
    const highest = this.#tried().at(-1);
    return highest === undefined ? null : `Even ${highest.rate} req/s were kept up; the knee lies above.`;
  }

  /** A rate that was tried once and failed where it should not have: far below full load, or the SLO below one that met it. */
  #doubtful(): number | null {
    const { slo } = this.#options;
    const tried = this.#tried();
    const believed = DOUBTFUL_BELOW * this.#reports[1]!.throughput.req_s;
    const meets = (one: Tried): boolean => slo !== null && stageMeetsSlo(one.report, slo);
    const highestMet = Math.max(...tried.filter(meets).map(({ rate }) => rate));
    const doubtful = tried.find((one) => {
      if (one.stages > 1) return false;
      if (whyNotKeptUp(one.report) !== null) return one.rate < believed;
      return slo !== null && one.rate < highestMet && !meets(one);
    });
    return doubtful?.rate ?? null;
  }

  #tried(): Tried[] {
    const byRate = new Map<number, Tried>();
    for (const report of this.#reports.slice(2)) {
      const { rate } = report.load;
      if (rate === null) continue;
      byRate.set(rate, { rate, stages: (byRate.get(rate)?.stages ?? 0) + 1, report });
    }
    return [...byRate.values()];
  }

  /** Evenly from the lowest, which is left out, to that of full load. */
  #rates(): number[] {
    const [lowest, highest] = [this.#lowest(), this.#highest()];
    const count = Math.max(1, this.#options.steps - 2);
    return Array.from({ length: count }, (_, step) => shown(lowest + ((highest - lowest) * (step + 1)) / count));
  }

  #lowest(): number {
    return Math.min(this.#reports[0]!.throughput.req_s, this.#highest() * LOWEST_SHARE);
  }

  #highest(): number {
    return Math.max(this.#reports[0]!.throughput.req_s, this.#reports[1]!.throughput.req_s);
  }

  #closed(name: string, concurrency: number): StageLoad {
    return { ...this.#options.stage, name, arrivals: { kind: "closed", concurrency } };
  }

  #open(rate: number, suffix = ""): StageLoad {
    const { stage } = this.#options;
    const turnsSeconds = (LEAST_TURNS * (this.#reports[1]!.metrics.e2e_service.mean ?? 0)) / 1000;
    const longer = stage.seconds === null ? 1 : Math.min(Math.max(1, turnsSeconds / stage.seconds), MOST_LONGER);
    const lengthened = (seconds: number): number => (longer === 1 ? seconds : Math.ceil(seconds * longer));
    return {
      ...stage,
      seconds: stage.seconds === null ? null : lengthened(stage.seconds),
      warmUpSeconds: lengthened(stage.warmUpSeconds),
      coolDownSeconds: lengthened(stage.coolDownSeconds),
      rampSeconds: lengthened(stage.rampSeconds),
      name: `${rate} req/s${suffix}`,
      arrivals: { kind: "constant", rate },
    };
  }
}

/** Rates are as their names show them, so that a stage can be repeated by its name. */
function shown(rate: number): number {
  return Number(rate.toPrecision(4));
}
