/**
 * How near a plan comes to what a job takes: `node dist/bench/engine/plan-accuracy.js`.
 *
 * The endpoint is the simulator with batching by figures that no plan is told, drawn by the seed. A short bench run measures
 * it with closed stages; the plan has its report and a sample of 20 rows. Then the job runs, in a process of its own. Three
 * more plans are told beside: without the run's lengths of answers, without its stage at the job's own number of slots, and
 * with the sample alone.
 */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { JobReport } from "../../shared/observe/job-report.ts";
import { specFromObject } from "../../shared/spec/load-spec.ts";
import type { StageLoad } from "../load/stage-load.ts";
import type { Plan } from "../plan/plan-document.ts";
import { planJob } from "../plan/plan-job.ts";
import { seededRandom } from "../plan/seeded-random.ts";
import type { BenchReport } from "../report/bench-report.ts";
import { runBench } from "../run-bench.ts";
import { startSimulatorProcess } from "../simulator/child.ts";
import type { SimulatorInput } from "../simulator/options.ts";
import { readRequestLog } from "../simulator/request-log.ts";
import { meanInFlight } from "../simulator/slot-use.ts";
import { printFigure, rounded, sizesFrom, tell } from "./figure.ts";
import type { JobTask } from "./job-child.ts";
import { runMeasured } from "./measured-child.ts";
import { questionOf } from "./questions.ts";
import { jobSpec, openWorkspace } from "./workspace.ts";

const MOST_ERROR = 0.1;
const { rows, slots, seconds, seed } = sizesFrom({ rows: 5_000, slots: 64, seconds: 16, seed: 1 });
const CONCURRENCIES = [1, Math.ceil(slots / 4), slots, 2 * slots];
const MAX_NEW_TOKENS = 512;

await using workspace = await openWorkspace(1);
const { folder } = workspace;
await writeQuestions();
const hidden = hiddenFigures();
await using simulator = await startSimulatorProcess(hidden);
const spec = specWith(simulator.url);
const loaded = specFromObject(spec, { folder, environment: {} });
const report = await benchRun();
tell(
  `bench: ${report.stages.map((stage) => `${stage.name} ${stage.throughput.out_tok_s.toFixed(0)} tok/s`).join(", ")}`,
);

const plan = await planWith([report]);
const unknowing = await planWith([{ ...report, prompts: { ...report.prompts, source: "other prompts" } }]);
const interpolated = await planWith([
  { ...report, stages: report.stages.filter(({ load }) => load.concurrency !== slots) },
]);
const alone = await planWith([]);
tell(
  `plan: ${describe(plan)}; without its lengths ${describe(unknowing)}; without its stage at ${slots} ${describe(interpolated)}`,
);

// Counted from here: how late the simulator's own clock is while the job runs is no error of the plan's.
const latenessBefore = await lateness();
const jobStartedAtMs = performance.timeOrigin + performance.now();
const job = await runMeasured<JobTask, JobReport>("job-child", { spec, folder });
const real = job.result.run.elapsedMs / 1_000;
const realTokens = job.result.run.calls.outputTokens;
await simulator.flushLog();
const ofJob = (await readRequestLog(path.join(folder, "requests.log"))).filter(
  ({ startMs }) => startMs >= jobStartedAtMs,
);
const starts = ofJob.map(({ startMs }) => startMs);
const inFlight = meanInFlight(ofJob, Math.min(...starts), Math.max(...starts));
const error = errorOf(plan);
printFigure({
  figure: "plan_accuracy",
  value: rounded(Math.abs(error)),
  want: `<= ${MOST_ERROR}`,
  ok: Math.abs(error) <= MOST_ERROR,
  details: {
    rows,
    slots,
    realSeconds: rounded(real, 1),
    plan: detailsOf(plan),
    withoutBenchLengths: detailsOf(unknowing),
    withoutStageAtSlots: detailsOf(interpolated),
    sampleAlone: detailsOf(alone),
    bench: { concurrencies: CONCURRENCIES, answers: report.stages.reduce((sum, { counts }) => sum + counts.ok, 0) },
    engine: {
      requests: ofJob.length,
      inFlightAtEndpoint: rounded(inFlight, 2),
      slotUse: job.result.run.slotUse === null ? null : rounded(job.result.run.slotUse, 4),
      simulatorLateness: { before: latenessBefore, during: await lateness() },
    },
    hidden: { ...hidden.batching, ...hidden.answerLength },
    warnings: plan.warnings,
  },
});

function errorOf({ seconds: foretold }: Plan): number {
  return (foretold?.likely ?? 0) / real - 1;
}

/** The whole error, and its parts: how many tokens there are, and how long so many take. */
function detailsOf(of: Plan) {
  const tokens = of.output_tokens.likely / realTokens - 1;
  const error_ = errorOf(of);
  return {
    seconds: of.seconds === null ? null : Object.values(of.seconds).map((value) => rounded(value, 1)),
    holdsTruth: of.seconds !== null && of.seconds.low <= real && real <= of.seconds.high,
    error: rounded(error_, 4),
    ofTokens: rounded(tokens, 4),
    ofTimePerToken: rounded((1 + error_) / (1 + tokens) - 1, 4),
    isBound: of.time_is_bound,
    paidRows: of.sample?.rows ?? 0,
  };
}

function describe({ seconds: of }: Plan): string {
  return of === null ? "no time" : `${of.likely.toFixed(1)} s (${of.low.toFixed(1)} to ${of.high.toFixed(1)})`;
}

async function planWith(benches: readonly BenchReport[]): Promise<Plan> {
  return await planJob({ loaded, environment: {}, benches, seed, onNotice: tell });
}

/** Figures that only the simulator knows: like those of a GPU, and none of the presets'. */
function hiddenFigures(): SimulatorInput {
  const random = seededRandom(seed);
  const between = (from: number, to: number): number => rounded(from + (to - from) * random(), 4);
  const graphs = { baseMs: between(6, 12), sequenceMs: between(0.05, 0.2) };
  const eager = { baseMs: rounded(graphs.baseMs + between(1, 6), 4), sequenceMs: between(0.04, 0.12) };
  const meanTokens = between(80, 140);
  return {
    batching: {
      stepTime: { graphs, eager, prefillTokenMs: between(0.02, 0.08) },
      kvTokens: Math.round(between(60_000, 400_000)),
      maxBatchPrefillTokens: 16_384,
    },
    answerLength: { meanTokens, sigmaTokens: 0.3 * meanTokens },
    maxConcurrentRequests: 0,
    log: path.join(folder, "requests.log"),
  };
}

/** Prompts of 30 to 150 words, so that what a prompt's token costs can be told from what a request costs. */
async function writeQuestions(): Promise<void> {
  const random = seededRandom(seed + 1);
  const lines = Array.from({ length: rows }, (_, row) => {
    const question = `${questionOf(row)} ${"Mind what was said before. ".repeat(Math.floor(random() * 24))}`;
    return `${JSON.stringify({ id: row, question })}\n`;
  });
  await writeFile(path.join(folder, "questions.jsonl"), lines.join(""));
}

function specWith(url: string) {
  const made = jobSpec({ url, slots, output: "out" });
  const [step] = made.steps;
  const llm = { ...step!.llm, generation_kwargs: { max_new_tokens: MAX_NEW_TOKENS } };
  return { ...made, steps: [{ ...step, llm }] };
}

async function benchRun(): Promise<BenchReport> {
  const loads = CONCURRENCIES.map((concurrency): StageLoad => ({
    name: `concurrency ${concurrency}`,
    arrivals: { kind: "closed", concurrency },
    seconds,
    requests: null,
    warmUpSeconds: seconds / 4,
    coolDownSeconds: seconds / 8,
    rampSeconds: 0,
    maxInFlight: concurrency,
    graceSeconds: 60,
    seed,
  }));
  return await runBench(
    {
      endpoint: { url: simulator.url, modelId: null, apiKey: null, headers: {}, route: "chat" },
      profile: { kind: "stages", loads },
      prompts: {
        source: { kind: "dataset", path: "questions.jsonl", column: "question", sampleRows: rows },
        maxTokens: MAX_NEW_TOKENS,
        seed,
        folder,
      },
      slo: null,
      threads: 1,
      ignoreEos: false,
      generation: {},
      requestTimeoutMs: 600_000,
      output: path.join(folder, "bench"),
      force: false,
      selfCheck: false,
      environment: {},
    },
    { signal: new AbortController().signal, onNotice: tell },
  );
}

/** Since it was last asked. */
async function lateness(): Promise<unknown> {
  const response = await fetch(`${simulator.url}/simulator/lateness`);
  return await response.json();
}
