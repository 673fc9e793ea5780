/** Result batches as a worker sends them, of rows given as objects. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { ENGINE_COLUMNS, type EngineValues } from "../../shared/rows/result-batch.ts";
import { encodeRowBatch } from "../../shared/rows/row-batch.ts";
import type { RowSchema, RowValues } from "../../shared/rows/row-schema.ts";

export interface ResultRow {
  readonly values: RowValues;
  readonly engine: Partial<EngineValues> & Pick<EngineValues, "row_id">;
}

const usual: Omit<EngineValues, "row_id"> = {
  generation: 0,
  model: "model-a",
  endpoint: "http://127.0.0.1:8080",
  input_tokens: 12,
  output_tokens: 34,
  finish_reason: "stop",
  seed: 2 ** 53 - 1,
  attempts: 1,
  started_at: new Date("2026-01-02T03:04:05.678Z"),
  duration_ms: 12.5,
  calls: null,
  error_code: null,
  error_class: null,
  error_step: null,
  error_message: null,
  raw_response: null,
};

export function resultBatch(userColumns: RowSchema, rows: readonly ResultRow[]): Uint8Array {
  const columns = [
    ...userColumns.map(({ name }) => rows.map((row) => row.values[name])),
    ...ENGINE_COLUMNS.map(({ name }) =>
      rows.map((row) => ({ ...usual, ...row.engine })[name.slice("tiding.".length) as keyof EngineValues]),
    ),
  ];
  return encodeRowBatch([...userColumns, ...ENGINE_COLUMNS], columns, rows.length);
}

/** A row that failed with `ANSWER_CUT`. */
export function failedRow(rowId: number, values: RowValues = {}): ResultRow {
  return {
    values,
    engine: {
      row_id: rowId,
      error_code: "ANSWER_CUT",
      error_class: "row",
      error_step: "answer",
      error_message: "The answer was cut after 16 tokens.",
      raw_response: "Once upon",
    },
  };
}

/** A folder that is gone after the test. */
export function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "tiding-"));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}
