/**
 * The job benchmark: one job, run for real over the first rows of its input, in turns with a bare loop that sends the very
 * same requests to the same endpoints.
 *
 *   trial (a few rows: how fast?)  →  job, recorded  →  bare job | job bare | bare job …  →  job with a worker killed
 *
 * Every run has a process of its own and, if it is a job, an output of its own in a temporary folder that is deleted.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { loadSpec } from "../../shared/spec/load-spec.ts";
import type { LoadedSpec } from "../../shared/spec/loaded-spec.ts";
import { TidingError } from "../../shared/errors.ts";
import { describeClient } from "../report/describe-client.ts";
import type { BareTask } from "./bare-child.ts";
import { checkBenchable, onFirstEndpoint } from "./check-benchable.ts";
import { startChild } from "../child-work.ts";
import { slotsOfOrigins, slotsOfSpec, totalSlots } from "./endpoint-slots.ts";
import { JOB_BENCH_REPORT_VERSION, type JobBenchReport, type JobBenchRun } from "./job-bench-report.ts";
import type { JobNote, JobOutcome, JobTask, WorkedSpan } from "./job-child.ts";
import { figuresOf, notesOf, notesOfRecovery, scalingOf } from "./job-figures.ts";
import { measureRecovery, type KillOptions, type KillOutcome } from "./kill-worker.ts";
import { laterAnswerMs, measureTrace, type TraceFigures } from "./measure-trace.ts";
import { killRows, plannedRuns, rowsFor, shardRowsFor, trialRows, type PlannedRun } from "./plan-runs.ts";
import { runRecord } from "./run-record.ts";
import { countingServers, NOTHING_TOLD, type ServerCounts } from "./server-side.ts";

const BARE_CHILD = new URL("./bare-child.ts", import.meta.url);
const JOB_CHILD = new URL("./job-child.ts", import.meta.url);

export interface JobBenchOptions {
  /** The spec's file. */
  readonly file: string;
  /** `key=value` texts, as of `--set`. */
  readonly overrides: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Of the input, from its start; null: as many as take about `seconds`. */
  readonly rows: number | null;
  readonly seconds: number;
  /** Pairs of job and bare loop. */
  readonly repeats: number;
  /** Also on the first endpoint alone. */
  readonly scale: boolean;
  /** A last run over NATS, with a worker killed. */
  readonly killWorker: Pick<KillOptions, "replace"> | null;
  readonly signal: AbortSignal;
}

export interface JobBenchPlan {
  /** Of a trial: its own, and the runs' are not known yet. */
  readonly rows: number;
  readonly isTrial: boolean;
  /** Runs of so many rows each; after the trial. */
  readonly runs: number;
  /** Of the run in which a worker is killed; 0 without one, or while it is not known. */
  readonly killRows: number;
}

export interface JobBenchHooks {
  /** What will be run and paid for; said before it is. */
  readonly onPlan?: (plan: JobBenchPlan) => void;
  /** A run begins; the first is 1. The trial is 0. */
  readonly onRun?: (run: { readonly number: number; readonly of: number; readonly kind: string }) => void;
  /** What the engine remarks of a job, such as that it waits for an endpoint. */
  readonly onNotice?: (notice: string) => void;
  /** Rows of the running job that are done. */
  readonly onRows?: (rows: number) => void;
  readonly onRunEnd?: (run: JobBenchRun) => void;
}

/**
 * Throws `USAGE` for a job that cannot be measured, what `loadSpec` and a job throw, and the signal's reason when it is
 * aborted; by then all processes are gone and the temporary folder is deleted.
 */
export async function runJobBench(options: JobBenchOptions, hooks: JobBenchHooks = {}): Promise<JobBenchReport> {
  const { file, overrides, environment, scale } = options;
  const loaded = await loadSpec(file, { overrides, environment });
  checkBenchable(loaded.spec, { scale });
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-bench-job-"));
  try {
    const report = await new JobBench(options, { hooks, loaded, folder }).run();
    options.signal.throwIfAborted();
    return report;
  } catch (error) {
    // What a child says as it leaves is of no matter to who asked it to.
    options.signal.throwIfAborted();
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Recorded {
  readonly trace: string;
  readonly bodies: string;
  readonly outcome: JobOutcome;
}

class JobBench {
  readonly #options: JobBenchOptions;
  readonly #hooks: JobBenchHooks;
  readonly #loaded: LoadedSpec;
  readonly #folder: string;
  readonly #startedAt = new Date();
  readonly #runs: JobBenchRun[] = [];
  readonly #sent: TraceFigures[] = [];
  #recorded: Recorded | null = null;
  #count = 0;

  constructor(
    options: JobBenchOptions,
    parts: { readonly hooks: JobBenchHooks; readonly loaded: LoadedSpec; readonly folder: string },
  ) {
    this.#options = options;
    this.#hooks = parts.hooks;
    this.#loaded = parts.loaded;
    this.#folder = parts.folder;
  }

  async run(): Promise<JobBenchReport> {
    const { repeats, scale, killWorker } = this.#options;
    const planned = plannedRuns({ repeats, scale });
    const of = planned.length + (killWorker === null ? 0 : 1);
    const rows = await this.#rows(of);
    const rowsOfKill = killWorker === null ? 0 : Math.min(this.#loaded.spec.input.limit ?? Infinity, killRows(rows));
    this.#hooks.onPlan?.({ rows, isTrial: false, runs: planned.length, killRows: rowsOfKill });
    for (const [index, run] of planned.entries()) {
      this.#hooks.onRun?.({ number: index + 1, of, kind: run.kind });
      const record = run.kind === "bare" ? await this.#bare(run) : await this.#job(run, rows);
      this.#runs.push(record);
      this.#hooks.onRunEnd?.(record);
    }
    let kill: KillOutcome | null = null;
    if (killWorker !== null) {
      this.#hooks.onRun?.({ number: of, of, kind: "kill-worker" });
      kill = await this.#kill(rowsOfKill, killWorker);
      this.#sent.push(...kill.sent);
    }
    // Threads are those that make the load of an endpoint's benchmark.
    const { threads: _, ...client } = await describeClient(0);
    return this.#report(kill, client);
  }

  /** As many as were asked for, or as a trial shows; never more than the spec's own limit. */
  async #rows(runs: number): Promise<number> {
    const { rows, seconds } = this.#options;
    const limit = this.#loaded.spec.input.limit ?? Infinity;
    if (rows !== null) return Math.min(rows, limit);
    const asked = Math.min(limit, trialRows(totalSlots(slotsOfSpec(this.#loaded.spec))));
    this.#hooks.onPlan?.({ rows: asked, isTrial: true, runs, killRows: 0 });
    this.#hooks.onRun?.({ number: 0, of: runs, kind: "trial" });
    const { outcome, traced, trace } = await this.#runJob({ limit: asked, overrides: [] });
    const { accepted, failed } = outcome.report.rows;
    const found = rowsFor(seconds, {
      slots: totalSlots(outcome.slots),
      rows: accepted + failed,
      answers: traced.answers,
      answerMs: await laterAnswerMs(trace, traced.requests),
    });
    await rm(trace);
    // The whole input was in the trial.
    if (accepted + failed < asked) return accepted + failed;
    return Math.min(limit, found);
  }

  /** The first one is recorded; its server cannot be asked before it, as nobody knows yet with which key. */
  async #job(run: PlannedRun, rows: number): Promise<JobBenchRun> {
    const overrides = run.kind === "job-one-endpoint" ? onFirstEndpoint(this.#loaded.spec) : [];
    const bodies = this.#recorded === null ? path.join(this.#folder, "bodies") : undefined;
    const startedAt = new Date();
    const { result, server } = await this.#counting(() => this.#runJob({ limit: rows, overrides, bodies }));
    const { outcome, traced, trace } = result;
    if (bodies === undefined) await rm(trace);
    else this.#recorded = { trace, bodies, outcome };
    if (traced.answers === 0) {
      throw new TidingError("USAGE", "No answer to a request over HTTP was seen, so there is nothing to measure.", {
        place: "bench job",
        mend: "See that the job's rows succeed: tiding preview. A model in a module of your own must ask by undici.",
      });
    }
    return runRecord({ run, startedAt, span: outcome, traced, slots: totalSlots(outcome.slots), server, job: outcome });
  }

  async #bare(run: PlannedRun): Promise<JobBenchRun> {
    const { environment, signal } = this.#options;
    const { outcome, ...recorded } = this.#recorded!;
    const { shapes } = outcome;
    const trace = this.#nextFile("trace");
    const slots = slotsOfOrigins(outcome.slots, [...new Set(shapes.map(({ origin }) => origin))]);
    const task = { recorded, shapes, slots, trace };
    const startedAt = new Date();
    const { result: span, server } = await this.#counting(
      () => startChild<BareTask, WorkedSpan>(BARE_CHILD, task, { environment, signal }).done,
    );
    const allSlots = [...slots.values()].reduce((sum, count) => sum + count, 0);
    const traced = await measureTrace(trace, { ...span, slots: allSlots });
    await rm(trace);
    this.#sent.push(traced);
    return runRecord({ run, startedAt, span, traced, slots: allSlots, server, job: null });
  }

  async #counting<Result>(
    run: () => Promise<Result>,
  ): Promise<{ readonly result: Result; readonly server: ServerCounts }> {
    if (this.#recorded === null) return { result: await run(), server: NOTHING_TOLD };
    return await countingServers(this.#recorded.outcome.shapes, this.#options.signal, run);
  }

  async #runJob(job: {
    readonly limit: number;
    readonly overrides: readonly string[];
    readonly bodies?: string | undefined;
  }): Promise<{ readonly outcome: JobOutcome; readonly traced: TraceFigures; readonly trace: string }> {
    const { file, environment, signal } = this.#options;
    const trace = this.#nextFile("trace");
    const output = this.#nextFile("output");
    const task = {
      file,
      overrides: this.#overrides(output, job.limit, job.overrides),
      trace,
      ...(job.bodies === undefined ? {} : { bodies: job.bodies }),
    };
    const onNote = (note: JobNote): void => {
      if ("notice" in note) this.#hooks.onNotice?.(note.notice);
      else this.#hooks.onRows?.(note.done);
    };
    const outcome = await startChild<JobTask, JobOutcome, JobNote>(JOB_CHILD, task, { environment, signal, onNote })
      .done;
    await rm(output, { recursive: true });
    const traced = await measureTrace(trace, { ...outcome, slots: totalSlots(outcome.slots) });
    this.#sent.push(traced);
    return { outcome, traced, trace };
  }

  #kill(rows: number, how: Pick<KillOptions, "replace">): Promise<KillOutcome> {
    const { file, environment, signal } = this.#options;
    const shardRows = Math.min(this.#loaded.spec.run.shard_rows, shardRowsFor(rows));
    return measureRecovery({
      file,
      overrides: this.#overrides(this.#nextFile("output"), rows, [`run.shard_rows=${shardRows}`]),
      shardRows,
      specFolder: this.#loaded.folder,
      rows,
      folder: this.#folder,
      environment,
      ...how,
      signal,
    });
  }

  #overrides(output: string, limit: number, more: readonly string[]): readonly string[] {
    const own = [`output.path=${JSON.stringify(output)}`, `input.limit=${limit}`, "output.metadata=true"];
    return [...this.#options.overrides, ...more, ...own];
  }

  #nextFile(kind: string): string {
    return path.join(this.#folder, `${this.#count++}.${kind}`);
  }

  #report(kill: KillOutcome | null, client: JobBenchReport["client"]): JobBenchReport {
    const { slots, report } = this.#recorded!.outcome;
    const sum = (read: (figures: TraceFigures) => number): number =>
      this.#sent.reduce((total, figures) => total + read(figures), 0);
    const notes = notesOf(this.#runs);
    if (kill !== null) notes.push(...notesOfRecovery(kill.recovery));
    return {
      version: JOB_BENCH_REPORT_VERSION,
      kind: "job",
      id: randomBytes(8).toString("hex"),
      tiding: packageVersion(),
      started_at: this.#startedAt.toISOString(),
      seconds: (Date.now() - this.#startedAt.getTime()) / 1_000,
      job: {
        name: this.#loaded.name,
        tasks: this.#loaded.spec.steps.map(({ task }) => task),
        rows: report.rows.accepted + report.rows.failed,
        endpoints: slots.map((each) => ({ ...each })),
        slots: totalSlots(slots),
      },
      client,
      paid: {
        requests: sum((figures) => figures.requests),
        prompt_tokens: sum((figures) => figures.promptTokens),
        output_tokens: sum((figures) => figures.outputTokens),
      },
      figures: figuresOf(this.#runs),
      scaling: scalingOf(this.#runs, slots.length),
      recovery: kill?.recovery ?? null,
      runs: this.#runs,
      notes,
    };
  }
}

function packageVersion(): string {
  const file = new URL("../../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
