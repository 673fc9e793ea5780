/**
 * Regression: the simulator's `h100` preset with 256k KV tokens, in real time and behind HTTP, measured by `tiding bench`,
 * beside the published table that the preset was fitted to: `node dist/bench/engine/h100-table.js`. It shows that fit,
 * scheduler, clock, HTTP and measurement hold together at thousands of tokens a second; it shows nothing about an H100.
 *
 * Beside the table stands what the same scheduler does with the same requests in virtual time, which is the truth of the run:
 * a difference from it is the simulator's or the client's lateness, and both tell their own.
 *
 *     node dist/bench/engine/h100-table.js [--seconds 120] [--all 1] [--rate 8.8]
 */
import { loadavg } from "node:os";
import type { StageLoad } from "../load/stage-load.ts";
import { BatchEngine } from "../simulator/batching/batch-engine.ts";
import { presetOptions } from "../simulator/batching/presets.ts";
import { printFigure, rounded, sizesFrom, tell } from "./figure.ts";
import { measureRun, truthOf } from "./truth/measured-run.ts";
import type { MeasuredRunOptions } from "./truth/measured-run.ts";
import {
  ANSWER_LENGTH,
  KV_TOKENS,
  MOST_TOKENS,
  PROMPT_TOKENS,
  PUBLISHED,
  SATURATION,
} from "./truth/published-table.ts";
import type { PublishedRate } from "./truth/published-table.ts";
import { CORES } from "./truth/scheduling.ts";

const SHARE = 0.1;
const SOME = [0.8, 4, 8.8, 15.2, 18.4, 21.6];
const { seconds, all, rate: only } = sizesFrom({ seconds: 120, all: 0, rate: 0 });

const rows = [];
const isAsked = (rate: number): boolean => (only > 0 ? rate === only : all !== 0 || SOME.includes(rate));
for (const published of PUBLISHED.filter(({ rate }) => isAsked(rate))) {
  const row = await measure(published);
  rows.push(row);
  tell(JSON.stringify(row));
}
const wanted = rows.filter(({ rate }) => rate <= SATURATION);
const value = Math.max(...wanted.flatMap(({ itlMs, tokens }) => [Math.abs(itlMs.off), Math.abs(tokens.off)]));
printFigure({
  figure:
    "regression: the h100 preset behind HTTP, furthest from the published ITL or tokens a second, up to saturation",
  value: rounded(value),
  want: `at most ${SHARE}`,
  ok: wanted.length > 0 && value <= SHARE,
  details: { seconds, saturation: SATURATION, loadAverage: loadavg().map((load) => rounded(load, 2)), rows },
});

async function measure({ rate, itlMs, tokensPerSecond }: PublishedRate) {
  const load: StageLoad = {
    name: `${rate} req/s`,
    arrivals: { kind: "constant", rate },
    seconds,
    requests: null,
    warmUpSeconds: 0,
    coolDownSeconds: 0,
    rampSeconds: 0,
    maxInFlight: 4_096,
    graceSeconds: 600,
    seed: 7,
  };
  const options: MeasuredRunOptions = {
    simulator: {
      // The prompts have no nonce, so that every run has the same lengths; nothing of that is to be found in a cache.
      batching: { preset: "h100", kvTokens: KV_TOKENS, prefixCache: false },
      answerLength: ANSWER_LENGTH,
      maxConcurrentRequests: 0,
    },
    profile: { kind: "stages", loads: [load] },
    route: "tgi",
    maxTokens: MOST_TOKENS,
    promptTokens: PROMPT_TOKENS,
    slo: null,
    threads: 1,
    simulatorCore: CORES[0] ?? null,
  };
  const run = await measureRun(options);
  const [truth] = await truthOf(run, options, { loads: [load], engine: virtualServer });
  const { stage, fromTold } = truth!;
  const { metrics, throughput, client } = stage;
  const trueOf = (name: string): number => fromTold.find((one) => one.name === name)?.truth ?? NaN;
  const compared = (measured: number, published: number, virtual: number) => ({
    measured: rounded(measured, 2),
    published,
    off: rounded(measured / published - 1),
    virtual: rounded(virtual, 2),
    offVirtual: rounded(measured / virtual - 1, 4),
  });
  return {
    rate,
    // The dashboard's ITL is a mean over requests of each one's mean gap, which is the TPOT here.
    itlMs: compared(metrics.tpot.mean ?? NaN, itlMs, trueOf("tpot.mean")),
    tokens: compared(throughput.out_tok_s_done, tokensPerSecond, trueOf("throughput.out_tok_s_done")),
    allTokens: { measured: rounded(throughput.out_tok_s, 1), virtual: rounded(trueOf("throughput.out_tok_s"), 1) },
    ttftMs: {
      measured: rounded(metrics.ttft_service.mean ?? NaN, 1),
      virtual: rounded(trueOf("ttft_service.mean"), 1),
    },
    concurrency: {
      measured: rounded(throughput.concurrency, 1),
      virtual: rounded(trueOf("throughput.concurrency"), 1),
    },
    requests: { due: stage.counts.scheduled, ok: stage.counts.ok },
    overSaturated: stage.over_saturated,
    coresApart: run.coresApart,
    simulatorLateness: run.lateness,
    simulatorCpuShare: rounded(run.simulatorCpuSeconds / run.report.seconds),
    client,
  };
}

function virtualServer(): BatchEngine {
  return new BatchEngine(presetOptions("h100", { kvTokens: KV_TOKENS }));
}
