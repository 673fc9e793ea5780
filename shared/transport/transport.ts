/**
 * The Transport port: everything that crosses between coordinator and workers.
 *
 * Four small parts. Bodies are bytes, so that no implementation can share references; positions and refs are opaque.
 * `EmbeddedTransport` keeps it all in this process with one write-ahead log; a NATS JetStream implementation keeps it
 * in streams. Both pass `test/contract/transport.contract.ts`. The protocol that makes a row land once is written above
 * this port (ARCHITECTURE.md, "Commit protocol") and trusts only what is promised here.
 *
 * Promised: `append` is atomic per key; a log entry that was read is durable; `read` gives one total order.
 * Not promised: that a task is delivered once, that a zombie's claim is refused, that tasks or inputs survive a restart.
 */

/** A job's, or one of its retry rounds', name in the transport: 1 to 32 of `[A-Za-z0-9_-]`. */
export type JobKey = string;

/** Where an entry lies in the commit log. Opaque; it also identifies the entry's content, so that it can be verified. */
export type Position = string & { readonly __position: true };

/** Where a blob lies. Opaque. */
export type BlobRef = string & { readonly __blob: true };

export type TransportFault =
  /** The tail of the key is not the one expected; `tail` is the present one. */
  | "conflict"
  /** The outcome could not be learned: it may or may not have happened. Repeat the same call. */
  | "unknown"
  /** The store takes nothing more, which is its budget or what the broker may store: wait for room. It was not done. */
  | "full"
  /** The broker cannot be reached now. */
  | "unreachable"
  /** The body is larger than `capabilities.maxBodyBytes`. */
  | "too-large"
  /** The transport was closed. */
  | "closed";

/** What takes nothing more, in sentences for people. */
export interface FullStore {
  readonly message: string;
  readonly place: string;
  readonly mend: string;
}

export class TransportError extends Error {
  override readonly name = "TransportError";
  readonly fault: TransportFault;
  /** For `conflict`: the entry that is the tail now, or null where the key is empty. */
  readonly tail: LogEntry | null;
  /** For `full`: what is, where somebody can mend it; else null. */
  readonly full: FullStore | null;

  constructor(
    fault: TransportFault,
    message: string,
    options: { tail?: LogEntry | null; full?: FullStore; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.fault = fault;
    this.tail = options.tail ?? null;
    this.full = options.full ?? null;
  }
}

/** The same call may do better later: it was not done for now, or nobody knows. */
export function isPassing(error: unknown): error is TransportError {
  return error instanceof TransportError && ["full", "unknown", "unreachable"].includes(error.fault);
}

export interface Claim {
  readonly shard: number;
  readonly body: Uint8Array;
  /** Extends the lease. Confirmed, safe to repeat. A zombie's beat may succeed: a beat proves nothing. */
  beat(): Promise<void>;
  /** Takes the task out of the queue. Confirmed, safe to repeat. */
  done(): Promise<void>;
  /** Gives the task back, to be claimed again after `delayMs`. */
  retry(delayMs: number): Promise<void>;
}

export interface TaskQueue {
  /** Repeatable; may lead to the task being delivered twice. */
  put(job: JobKey, shard: number, body: Uint8Array): Promise<void>;
  /** Waits up to `waitMs` for a task; null when there was none, or when `signal` was aborted. Never throws for "empty". */
  claim(job: JobKey, options: { readonly waitMs: number; readonly signal?: AbortSignal }): Promise<Claim | null>;
  /** Advisory only: never what is left of the job. */
  counts(job: JobKey): Promise<{ readonly ready: number; readonly inFlight: number }>;
  /** A task of the shard waits or is under a live lease. Advisory: it decides repairs, never what counts. */
  isPending(job: JobKey, shard: number): Promise<boolean>;
  /** Drops any task of that shard, claimed or not, and puts a new one. */
  replace(job: JobKey, shard: number, body: Uint8Array): Promise<void>;
  drop(job: JobKey): Promise<void>;
}

export interface LogEntry {
  readonly job: JobKey;
  readonly shard: number;
  readonly position: Position;
  readonly body: Uint8Array;
}

export interface CommitLog {
  /** The newest entry of the shard, linearizable; null when it has none. */
  tail(job: JobKey, shard: number): Promise<LogEntry | null>;
  /**
   * Appends after `after` (null: the shard must have no entry), and resolves when it is durable, together with every
   * result blob put before it. Rejects with `conflict`, `unknown` or `full`.
   */
  append(job: JobKey, shard: number, after: Position | null, body: Uint8Array): Promise<Position>;
  /**
   * Entries of the job in one total order, those after `from` only (null: from the first kept), then new ones as they
   * come, until `signal` is aborted. Trimmed entries are left out. When the store was rolled back behind the last entry that
   * was read, or behind `from`, health is "rolled-back" and reading begins anew with the first kept.
   */
  read(job: JobKey, from: Position | null, signal: AbortSignal): AsyncIterable<LogEntry>;
  /** True while the entry at `position` is the one that was read there, or was trimmed since; false after a rollback. */
  verify(job: JobKey, position: Position): Promise<boolean>;
  /** Drops all entries of the shard but its tail. */
  trim(job: JobKey, shard: number): Promise<void>;
  /** Drops all entries of the shard, the tail included: the next append expects null. */
  forget(job: JobKey, shard: number): Promise<void>;
  drop(job: JobKey): Promise<void>;
}

/** Shards that follow one another, from a multiple of this on, whose blobs can be dropped by one call. */
export const SHARDS_IN_GROUP = 64;

export function groupOf(shard: number): number {
  return Math.floor(shard / SHARDS_IN_GROUP);
}

export interface BlobStore {
  /** Rejects with `full` when the budget would be passed, `too-large` beyond `maxBodyBytes`. */
  put(job: JobKey, shard: number, bytes: Uint8Array): Promise<BlobRef>;
  /** The bytes, or null when they were dropped or lost. */
  get(ref: BlobRef): Promise<Uint8Array | null>;
  /** Drops the shard's blobs: all, or those up to and with `upTo`. */
  drop(job: JobKey, shard: number, upTo?: BlobRef): Promise<void>;
  /** Drops all blobs of a group of shards; what that costs a broker hardly grows with their number. */
  dropGroup(job: JobKey, group: number): Promise<void>;
  dropJob(job: JobKey): Promise<void>;
  usage(): Promise<{ readonly bytes: number; readonly budgetBytes: number }>;
}

export interface VersionedState {
  readonly key: string;
  readonly version: number;
  readonly value: Uint8Array;
}

export interface ListedState extends VersionedState {
  /** How long ago the store took this value, by the store's own clock: no clocks of machines are compared. */
  readonly ageMs: number;
}

/** The right to act under a name until it expires; `expired` fires when it was lost or released. */
export interface Lease extends AsyncDisposable {
  readonly name: string;
  readonly version: number;
  readonly expired: AbortSignal;
  release(): Promise<void>;
}

export interface StateStore {
  get(key: string): Promise<VersionedState | null>;
  /** Sets when the version is still `version` (null: when absent). Rejects with `conflict` or `full`. Gives the new version. */
  swap(key: string, value: Uint8Array, version: number | null): Promise<number>;
  /** The present value of each key with the prefix, in no order. */
  list(prefix: string): Promise<readonly ListedState[]>;
  /** Removes the key, whatever its version; a later version is larger all the same. Watchers are not told. */
  drop(key: string): Promise<void>;
  /** The present value of each key with the prefix, then every change, until `signal` is aborted. */
  watch(prefix: string, signal: AbortSignal): AsyncIterable<VersionedState>;
  /** Null when another holds it. Renewed by itself until released. */
  lease(name: string, ttlMs: number): Promise<Lease | null>;
}

/** `full`: what is written is refused, and has been for a while; `room`: it is taken again. */
export type TransportHealth = "up" | "down" | "full" | "room" | "rolled-back" | "closed";

/** `full` says what is, for the health of that name; null for any other. */
export type HealthListener = (health: TransportHealth, full: FullStore | null) => void;

export interface Transport extends AsyncDisposable {
  readonly capabilities: {
    /** Log, result blobs and state survive the death of every process. */
    readonly durable: boolean;
    /** Other processes can take part. */
    readonly multiProcess: boolean;
    readonly maxBodyBytes: number;
  };
  readonly tasks: TaskQueue;
  readonly log: CommitLog;
  /** Rows on their way to workers. Not kept over a restart. */
  readonly inputs: BlobStore;
  /** Result batches on their way back. */
  readonly results: BlobStore;
  readonly state: StateStore;
  /**
   * Calls back on every change, and at once with "full" where that is so already; readers verify their position after each
   * "up". Returns the way to stop.
   */
  onHealth(listener: HealthListener): () => void;
  close(): Promise<void>;
}
