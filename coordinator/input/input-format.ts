/** What each input format offers to the row source that reads it. */
import { TidingError } from "../../shared/errors.ts";
import { isSameType } from "./column-types.ts";
import type { ColumnType, RowSchema } from "../../shared/rows/row-schema.ts";
import type { InputFile, RowBlock } from "./row-source.ts";

/** A row as it stands in a file. */
export interface FileRow {
  /** By the input's names; null where the row could not be read, for the reason in `problem`. */
  readonly record: Readonly<Record<string, unknown>> | null;
  readonly problem: string | null;
  /** What `rawText` makes the row's text of. */
  readonly source: unknown;
  /** See `SourceOffset`. */
  readonly at: number;
  readonly skip: number;
  /** From 1; null where reading began in the middle of a text. */
  readonly line: number | null;
  readonly bytes: number;
}

export interface InputFormat {
  /** False where a row may have columns that `columns` did not see. */
  readonly isTyped: boolean;
  /** `at` of an offset counts bytes, so that it tells how much of a file lies before it. */
  readonly seeksBytes: boolean;
  /** Rows of all files, where files say so; known once `columns` was asked for. */
  readonly rowCount?: () => number;
  /** The rows of all files as they lie together, where files say so; known once `columns` was asked for. */
  readonly blocks?: () => readonly RowBlock[];
  /** Every line of a file that is not compressed is a row. */
  readonly hasRowALine?: true;
  /** The columns that all files have, by the input's names. Throws INPUT_UNREADABLE for files of another format. */
  columns(files: readonly InputFile[]): Promise<RowSchema>;
  /** The rows of a file in chunks, with at least the columns `names`; entered as `SourceOffset` says. */
  rows(file: InputFile, names: readonly string[], from: FileOffset): AsyncIterable<readonly FileRow[]>;
  /** The value in a column's type, or MISFIT. */
  readonly fit: (type: ColumnType, value: unknown) => unknown;
  place(file: InputFile, row: FileRow): string;
  rawText(row: FileRow): string;
}

export interface FileOffset {
  readonly at: number;
  readonly skip: number;
}

/** The columns of the first file that has any, once every other file has the same. Throws INPUT_UNREADABLE. */
export async function sharedColumns(
  files: readonly InputFile[],
  describe: (file: InputFile) => Promise<RowSchema | null>,
): Promise<RowSchema> {
  let first: { readonly file: InputFile; readonly columns: RowSchema } | undefined;
  for (const file of files) {
    const columns = await describe(file);
    if (columns === null) continue;
    first ??= { file, columns };
    const difference = firstDifference(first.columns, columns);
    if (difference === undefined) continue;
    throw new TidingError("INPUT_UNREADABLE", `Column "${difference}" is not the same as in ${first.file.path}.`, {
      place: file.path,
      mend: "Give all input files the same columns with the same types, or run one job for each kind.",
    });
  }
  return first?.columns ?? [];
}

function firstDifference(expected: RowSchema, found: RowSchema): string | undefined {
  const types = new Map(found.map(({ name, type }) => [name, type]));
  for (const { name, type } of expected) {
    const other = types.get(name);
    if (other === undefined || !isSameType(type, other)) return name;
    types.delete(name);
  }
  return types.keys().next().value;
}
