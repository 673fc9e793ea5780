/** The file formats behind the port of `part-port.ts`. */
import type { RowSchema } from "../../shared/rows/row-schema.ts";
import type { Zstd } from "../../shared/rows/zstd.ts";
import { openArrowReader, openArrowWriter } from "./arrow-part.ts";
import { openJsonLinesReader, openJsonLinesWriter } from "./jsonl-part.ts";
import { openParquetReader, openParquetWriter } from "./parquet-part.ts";
import type { PartFormat } from "./part-file.ts";
import type { PartReader, PartWriter } from "./part-port.ts";

/** Opens a writer for values in the form of `row-schema.ts`. */
export function openPartWriter(
  format: PartFormat,
  path: string,
  options: { schema: RowSchema; zstd: Zstd },
): PartWriter {
  switch (format) {
    case "parquet":
      return openParquetWriter(path, options.schema, options.zstd);
    case "jsonl":
      return openJsonLinesWriter(path, options.schema);
    case "arrow":
      return openArrowWriter(path, options.schema);
  }
}

/** Opens a part that `openPartWriter` wrote. Throws `OUTPUT_DAMAGED` for any other file. */
export function openPartReader(format: PartFormat, path: string, zstd: Zstd): Promise<PartReader> | PartReader {
  switch (format) {
    case "parquet":
      return openParquetReader(path, zstd);
    case "jsonl":
      return openJsonLinesReader(path);
    case "arrow":
      return openArrowReader(path);
  }
}
