/** Scenarios on a machine whose host takes its cores away at times: each measured when least was taken. */
import { rounded, tell } from "../figure.ts";
import { measureRun } from "./measured-run.ts";
import type { MeasuredRun, MeasuredRunOptions } from "./measured-run.ts";
import type { Scenario } from "./scenarios.ts";
import { stolenMs } from "./stolen-time.ts";

/** Of a core's time, of all cores together: about so many tokens are written or read late, and of p99 one in a hundred may be. */
const LITTLE = 0.005;

export interface MeasuredScenario {
  readonly scenario: Scenario;
  readonly run: MeasuredRun;
  /** Of a core's time, in each try. */
  readonly stolen: readonly number[];
}

/**
 * Each of them once, and those from which more than a little was taken again, until all have had their turn `tries` times:
 * bad moments last minutes. Of each that try counts from which least was taken, and its figures are not looked at.
 */
export async function leastStolen(scenarios: readonly Scenario[], tries: number): Promise<readonly MeasuredScenario[]> {
  const all = scenarios.map((scenario) => ({ scenario, stolen: [] as number[], best: null as MeasuredRun | null }));
  for (let round = 0; round < tries; round++) {
    for (const one of all) {
      const least = Math.min(...one.stolen);
      if (least <= LITTLE) continue;
      const { run, stolen } = await measureStolen(optionsOf(one.scenario));
      one.stolen.push(rounded(stolen, 4));
      tell(`${one.scenario.name}: measured, ${rounded(stolen * 100, 2)} % of a core stolen`);
      if (rounded(stolen, 4) < least) one.best = run;
    }
  }
  return all.map(({ scenario, stolen, best }) => ({ scenario, stolen, run: best! }));
}

export function optionsOf({ options, loads }: Scenario): MeasuredRunOptions {
  return { ...options, profile: { kind: "stages", loads } };
}

async function measureStolen(options: MeasuredRunOptions): Promise<{ run: MeasuredRun; stolen: number }> {
  const [before, beganMs] = [stolenMs(), performance.now()];
  const run = await measureRun(options);
  return { run, stolen: ((stolenMs() ?? 0) - (before ?? 0)) / (performance.now() - beganMs) };
}
