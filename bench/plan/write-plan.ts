/** The document of a plan, from what was foreseen. */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { LoadedSpec } from "../../shared/spec/loaded-spec.ts";
import type { Forecast, World } from "./forecast.ts";
import type { PaidSample } from "./paid-sample.ts";
import { PLAN_VERSION, type Plan, type PlanRange } from "./plan-document.ts";
import { beyondKnown, restsOn, warningsOf, type SentenceFacts } from "./plan-sentences.ts";
import { dollarsFor, type StepPrice } from "./prices.ts";
import type { StepUse } from "./sample-use.ts";
import { shareInterval } from "./statistics.ts";

export interface PlanFacts extends SentenceFacts {
  readonly loaded: LoadedSpec;
  readonly done: number;
  /** One for each step. */
  readonly tokenPrices: readonly (StepPrice | null)[];
  /** US dollars an hour, by the names of endpoints. */
  readonly endpointPrices: ReadonlyMap<string, number>;
}

export function writePlan(facts: PlanFacts): Plan {
  const { settled, loaded, survey, toRun, done, forecast, targets, bases, sample, tokenPrices, endpointPrices } = facts;
  const sumOf = (of: (use: StepUse) => number) => (world: World) => world.steps.reduce((sum, use) => sum + of(use), 0);
  const useOf = (pick: (of: (use: StepUse) => number) => (world: World) => number) => ({
    calls: rounded(forecast.range(pick(({ calls }) => calls))),
    input_tokens: rounded(forecast.range(pick(({ inputTokens }) => inputTokens))),
    output_tokens: rounded(forecast.range(pick(({ outputTokens }) => outputTokens))),
  });
  const hourly = hourlyPrice(facts);
  const isTimed = forecast.range(({ seconds }) => (seconds === null ? 1 : 0)).high === 0;
  const timeIsBound = isTimed && beyondKnown(facts).length > 0;
  const tokenDollars = (world: World): number =>
    world.steps.reduce((sum, use, step) => sum + dollarsFor(tokenPrices[step] ?? null, use), 0);
  const hasTokenPrice = tokenPrices.some((price) => price !== null);
  const isPriced = hourly === null ? hasTokenPrice : isTimed;
  const unreadable = Math.round(toRun * survey.faultShare);
  return {
    version: PLAN_VERSION,
    kind: "plan",
    tiding: packageVersion(),
    created_at: new Date().toISOString(),
    job: { name: loaded.name, output: path.resolve(loaded.folder, loaded.spec.output.path) },
    seed: settled.seed,
    rows: {
      total: survey.rows,
      done,
      to_run: toRun,
      counted: survey.counted,
      error: survey.rowsError,
      unreadable,
    },
    sample: sample === null ? null : sampleOf(sample, facts, hourly),
    ...useOf(sumOf),
    failed_rows: failedRows(sample, { unreadable, readable: toRun - unreadable }),
    seconds: isTimed ? forecast.range(({ seconds }) => seconds ?? 0) : null,
    time_is_bound: timeIsBound,
    dollars: isPriced
      ? forecast.range((world) => tokenDollars(world) + ((hourly ?? 0) * (world.seconds ?? 0)) / 3_600)
      : null,
    steps: targets.stepNames.map((name, step) => {
      const gateway = targets.gateways[targets.steps[step]?.gateway ?? -1];
      const pools = gateway?.pools ?? [];
      const price = tokenPrices[step] ?? null;
      return {
        name,
        task: loaded.spec.steps[step]?.task ?? "",
        endpoints: pools.map(({ server }) => targets.servers[server] ?? ""),
        slots: pools.reduce((sum, { slots }) => sum + slots, 0),
        ...useOf((of) => (world) => of(world.steps[step]!)),
        dollars: price === null ? null : forecast.range((world) => dollarsFor(price, world.steps[step]!)),
      };
    }),
    endpoints: bases.map(({ endpoint, basis, name }) => ({
      endpoint,
      basis,
      name,
      price_per_hour: endpointPrices.get(endpoint) ?? null,
    })),
    rests_on: restsOn(facts),
    warnings: warningsOf(facts, timeIsBound),
    next: settled.next,
  };
}

/** Of all endpoints together; null where nothing is known, or not of all that are paid by the hour. */
function hourlyPrice({ settled, endpointPrices }: PlanFacts): number | null {
  const { hour } = settled.prices;
  if (hour !== undefined) return hour;
  return endpointPrices.size === 0 ? null : [...endpointPrices.values()].reduce((sum, price) => sum + price, 0);
}

function sampleOf(
  sample: PaidSample,
  { uses, tokenPrices }: PlanFacts,
  hourly: number | null,
): NonNullable<Plan["sample"]> {
  const total = (of: (use: StepUse) => number): number =>
    uses.reduce((sum, { steps }) => sum + steps.reduce((inRow, use) => inRow + of(use), 0), 0);
  const tokenDollars = uses.reduce(
    (sum, { steps }) => sum + steps.reduce((inRow, use, step) => inRow + dollarsFor(tokenPrices[step] ?? null, use), 0),
    0,
  );
  const isPriced = hourly !== null || tokenPrices.some((price) => price !== null);
  return {
    rows: sample.rows.length,
    failed: sample.rows.filter(({ error }) => error !== null).length,
    calls: total(({ calls }) => calls),
    input_tokens: total(({ inputTokens }) => inputTokens),
    output_tokens: total(({ outputTokens }) => outputTokens),
    seconds: sample.seconds,
    dollars: isPriced ? tokenDollars + ((hourly ?? 0) * sample.seconds) / 3_600 : null,
    errors: sample.rows.flatMap(({ rowId, error }) =>
      error === null ? [] : [{ row_id: rowId, code: error.code, message: error.message }],
    ),
  };
}

function failedRows(
  sample: PaidSample | null,
  { unreadable, readable }: { readonly unreadable: number; readonly readable: number },
): PlanRange {
  if (sample === null) return { low: unreadable, likely: unreadable, high: unreadable };
  const failed = sample.rows.filter(({ error }) => error !== null).length;
  const { low, high } = shareInterval(failed, sample.rows.length);
  return rounded({
    low: unreadable + (failed === 0 ? 0 : low * readable),
    likely: unreadable + (failed / sample.rows.length) * readable,
    high: unreadable + high * readable,
  });
}

function rounded({ low, likely, high }: ReturnType<Forecast["range"]>): PlanRange {
  return { low: Math.round(low), likely: Math.round(likely), high: Math.round(high) };
}

function packageVersion(): string {
  const file = new URL("../../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version;
}
