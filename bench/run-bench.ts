/** A benchmark of an endpoint from end to end: probe, stages with the server's counters around each, report. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { EndpointProbe } from "../jobs/probe-endpoint.ts";
import type { BenchHooks, BenchOptions, BenchProfile } from "./bench-options.ts";
import { checkLoad } from "./load/check-load.ts";
import { LoadGenerator } from "./load/load-generator.ts";
import type { LoadTarget } from "./load/load-target.ts";
import { measureNoOpCeiling } from "./load/measure-no-op-ceiling.ts";
import type { StageLoad } from "./load/stage-load.ts";
import { judgeSaturation } from "./metrics/over-saturation.ts";
import { reportStage } from "./metrics/stage-report.ts";
import { openTarget, pathOf } from "./open-target.ts";
import { openPrompts } from "./prompts/prompt-source.ts";
import type { PromptSet } from "./prompts/prompt-source.ts";
import { BENCH_REPORT_VERSION, BenchReport } from "./report/bench-report.ts";
import type { StageReport } from "./report/bench-report.ts";
import { shownWhole } from "./report/numbers.ts";
import { describeClient } from "./report/describe-client.ts";
import { headlinesOf } from "./report/headlines.ts";
import type { RunContext } from "./report/headlines.ts";
import { checkReportFolder, freshFolderName, ReportFolder } from "./report/report-folder.ts";
import { crossCheck, type ClientSide } from "./server/cross-check.ts";
import { compareSnapshots } from "./server/server-deltas.ts";
import { snapshotServer } from "./server/server-snapshot.ts";
import { Sweep } from "./sweep/sweep.ts";

/**
 * Measures an endpoint and writes the report's folder, anew after every stage. A run that the signal ends, and one whose
 * stage has no answer at all, end with the report of what there is. Throws what `probeEndpoint` throws, `USAGE` for a stage,
 * prompts or a folder that cannot be, and the signal's reason where nothing had been measured yet.
 */
export async function runBench(options: BenchOptions, hooks: BenchHooks): Promise<BenchReport> {
  const { profile, force, output } = options;
  if (profile.kind === "stages") for (const load of profile.loads) checkLoad(load);
  if (output !== null) await checkReportFolder(resolve(output), force);
  const id = randomBytes(6).toString("hex");
  const prompts = { ...options.prompts, run: id };
  const promptSet = await openPrompts(prompts);
  const { probe, target } = await openTarget(options, hooks.signal);
  const noOpEventsPerSecond = await ceilingOf(options, hooks);
  const startedAt = new Date();
  await using folder = await ReportFolder.open(output ?? freshFolderName(probe.model, startedAt), force);
  await using generator = await LoadGenerator.open({
    target,
    prompts,
    threads: options.threads,
    slo: options.slo,
    onRecords: (lines) => folder.addRecords(lines),
    noOpEventsPerSecond,
  });
  const fullLoad = Math.min(probe.limits.maxConcurrentRequests ?? FULL_LOAD, MOST_FULL_LOAD);
  const run = new BenchRun({ options, hooks, folder, generator, target, promptSet, fullLoad });
  const head = await headOf(options, { id, startedAt, probe, target, promptSet });
  return await run.run(head);
}

/** Null where it is not asked for. Ends with the signal's reason. */
async function ceilingOf(
  { selfCheck, threads }: BenchOptions,
  { signal, onNotice }: BenchHooks,
): Promise<number | null> {
  if (!selfCheck) return null;
  onNotice?.("Measuring what this client can take in at most: a few seconds, nothing is sent to the endpoint.");
  const ceiling = await measureNoOpCeiling({ threads });
  signal.throwIfAborted();
  return ceiling;
}

/** What of a report is known before the first stage. */
type ReportHead = Omit<BenchReport, "stages" | "sweep" | "headlines" | "seconds">;

interface BenchRunParts {
  readonly options: BenchOptions;
  readonly hooks: BenchHooks;
  readonly folder: ReportFolder;
  readonly generator: LoadGenerator;
  readonly target: LoadTarget;
  readonly promptSet: PromptSet;
  /** Requests in flight that should keep the endpoint busy. */
  readonly fullLoad: number;
}

/** While a stage runs a verdict ends it, so it takes more than the six seconds that are enough afterwards. */
const LIVE = { minPoints: 10 };
/** Where the server does not say how many requests it works on at a time. */
const FULL_LOAD = 256;
/** Where it allows more than any engine works on at a time, or says that it has no limit. */
const MOST_FULL_LOAD = 1_024;

class BenchRun {
  readonly #parts: BenchRunParts;
  readonly #stages: StageReport[] = [];
  readonly #heldBack = new Map<string, { readonly requests: number; readonly waitP99Ms: number }>();
  /** Of the server's counters; the same of many stages is told once. */
  readonly #notes = new Set<string>();
  /** Of the first stage where there is one: the others would say the same with other numbers. */
  #disagreement: string | null = null;
  readonly #sweep: Sweep | null;
  #resent = 0;
  readonly #began = performance.now();

  constructor(parts: BenchRunParts) {
    const { profile, slo } = parts.options;
    this.#parts = parts;
    this.#sweep =
      profile.kind === "sweep"
        ? new Sweep({ ...profile.sweep, slo, maxConcurrency: profile.sweep.maxConcurrency ?? parts.fullLoad })
        : null;
  }

  async run(head: ReportHead): Promise<BenchReport> {
    const { hooks, folder, options } = this.#parts;
    const { profile } = options;
    const names = profile.kind === "stages" ? profile.loads.map(({ name }) => name) : null;
    hooks.onStart?.({ folder: folder.path, endpoint: head.endpoint, stages: names });
    let state: RunContext["state"] = "running";
    for (let load = this.#next(); load !== null && state === "running"; load = this.#next()) {
      hooks.onStage?.(load);
      const stage = await this.#measure(load);
      if (stage !== null) {
        this.#stages.push(stage);
        hooks.onStageEnd?.(stage);
      }
      if (hooks.signal.aborted) state = "interrupted";
      else if (stage?.counts.ok === 0) state = "unanswered";
      else await folder.write(this.#report(head, state));
    }
    if (this.#stages.length === 0) hooks.signal.throwIfAborted();
    const report = this.#report(head, state === "running" ? "finished" : state);
    await folder.write(report);
    return report;
  }

  #next(): StageLoad | null {
    const { profile } = this.#parts.options;
    return profile.kind === "stages"
      ? (profile.loads[this.#stages.length] ?? null)
      : (this.#sweep?.next(this.#stages) ?? null);
  }

  /** Null for a stage that ended before anything of it was to be measured. */
  async #measure(load: StageLoad): Promise<StageReport | null> {
    const { generator, hooks, target } = this.#parts;
    const { signal, onProgress } = hooks;
    const { kind } = load.arrivals;
    const before = await snapshotServer(target);
    if (signal.aborted) return null;
    const outcome = await generator.runStage(load, {
      signal,
      ...(onProgress === undefined ? {} : { onProgress }),
      // A sweep learns nothing more from a queue that is known to grow; a stage that was asked for is run to its end.
      ...(this.#sweep === null
        ? {}
        : { stop: (timeline) => judgeSaturation(timeline, kind, LIVE).overSaturated === true }),
    });
    const after = await snapshotServer(target);
    this.#resent += outcome.resent;
    if (outcome.heldBack !== null) this.#heldBack.set(load.name, outcome.heldBack);
    const { tally, startedAt, client } = outcome;
    const { deltas, notes } = compareSnapshots(before, after);
    const report = reportStage({ load, tally, startedAt, client, server: deltas });
    for (const note of notes) this.#notes.add(note);
    this.#disagreement ??= crossCheck(clientSide(report), deltas).map((note) => `At ${load.name}: ${note}`)[0] ?? null;
    if (signal.aborted && report.counts.scheduled === 0) return null;
    const isStopped = outcome.endedBy === "stop";
    return { ...report, over_saturated: isStopped || judgeSaturation(report.timeline, kind).overSaturated };
  }

  #report(head: ReportHead, state: RunContext["state"]): BenchReport {
    const report: Omit<BenchReport, "headlines"> = {
      ...head,
      seconds: (performance.now() - this.#began) / 1_000,
      stages: this.#stages,
      sweep: this.#stages.length === 0 ? null : (this.#sweep?.result() ?? null),
    };
    const context = { state, heldBack: this.#heldBack, notes: this.#allNotes() };
    return BenchReport.parse({ ...report, headlines: headlinesOf(report, context) });
  }

  #allNotes(): string[] {
    const { promptSet, generator } = this.#parts;
    const disagreement = this.#disagreement === null ? [] : [this.#disagreement];
    const resent = this.#resent === 0 ? [] : [closedConnections(this.#resent)];
    return [...promptSet.notes(generator.promptsUsed), ...this.#notes, ...resent, ...disagreement];
  }
}

function closedConnections(resent: number): string {
  const closed = resent === 1 ? "a connection" : `${shownWhole(resent)} connections`;
  return `The server closed ${closed} that it had said to keep, as the next request was sent: it was sent again on a new one.`;
}

/** The timeline is of all requests, as the server's counters are; distributions are of the window's alone. */
function clientSide({ timeline, metrics, load }: StageReport): ClientSide {
  const isAll = load.warm_up_seconds + load.cool_down_seconds + load.ramp_seconds === 0;
  return {
    meanE2eMs: isAll ? metrics.e2e_service.mean : null,
    requestsOk: timeline.reduce((sum, point) => sum + point.completed, 0),
    outputTokens: Math.round(timeline.reduce((sum, point) => sum + point.output_tokens, 0)),
  };
}

async function headOf(
  { profile, slo, generation, threads }: BenchOptions,
  run: {
    readonly id: string;
    readonly startedAt: Date;
    readonly probe: EndpointProbe;
    readonly target: LoadTarget;
    readonly promptSet: PromptSet;
  },
): Promise<ReportHead> {
  const { id, startedAt, probe, target, promptSet } = run;
  const { identity } = await snapshotServer(target);
  return {
    version: BENCH_REPORT_VERSION,
    kind: "endpoint",
    id,
    tiding: await packageVersion(),
    started_at: startedAt.toISOString(),
    profile: profileOf(profile),
    endpoint: {
      url: probe.endpoint,
      server: probe.server,
      server_version: probe.serverVersion,
      model: probe.model,
      revision: probe.revision,
      route: pathOf(target),
      info: { ...identity?.info },
    },
    client: await describeClient(threads),
    prompts: { ...promptSet.described, ignore_eos: target.ignoreEos, generation: { ...generation } },
    slo,
  };
}

function profileOf(profile: BenchProfile): BenchReport["profile"] {
  return profile.kind === "sweep" ? "sweep" : (profile.loads[0]?.arrivals.kind ?? "closed");
}

async function packageVersion(): Promise<string> {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(await readFile(file, "utf8")) as { readonly version: string }).version;
}
