/** One run of a job over an output that this process owns: coordinator and worker on the embedded transport, to whatever end. */
import { AlikeGuard } from "../worker/alike-guard.ts";
import { resultSchema } from "../worker/commit-rows.ts";
import { Worker } from "../worker/worker.ts";
import { Coordinator } from "../coordinator/coordinator.ts";
import type { Manifest } from "../coordinator/output/manifest.ts";
import type { OwnedOutput } from "../coordinator/output/output-directory.ts";
import { ShardTable } from "../coordinator/shard-table.ts";
import { PartEncoder } from "../coordinator/sink/part-encoder.ts";
import { isTidingError, messageOf, TidingError } from "../shared/errors.ts";
import type { JobProgress } from "../shared/observe/job-report.ts";
import type { StepListener } from "../shared/protocol/protocol-step.ts";
import { openEmbeddedTransport } from "../shared/transport/embedded/embedded-transport.ts";
import type { Transport } from "../shared/transport/transport.ts";
import type { EngineSettings } from "./engine-settings.ts";
import { errorRecord } from "./job-report.ts";
import type { PreparedJob } from "./prepare-job.ts";
import { ProgressMeter } from "./progress-meter.ts";

const PROGRESS_MS = 200;
const LEASE_MS = 30_000;
const RECONCILE_MS = 1_000;

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
}

export type Ending =
  | { readonly kind: "finished" }
  | { readonly kind: "interrupted" }
  | { readonly kind: "stopped"; readonly error: TidingError };

export interface Execution {
  readonly ending: Ending;
  readonly meter: ProgressMeter;
}

/** Runs until all rows have landed, or until drained, stopped or faulted. The output is released, whatever happens. */
export async function executeJob(options: ExecuteOptions): Promise<Execution> {
  const { output } = options;
  let ending: Ending = { kind: "interrupted" };
  try {
    await using transport = await openTransport(options);
    await using table = await ShardTable.open(output.paths.private, output.manifest.epoch);
    await using encoder = closing(new PartEncoder());
    // Started while the first requests run, so that the first landing does not wait for a thread.
    void encoder.value.warm().catch(() => undefined);
    const run = new JobRun(options, { transport, table, encoder: encoder.value });
    ending = await run.toItsEnd();
    return { ending, meter: run.meter };
  } catch (error) {
    ending = { kind: "stopped", error: asTidingError(error) };
    throw error;
  } finally {
    await output.release(stateAfter(ending));
  }
}

async function openTransport({ output, settings = {} }: ExecuteOptions): Promise<Transport> {
  const { leaseMs = LEASE_MS, resultsBudgetBytes, segmentBytes, wrapTransport } = settings;
  const transport = await openEmbeddedTransport({
    directory: output.paths.log,
    epoch: output.manifest.epoch,
    leaseMs,
    ...(resultsBudgetBytes === undefined ? {} : { resultsBudgetBytes }),
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
  });
  return wrapTransport === undefined ? transport : wrapTransport(transport);
}

class JobRun {
  readonly meter: ProgressMeter;
  readonly #options: ExecuteOptions;
  readonly #coordinator: Coordinator;
  readonly #worker: Worker;
  readonly #faulted: Promise<TidingError>;

  constructor(
    options: ExecuteOptions,
    parts: {
      readonly transport: Transport;
      readonly table: ShardTable;
      readonly encoder: PartEncoder;
    },
  ) {
    const { job, output, onStep, settings = {} } = options;
    const { leaseMs = LEASE_MS, reconcileMs = RECONCILE_MS } = settings;
    const { spec } = job.loaded;
    const { manifest } = output;
    const key = jobKey(manifest);
    let onFault: (error: unknown) => void = () => undefined;
    this.#faulted = new Promise((resolve) => (onFault = (error) => resolve(asTidingError(error))));
    this.#options = options;
    this.#coordinator = new Coordinator({
      transport: parts.transport,
      job: key,
      source: job.source,
      table: parts.table,
      output,
      landing: {
        encoder: parts.encoder,
        format: spec.output.format,
        inputColumns: job.inputColumns,
        taskColumns: job.taskColumns,
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
      windowRows: 2 * job.slots + 4 * manifest.plan.shardRows,
      leaseMs,
      reconcileMs,
      onFault,
      onStep,
    });
    this.#worker = new Worker({
      id: `embedded-${process.pid}`,
      transport: parts.transport,
      job: key,
      pipeline: job.pipeline(manifest.retry?.round ?? 0),
      schema: resultSchema(job.batchColumns),
      runsForeignCode: job.code.some(({ taskCode, llmCode }) => taskCode !== null || llmCode !== null),
      flushIntervalMs: spec.run.flush_interval,
      leaseMs,
      guard: new AlikeGuard(spec.run.stop_after_alike, {
        settled: manifest.parts.length > 0 || manifest.retry !== null,
      }),
      onFault,
      onStep,
    });
    this.meter = new ProgressMeter({ job, output, coordinator: this.#coordinator, worker: this.#worker });
    output.showProgress(() => this.meter.progress());
  }

  async toItsEnd(): Promise<Ending> {
    const { onProgress, onNotice, drain, stop, output, job } = this.#options;
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
      await this.#worker.drain(ending.kind === "finished" || !isOwner ? 0 : job.loaded.spec.run.grace, stop);
      await this.#coordinator.stop({ land: isOwner && isSound && !stop.aborted && ending.kind !== "finished" });
      return ending;
    } finally {
      clearInterval(watch);
    }
  }
}

/** The job's name in the transport; each retry round has a log of its own. */
export function jobKey({ job, retry }: Pick<Manifest, "job" | "retry">): string {
  return retry === null ? job.id : `${job.id}-r${retry.round}`;
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

function asTidingError(error: unknown): TidingError {
  return isTidingError(error) ? error : new TidingError("INTERNAL", messageOf(error), { cause: error });
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
