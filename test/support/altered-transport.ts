/** A transport of which a test replaces single calls; the others go through. */
import type { BlobStore, CommitLog, TaskQueue, Transport } from "../../shared/transport/transport.ts";

/** The transport with some calls of its parts replaced. */
export function alteredTransport(
  inner: Transport,
  alter: {
    tasks?: (queue: TaskQueue) => Partial<TaskQueue>;
    inputs?: (store: BlobStore) => Partial<BlobStore>;
    results?: (store: BlobStore) => Partial<BlobStore>;
    log?: (log: CommitLog) => Partial<CommitLog>;
  },
): Transport {
  const { capabilities, state } = inner;
  return {
    capabilities,
    state,
    tasks: { ...bound(inner.tasks), ...alter.tasks?.(inner.tasks) },
    inputs: { ...bound(inner.inputs), ...alter.inputs?.(inner.inputs) },
    log: { ...bound(inner.log), ...alter.log?.(inner.log) },
    results: { ...bound(inner.results), ...alter.results?.(inner.results) },
    onHealth: (listener) => inner.onHealth(listener),
    close: () => inner.close(),
    [Symbol.asyncDispose]: () => inner.close(),
  };
}

/** The methods of an object of a class, as an object that can be spread. */
function bound<T extends object>(object: T): T {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(object) as object).filter(
    (name) => name !== "constructor",
  );
  return Object.fromEntries(
    names.map((name) => [
      name,
      (...values: unknown[]) => (object as Record<string, (...all: unknown[]) => unknown>)[name]?.(...values),
    ]),
  ) as T;
}
