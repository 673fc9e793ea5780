/** A run of a job in a process of its own, which may be told to die at a step of the commit protocol. */
import { messageOf, isTidingError } from "../../shared/errors.ts";
import type { JobReport } from "../../shared/observe/job-report.ts";
import type { ProtocolStep } from "../../shared/protocol/protocol-step.ts";
import { specFromObject } from "../../shared/spec/load-spec.ts";
import { openNatsTransport } from "../../shared/transport/nats/nats-transport.ts";
import type { BatchStep } from "../../jobs/batches/batch-step.ts";
import type { EngineSettings } from "../../jobs/engine-settings.ts";
import { sharedBroker } from "../../jobs/open-broker.ts";
import { retryJob } from "../../jobs/retry-job.ts";
import { runJob } from "../../jobs/run-job.ts";
import { dieWithParent } from "./die-with-parent.ts";

/** What the child is told, as JSON in its first argument. */
export interface ChildOrder {
  readonly spec: unknown;
  readonly folder: string;
  readonly settings?: Omit<EngineSettings, "wrapTransport" | "onBatchStep">;
  readonly takeoverMs?: number;
  /** Work is done by others, who are found here. */
  readonly broker?: { readonly servers: string; readonly resultsBudgetBytes: number };
  /** Run the failed rows of `output` again, in place of the job. */
  readonly retry?: { readonly output: string; readonly overrides: readonly string[] };
  /** Die, as by `kill -9`, or fall asleep, when this step is reached for the `count`th time. */
  readonly crash?: {
    readonly step: ProtocolStep | BatchStep;
    readonly count: number;
    readonly signal?: "SIGSTOP";
  } | null;
}

/** What it prints on standard output, as one line of JSON, where it lives to its end. */
export interface ChildResult {
  readonly report: JobReport | null;
  /** What was thrown. */
  readonly error: { readonly code: string; readonly message: string; readonly place: string | null } | null;
}

dieWithParent();
const order = JSON.parse(process.argv[2] ?? "") as ChildOrder;
const drain = new AbortController();
process.on("SIGTERM", () => drain.abort());
let left = order.crash?.count ?? 0;

function reached(step: ProtocolStep | BatchStep): void {
  if (step === order.crash?.step && --left === 0) process.kill(process.pid, order.crash.signal ?? "SIGKILL");
}

const common = {
  environment: {},
  drain: drain.signal,
  onStep: reached,
  ...(order.takeoverMs === undefined ? {} : { takeoverMs: order.takeoverMs }),
  settings: { ...order.settings, onBatchStep: reached },
};

async function report(): Promise<JobReport> {
  if (order.retry !== undefined) return await retryJob({ ...order.retry, ...common });
  const loaded = specFromObject(order.spec, { folder: order.folder, environment: {} });
  if (order.broker === undefined) return await runJob({ loaded, ...common });
  const { leaseMs } = order.settings ?? {};
  await using transport = await openNatsTransport({
    ...order.broker,
    name: "chaos coordinator",
    provision: true,
    ...(leaseMs === undefined ? {} : { leaseMs }),
    signal: drain.signal,
  });
  return await runJob({ loaded, broker: sharedBroker(transport, { works: false, environment: {} }), ...common });
}

async function run(): Promise<ChildResult> {
  try {
    return { report: await report(), error: null };
  } catch (error) {
    const code = isTidingError(error) ? error.code : "OTHER";
    const place = isTidingError(error) ? (error.place ?? null) : null;
    return { report: null, error: { code, message: messageOf(error), place } };
  }
}

process.stdout.write(`${JSON.stringify(await run())}\n`);
