/** A worker's whole life: joins the jobs of a broker, works, and leaves when asked to. */
import { once } from "node:events";
import type { TidingError } from "../shared/errors.ts";
import type { StepListener } from "../shared/protocol/protocol-step.ts";
import { WorkerHost } from "../worker/worker-host.ts";
import { LEASE_MS } from "./engine-settings.ts";
import { connectBroker, type BrokerOptions } from "./open-broker.ts";
import { serveMetrics, type MetricsAddress } from "./serve-metrics.ts";

export interface WorkOptions {
  readonly broker: BrokerOptions;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where the paths of modules start, in place of the coordinator's folder. */
  readonly folder?: string | undefined;
  /** First abort: finish what runs, commit it, hand back the rest. */
  readonly drain: AbortSignal;
  /** Stop now. */
  readonly stop: AbortSignal;
  readonly onNotice: (notice: string) => void;
  /** Serves `/metrics` and `/health` there. */
  readonly metrics?: MetricsAddress | undefined;
  /** For a chaos driver. */
  readonly onStep?: StepListener;
  /** For tests; 30 s when absent. */
  readonly leaseMs?: number;
}

/** Resolves when it has left; `rows` are those that it finished. Throws what keeps it from the broker. */
export async function workForBroker(options: WorkOptions): Promise<{ readonly rows: number }> {
  const { broker, environment, folder, drain, stop, onNotice, onStep, leaseMs = LEASE_MS } = options;
  const asked = AbortSignal.any([drain, stop]);
  await using transport = await connectBroker(broker, {
    name: "tiding worker",
    provision: false,
    setupWaitMs: Infinity,
    signal: asked,
  });
  const faulted = new AbortController();
  const onFault = (error: TidingError): void => faulted.abort(error);
  const host = new WorkerHost({ transport, surroundings: { environment, folder }, leaseMs, onNotice, onFault, onStep });
  onNotice(`Worker ${host.id} waits for jobs.`);
  let isDown = false;
  transport.onHealth((health) => {
    isDown = health === "down";
    if (health === "down") onNotice("The broker is gone; waiting for it.");
    if (health === "up") onNotice("The broker is back.");
  });
  await using served =
    options.metrics === undefined
      ? null
      : await serveMetrics({
          ...options.metrics,
          sample: () => host.jobs.map((job) => ({ total: null, ...job.report() })),
          trouble: () => (isDown ? "The broker cannot be reached." : null),
        });
  if (served !== null) onNotice(`Metrics at ${served.url}/metrics`);
  const leaves = AbortSignal.any([asked, faulted.signal]);
  if (!leaves.aborted) await once(leaves, "abort");
  await host.drain(stop);
  faulted.signal.throwIfAborted();
  return { rows: host.rows };
}
