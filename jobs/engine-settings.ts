/** How the engine paces and bounds itself: fixed in production, and no part of the spec; tests shorten and shrink it. */
import type { Transport } from "../shared/transport/transport.ts";
import type { BatchStep } from "./batches/batch-step.ts";
import type { BatchLimits } from "./batches/request-files.ts";

export const LEASE_MS = 30_000;
export const RECONCILE_MS = 1_000;
export const PATIENCE_MS = 10_000;

export interface EngineSettings {
  /** How long a claim lasts without a beat, and how long a shard may be silent before it is looked after. */
  readonly leaseMs?: number;
  /** How long beyond the grace a broker is waited for that cannot be reached. */
  readonly patienceMs?: number;
  /** How often shards are looked after. */
  readonly reconcileMs?: number;
  /** Most bytes of result batches in the embedded transport. */
  readonly resultsBudgetBytes?: number;
  /** At which size a file of the embedded log is closed. */
  readonly segmentBytes?: number;
  /** How often an endpoint that is being woken is looked at, and the shortest wait before it is told again to stop. */
  readonly endpointRefreshMs?: number;
  /** What one offline batch holds at most. */
  readonly batchLimits?: BatchLimits;
  /** Called at each step of an offline batch. */
  readonly onBatchStep?: (step: BatchStep) => void;
  /** Puts something, such as injected faults, between the engine and its transport. */
  readonly wrapTransport?: (transport: Transport) => Transport;
}
