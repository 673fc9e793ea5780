/** What a part is, to whoever writes, merges or lists parts. */
import type { ErrorCode } from "../../shared/errors.ts";
import type { Column, ColumnType, RowSchema } from "../../shared/rows/row-schema.ts";
import type { Run } from "./row-runs.ts";

export type PartFormat = "parquet" | "jsonl" | "arrow";

/** The ending of a part's name, without its dot, by which `datasets`, DuckDB and pandas know the format. */
export function partExtension(format: PartFormat): string {
  return format;
}

export interface PartFile {
  readonly path: string;
  /** Output rows: a row with several generations counts once for each. */
  readonly rows: number;
  /** Distinct row ids. */
  readonly rowIds: number;
  readonly bytes: number;
  /** Row id of the first row; 0 in an empty part. */
  readonly firstRow: number;
  /** Row id of the last row; 0 in an empty part. */
  readonly lastRow: number;
  /** Which row id each output row has, in file order, for parts without metadata. */
  readonly runs: readonly Run[];
  /** Of failed rows: how many output rows have each code, and the first one's message. */
  readonly errors?: Readonly<Partial<Record<ErrorCode, ErrorTally>>>;
}

export interface ErrorTally {
  readonly rows: number;
  readonly example: string;
}

/** A task's column; `inferred` until the first accepted rows give it its type. */
export interface TaskColumn {
  readonly name: string;
  readonly type: ColumnType | "inferred";
}

export interface LandingRequest {
  readonly format: PartFormat;
  /** Temporaries to write; each is created only when it has rows. */
  readonly dataPath: string;
  readonly failedPath: string;
  readonly inputColumns: RowSchema;
  readonly taskColumns: readonly TaskColumn[];
  /** Columns of the data file, in this order; null for all. A failed row keeps all input columns. */
  readonly columns: readonly string[] | null;
  /** Adds the `tiding` struct to the data file. The failed file always has one. */
  readonly metadata: boolean;
  /** Writes the data file even when it has no rows. */
  readonly emptyDataFile?: boolean;
  /** When a generation of a row does not fit its types: fail that one alone, in place of the whole row. */
  readonly keepPartial?: boolean;
  /** `ROW_GROUP_BYTES` when absent. */
  readonly rowGroupBytes?: number;
}

export interface LandingResult {
  readonly data: PartFile | null;
  readonly failed: PartFile | null;
  /** With inferred types frozen, for all landings to come; null while no accepted row has shown them. */
  readonly taskColumns: readonly Column[] | null;
}

export interface MergeRequest {
  readonly format: PartFormat;
  readonly sources: readonly MergeSource[];
  /** Where the new files go: `<folder>/<prefix>.<n>.<extension>`. */
  readonly targets: { readonly folder: string; readonly prefix: string };
  /** Bytes, uncompressed, at which a file is closed; a row's outputs never part. */
  readonly maxBytes: number;
  /** Ranges of row ids to leave out. */
  readonly leaveOut?: readonly (readonly [first: number, count: number])[];
  readonly rowGroupBytes?: number;
}

export interface MergeSource {
  readonly path: string;
  /** Which row each output row belongs to; null to read it, and the codes of failed rows, from the `tiding` struct. */
  readonly runs: readonly Run[] | null;
  /** A lower bound of its row ids: it is opened, and takes memory, only when the merge gets there. */
  readonly firstRow?: number;
}

/** Bytes of values, uncompressed, at which a row group or record batch is closed. */
export const ROW_GROUP_BYTES = 8_388_608;
