/**
 * Whether the figures of `tiding bench` are true, on a server whose truth is known: `node dist/bench/engine/accuracy.js`.
 *
 * The simulator runs in a process of its own with fixed times and a fixed number of places, so that its capacity is known. It
 * is put under load in a closed loop, at constant rates and with Poisson arrivals, each below, at and above its knee; with
 * faults; all at once; and with few requests allowed in flight. The truth of each stage is played in virtual time over the
 * same schedule and the same prompts (truth/virtual-stage.ts) and added up by the letter of the definitions
 * (truth/figures.ts). A sweep has to find the knee within 10 %.
 *
 *     node dist/bench/engine/accuracy.js [--seconds 30] [--sweep 20]
 */
import { loadavg } from "node:os";
import type { StageLoad } from "../load/stage-load.ts";
import { printFigure, rounded, sizesFrom, tell } from "./figure.ts";
import { worstOf } from "./truth/differences.ts";
import type { Difference } from "./truth/differences.ts";
import { measureRun, truthOf } from "./truth/measured-run.ts";
import type { MeasuredRunOptions } from "./truth/measured-run.ts";
import { CAPACITY, scenarios, SWEPT } from "./truth/scenarios.ts";

const KNEE_SHARE = 0.1;
const { seconds, sweep } = sizesFrom({ seconds: 30, sweep: 20 });

const found: (Difference & { readonly stage: string })[] = [];
const stages: Record<string, unknown> = {};
for (const { name, options, loads, engine, without } of scenarios(seconds)) {
  const measured: MeasuredRunOptions = { ...options, profile: { kind: "stages", loads } };
  const run = await measureRun(measured);
  const { lateness } = run;
  const [, ...truths] = await truthOf(run, measured, { loads, engine });
  for (const { stage, differences: all } of truths) {
    const differences = all.filter((difference) => without?.test(difference.name) !== true);
    const of = `${name}: ${stage.name}`;
    const worst = worstOf(differences);
    found.push(...differences.map((difference) => ({ ...difference, stage: of })));
    tell(
      `\n${of}: ${differences.length} figures, the worst ${worst.name}, ${(worst.share * 100).toFixed(0)} % of what is allowed`,
    );
    for (const difference of differences) tell(lineOf(difference));
    const { lag_p99_ms, event_loop_delay_p99_ms, event_loop_utilisation, cpu_share, limited } = stage.client;
    const client = { lag_p99_ms, event_loop_delay_p99_ms, event_loop_utilisation, cpu_share, limited };
    tell(`  client ${JSON.stringify(client)}, simulator ${JSON.stringify(lateness)}`);
    stages[of] = {
      figures: differences.length,
      tooFar: differences.filter(({ share }) => share > 1).length,
      worst: cellsOf(worst),
      overSaturated: stage.over_saturated,
      clientLagP99Ms: rounded(lag_p99_ms ?? 0),
      simulatorLateP99Ms: rounded(lateness.p99Ms),
    };
  }
}

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
    seconds,
    loadAverage: loadavg().map((load) => rounded(load, 2)),
    worst: { stage: furthest.stage, ...cellsOf(furthest) },
    knee: { measured: knee, truth: rounded(CAPACITY), share: rounded(kneeShare) },
    figures: found.length,
    tooFar: found.filter(({ share }) => share > 1).map((one) => ({ ...cellsOf(one), stage: one.stage })),
    stages,
    /** Of each figure the stage that was furthest from the truth. */
    table: names.map((name) => {
      const one = worstOf(found.filter((difference) => difference.name === name));
      return { ...cellsOf(one), stage: one.stage };
    }),
  },
});

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

function lineOf(difference: Difference): string {
  const { name, measured, truth, share } = difference;
  const cells = [measured, truth].map((value) => (value === null ? "–" : value.toFixed(3)).padStart(12));
  return `  ${name.padEnd(34)}${cells.join("")}${`${(share * 100).toFixed(0)} %`.padStart(10)}${share > 1 ? "  <<<" : ""}`;
}

function short(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : rounded(value, 3);
}
