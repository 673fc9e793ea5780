/** One run of a job over an output that this process owns, to whatever end. */
import { Coordinator } from "../coordinator/coordinator.ts";
import type { Manifest } from "../coordinator/output/manifest.ts";
import type { OwnedOutput } from "../coordinator/output/output-directory.ts";
import { ShardTable } from "../coordinator/shard-table.ts";
import { PartEncoder } from "../coordinator/sink/part-encoder.ts";
import { asTidingError, type TidingError } from "../shared/errors.ts";
import type { JobProgress } from "../shared/observe/job-report.ts";
import type { StepListener } from "../shared/protocol/protocol-step.ts";
import { TransportError } from "../shared/transport/transport.ts";
import type { Crew } from "./crew.ts";
import { LEASE_MS, PATIENCE_MS, RECONCILE_MS, type EngineSettings } from "./engine-settings.ts";
import { openEngine, type Engine, type JobBroker } from "./engine.ts";
import { errorRecord } from "./job-report.ts";
import { jobKey } from "./job-key.ts";
import type { PreparedJob } from "./prepare-job.ts";
import { ProgressMeter } from "./progress-meter.ts";

const PROGRESS_MS = 200;

export interface ExecuteOptions {
  readonly job: PreparedJob;
  readonly output: OwnedOutput;
  readonly verifyAll: boolean;
  readonly drain: AbortSignal;
  readonly stop: AbortSignal;
  readonly onProgress: ((progress: JobProgress) => void) | undefined;
  readonly onNotice: ((notice: string) => void) | undefined;
  /** For a chaos driver; nothing else listens. */
  readonly onStep: StepListener | undefined;
  readonly settings: EngineSettings | undefined;
  /** Called when every row has landed, while the output is still owned. */
  readonly onFinished?: (() => Promise<void>) | undefined;
  /** Null: the embedded transport, and a worker in this process. */
  readonly broker: JobBroker | null;
}

export type Ending =
  | { readonly kind: "finished" }
  | { readonly kind: "interrupted" }
  | { readonly kind: "stopped"; readonly error: TidingError };

export interface Execution {
  readonly ending: Ending;
  readonly meter: ProgressMeter;
  /** Rows that the sink received and that are not landed. */
  readonly received: number;
}

/** Runs until all rows have landed, or until drained, stopped or faulted. The output is released, whatever happens. */
export async function executeJob(options: ExecuteOptions): Promise<Execution> {
  const { output } = options;
  let ending: Ending = { kind: "interrupted" };
  try {
    await using engine = await openEngine(options);
    await using table = await ShardTable.open(output.paths.private, output.manifest.epoch);
    await using encoder = closing(new PartEncoder());
    // Started while the first requests run, so that the first landing does not wait for a thread.
    void encoder.value.warm().catch(() => undefined);
    const run = new JobRun(options, { engine, table, encoder: encoder.value });
    ending = await run.toItsEnd();
    if (ending.kind === "finished") await options.onFinished?.();
    return { ending, meter: run.meter, received: run.received };
  } catch (cause) {
    // Whatever goes wrong with an output that is another's is explained by that alone.
    const error: unknown = (await output.isLost()) ? output.lost.reason : cause;
    const isAsked = AbortSignal.any([options.drain, options.stop]).reason === error;
    if (!isAsked) ending = { kind: "stopped", error: asTidingError(error) };
    throw error;
  } finally {
    await output.release(stateAfter(ending));
  }
}

class JobRun {
  readonly meter: ProgressMeter;
  readonly #options: ExecuteOptions;
  readonly #coordinator: Coordinator;
  readonly #crew: Crew;
  readonly #faulted: Promise<TidingError>;
  readonly #engine: Engine;

  constructor(
    options: ExecuteOptions,
    parts: { readonly engine: Engine; readonly table: ShardTable; readonly encoder: PartEncoder },
  ) {
    const { job, output, onStep, settings = {} } = options;
    const { leaseMs = LEASE_MS, reconcileMs = RECONCILE_MS } = settings;
    const { spec } = job.loaded;
    const { manifest } = output;
    const { transport, crew, faulted } = parts.engine;
    this.#options = options;
    this.#crew = crew;
    this.#coordinator = new Coordinator({
      transport,
      job: jobKey(manifest),
      source: job.source,
      table: parts.table,
      output,
      landing: {
        encoder: parts.encoder,
        format: spec.output.format,
        inputColumns: job.steps.inputColumns,
        taskColumns: job.steps.taskColumns,
        columns: spec.output.columns ?? null,
        metadata: spec.output.metadata,
        keepPartial: spec.steps.some((step) => step.keep === "partial"),
        partBytes: spec.output.part_bytes,
      },
      partAgeMs: spec.output.part_age,
      ordered: spec.output.ordered,
      shardRows: manifest.plan.shardRows,
      shardBytes: manifest.plan.shardBytes,
      offset: spec.input.offset,
      limit: spec.input.limit ?? null,
      verifyAll: options.verifyAll,
      windowRows: () => 2 * Math.max(crew.slots, job.steps.slots) + 4 * manifest.plan.shardRows,
      leaseMs,
      reconcileMs,
      onFault: parts.engine.onFault,
      onStep,
    });
    this.#faulted = faulted;
    this.#engine = parts.engine;
    this.meter = new ProgressMeter({ output, coordinator: this.#coordinator, crew });
    output.showProgress(() => this.meter.progress());
  }

  get received(): number {
    return this.#coordinator.unlanded;
  }

  async #stop(land: boolean): Promise<void> {
    try {
      await this.#coordinator.stop({ land });
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      this.#options.onNotice?.("The broker cannot be reached: what is committed there is landed by the next run.");
    }
  }

  async toItsEnd(): Promise<Ending> {
    const { onProgress, onNotice, drain, stop, output, job, settings = {} } = this.#options;
    const watch = setInterval(() => {
      const progress = this.meter.progress();
      onProgress?.(progress);
      this.meter.noticeWaiting(onNotice);
    }, PROGRESS_MS);
    try {
      const finished = this.#coordinator.run().then(
        (): Ending => ({ kind: "finished" }),
        (error: unknown): Ending => ({ kind: "stopped", error: asTidingError(error) }),
      );
      const faulted = this.#faulted.then((error): Ending => ({ kind: "stopped", error }));
      const asked = aborted(AbortSignal.any([drain, stop])).then((): Ending => ({ kind: "interrupted" }));
      const lost = aborted(output.lost).then((): Ending => ({
        kind: "stopped",
        error: asTidingError(output.lost.reason),
      }));
      let ending = await Promise.race([finished, faulted, asked, lost]);
      const isOwner = ending.kind === "finished" || !(await output.isLost());
      // Whatever goes wrong with an output that is another's is explained by that alone.
      if (ending.kind === "stopped" && !isOwner) ending = await lost;
      const isSound = ending.kind !== "stopped" || ending.error.class !== "engine";
      this.meter.becomes(ending.kind === "finished" ? "finishing" : "draining");
      // A broker that is gone must not hold up who was asked to leave.
      if (ending.kind !== "finished")
        this.#engine.giveUpIn(job.loaded.spec.run.grace + (settings.patienceMs ?? PATIENCE_MS));
      if (ending.kind === "finished") await this.#crew.dismiss();
      else if (isOwner) await this.#crew.drain(job.loaded.spec.run.grace, stop);
      else await this.#crew.close();
      await this.#stop(isOwner && isSound && !stop.aborted && ending.kind !== "finished");
      return ending;
    } finally {
      clearInterval(watch);
    }
  }
}

function stateAfter(ending: Ending): Partial<Manifest> {
  switch (ending.kind) {
    case "finished":
      return { state: "finished", error: null, cursor: null, retry: null };
    case "interrupted":
      return { state: "interrupted", error: null };
    case "stopped":
      return { state: "stopped", error: errorRecord(ending.error) };
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function closing<T extends { close(): Promise<void> }>(value: T): AsyncDisposable & { readonly value: T } {
  return { value, [Symbol.asyncDispose]: () => value.close() };
}
