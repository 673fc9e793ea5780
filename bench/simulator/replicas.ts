/** The replicas behind one address: each with a batch of its own, a request goes to the one with the least to do. */

import { LatenessMeter } from "../lateness.ts";
import type { Lateness } from "../lateness.ts";
import { BatchEngine } from "./batching/batch-engine.ts";
import type { BatchInput, BatchOptions } from "./batching/batch-options.ts";
import { parseBatchOptions, withTimeScale } from "./batching/batch-options.ts";
import { FixedEngine } from "./batching/fixed-engine.ts";
import { presetOptions } from "./batching/presets.ts";
import type { BatchGauges, Scheduler } from "./batching/scheduler.ts";
import type { SimulatorOptions } from "./options.ts";
import { Replica } from "./replica.ts";
import type { ReplicaHooks } from "./replica.ts";

export class Replicas {
  readonly #replicas: readonly Replica[];
  readonly #lateness: LatenessMeter;

  private constructor(replicas: readonly Replica[], lateness: LatenessMeter) {
    this.#replicas = replicas;
    this.#lateness = lateness;
  }

  /** Null where the options ask for no batch. Throws `USAGE` for options of the batch that do not fit. */
  static open(options: SimulatorOptions, hooks: ReplicaHooks): Replicas | null {
    const open = schedulerOf(options);
    if (open === null) return null;
    const lateness = new LatenessMeter();
    const replicas = Array.from({ length: options.replicas }, () => new Replica(open(), hooks, lateness));
    return new Replicas(replicas, lateness);
  }

  /** The one with the fewest requests. */
  leastLoaded(): Replica {
    return this.#replicas.reduce((least, replica) => (replica.outstanding < least.outstanding ? replica : least));
  }

  /** Of all replicas together. */
  gauges(): BatchGauges {
    return this.#replicas
      .map((replica) => replica.gauges())
      .reduce((sum, gauges) => ({
        queued: sum.queued + gauges.queued,
        running: sum.running + gauges.running,
        batchMaxTokens: sum.batchMaxTokens + gauges.batchMaxTokens,
        kvTokens: sum.kvTokens + gauges.kvTokens,
        kvTakenTokens: sum.kvTakenTokens + gauges.kvTakenTokens,
        kvCachedTokens: sum.kvCachedTokens + gauges.kvCachedTokens,
      }));
  }

  /** How late steps were since the last `resetLateness`. */
  lateness(): Lateness {
    return this.#lateness.summary();
  }

  resetLateness(): void {
    this.#lateness.reset();
  }

  close(): void {
    for (const replica of this.#replicas) replica.close();
  }
}

/** The batch that the options describe, null for none. Throws `USAGE`. */
export function batchOptionsOf({ batching }: Pick<SimulatorOptions, "batching">): BatchOptions | null {
  if (batching === undefined) return null;
  const { preset, timeScale, ...changes } = batching;
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  const options = preset === undefined ? parseBatchOptions(given as BatchInput) : presetOptions(preset, given);
  return withTimeScale(options, timeScale);
}

/**
 * The options with what a batch's memory allows: no request may ask for more than its replica can hold, as TGI finds its
 * limits when it starts. Throws `USAGE`.
 */
export function withinMemory(options: SimulatorOptions): SimulatorOptions {
  const batch = batchOptionsOf(options);
  if (batch === null) return options;
  const { kvTokens, blockTokens, chunkedPrefill, maxBatchPrefillTokens } = batch;
  const held = (Math.floor(kvTokens / blockTokens) - 1) * blockTokens;
  const maxTotalTokens = Math.min(options.maxTotalTokens, held);
  const longestPrompt = chunkedPrefill ? maxTotalTokens - 1 : Math.min(maxTotalTokens - 1, maxBatchPrefillTokens);
  return { ...options, maxTotalTokens, maxInputTokens: Math.min(options.maxInputTokens, longestPrompt) };
}

function schedulerOf(options: SimulatorOptions): (() => Scheduler) | null {
  const { knownTruth, maxTotalTokens } = options;
  // What is let in at all is decided before a replica is chosen.
  if (knownTruth !== undefined) return () => new FixedEngine({ ...knownTruth, maxConcurrentRequests: 0 });
  const batch = batchOptionsOf(options);
  return batch === null ? null : () => new BatchEngine({ ...batch, maxTotalTokens });
}
