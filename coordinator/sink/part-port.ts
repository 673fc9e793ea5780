/** The port between rows and the file formats that hold them. */

/** Columns of some rows; what a value looks like is between the reader or schema and its writer. */
export type ColumnValues = readonly (readonly unknown[])[];

export interface PartWriter {
  readonly path: string;
  readonly bytes: number;
  /** Writes one row group or record batch: memory holds no more than that. */
  write(columns: ColumnValues): void;
  /** Ends the file and syncs it. */
  finish(): void;
  /** Closes and removes the file. */
  discard(): void;
}

export interface RowGroup {
  readonly rows: number;
  /** About how many, uncompressed. */
  readonly bytes: number;
  readonly columns: ColumnValues;
}

/** What the `tiding` struct of a row says that merging needs. */
export interface RowMetadata {
  readonly row_id: number | bigint;
  readonly code?: string | null;
  readonly message?: string | null;
}

export interface PartReader {
  /** What parts must have in common to be merged. */
  readonly schema: string;
  groups(): AsyncIterable<RowGroup>;
  /** The `tiding` struct of each row of a group; null where the part has none. */
  metadata(group: RowGroup): readonly RowMetadata[] | null;
  /** A writer for rows as this reader gives them. */
  openWriter(path: string): PartWriter;
  close(): void;
}
