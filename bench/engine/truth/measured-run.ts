/** A run of `tiding bench` against a simulator in a process of its own, beside the truth of each of its stages. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchOptions, BenchProfile } from "../../bench-options.ts";
import type { Lateness } from "../../lateness.ts";
import type { RequestRecord } from "../../load/request-record.ts";
import type { LoadTarget } from "../../load/load-target.ts";
import type { StageLoad } from "../../load/stage-load.ts";
import type { BenchReport, SloLimits, StageReport } from "../../report/bench-report.ts";
import { runBench } from "../../run-bench.ts";
import type { Scheduler } from "../../simulator/batching/scheduler.ts";
import { startSimulatorProcess } from "../../simulator/child.ts";
import type { SimulatorInput } from "../../simulator/options.ts";
import { readRequestLog } from "../../simulator/request-log.ts";
import type { RequestLogEntry } from "../../simulator/request-log.ts";
import { keepAwake } from "./awake-cores.ts";
import { keepCoresApart } from "./cores-apart.ts";
import { differences } from "./differences.ts";
import type { Difference } from "./differences.ts";
import { figuresIn, figuresOf } from "./figures.ts";
import { knownAnswers } from "./known-answers.ts";
import { CORES } from "./scheduling.ts";
import { servedStage } from "./served-stage.ts";
import { playStage } from "./virtual-stage.ts";
import type { PlainRequest } from "./plain-request.ts";
import type { PlayedRequest } from "./virtual-stage.ts";

export interface MeasuredRunOptions {
  readonly simulator: SimulatorInput;
  readonly profile: BenchProfile;
  readonly route: LoadTarget["route"];
  /** Most tokens of an answer. */
  readonly maxTokens: BenchOptions["prompts"]["maxTokens"];
  readonly promptTokens: number;
  readonly threads: number;
  readonly slo: SloLimits | null;
  /** Keeps the simulator to that core and this process to the others meanwhile; null: they share what there is. */
  readonly simulatorCore: number | null;
}

export interface MeasuredRun {
  readonly report: BenchReport;
  /** In the order in which they ended. */
  readonly records: readonly RequestRecord[];
  /** What the simulator did, request by request, in the order in which they ended. */
  readonly log: readonly RequestLogEntry[];
  /** Whether they had cores of their own. */
  readonly coresApart: boolean;
  /** How late the simulator's own steps were over the run. */
  readonly lateness: Lateness;
  /** Of the simulator's process, over all of the run. */
  readonly simulatorCpuSeconds: number;
}

const SEED = 20_261;

/** The same in every run: they begin with no nonce. */
export function promptsOf({ maxTokens, promptTokens }: MeasuredRunOptions): BenchOptions["prompts"] {
  const tokens = { mean: promptTokens };
  return { source: { kind: "synthetic", tokens }, maxTokens, seed: SEED, nonce: false, folder: tmpdir() };
}

/** Runs it, and deletes what it wrote. */
export async function measureRun(options: MeasuredRunOptions): Promise<MeasuredRun> {
  const { simulator, profile, route, slo, simulatorCore } = options;
  const folder = await mkdtemp(join(tmpdir(), "tiding-bench-"));
  const [output, log] = [join(folder, "run"), join(folder, "simulator.log")];
  try {
    await using server = await startSimulatorProcess({ ...simulator, log, logTokens: true });
    await using _ = keepAwake(simulatorCore === null ? [] : CORES);
    await using cores = await keepCoresApart(server.pid, simulatorCore);
    const report = await runBench(
      {
        endpoint: { url: server.url, modelId: null, apiKey: null, headers: {}, route },
        profile,
        prompts: promptsOf(options),
        slo,
        threads: options.threads,
        ignoreEos: true,
        generation: {},
        requestTimeoutMs: 600_000,
        selfCheck: false,
        output,
        force: false,
        environment: {},
      },
      { signal: new AbortController().signal, onStage: () => cores.putLoadFirst() },
    );
    const { lateness, cpuMs } = await server.stats();
    const lines = (await readFile(join(output, "requests.jsonl"), "utf8")).trimEnd().split("\n");
    const records = lines.map((line) => JSON.parse(line) as RequestRecord);
    await server.flushLog();
    const done = await readRequestLog(log);
    const simulatorCpuSeconds = cpuMs / 1_000;
    return { report, records, log: done, coresApart: cores.isDone, lateness: lateness!, simulatorCpuSeconds };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export interface StageTruth {
  readonly stage: StageReport;
  readonly requests: readonly PlayedRequest[];
  /** As the server's log has them, in the same order. */
  readonly served: readonly PlainRequest[];
  /** From what a server without lateness would have done for a client without any. */
  readonly fromTold: readonly Difference[];
  /** From what the server did. */
  readonly fromServed: readonly Difference[];
}

/** Plays the stages of a run that is over, each with the prompts that it had, on engines of its own. */
export async function truthOf(
  { report, records, log }: MeasuredRun,
  options: MeasuredRunOptions,
  { loads, engine }: { readonly loads: readonly StageLoad[]; readonly engine: () => Scheduler },
): Promise<StageTruth[]> {
  const { simulator, route, slo } = options;
  const answerOf = await knownAnswers({ prompts: promptsOf(options), run: report.id, route, simulator });
  const entries = new Map<string, RequestLogEntry[]>();
  for (const entry of log) entries.set(entry.key, [...(entries.get(entry.key) ?? []), entry]);
  let firstPrompt = 0;
  return report.stages.map((stage, position) => {
    const load = loads[position]!;
    const first = firstPrompt;
    // The stage after this one goes on behind all that were sent, warm-up and cool-down included.
    firstPrompt += stage.timeline.reduce((sum, { scheduled }) => sum + scheduled, 0);
    const requests = playStage(load, { engine: engine(), answerOf: (index) => answerOf(first + index) });
    const served = servedStage(
      records.filter((record) => record.stage === load.name).toSorted((one, other) => one.index - other.index),
      ({ index }) => entries.get(answerOf(first + index).key)?.shift(),
    );
    const exactCounts = load.arrivals.kind !== "closed";
    const from = (truth: readonly PlainRequest[]): Difference[] => {
      const figures = figuresOf(truth, { window: windowOf(load, truth), slo });
      return differences(figuresIn(stage), figures, { exactCounts });
    };
    return { stage, requests, served, fromTold: from(requests), fromServed: from(served) };
  });
}

/** By the letter of `StageLoad`: without seconds all of it, to just behind its last token. */
function windowOf(
  { seconds, warmUpSeconds, coolDownSeconds, rampSeconds }: StageLoad,
  requests: readonly PlainRequest[],
): { readonly startMs: number; readonly endMs: number } {
  const lastMs = requests.reduce((last, { endMs }) => Math.max(last, endMs ?? 0), 0);
  return {
    startMs: Math.max(warmUpSeconds, rampSeconds) * 1_000,
    endMs: seconds === null ? lastMs + 0.001 : (seconds - coolDownSeconds) * 1_000,
  };
}
