/** A shard that this worker holds: its rows until they are started, its finished rows until they are committed. */
import { setMaxListeners } from "node:events";
import type { ShardMessage } from "../shared/protocol/shard-message.ts";
import { decodeRowBatch } from "../shared/rows/row-batch.ts";
import { FAULT_COLUMN } from "../shared/rows/input-batch.ts";
import type { RowValues } from "../shared/rows/row-schema.ts";
import type { Claim } from "../shared/transport/transport.ts";
import type { OutputRow } from "./row-run.ts";
import type { ShardOwner } from "./shard-owner.ts";
import { sizeOfRows } from "./size-of-rows.ts";

export interface UnstartedRow {
  readonly position: number;
  readonly rowId: number;
  readonly values: RowValues;
  /** Why the input row could not be read; such a row fails without a call. */
  readonly fault: string | null;
}

export interface FinishedRow {
  readonly position: number;
  readonly rows: readonly OutputRow[];
}

export class HeldShard {
  readonly message: ShardMessage;
  /** The newest delivery of its task. */
  claim: Claim;
  readonly owner: ShardOwner;
  /** Aborts every row of the shard that is running. */
  readonly abandoned = new AbortController();
  running = 0;
  /** Flushes of one shard follow one another. */
  flushing: Promise<void> = Promise.resolve();
  /** Pending while what is finished is committed for the last time, and the shard released. */
  leaving: Promise<void> | null = null;
  /** Finished, not yet committed. */
  #finished: FinishedRow[] = [];
  #finishedBytes = 0;
  #names: readonly string[];
  #columns: unknown[][];
  #unstarted: number[];
  #next = 0;

  constructor(message: ShardMessage, claim: Claim, owner: ShardOwner, input: Uint8Array) {
    this.message = message;
    this.claim = claim;
    this.owner = owner;
    const decoded = decodeRowBatch(input);
    this.#names = decoded.schema.map((column) => column.name);
    this.#columns = decoded.columns;
    this.#unstarted = [];
    for (let position = 0; position < message.rows; position++) {
      if (!owner.done.has(position)) this.#unstarted.push(position);
    }
    // Every row that runs listens on this one signal.
    setMaxListeners(0, this.abandoned.signal);
  }

  get unstarted(): number {
    return this.#unstarted.length - this.#next;
  }

  /** Every row is committed or waits for its commit. */
  get isWorkedOff(): boolean {
    return this.unstarted === 0 && this.running === 0;
  }

  /** About how many bytes wait for their commit. */
  get finishedBytes(): number {
    return this.#finishedBytes;
  }

  get hasFinished(): boolean {
    return this.#finished.length > 0;
  }

  /** Keeps what came of a row for the next commit. */
  finish(position: number, rows: readonly OutputRow[]): void {
    this.#finished.push({ position, rows });
    this.#finishedBytes += sizeOfRows(rows);
  }

  /** What is to be committed next. */
  takeFinished(): readonly FinishedRow[] {
    const finished = this.#finished;
    this.#finished = [];
    this.#finishedBytes = 0;
    return finished;
  }

  next(): UnstartedRow | null {
    const position = this.#unstarted[this.#next];
    if (position === undefined) return null;
    this.#next += 1;
    const values: RowValues = {};
    let fault: string | null = null;
    for (let index = 0; index < this.#names.length; index++) {
      const name = this.#names[index] as string;
      const value = this.#columns[index]?.[position] ?? null;
      if (name === FAULT_COLUMN) fault = value as string | null;
      else values[name] = value;
    }
    if (this.unstarted === 0) this.#columns = [];
    return { position, rowId: this.message.firstRow + position, values, fault };
  }
}
