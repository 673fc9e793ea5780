/**
 * A transport whose calls outlast an outage of the broker: those that can be repeated without harm are, until they get
 * through, the transport is closed or `signal` gives up. Appends, result batches and swaps are left as they are, since who
 * calls them must know what became of each try.
 */
import { setTimeout as delay } from "node:timers/promises";
import { TransportError, type BlobStore, type Transport } from "./transport.ts";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;
/** How long a call may take once patience is over: what a broker that is there needs. */
const LAST_CALL_MS = 500;

async function soon<T>(call: Promise<T>): Promise<T> {
  const answered = new AbortController();
  const late = delay(LAST_CALL_MS, undefined, { signal: answered.signal }).then(() => {
    throw new TransportError("unreachable", "The broker did not answer, and is waited for no longer.");
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([call, late]);
  } finally {
    answered.abort();
  }
}

export function patientTransport(inner: Transport, signal: AbortSignal): Transport {
  async function patient<T>(call: () => Promise<T>): Promise<T> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        return await (signal.aborted ? soon(call()) : call());
      } catch (error) {
        const passes = error instanceof TransportError && (error.fault === "unknown" || error.fault === "unreachable");
        if (!passes || signal.aborted) throw error;
        await delay(pauseMs * (0.5 + Math.random()), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  const { tasks, log, state } = inner;
  const blobs = (store: BlobStore): Omit<BlobStore, "put"> => ({
    get: (ref) => patient(() => store.get(ref)),
    drop: (job, shard, upTo) => patient(() => store.drop(job, shard, upTo)),
    dropGroup: (job, group) => patient(() => store.dropGroup(job, group)),
    dropJob: (job) => patient(() => store.dropJob(job)),
    usage: () => patient(() => store.usage()),
  });
  return {
    capabilities: inner.capabilities,
    tasks: {
      put: (job, shard, body) => patient(() => tasks.put(job, shard, body)),
      claim: (job, options) => tasks.claim(job, options),
      counts: (job) => patient(() => tasks.counts(job)),
      isPending: (job, shard) => patient(() => tasks.isPending(job, shard)),
      replace: (job, shard, body) => patient(() => tasks.replace(job, shard, body)),
      drop: (job) => patient(() => tasks.drop(job)),
    },
    log: {
      tail: (job, shard) => patient(() => log.tail(job, shard)),
      append: (job, shard, after, body) => log.append(job, shard, after, body),
      read: (job, from, until) => log.read(job, from, until),
      verify: (job, position) => patient(() => log.verify(job, position)),
      trim: (job, shard) => patient(() => log.trim(job, shard)),
      forget: (job, shard) => patient(() => log.forget(job, shard)),
      drop: (job) => patient(() => log.drop(job)),
    },
    // A blob that is stored twice is an orphan, which goes with its shard.
    inputs: {
      ...blobs(inner.inputs),
      put: (job, shard, bytes) => patient(() => inner.inputs.put(job, shard, bytes)),
    },
    results: { ...blobs(inner.results), put: (job, shard, bytes) => inner.results.put(job, shard, bytes) },
    state: {
      get: (key) => patient(() => state.get(key)),
      swap: (key, value, version) => state.swap(key, value, version),
      list: (prefix) => patient(() => state.list(prefix)),
      drop: (key) => patient(() => state.drop(key)),
      watch: (prefix, until) => state.watch(prefix, until),
      lease: (name, ttlMs) => state.lease(name, ttlMs),
    },
    onHealth: (listener) => inner.onHealth(listener),
    close: () => inner.close(),
    [Symbol.asyncDispose]: () => inner.close(),
  };
}
