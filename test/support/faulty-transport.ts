/**
 * A transport that misbehaves as far as the port allows: answers come late, tasks come twice, and the outcome of an append
 * or a put stays unknown, whether it happened or not. The same `random` gives the same faults for the same calls.
 */

import { setTimeout as pause } from "node:timers/promises";

import { TransportError } from "../../shared/transport/transport.ts";
import type { BlobStore, CommitLog, TaskQueue, Transport } from "../../shared/transport/transport.ts";

export interface TransportFaults {
  /** From 0 to 1. */
  readonly random: () => number;
  /** Every call waits up to this before and after. */
  readonly delayMs?: number;
  /** The share of task puts that become two tasks. */
  readonly duplicates?: number;
  /** The share of appends and puts that reject with `unknown`; half of them happened. */
  readonly unknowns?: number;
}

/** Wraps a transport; closing the wrapper closes what it wraps. */
export function faultyTransport(inner: Transport, faults: TransportFaults): Transport {
  const { random, delayMs = 2, duplicates = 0.1, unknowns = 0.1 } = faults;

  async function late<T>(call: () => Promise<T>): Promise<T> {
    // Not every call, so that two of them can change places.
    if (random() < 0.5) await pause(random() * delayMs);
    const result = await call();
    if (random() < 0.5) await pause(random() * delayMs);
    return result;
  }

  async function uncertain<T>(call: () => Promise<T>): Promise<T> {
    const fate = random();
    const lost = new TransportError("unknown", "The answer was lost (injected).");
    if (fate < unknowns / 2) throw lost;
    const result = await late(call);
    if (fate < unknowns) throw lost;
    return result;
  }

  const tasks: TaskQueue = {
    put: (job, shard, body) =>
      uncertain(async () => {
        await inner.tasks.put(job, shard, body);
        if (random() < duplicates) await inner.tasks.put(job, shard, body);
      }),
    claim: async (job, options) => {
      const claim = await late(() => inner.tasks.claim(job, options));
      if (claim === null) return null;
      return {
        shard: claim.shard,
        body: claim.body,
        beat: () => late(() => claim.beat()),
        done: () => late(() => claim.done()),
        retry: (ms) => late(() => claim.retry(ms)),
      };
    },
    counts: (job) => late(() => inner.tasks.counts(job)),
    isPending: (job, shard) => late(() => inner.tasks.isPending(job, shard)),
    replace: (job, shard, body) => late(() => inner.tasks.replace(job, shard, body)),
    drop: (job) => late(() => inner.tasks.drop(job)),
  };

  const log: CommitLog = {
    tail: (job, shard) => late(() => inner.log.tail(job, shard)),
    append: (job, shard, after, body) => uncertain(() => inner.log.append(job, shard, after, body)),
    read: async function* (job, from, signal) {
      for await (const entry of inner.log.read(job, from, signal)) {
        if (random() < 0.05) await pause(random() * delayMs);
        yield entry;
      }
    },
    verify: (job, position) => late(() => inner.log.verify(job, position)),
    trim: (job, shard) => late(() => inner.log.trim(job, shard)),
    forget: (job, shard) => late(() => inner.log.forget(job, shard)),
    drop: (job) => late(() => inner.log.drop(job)),
  };

  const blobs = (store: BlobStore): BlobStore => ({
    put: (job, shard, bytes) => uncertain(() => store.put(job, shard, bytes)),
    get: (ref) => late(() => store.get(ref)),
    drop: (job, shard, upTo) => late(() => store.drop(job, shard, upTo)),
    dropGroup: (job, group) => late(() => store.dropGroup(job, group)),
    dropJob: (job) => late(() => store.dropJob(job)),
    usage: () => late(() => store.usage()),
  });

  return {
    capabilities: inner.capabilities,
    tasks,
    log,
    inputs: blobs(inner.inputs),
    results: blobs(inner.results),
    state: inner.state,
    onHealth: (listener) => inner.onHealth(listener),
    close: () => inner.close(),
    [Symbol.asyncDispose]: () => inner.close(),
  };
}
