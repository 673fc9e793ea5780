import assert from "node:assert/strict";
import { test } from "node:test";
import { reservedTokens } from "../../../../bench/plan/endpoint-model.ts";
import { fitBench } from "../../../../bench/plan/fit-bench.ts";
import { runRows } from "../../../../bench/plan/job-run.ts";
import { seededRandom } from "../../../../bench/plan/seeded-random.ts";
import { parseBatchOptions } from "../../../../bench/simulator/batching/batch-options.ts";
import { isTidingError } from "../../../../shared/errors.ts";
import { benchReport, closedLoop, closedStage, type VirtualCall } from "../../../support/virtual-bench.ts";

const MAX_NEW_TOKENS = 512;
const PREFILL_TOKEN_MS = 0.047;

function engine(kvTokens: number) {
  return parseBatchOptions({
    stepTime: {
      graphs: { baseMs: 9, sequenceMs: 0.09 },
      eager: { baseMs: 13.8, sequenceMs: 0.06 },
      prefillTokenMs: PREFILL_TOKEN_MS,
    },
    kvTokens,
    maxBatchPrefillTokens: 59_880,
  });
}

function calls(
  seed: number,
  count: number,
  means: { readonly prompt: number; readonly output: number },
): VirtualCall[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return {
      promptTokens: Math.round(means.prompt * (0.5 + random())),
      outputTokens: Math.min(MAX_NEW_TOKENS, Math.max(2, Math.round(means.output * Math.exp(0.3 * normal - 0.045)))),
      maxNewTokens: MAX_NEW_TOKENS,
    };
  });
}

function fitOf(kvTokens: number, concurrencies: readonly number[]) {
  const stages = concurrencies.map((slots) => {
    const sent = calls(slots, slots === 1 ? 40 : 30 * slots, { prompt: 200, output: 80 });
    return closedStage(engine(kvTokens), sent, { slots });
  });
  return fitBench(benchReport(stages));
}

/** Relative error of the time that the fitted model gives a job, against the engine's own. */
function errorOn(
  fit: ReturnType<typeof fitOf>,
  job: { readonly kvTokens: number; readonly slots: number; readonly prompt: number; readonly output: number },
): number {
  const sent = calls(99, 2_000, job);
  const truth = closedLoop(engine(job.kvTokens), sent, { slots: job.slots }).at(-1)!.endMs;
  const server = { isTgi: true, maxNewTokens: MAX_NEW_TOKENS };
  const shape = {
    gateways: [{ pools: [{ server: 0, slots: job.slots }] }],
    servers: [fit.model(null)],
    firstGateway: 0,
  };
  const ended = runRows(shape, sent.length, (row) => {
    const call = sent[row]!;
    return { steps: [{ step: 0, gateway: 0, chains: [[{ ...call, reservedTokens: reservedTokens(call, server) }]] }] };
  });
  return ended.at(-1)! / truth - 1;
}

void test("prefill cost and step times are recovered from closed stages", () => {
  const fit = fitOf(1_000_000, [1, 16, 64]);
  assert.ok(Math.abs(fit.prefillMsPerToken / PREFILL_TOKEN_MS - 1) < 0.05, String(fit.prefillMsPerToken));
  const stepMs = fit.model(null).stepMs;
  // 9 + 0.09 alone; 13.8 + 0.06 × 64 beyond the graphs.
  assert.ok(Math.abs(stepMs(1, false) / 9.09 - 1) < 0.03, String(stepMs(1, false)));
  assert.ok(Math.abs(stepMs(64, false) / 17.64 - 1) < 0.03, String(stepMs(64, false)));
  assert.equal(fit.kvTokens, Infinity, "nothing waited in the server");
  assert.equal(fit.knownUpTo, 64);
});

void test("a job of the bench run's own lengths, and one unlike them, take what the engine takes, within 4 %", () => {
  const fit = fitOf(1_000_000, [1, 16, 64]);
  for (const job of [
    { slots: 64, prompt: 200, output: 80 },
    { slots: 64, prompt: 600, output: 40 },
    { slots: 16, prompt: 100, output: 200 },
  ]) {
    const error = errorOn(fit, { kvTokens: 1_000_000, ...job });
    assert.ok(Math.abs(error) < 0.04, `${JSON.stringify(job)}: ${error}`);
  }
});

void test("between stages on either side of the end of TGI's graphs the jump is known from first tokens", () => {
  const fit = fitOf(1_000_000, [1, 16, 128]);
  const { stepMs } = fit.model(null);
  // Eager: 13.8 + 0.06 × batch. A straight line from 16 to 128 would say 13.5 at 48, and 12 % too little.
  assert.ok(Math.abs(stepMs(48, false) / 16.68 - 1) < 0.05, String(stepMs(48, false)));
  const error = errorOn(fit, { kvTokens: 1_000_000, slots: 48, prompt: 200, output: 80 });
  assert.ok(Math.abs(error) < 0.05, String(error));
});

void test("a cache that was full during the run is full for the job", () => {
  const kvTokens = 22_000;
  const fit = fitOf(kvTokens, [1, 16, 64]);
  assert.ok(Math.abs(fit.kvTokens / kvTokens - 1) < 0.05, String(fit.kvTokens));
  const error = errorOn(fit, { kvTokens, slots: 128, prompt: 400, output: 80 });
  assert.ok(Math.abs(error) < 0.04, String(error));
});

void test("possible worlds of a fit lie around it, and beyond what was measured they slow down", () => {
  const fit = fitOf(1_000_000, [1, 16]);
  const chance = { uniform: () => 1, normal: () => 0, rows: [] };
  const { batch } = fit.points.at(-1)!;
  assert.equal(fit.model(chance).stepMs(batch, false), fit.model(null).stepMs(batch, false));
  assert.ok(fit.model(chance).stepMs(64, false) > fit.model(null).stepMs(64, false));
  assert.ok(fit.model({ ...chance, normal: () => 1 }).stepMs(8, false) > fit.model(null).stepMs(8, false));
});

void test("a report without a stage that tells a speed is refused", () => {
  const stage = closedStage(engine(1_000_000), calls(1, 200, { prompt: 200, output: 80 }), { slots: 8 });
  const failing = { ...stage, throughput: { ...stage.throughput, error_rate: 0.5 } };
  const burst = { ...stage, load: { ...stage.load, kind: "at-once" as const } };
  for (const stages of [[], [failing], [burst]])
    assert.throws(
      () => fitBench(benchReport(stages)),
      (error: unknown) => isTidingError(error) && error.code === "USAGE",
    );
});
