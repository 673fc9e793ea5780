import { setMaxListeners } from "node:events";

import type { Transport, TransportHealth } from "../transport.ts";
import { Budget } from "./budget.ts";
import { EmbeddedLog } from "./embedded-log.ts";
import { EmbeddedResults } from "./embedded-results.ts";
import { EmbeddedState } from "./embedded-state.ts";
import { MAX_BODY_BYTES } from "./frame.ts";
import { MemoryInputs } from "./memory-inputs.ts";
import { MemoryTasks } from "./memory-tasks.ts";
import { WriteAheadLog } from "./write-ahead-log.ts";

const MIB = 1024 * 1024;

export interface EmbeddedTransportOptions {
  /** Holds the write-ahead log and nothing else; created where it is missing. */
  readonly directory: string;
  /** Greater than that of every owner before, from whoever holds the lock of the directory. */
  readonly epoch: number;
  /** How long a claim lasts without a beat; 30,000 by default. */
  readonly leaseMs?: number;
  /** Most bytes of result blobs; 192 MiB by default. The files take three segments more at most, and twice this while opening. */
  readonly resultsBudgetBytes?: number;
  /** Most bytes of input blobs, in memory; 64 MiB by default. */
  readonly inputsBudgetBytes?: number;
  /** At which size a file of the log is closed; 16 MiB by default. A quarter of it may wait in memory. */
  readonly segmentBytes?: number;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

export interface EmbeddedExtras {
  /** Calls back whenever a blob store gave bytes back, so that who was told `full` need not poll. Returns the way to stop. */
  onSpace(listener: (store: "inputs" | "results") => void): () => void;
}

/**
 * Opens the transport that lives in this process. Throws OWNERSHIP_LOST when the directory saw this epoch or a higher
 * one, STORE_DAMAGED, or DISK_FULL. After a failed write every append rejects with DISK_FULL or STORE_DAMAGED, health is
 * "down", and everything that was acknowledged is there again when the directory is opened anew.
 */
export async function openEmbeddedTransport(options: EmbeddedTransportOptions): Promise<Transport & EmbeddedExtras> {
  const { leaseMs = 30_000, now = () => performance.now() } = options;
  const { resultsBudgetBytes = 192 * MIB, inputsBudgetBytes = 64 * MIB, segmentBytes = 16 * MIB } = options;
  const closer = new AbortController();
  const closing = closer.signal;
  setMaxListeners(0, closing);
  const healthListeners = new Set<(health: TransportHealth) => void>();
  const spaceListeners = new Set<(store: "inputs" | "results") => void>();
  const tellHealth = (health: TransportHealth): void => healthListeners.forEach((listener) => listener(health));
  const budgetOf = (store: "inputs" | "results", bytes: number): Budget =>
    new Budget(bytes, () => spaceListeners.forEach((listener) => listener(store)));

  const onFailure = (): void => tellHealth("down");
  const { directory, epoch } = options;
  const { log, ...durable } = await WriteAheadLog.open(
    { directory, epoch, segmentBytes, budgetBytes: resultsBudgetBytes, onFailure },
    (wal, records) => ({
      wal,
      log: new EmbeddedLog(wal, records, { closing }),
      results: new EmbeddedResults(wal, records, { closing, budget: budgetOf("results", resultsBudgetBytes) }),
      state: new EmbeddedState(wal, records, { closing, now }),
    }),
  );

  const close = async (): Promise<void> => {
    if (closing.aborted) return;
    closer.abort();
    try {
      await durable.wal.close();
    } finally {
      tellHealth("closed");
    }
  };
  return {
    capabilities: { durable: true, multiProcess: false, maxBodyBytes: MAX_BODY_BYTES },
    tasks: new MemoryTasks({ closing, leaseMs, now }),
    log,
    inputs: new MemoryInputs({ closing, budget: budgetOf("inputs", inputsBudgetBytes) }),
    results: durable.results,
    state: durable.state,
    onHealth: (listener) => subscribe(healthListeners, listener),
    onSpace: (listener) => subscribe(spaceListeners, listener),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function subscribe<T>(listeners: Set<T>, listener: T): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
