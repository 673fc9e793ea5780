/**
 * One landing: result batches of complete shards become a part, and the rows that failed a file of their own.
 *
 *   shard ──► pending rows ──(a row group's bytes)──► types frozen, values fitted ──► accepted ──► data file
 *                                                                               └──► failed ───► failed file
 *
 * Runs in a thread, synchronously. Memory holds one row group of each file and one shard.
 */
import { TidingError } from "../../shared/errors.ts";
import { MISFIT, fitValue, inferType } from "../../shared/rows/infer-type.ts";
import { toJsonText } from "../../shared/rows/json-text.ts";
import type { Column, ColumnType, RowSchema } from "../../shared/rows/row-schema.ts";
import type { Zstd } from "../../shared/rows/zstd.ts";
import { PartBuilder } from "./part-builder.ts";
import { acceptedMetadata, failedMetadata, selectColumns } from "./part-columns.ts";
import { type LandingRequest, type LandingResult, ROW_GROUP_BYTES, type TaskColumn } from "./part-file.ts";
import { openPartWriter } from "./open-part.ts";
import type { RowMetadata } from "./part-port.ts";
import { PendingRows, readShard } from "./shard-rows.ts";

export class Landing {
  readonly #request: LandingRequest;
  readonly #rowGroupBytes: number;
  readonly #names: readonly string[];
  readonly #selected: readonly number[];
  readonly #data: PartBuilder;
  readonly #failed: PartBuilder;
  #taskColumns: readonly TaskColumn[];
  #pending: PendingRows;
  #failedRows = emptyFailedRows();
  #lastRow = -1;

  /** Throws `COLUMN_MISSING` when a column that is to be kept does not exist. */
  constructor(request: LandingRequest, zstd: Zstd) {
    this.#request = request;
    this.#rowGroupBytes = request.rowGroupBytes ?? ROW_GROUP_BYTES;
    this.#taskColumns = request.taskColumns;
    this.#names = [...request.inputColumns, ...request.taskColumns].map(({ name }) => name);
    this.#selected = selectColumns(request);
    this.#pending = new PendingRows(this.#names);
    const { format, dataPath, failedPath } = request;
    this.#data = new PartBuilder(() => openPartWriter(format, dataPath, { schema: this.#dataSchema(), zstd }));
    this.#failed = new PartBuilder(() => openPartWriter(format, failedPath, { schema: this.#failedSchema(), zstd }));
  }

  /** Adds all rows of a shard; shards ascend. Throws `INTERNAL` for rows out of order, and what writing throws. */
  addShard(batches: readonly Uint8Array[], skips: readonly (Uint8Array | null)[]): void {
    for (const row of readShard(batches, skips, this.#names)) {
      if (row.rowId < this.#lastRow) {
        throw new TidingError("INTERNAL", `Row ${row.rowId} came after row ${this.#lastRow} in one landing.`);
      }
      // A row's generations stay in one group: when one of them does not fit, the row fails as a whole.
      if (this.#pending.bytes >= this.#rowGroupBytes && row.rowId !== this.#lastRow) this.#flush();
      this.#pending.add(row);
      this.#lastRow = row.rowId;
    }
  }

  finish(): LandingResult {
    this.#flush();
    this.#flushFailed();
    if (this.#request.emptyDataFile) this.#data.create();
    const taskColumns = this.#taskColumns.filter((column): column is Column => column.type !== "inferred");
    return {
      data: this.#data.finish(),
      failed: this.#failed.finish(),
      taskColumns: taskColumns.length === this.#taskColumns.length ? taskColumns : null,
    };
  }

  /** Removes what was written. */
  discard(): void {
    this.#data.discard();
    this.#failed.discard();
  }

  #flush(): void {
    const pending = this.#pending;
    this.#pending = new PendingRows(this.#names);
    const isAccepted = (row: number): boolean => pending.engine.error_code[row] === null;
    const rows = [...pending.rowIds.keys()];
    this.#checkInputs(pending);
    this.#freeze(pending, rows.filter(isAccepted));
    this.#fit(pending, rows.filter(isAccepted));
    const accepted = rows.filter(isAccepted);
    this.#writeAccepted(pending, accepted);
    for (const row of rows) if (!isAccepted(row)) this.#addFailed(pending, row);
    this.#failedRows.bytes += pending.bytes * (1 - accepted.length / Math.max(rows.length, 1));
    if (this.#failedRows.bytes >= this.#rowGroupBytes) this.#flushFailed();
  }

  #checkInputs(pending: PendingRows): void {
    this.#request.inputColumns.forEach(({ name, type }, index) => {
      for (const came of pending.types[index]!) {
        if (came === JSON.stringify(type)) continue;
        throw new TidingError("INTERNAL", `Input column ${name} is ${JSON.stringify(type)}, but a result has ${came}.`);
      }
    });
  }

  #freeze(pending: PendingRows, accepted: readonly number[]): void {
    if (accepted.length === 0) return;
    this.#taskColumns = this.#taskColumns.map(({ name, type }, index) => {
      const values = pending.columns[this.#request.inputColumns.length + index]!;
      return { name, type: type === "inferred" ? inferType(accepted.map((row) => values[row])) : type };
    });
  }

  /** Puts the task's values in the form of their types, and fails the rows of which one does not fit. */
  #fit(pending: PendingRows, accepted: readonly number[]): void {
    const inputs = this.#request.inputColumns.length;
    for (const index of this.#selected.filter((column) => column >= inputs)) {
      const { name, type } = this.#taskColumns[index - inputs] as Column;
      const came = pending.types[index]!;
      if (came.size === 1 && came.has(JSON.stringify(type))) continue;
      const values = pending.columns[index]!;
      for (const row of accepted) {
        const fitted = fitValue(type, values[row]);
        if (fitted === MISFIT) this.#fail(pending, row, { name, type, value: values[row] });
        else values[row] = fitted;
      }
    }
  }

  #fail({ engine }: PendingRows, row: number, misfit: { name: string; type: ColumnType; value: unknown }): void {
    const message = `Column ${misfit.name} holds ${JSON.stringify(misfit.type)}, but the task gave ${kindOf(misfit.value)}.`;
    const rowId = engine.row_id[row];
    let [first, last] = [row, row];
    if (!this.#request.keepPartial) {
      while (engine.row_id[first - 1] === rowId) first -= 1;
      while (engine.row_id[last + 1] === rowId) last += 1;
    }
    for (let other = first; other <= last; other++) {
      if (engine.error_code[other] !== null) continue;
      engine.error_code[other] = "OUTPUT_MISFIT";
      engine.error_class[other] = "row";
      engine.error_message[other] = message;
      engine.raw_response[other] = other === row ? jsonOf(misfit.value) : null;
    }
  }

  #writeAccepted(pending: PendingRows, accepted: readonly number[]): void {
    const isAll = accepted.length === pending.rowIds.length;
    const columns = this.#selected.map((index) => {
      const values = pending.columns[index]!;
      return isAll ? values : accepted.map((row) => values[row]);
    });
    if (this.#request.metadata) columns.push(accepted.map((row) => acceptedMetadata.of(pending.engine, row)));
    this.#data.write(
      columns,
      accepted.map((row) => pending.rowIds[row]!),
    );
  }

  #addFailed(pending: PendingRows, row: number): void {
    const failed = this.#failedRows;
    failed.values.push(this.#request.inputColumns.map((_, index) => pending.columns[index]![row]));
    failed.metadata.push(failedMetadata.of(pending.engine, row) as unknown as RowMetadata);
    failed.rowIds.push(pending.rowIds[row]!);
  }

  #flushFailed(): void {
    const { values, metadata, rowIds } = this.#failedRows;
    this.#failedRows = emptyFailedRows();
    const columns = this.#request.inputColumns.map((_, index) => values.map((row) => row[index]));
    this.#failed.write([...columns, metadata], rowIds, metadata);
  }

  /** A type that no row has shown yet is a string's, which costs nothing in a file without rows. */
  #dataSchema(): RowSchema {
    const schema = [...this.#request.inputColumns, ...this.#taskColumns].map(({ name, type }): Column => ({
      name,
      type: type === "inferred" ? "string" : type,
    }));
    const selected = this.#selected.map((index) => schema[index]!);
    return this.#request.metadata ? [...selected, acceptedMetadata.column] : selected;
  }

  #failedSchema(): RowSchema {
    return [...this.#request.inputColumns, failedMetadata.column];
  }
}

interface FailedRows {
  readonly values: (readonly unknown[])[];
  readonly metadata: RowMetadata[];
  readonly rowIds: number[];
  bytes: number;
}

function emptyFailedRows(): FailedRows {
  return { values: [], metadata: [], rowIds: [], bytes: 0 };
}

function jsonOf(value: unknown): string {
  return toJsonText(value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value);
}

/** Says what came without showing it. */
function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (value instanceof Date) return "a time";
  if (value instanceof Uint8Array) return "bytes";
  switch (typeof value) {
    case "string":
      return "a text";
    case "boolean":
      return "true or false";
    case "number":
    case "bigint":
      return Number.isInteger(value) || typeof value === "bigint" ? "an integer" : "a fraction";
    default:
      return "an object";
  }
}
