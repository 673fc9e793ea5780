/** A worker's whole life: joins the jobs of a broker, works, and leaves when asked to. */
import { once } from "node:events";
import type { TidingError } from "../shared/errors.ts";
import type { StepListener } from "../shared/protocol/protocol-step.ts";
import { WorkerHost } from "../worker/worker-host.ts";
import { awaitBroker } from "./await-broker.ts";
import { BrokerTrouble } from "./broker-trouble.ts";
import { LEASE_MS } from "./engine-settings.ts";
import type { BrokerOptions } from "./open-broker.ts";
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

/**
 * Resolves when it has left; `rows` are those that it finished. A broker that is away, or not set up yet, is waited for.
 * Throws what waiting does not mend.
 */
export async function workForBroker(options: WorkOptions): Promise<{ readonly rows: number }> {
  const { broker, environment, folder, drain, stop, onNotice, onStep, leaseMs = LEASE_MS } = options;
  const asked = AbortSignal.any([drain, stop]);
  const trouble = new BrokerTrouble({ onNotice });
  let host: WorkerHost | null = null;
  await using served =
    options.metrics === undefined
      ? null
      : await serveMetrics({
          ...options.metrics,
          sample: () => (host?.jobs ?? []).map((job) => ({ total: null, ...job.report() })),
          trouble: () => trouble.now,
        });
  if (served !== null) onNotice(`Metrics at ${served.url}/metrics`);
  const role = { name: "tiding worker", provision: false, setupWaitMs: Infinity };
  await using transport = await awaitBroker(broker, role, { asked, trouble });
  if (transport === null) return { rows: 0 };
  trouble.follow(transport);
  const faulted = new AbortController();
  const onFault = (error: TidingError): void => faulted.abort(error);
  host = new WorkerHost({ transport, surroundings: { environment, folder }, leaseMs, onNotice, onFault, onStep });
  onNotice(`Worker ${host.id} waits for jobs.`);
  const leaves = AbortSignal.any([asked, faulted.signal]);
  if (!leaves.aborted) await once(leaves, "abort");
  await host.drain(stop);
  faulted.signal.throwIfAborted();
  return { rows: host.rows };
}
