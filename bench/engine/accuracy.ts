/**
 * Whether the figures of `tiding bench` are true, on a server whose truth is known: `node dist/bench/engine/accuracy.js`.
 *
 * The simulator runs in a process of its own with fixed times and a fixed number of places, so that its capacity is known. It
 * is put under load in a closed loop, at constant rates and with Poisson arrivals, each below, at and above its knee; with
 * faults; all at once; and with few requests allowed in flight. The truth of each stage is played in virtual time over the
 * same schedule and the same prompts (truth/virtual-stage.ts) and added up by the letter of the definitions
 * (truth/figures.ts). A sweep has to find the knee within 10 %.
 *
 * All of it is done in several rounds. Counts, means and medians have to be true in each of them; of percentiles above the
 * median, which some milliseconds decide in which the machine did something else, the round in the middle counts.
 *
 * Beside that truth, and not judged, stands what the simulator did by its own log (truth/served-stage.ts): it tells what of a
 * difference is the simulator's own lateness. Scenarios in which the machine's host took its cores away (truth/stolen-time.ts)
 * are measured again at the round's end, and of each that try counts from which least was taken, whatever its figures.
 *
 *     node dist/bench/engine/accuracy.js [--rounds 3] [--tries 4] [--seconds 15] [--sweep 20]
 */
import { loadavg } from "node:os";
import type { StageLoad } from "../load/stage-load.ts";
import { printFigure, rounded, sizesFrom, tell } from "./figure.ts";
import { worstOf } from "./truth/differences.ts";
import type { Difference } from "./truth/differences.ts";
import { leastStolen } from "./truth/least-stolen.ts";
import type { Try } from "./truth/least-stolen.ts";
import { measureRun, truthOf } from "./truth/measured-run.ts";
import type { MeasuredRun, MeasuredRunOptions } from "./truth/measured-run.ts";
import { CAPACITY, scenarios, SWEPT } from "./truth/scenarios.ts";
import type { Scenario } from "./truth/scenarios.ts";
import { CORES } from "./truth/scheduling.ts";
import { stolenWhile } from "./truth/stolen-time.ts";

const KNEE_SHARE = 0.1;
/** Of a percentile that a moment decides. */
const TAIL = /\.p9\d+$/;
const { rounds, tries, seconds, sweep } = sizesFrom({ rounds: 3, tries: 4, seconds: 15, sweep: 20 });

type Found = Difference & { readonly stage: string };

const byRound: Found[][] = [];
/** The same figures beside what the simulator did. */
const servedByRound: Found[][] = [];
const health: Record<string, unknown>[] = [];
for (let round = 1; round <= rounds; round++) await measureRound(round);
const found = overRounds(byRound);
const servedOnes = overRounds(servedByRound);

const knee = await kneeOf();
const kneeShare = Math.abs(knee / CAPACITY - 1) / KNEE_SHARE;
const furthest = worstOf(found);
const largest = Math.max(furthest.share, kneeShare);
const names = [...new Set(found.map((difference) => difference.name))];
printFigure({
  figure: "largest difference from the truth, over what is allowed: 2 % or 1 ms, and 10 % for the knee",
  value: rounded(largest),
  want: "at most 1",
  ok: largest <= 1,
  details: {
    rounds,
    seconds,
    loadAverage: loadavg().map((load) => rounded(load, 2)),
    worst: { stage: furthest.stage, ...cellsOf(furthest) },
    knee: { measured: knee, truth: rounded(CAPACITY), share: rounded(kneeShare) },
    figures: found.length,
    tooFar: tooFar(found),
    tooFarInOneRound: byRound.map(tooFar),
    /** Not judged: the client is believed when it sent, so that its own lag is no news here. */
    fromServed: { largest: rounded(worstOf(servedOnes).share), tooFar: tooFar(servedOnes) },
    health,
    /** Of each figure the stage that was furthest from the truth. */
    table: names.map((name) => {
      const one = worstOf(found.filter((difference) => difference.name === name));
      return { ...cellsOf(one), stage: one.stage };
    }),
  },
});

async function measureRound(round: number): Promise<void> {
  const all: Found[] = [];
  const allServed: Found[] = [];
  for (const { item, result: run, stolen } of await leastStolen(scenarios(seconds), tries, measureScenario)) {
    const { name, loads, engine, without } = item;
    const { lateness, coresApart } = run;
    const [, ...truths] = await truthOf(run, optionsOf(item), { loads, engine });
    for (const { stage, fromTold, fromServed } of truths) {
      const of = `${name}: ${stage.name}`;
      const ofStage = (ones: readonly Difference[]): Found[] =>
        ones.filter((one) => without?.test(one.name) !== true).map((one) => ({ ...one, stage: of }));
      const here = ofStage(fromTold);
      const served = new Map(ofStage(fromServed).map((one) => [one.name, one]));
      all.push(...here);
      allServed.push(...served.values());
      const { lag_p99_ms, event_loop_delay_p99_ms, event_loop_utilisation, cpu_share, limited } = stage.client;
      const client = { lag_p99_ms, event_loop_delay_p99_ms, event_loop_utilisation, cpu_share, limited };
      const { over_saturated: overSaturated } = stage;
      health.push({ round, stage: of, overSaturated, coresApart, stolen, client, simulator: lateness });
      const worst = worstOf(here);
      tell(
        `\nround ${round}, ${of}: ${here.length} figures, the worst ${worst.name}, ${(worst.share * 100).toFixed(0)} % of what is allowed`,
      );
      for (const one of here) tell(lineOf(one, served.get(one.name)));
      tell(`  client ${JSON.stringify(client)}, simulator ${JSON.stringify(lateness)}, stolen ${stolen.join(", ")}`);
    }
  }
  byRound.push(all);
  servedByRound.push(allServed);
}

async function measureScenario(scenario: Scenario): Promise<Try<MeasuredRun>> {
  const { result, stolen } = await stolenWhile(() => measureRun(optionsOf(scenario)));
  tell(`${scenario.name}: measured, ${rounded(stolen * 100, 2)} % of a core stolen`);
  return { result, stolen: rounded(stolen, 4) };
}

function optionsOf({ options, loads }: Scenario): MeasuredRunOptions {
  return { ...options, profile: { kind: "stages", loads } };
}

/** Of each figure the round that counts. */
function overRounds(all: readonly (readonly Found[])[]): Found[] {
  return [...grouped(all.flat()).values()].map((ofRounds) => {
    const inOrder = ofRounds.toSorted((one, other) => one.share - other.share);
    return TAIL.test(inOrder[0]!.name) ? inOrder[ofRounds.length >> 1]! : inOrder.at(-1)!;
  });
}

/** A figure of a stage in each of the rounds. */
function grouped(all: readonly Found[]): Map<string, Found[]> {
  const groups = new Map<string, Found[]>();
  for (const one of all) {
    const key = `${one.stage} ${one.name}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return groups;
}

function tooFar(all: readonly Found[]) {
  return all.filter(({ share }) => share > 1).map((one) => ({ ...cellsOf(one), stage: one.stage }));
}

async function kneeOf(): Promise<number> {
  const stage: Omit<StageLoad, "name" | "arrivals"> = {
    seconds: sweep,
    requests: null,
    warmUpSeconds: sweep / 6,
    coolDownSeconds: 0,
    rampSeconds: 0,
    maxInFlight: 4_096,
    graceSeconds: 120,
    seed: 7,
  };
  const { report } = await measureRun({
    simulator: SWEPT,
    profile: { kind: "sweep", sweep: { stage, maxConcurrency: null } },
    route: "tgi",
    maxTokens: 200,
    promptTokens: 40,
    slo: null,
    threads: 1,
    simulatorCore: CORES[0] ?? null,
  });
  for (const { name, throughput, over_saturated } of report.stages) {
    tell(
      `  ${name}: ${throughput.req_s.toFixed(2)} answers a second${over_saturated === true ? ", over-saturated" : ""}`,
    );
  }
  return report.sweep?.knee_req_s ?? 0;
}

function cellsOf({ name, measured, truth, share }: Difference) {
  const difference = (measured ?? 0) - (truth ?? 0);
  return { name, measured: short(measured), truth: short(truth), difference: short(difference), share: short(share) };
}

/** What was measured, what the simulator was told to do, and what it did. */
function lineOf({ name, measured, truth, share }: Difference, served: Difference | undefined): string {
  const number = (value: number | null): string => (value === null ? "–" : value.toFixed(3)).padStart(12);
  const percent = (of: number): string => `${(of * 100).toFixed(0)} %`.padStart(10);
  const done = served === undefined ? "" : number(served.truth) + percent(served.share);
  return `  ${name.padEnd(34)}${number(measured)}${number(truth)}${percent(share)}${done}${share > 1 ? "  <<<" : ""}`;
}

function short(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : rounded(value, 3);
}
