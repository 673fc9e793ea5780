/** What carries a run: a transport, and those who work on the job over it. */
import { asTidingError, type TidingError } from "../shared/errors.ts";
import { openEmbeddedTransport } from "../shared/transport/embedded/embedded-transport.ts";
import { patientTransport } from "../shared/transport/patient-transport.ts";
import type { Transport } from "../shared/transport/transport.ts";
import { AlikeGuard } from "../worker/alike-guard.ts";
import { resultSchema } from "../worker/commit-rows.ts";
import { WorkerHost } from "../worker/worker-host.ts";
import { Worker } from "../worker/worker.ts";
import type { Crew } from "./crew.ts";
import { LEASE_MS } from "./engine-settings.ts";
import type { ExecuteOptions } from "./execute-job.ts";
import { jobKey } from "./job-key.ts";
import type { Served } from "./check-same-job.ts";
import { LocalCrew } from "./local-crew.ts";
import type { PreparedJob } from "./prepare-job.ts";
import { RemoteCrew } from "./remote-crew.ts";
import { storedSpec } from "./stored-spec.ts";

/** A transport that other processes share. */
export interface JobBroker {
  /** Called once the output is owned, with the folder in which the engine keeps what is its own. */
  open(privateFolder: string): Promise<OpenBroker>;
  /** Asks workers what the endpoints serve, where this process has no keys; absent where it has. */
  readonly probe?: (
    job: PreparedJob,
    options: { readonly signal: AbortSignal; readonly onNotice: (notice: string) => void },
  ) => Promise<Served>;
  /** This process works on the job too. */
  readonly works: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Closing it closes the transport only where the job opened it. */
export interface OpenBroker extends AsyncDisposable {
  readonly transport: Transport;
}

export interface Engine extends AsyncDisposable {
  readonly transport: Transport;
  readonly crew: Crew;
  /** Resolves with the first error that stops the job. */
  readonly faulted: Promise<TidingError>;
  readonly onFault: (error: unknown) => void;
  /** Calls that wait for a broker fail from then on. */
  giveUpIn(ms: number): void;
}

export async function openEngine(options: ExecuteOptions): Promise<Engine> {
  let onFault: (error: unknown) => void = () => undefined;
  const faulted = new Promise<TidingError>((resolve) => (onFault = (error) => resolve(asTidingError(error))));
  const faults = { faulted, onFault };
  return options.broker === null ? openLocal(options, faults) : openRemote(options, options.broker, faults);
}

type Faults = Pick<Engine, "faulted" | "onFault">;

async function openLocal({ output, job, settings = {}, onStep }: ExecuteOptions, faults: Faults): Promise<Engine> {
  const { leaseMs = LEASE_MS, resultsBudgetBytes, segmentBytes, wrapTransport } = settings;
  const embedded = await openEmbeddedTransport({
    directory: output.paths.log,
    epoch: output.manifest.epoch,
    leaseMs,
    ...(resultsBudgetBytes === undefined ? {} : { resultsBudgetBytes }),
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
  });
  const transport = wrapTransport === undefined ? embedded : wrapTransport(embedded);
  const { spec } = job.loaded;
  const { manifest } = output;
  const worker = new Worker({
    id: `embedded-${process.pid}`,
    transport,
    job: jobKey(manifest),
    pipeline: job.steps.pipeline(manifest.retry?.round ?? 0),
    schema: resultSchema(job.steps.batchColumns),
    runsForeignCode: job.steps.runsForeignCode,
    flushIntervalMs: spec.run.flush_interval,
    leaseMs,
    guard: new AlikeGuard(spec.run.stop_after_alike, { settled: hasSucceeded(manifest) }),
    onFault: faults.onFault,
    onStep,
  });
  const crew = new LocalCrew(worker, job.steps.gateways);
  return { transport, crew, ...faults, giveUpIn: () => undefined, [Symbol.asyncDispose]: () => transport.close() };
}

async function openRemote(
  { output, job, settings = {}, onNotice, onStep, drain, stop }: ExecuteOptions,
  broker: JobBroker,
  faults: Faults,
): Promise<Engine> {
  const { leaseMs = LEASE_MS, wrapTransport } = settings;
  const { manifest } = output;
  const opened = await broker.open(output.paths.private);
  const wrapped = wrapTransport === undefined ? opened.transport : wrapTransport(opened.transport);
  const givesUp = new AbortController();
  const gaveUp = AbortSignal.any([stop, givesUp.signal]);
  const transport = patientTransport(wrapped, gaveUp);
  const { spec, written, folder, name } = job.loaded;
  const key = jobKey(manifest);
  const asked = AbortSignal.any([drain, stop]);
  const crewOptions = {
    transport,
    job: key,
    record: {
      name,
      spec: storedSpec(written),
      folder,
      inputColumns: job.steps.inputColumns.map((column) => ({ ...column })),
      code: [...job.steps.code],
      round: manifest.retry?.round ?? 0,
      settled: hasSucceeded(manifest),
      epoch: manifest.epoch,
      graceMs: spec.run.grace,
    },
    onFault: faults.onFault,
    onNotice: (notice: string) => onNotice?.(notice),
    givesUp: gaveUp,
  };
  const crew = await RemoteCrew.muster(crewOptions, asked).catch(async (error: unknown) => {
    await opened[Symbol.asyncDispose]();
    throw error;
  });
  const { environment, works } = broker;
  const host = works
    ? new WorkerHost({
        transport: wrapped,
        surroundings: { environment },
        leaseMs,
        only: key,
        onNotice,
        onFault: faults.onFault,
        onStep,
      })
    : null;
  return {
    transport,
    crew,
    ...faults,
    giveUpIn: (ms) => void setTimeout(() => givesUp.abort(), ms).unref(),
    async [Symbol.asyncDispose]() {
      await host?.drain(stop);
      await crew.close();
      await opened[Symbol.asyncDispose]();
    },
  };
}

/** A job whose rows have succeeded before is not stopped by rows that all fail alike. */
function hasSucceeded({ parts, retry }: ExecuteOptions["output"]["manifest"]): boolean {
  return parts.length > 0 || retry !== null;
}
