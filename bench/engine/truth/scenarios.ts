/**
 * The loads under which figures are compared with the truth. All on one server, of 16 places, 157 ms to the first token and
 * 19.3 ms a step; with 61 tokens an answer on average its knee is at 12.17 requests a second.
 */
import type { StageLoad } from "../../load/stage-load.ts";
import type { SloLimits } from "../../report/bench-report.ts";
import { FixedEngine } from "../../simulator/batching/fixed-engine.ts";
import type { FixedOptions } from "../../simulator/batching/fixed-engine.ts";
import type { SimulatorInput } from "../../simulator/options.ts";
import { CORES } from "./scheduling.ts";
import type { MeasuredRunOptions } from "./measured-run.ts";

export interface Scenario {
  readonly name: string;
  readonly options: Omit<MeasuredRunOptions, "profile">;
  /** The first one warms both processes up: what code that was never run takes is no truth of either. */
  readonly loads: readonly StageLoad[];
  /** Figures without a truth in this scenario. */
  readonly without: RegExp | null;
  readonly engine: () => FixedEngine;
}

const TRUTH = { fixedTtftMs: 157, stepMs: 19.3, maxBatch: 16 };
const MEAN_TOKENS = 61;
/** Answers a second at most. */
export const CAPACITY = (TRUTH.maxBatch * 1_000) / (TRUTH.fixedTtftMs + (MEAN_TOKENS - 1) * TRUTH.stepMs);

/** Some miss each, but none by so little that a few milliseconds decide: in stages of 15 s nothing true lies from 1184 to 1198, nor from 1500 to 1507. */
const SLO: SloLimits = { ttft_ms: 1_195, tpot_ms: 25, e2e_ms: 1_506, attainment: 0.95 };
const SPREAD = { sigmaTokens: 17, minTokens: 5, maxTokens: 130 };
const [BELOW, AT, ABOVE] = [0.5, 1, 1.3].map((share) => Number((share * CAPACITY).toPrecision(3))) as [
  number,
  number,
  number,
];

const PLAIN = {
  route: "tgi",
  maxTokens: 200,
  promptTokens: 40,
  slo: SLO,
  threads: 1,
  simulatorCore: CORES[0] ?? null,
} as const;

/** Lengths by the prompt, as a model ends its answers. */
function known(changes: SimulatorInput = {}): SimulatorInput {
  return {
    knownTruth: TRUTH,
    answerLength: { meanTokens: MEAN_TOKENS, ...SPREAD },
    maxConcurrentRequests: 0,
    ...changes,
  };
}

/** `seconds` of each stage that is not ended by its requests. */
export function scenarios(seconds: number): readonly Scenario[] {
  const timed = {
    seconds,
    requests: null,
    warmUpSeconds: seconds / 6,
    coolDownSeconds: seconds / 10,
    rampSeconds: 0,
    maxInFlight: 4_096,
    graceSeconds: 120,
    seed: 7,
  };
  const counted = { ...timed, seconds: null, warmUpSeconds: 0, coolDownSeconds: 0 };
  const constant = (rate: number): StageLoad => ({
    ...timed,
    name: `${rate} req/s`,
    arrivals: { kind: "constant", rate },
  });
  const poisson = (rate: number): StageLoad => ({
    ...timed,
    name: `Poisson ${rate} req/s`,
    arrivals: { kind: "poisson", rate },
  });
  // Places that all begin at once would end together, and a window's edge among them would count all or none.
  const closed = (concurrency: number): StageLoad => ({
    ...timed,
    rampSeconds: seconds / 10,
    name: `concurrency ${concurrency}`,
    arrivals: { kind: "closed", concurrency },
  });
  const atOnce = (requests: number, maxInFlight: number): StageLoad => ({
    ...counted,
    requests,
    maxInFlight,
    name: `${requests} at once, ${maxInFlight} in flight`,
    arrivals: { kind: "at-once" },
  });
  const heldBack = (rate: number, maxInFlight: number, requests: number): StageLoad => ({
    ...counted,
    requests,
    maxInFlight,
    name: `${rate} req/s, ${maxInFlight} in flight`,
    arrivals: { kind: "constant", rate },
  });
  const faults = { "error-in-200": 0.06, "truncated-stream": 0.05, "429": 0.04, "503": 0.03, "500": 0.03 };
  return [
    scenario("closed loop", known(), [5, 16, 24].map(closed)),
    scenario("constant rate", known(), [BELOW, AT, ABOVE].map(constant)),
    // Over the other route, with lengths that the requests ask for, read by two threads.
    scenario("Poisson", known({ answerLength: undefined, answerTokens: 500 }), [BELOW, AT, ABOVE].map(poisson), {
      route: "chat",
      maxTokens: { mean: MEAN_TOKENS, std: SPREAD.sigmaTokens, min: SPREAD.minTokens, max: SPREAD.maxTokens },
      threads: 2,
    }),
    scenario("faults", known({ faults }), [BELOW, ABOVE].map(constant)),
    // Sending so many takes the client some milliseconds, which are its lag and no one's truth.
    { ...scenario("all at once", known(), [atOnce(160, 160), atOnce(100, 10)]), without: /^client_lag/ },
    scenario("held back by the load", known(), [heldBack(ABOVE, 10, Math.ceil((ABOVE * seconds) / 2))]),
    // Coordinated omission: a client that times from when it sent says 506 and 196 ms (vLLM #54101).
    scenario("one in flight", serviceOf(506), [heldBack(10, 1, 8)]),
    scenario("four in flight", serviceOf(196), [heldBack(40, 4, 40)]),
  ];
}

/** Of 15.5 ms steps, all answers alike. */
function serviceOf(ms: number): SimulatorInput {
  return {
    ...known(),
    knownTruth: { fixedTtftMs: ms - 7 * 15.5, stepMs: 15.5, maxBatch: 64 },
    answerLength: undefined,
    answerTokens: 8,
  };
}

/** Fixed lengths, so that the capacity is exact; the server takes four times as many requests as it has places. */
export const SWEPT: SimulatorInput = known({
  answerLength: undefined,
  answerTokens: MEAN_TOKENS,
  maxConcurrentRequests: 4 * TRUTH.maxBatch,
});

function scenario(
  name: string,
  simulator: SimulatorInput,
  loads: readonly StageLoad[],
  changes: Partial<Scenario["options"]> = {},
): Scenario {
  const truth: Omit<FixedOptions, "maxConcurrentRequests"> = simulator.knownTruth ?? TRUTH;
  const engine = (): FixedEngine => new FixedEngine({ ...truth, maxConcurrentRequests: 0 });
  return {
    name,
    options: { ...PLAIN, simulator, ...changes },
    loads: [warmUp(loads[0]!), ...loads],
    without: null,
    engine,
  };
}

/** Of the same kind, because a run has one. */
function warmUp(load: StageLoad): StageLoad {
  const { arrivals } = load;
  const own = arrivals.kind === "closed" ? { concurrency: 16 } : arrivals.kind === "at-once" ? {} : { rate: 24 };
  return {
    ...load,
    name: "warm-up",
    arrivals: { ...arrivals, ...own },
    seconds: null,
    requests: 192,
    warmUpSeconds: 0,
    coolDownSeconds: 0,
    rampSeconds: 0,
    maxInFlight: 192,
  };
}
