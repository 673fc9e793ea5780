/**
 * Parts as JSON lines: one object a row, with a null for what is missing, uncompressed.
 *
 * The same columns as in the other formats: `json` is its text, binary is base64, times are ISO texts in UTC, an integer
 * beyond 2^53-1 is its digits, and a float that is not finite is null, for JSON has no word for it.
 */
import { type ScalarType, convertLeaves } from "../../shared/rows/convert-leaves.ts";
import { toJsonText } from "../../shared/rows/json-text.ts";
import type { RowSchema } from "../../shared/rows/row-schema.ts";
import { SyncedFile } from "./synced-file.ts";
import type { ColumnValues, PartReader, PartWriter, RowGroup, RowMetadata } from "./part-port.ts";
import { SourceFile, damagedPart } from "./source-file.ts";

const NEWLINE = 10;
const READ_BYTES = 1_048_576;

export function openJsonLinesWriter(path: string, schema: RowSchema): PartWriter {
  const fields = schema.map(({ name, type }) => ({
    prefix: `${JSON.stringify(name)}:`,
    convert: convertLeaves(type, jsonValue),
  }));
  return new JsonLinesWriter(path, (columns, row) => {
    const values = fields.map(({ prefix, convert }, index) => {
      const value = columns[index]![row];
      return prefix + toJsonText(convert ? convert(value) : (value ?? null));
    });
    return `{${values.join(",")}}\n`;
  });
}

function jsonValue(type: ScalarType): ((value: unknown) => unknown) | null {
  switch (type) {
    case "json":
      return toJsonText;
    case "binary":
      return (value) => Buffer.from(value as Uint8Array).toString("base64");
    case "date":
      return (value) => (value as Date).toISOString().slice(0, -"T00:00:00.000Z".length);
    default:
      return null;
  }
}

class JsonLinesWriter implements PartWriter {
  readonly #file: SyncedFile;
  readonly #line: (columns: ColumnValues, row: number) => string | Uint8Array;

  constructor(path: string, line: (columns: ColumnValues, row: number) => string | Uint8Array) {
    this.#file = new SyncedFile(path);
    this.#line = line;
  }

  get path(): string {
    return this.#file.path;
  }

  get bytes(): number {
    return this.#file.bytes;
  }

  write(columns: ColumnValues): void {
    const rows = columns[0]?.length ?? 0;
    this.#file.write(Buffer.concat(Array.from({ length: rows }, (_, row) => Buffer.from(this.#line(columns, row)))));
  }

  finish(): void {
    this.#file.finish();
  }

  discard(): void {
    this.#file.discard();
  }
}

/** Reads lines as bytes, in one column, and never rewrites them, so that no digit is lost. */
export function openJsonLinesReader(path: string): PartReader {
  const source = new SourceFile(path);

  async function* groups(): AsyncGenerator<RowGroup> {
    let rest: Buffer = Buffer.alloc(0);
    for (let start = 0; start < source.bytes; start += READ_BYTES) {
      const piece = source.read(start, Math.min(start + READ_BYTES, source.bytes));
      const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
      const lines: Buffer[] = [];
      let from = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
        lines.push(bytes.subarray(from, end + 1));
        from = end + 1;
      }
      rest = bytes.subarray(from);
      if (lines.length > 0) yield { rows: lines.length, bytes: from, columns: [lines] };
    }
    if (rest.length > 0) throw damagedPart(path, "its last line does not end");
  }

  function metadata(group: RowGroup): RowMetadata[] | null {
    const rows = group.columns[0]!.map((line) => JSON.parse(String(line)) as { tiding?: RowMetadata });
    return rows[0]?.tiding === undefined ? null : rows.map((row) => row.tiding!);
  }

  return {
    schema: "",
    groups,
    metadata,
    openWriter: (target) => new JsonLinesWriter(target, (columns, row) => columns[0]![row] as Buffer),
    close: () => source.close(),
  };
}
