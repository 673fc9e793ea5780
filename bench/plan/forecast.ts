/**
 * What a job will use and how long it will take: once as is likely, and in many possible worlds that differ in all that is
 * not known: which rows a sample would have drawn (by drawing again from those that it did), how many rows there are, how
 * fast the endpoints are. The range is what eight of ten worlds lie in.
 */
import { chanceOf, type Chance, type EndpointBelief } from "./endpoint-belief.ts";
import type { JobShape, RowShape } from "./job-shape.ts";
import { scaledShape, type RowUse, type StepUse } from "./sample-use.ts";
import { seededRandom } from "./seeded-random.ts";
import { expandedP10, lineThrough, mean, quantile, RANGE_DEVIATES } from "./statistics.ts";
import { simulatedRows, wallMs } from "./wall-time.ts";

export interface Range {
  readonly low: number;
  readonly likely: number;
  readonly high: number;
}

/** One outcome of the whole job. */
export interface World {
  readonly steps: readonly StepUse[];
  /** Null where nothing is known of how fast an endpoint is. */
  readonly seconds: number | null;
}

/** How long answers are, known from more of them than the sample has. */
export interface KnownLengths {
  /** Index of the step. */
  readonly step: number;
  /** Evenly over the distribution. */
  readonly lengths: readonly number[];
  /** Of their mean. */
  readonly standardError: number;
}

export interface ForecastInput {
  /** That make calls, and the standard error as a share of them. */
  readonly rows: number;
  readonly rowsError: number;
  readonly steps: number;
  /** Of sampled rows; none where there is nothing to run. */
  readonly uses: readonly RowUse[];
  /** Over the whole input. */
  readonly meanTextBytes: number;
  readonly lengths: KnownLengths | null;
  readonly gateways: JobShape["gateways"];
  readonly firstGateway: number;
  /** One for each server; null where one of them is not known. */
  readonly beliefs: readonly EndpointBelief[] | null;
  /** Before the first request and after the last row. */
  readonly besidesSeconds: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

const WORLDS = { least: 40, most: 200 };
/** Rows that all worlds simulate together: some seconds of one core. */
const SIMULATED_ROWS = 1_000_000;
/** A slope is used that is so many standard errors steep; a flatter one adds more noise than it takes away. */
const CLEAR_SLOPE = 2.5;

export interface Forecast {
  /** The range of a number that each world has. */
  readonly range: (of: (world: World) => number) => Range;
}

/** Yields to the event loop now and then. Rejects with the signal's reason. */
export async function forecast(input: ForecastInput): Promise<Forecast> {
  const { uses, signal } = input;
  const follows = followsText(uses);
  const likely = worldOf(input, follows, null);
  const worlds: World[] = [];
  const shapes = uses.map(({ shape }) => shape);
  const rowsAWorld = input.beliefs === null ? 0 : simulatedRows(input, Math.ceil(input.rows), shapes);
  const wanted = Math.min(WORLDS.most, Math.max(WORLDS.least, Math.floor(SIMULATED_ROWS / Math.max(1, rowsAWorld))));
  for (let index = 0; index < wanted; index++) {
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    const random = seededRandom(input.seed * 7_919 + index + 1);
    const rows = uses.map(() => Math.floor(random() * uses.length));
    worlds.push(worldOf(input, follows, chanceOf(random, rows)));
  }
  const p10 = expandedP10(uses.length);
  return {
    range(of) {
      const values = worlds.map(of);
      const middle = of(likely);
      return {
        low: Math.min(middle, quantile(values, p10)),
        likely: middle,
        high: Math.max(middle, quantile(values, 1 - p10)),
      };
    },
  };
}

/** Without a sample: between what is thought the least and the most, each with the endpoints as good or as bad as may be. */
export function forecastBetween(inputs: {
  readonly low: ForecastInput;
  readonly likely: ForecastInput;
  readonly high: ForecastInput;
}): Forecast {
  const at = (input: ForecastInput, deviates: number): World => {
    const rows = input.uses.map((_, index) => index);
    const chance = { uniform: seededRandom(input.seed), normal: () => deviates, rows };
    return worldOf(input, followsText(input.uses), deviates === 0 ? null : chance);
  };
  const [low, likely, high] = [at(inputs.low, -RANGE_DEVIATES), at(inputs.likely, 0), at(inputs.high, RANGE_DEVIATES)];
  return {
    range(of) {
      const [least, middle, most] = [of(low), of(likely), of(high)];
      return { low: Math.min(least, middle), likely: middle, high: Math.max(middle, most) };
    },
  };
}

type Measure = (use: RowUse) => number;

/** For each step, whether its tokens go with the length of the row's texts. Calls do not. */
function followsText(uses: readonly RowUse[]): readonly { readonly input: boolean; readonly output: boolean }[] {
  const clear = (measure: Measure): boolean =>
    (lineThrough(uses.map((use) => ({ x: use.textBytes, y: measure(use) })))?.t ?? 0) >= CLEAR_SLOPE;
  return (uses[0]?.steps ?? []).map((_, step) => ({
    input: clear((use) => use.steps[step]!.inputTokens),
    output: clear((use) => use.steps[step]!.outputTokens),
  }));
}

function worldOf(input: ForecastInput, follows: ReturnType<typeof followsText>, chance: Chance | null): World {
  const drawn = chance === null ? input.uses : chance.rows.map((row) => input.uses[row]!);
  if (drawn.length === 0) return nothing(input);
  const rows = Math.round(input.rows * Math.max(0, 1 + (chance?.normal() ?? 0) * input.rowsError));
  const average = (measure: Measure, followsLength: boolean): number => {
    const line = followsLength ? lineThrough(drawn.map((use) => ({ x: use.textBytes, y: measure(use) }))) : null;
    return Math.max(0, line === null ? mean(drawn.map(measure)) : line.at(input.meanTextBytes));
  };
  const { lengths } = input;
  const lengthFactor =
    lengths === null ? 1 : 1 + (chance?.normal() ?? 0) * (lengths.standardError / mean(lengths.lengths));
  const perRow = follows.map((following, step): StepUse => {
    const calls = average((use) => use.steps[step]!.calls, false);
    return {
      calls,
      inputTokens: average((use) => use.steps[step]!.inputTokens, following.input),
      outputTokens:
        lengths?.step === step
          ? calls * mean(lengths.lengths) * lengthFactor
          : average((use) => use.steps[step]!.outputTokens, following.output),
    };
  });
  return {
    steps: perRow.map(({ calls, inputTokens, outputTokens }) => ({
      calls: calls * rows,
      inputTokens: inputTokens * rows,
      outputTokens: outputTokens * rows,
    })),
    seconds: secondsOf(input, { drawn, perRow, rows, lengthFactor, chance }),
  };
}

function nothing({ steps }: ForecastInput): World {
  return { steps: Array.from({ length: steps }, () => ({ calls: 0, inputTokens: 0, outputTokens: 0 })), seconds: 0 };
}

function secondsOf(
  { beliefs, gateways, firstGateway, lengths, besidesSeconds, seed }: ForecastInput,
  world: {
    readonly drawn: readonly RowUse[];
    readonly perRow: readonly StepUse[];
    readonly rows: number;
    readonly lengthFactor: number;
    readonly chance: Chance | null;
  },
): number | null {
  if (beliefs === null) return null;
  const { drawn, perRow, rows, lengthFactor, chance } = world;
  const factors = perRow.map((wanted, step) => ({
    input: ratio(wanted.inputTokens, mean(drawn.map((use) => use.steps[step]!.inputTokens))),
    output:
      lengths?.step === step ? 1 : ratio(wanted.outputTokens, mean(drawn.map((use) => use.steps[step]!.outputTokens))),
  }));
  const scaled = drawn.map((use) => scaledShape(use, factors));
  const shapes = lengths === null ? scaled : withLengths(scaled, lengths.lengths, lengthFactor);
  const servers = beliefs.map((belief) => belief.model(chance));
  const random = chance?.uniform ?? seededRandom(seed);
  return (
    wallMs({ gateways, servers, firstGateway }, rows, { shapes, random, isEven: chance === null }) / 1_000 +
    besidesSeconds
  );
}

function ratio(of: number, to: number): number {
  return to === 0 ? 1 : of / to;
}

/** Every row once with each length; only for jobs of one step, whose rows have calls of one kind. */
function withLengths(shapes: readonly RowShape[], lengths: readonly number[], factor: number): readonly RowShape[] {
  return lengths.map((length, index) => {
    const { steps } = shapes[index % shapes.length]!;
    const outputTokens = Math.max(1, Math.round(length * factor));
    return {
      steps: steps.map(({ step, gateway, chains }) => ({
        step,
        gateway,
        chains: chains.map((chain) => chain.map((call) => ({ ...call, outputTokens }))),
      })),
    };
  });
}
