/**
 * An endpoint's step time and prefill cost from the stages of a `tiding bench` run of it.
 *
 *   batch of a stage      = tokens a second × time between tokens                (sequences that decode, by Little's law)
 *   time between tokens   = step(batch) + what the prompts of others add to it
 *   cost of a prompt token: where requests came one at a time, how much first tokens spread over how much prompts do, and no
 *                           more than what a first token takes longer than the next, over the prompt's tokens
 *
 * Last the points of the curve are corrected until each closed stage, simulated, gives the tokens a second that were
 * measured: so what the three lines leave out (network, waits for the step that runs, a client's turn) is in them as well.
 */
import type { BenchReport } from "../report/bench-report.ts";
import { benchStages, lengthsOf, type Stage } from "./bench-stages.ts";
import { spreadFactor, type Chance, type EndpointBelief } from "./endpoint-belief.ts";
import { reservedTokens, type EndpointModel, type ModelCall } from "./endpoint-model.ts";
import { prefillOf, withEndOfGraphs } from "./fit-prefill.ts";
import { runRows } from "./job-run.ts";
import type { RowShape } from "./job-shape.ts";
import { stepCurve, type CurveDoubt, type CurvePoint } from "./step-curve.ts";

/** One run of the same load on the same server differs from the next by about so much; more where the client was slow. */
const RUN_TO_RUN = { sound: 0.02, clientLimited: 0.05 };
/** Of what first tokens take longer, the part that is the missing graphs': the rest is network, and a busy client. */
const JUMP = { likely: 0.85, from: 0.5, to: 1.1 };
/** Of TGI the one jump is known; others may have theirs anywhere between two stages. */
const KNOWN_BEND = 0.3;
/** Beyond the last stage: step times that grow half as much as before, to an endpoint that is full. */
const LEAST_BEYOND = -0.5;
const NO_DOUBT: FitDoubt = { beyond: 0, bend: 0, jump: JUMP.likely };
const CORRECTIONS = 4;

interface FitDoubt extends CurveDoubt {
  readonly jump: number;
}

export interface BenchFit extends EndpointBelief {
  readonly points: readonly CurvePoint[];
  readonly prefillMsPerToken: number;
  readonly kvTokens: number;
}

/** Throws `USAGE` where no stage can be used. */
export function fitBench(report: BenchReport): BenchFit {
  const stages = benchStages(report);
  const server = { isTgi: report.endpoint.server === "tgi", maxNewTokens: report.prompts.max_tokens };
  const { msPerToken: prefillMsPerToken, overheadMs } = prefillOf(stages);
  const kvTokens = cacheOf(stages, { prefillMsPerToken, server });
  const modelOf = (measured: readonly CurvePoint[], { jump, ...doubt }: FitDoubt = NO_DOUBT): EndpointModel => ({
    stepMs: stepCurve(server.isTgi ? withEndOfGraphs(measured, overheadMs * jump) : measured, doubt),
    prefillMsPerToken,
    prefillBudget: Infinity,
    overheadMs,
    kvTokens,
    stepsBetweenAdmissions: server.isTgi ? 1 : 0,
  });
  let points = stages.map((stage): CurvePoint => ({ batch: stage.batch, ms: stepOf(stage, prefillMsPerToken) }));
  for (let round = 0; round < CORRECTIONS; round++) {
    const model = modelOf(points);
    points = points.map((point, index) => {
      const stage = stages[index]!;
      return stage.concurrency === null ? point : { ...point, ms: point.ms * correction(stage, model, server) };
    });
  }
  const isLimited = stages.some((stage) => stage.isClientLimited);
  const knownUpTo = Math.max(...stages.map(({ concurrency, batch }) => concurrency ?? batch));
  return {
    points,
    prefillMsPerToken,
    kvTokens,
    knownUpTo,
    model(chance) {
      const spread = spreadFactor(chance, isLimited ? RUN_TO_RUN.clientLimited : RUN_TO_RUN.sound);
      const doubt = chance === null ? NO_DOUBT : doubtOf(chance, server);
      return modelOf(
        points.map(({ batch, ms }) => ({ batch, ms: ms * spread })),
        doubt,
      );
    },
  };
}

function doubtOf({ uniform, normal }: Chance, { isTgi }: Server): FitDoubt {
  const bend = isTgi ? KNOWN_BEND : 1;
  return {
    beyond: LEAST_BEYOND + (1 - LEAST_BEYOND) * uniform(),
    bend: bend * normal(),
    jump: JUMP.from + (JUMP.to - JUMP.from) * uniform(),
  };
}

function stepOf({ gapMs, requestsPerSecond, promptTokens }: Stage, prefillMsPerToken: number): number {
  return gapMs * (1 - (requestsPerSecond * promptTokens * prefillMsPerToken) / 1_000);
}

interface Server {
  readonly isTgi: boolean;
  readonly maxNewTokens: number;
}

/** Tokens that were reserved when requests began to wait in the server; infinite where they never did. */
function cacheOf(
  stages: readonly Stage[],
  { prefillMsPerToken, server }: { readonly prefillMsPerToken: number; readonly server: Server },
): number {
  const waited = stages.filter(({ gapMs, firstMs, promptTokens, outputTokens }) => {
    const waitMs = firstMs - 2 * gapMs - promptTokens * prefillMsPerToken;
    return waitMs > Math.max(5 * gapMs, 0.1 * gapMs * (outputTokens.mean ?? 0));
  });
  const tokens = waited.map(
    (stage) => stage.batch * reservedTokens(callOf(stage, stage.outputTokens.mean ?? 1), { ...server }),
  );
  return tokens.length === 0 ? Infinity : Math.max(...tokens);
}

function callOf(stage: Stage, outputTokens: number): Omit<ModelCall, "reservedTokens"> {
  return { promptTokens: stage.promptTokens, outputTokens };
}

/** By what the step has to be longer for the stage's tokens a second to come out. */
function correction(stage: Stage, model: EndpointModel, server: Server): number {
  const concurrency = Math.max(1, Math.round(stage.concurrency ?? 1));
  const shapes = lengthsOf(stage.outputTokens).map((outputTokens): RowShape => {
    const call = callOf(stage, outputTokens);
    return { steps: [{ step: 0, gateway: 0, chains: [[{ ...call, reservedTokens: reservedTokens(call, server) }]] }] };
  });
  const job = { gateways: [{ pools: [{ server: 0, slots: concurrency }] }], servers: [model], firstGateway: 0 };
  const rows = Math.max(400, 12 * concurrency);
  // Each length once a round, and neighbours unlike, as they come in a stage.
  const endedMs = runRows(job, rows, (row) => shapes[(row * 89) % shapes.length]!);
  const [from, to] = [Math.floor(rows * 0.3), Math.floor(rows * 0.8)];
  const requestsPerSecond = ((to - from) * 1_000) / (endedMs[to]! - endedMs[from]!);
  const simulated = requestsPerSecond * (stage.outputTokens.mean ?? 1);
  return Math.min(2, Math.max(0.5, simulated / stage.tokensPerSecond));
}
