/** One file in the making, with the count of what it holds. The file is created with its first rows. */
import type { ErrorCode } from "../../shared/errors.ts";
import type { ErrorTally, PartFile } from "./part-file.ts";
import type { ColumnValues, PartWriter, RowMetadata } from "./part-port.ts";
import { RunBuilder } from "./row-runs.ts";

export class PartBuilder {
  readonly #open: () => PartWriter;
  readonly #runs = new RunBuilder();
  readonly #errors: Partial<Record<ErrorCode, { rows: number; example: string }>> = {};
  #writer: PartWriter | null = null;

  constructor(open: () => PartWriter) {
    this.#open = open;
  }

  /** Writes a row group. Row ids ascend, over all groups. `failures` says why rows failed, where they did. */
  write(
    columns: ColumnValues,
    rowIds: readonly number[],
    failures: readonly Pick<RowMetadata, "code" | "message">[] = [],
  ): void {
    if (rowIds.length === 0) return;
    this.create();
    this.#writer?.write(columns);
    for (const rowId of rowIds) this.#runs.add(rowId);
    for (const { code, message } of failures) {
      if (code === null || code === undefined) continue;
      const tally: { rows: number } & ErrorTally = (this.#errors[code as ErrorCode] ??= {
        rows: 0,
        example: message ?? "",
      });
      tally.rows += 1;
    }
  }

  /** Creates the file, though it may stay without rows. */
  create(): void {
    this.#writer ??= this.#open();
  }

  /** Ends and syncs the file; null when none was created. */
  finish(): PartFile | null {
    if (this.#writer === null) return null;
    this.#writer.finish();
    const runs = this.#runs.finish();
    const last = runs.at(-1);
    return {
      path: this.#writer.path,
      bytes: this.#writer.bytes,
      rows: this.#runs.rows,
      rowIds: this.#runs.rowIds,
      firstRow: runs[0]?.[0] ?? 0,
      lastRow: last ? last[0] + last[1] - 1 : 0,
      runs,
      ...(Object.keys(this.#errors).length > 0 && { errors: this.#errors }),
    };
  }

  discard(): void {
    this.#writer?.discard();
  }
}
