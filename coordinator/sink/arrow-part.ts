/**
 * Parts as Arrow, in the stream format, uncompressed, one record batch a row group.
 *
 * The stream format and not the file format, because it is what `datasets` writes and reads under the ending `.arrow`
 * (`load_dataset("arrow")`), and because a stream that was cut holds every batch before the cut.
 * Others: `pyarrow.ipc.open_stream(path)`, `polars.read_ipc_stream(path)`.
 */
import type { Message, Schema } from "apache-arrow";
import { batchOf, decodeColumns, decodeMessage, messageEnd, schemaOf } from "../../shared/rows/arrow-decode.ts";
import { END_OF_STREAM, encodeBatchMessage, encodeSchemaMessage } from "../../shared/rows/arrow-encode.ts";
import { arrowSchema, columnType } from "../../shared/rows/arrow-schema.ts";
import type { RowSchema } from "../../shared/rows/row-schema.ts";
import { FEATURES_KEY, featuresText } from "./dataset-features.ts";
import { SyncedFile } from "./synced-file.ts";
import type { ColumnValues, PartReader, PartWriter, RowGroup, RowMetadata } from "./part-port.ts";
import { SourceFile, damagedPart } from "./source-file.ts";

export function openArrowWriter(path: string, schema: RowSchema): PartWriter {
  return new ArrowPartWriter(new SyncedFile(path), schema, featuresText(schema));
}

class ArrowPartWriter implements PartWriter {
  readonly #file: SyncedFile;
  readonly #schema: RowSchema;

  constructor(file: SyncedFile, schema: RowSchema, features: string | null) {
    this.#file = file;
    this.#schema = schema;
    const metadata = features === null ? null : new Map([[FEATURES_KEY, features]]);
    file.write(encodeSchemaMessage(arrowSchema(schema, [], metadata)));
  }

  get path(): string {
    return this.#file.path;
  }

  get bytes(): number {
    return this.#file.bytes;
  }

  write(columns: ColumnValues): void {
    const types = this.#schema.map(({ type }) => type);
    const { head, body } = encodeBatchMessage(types, columns, columns[0]?.length ?? 0);
    this.#file.write(head);
    this.#file.write(body);
  }

  finish(): void {
    this.#file.write(END_OF_STREAM);
    this.#file.finish();
  }

  discard(): void {
    this.#file.discard();
  }
}

export function openArrowReader(path: string): PartReader {
  const source = new SourceFile(path);
  try {
    const first = readMessage(source, 0);
    if (first === null) throw damagedPart(path, "it has no schema");
    const written = schemaOf(first.message);
    const schema = partSchema(path, written);
    const features = written.metadata.get(FEATURES_KEY) ?? null;
    const types = schema.map(({ type }) => type);
    const struct = schema.findIndex(({ name }) => name === "tiding");

    async function* groups(): AsyncGenerator<RowGroup> {
      for (let next = readMessage(source, first!.end); next;) {
        const { message, end } = next;
        const batch = batchOf(message);
        const bodyEnd = end + message.bodyLength;
        const columns = decodeColumns(types, batch, source.read(end, bodyEnd));
        yield { rows: batch.length, bytes: message.bodyLength, columns };
        next = readMessage(source, bodyEnd);
      }
    }

    return {
      schema: JSON.stringify({ schema, features }),
      groups,
      metadata: (group) => (struct < 0 ? null : (group.columns[struct] as readonly RowMetadata[])),
      openWriter: (target) => new ArrowPartWriter(new SyncedFile(target), schema, features),
      close: () => source.close(),
    };
  } catch (error) {
    source.close();
    throw error;
  }
}

/** The message at a place, and where its body begins; null at the end of the stream. */
function readMessage(source: SourceFile, at: number): { readonly message: Message; readonly end: number } | null {
  const length = messageEnd(source.read(at, at + 8), 0);
  return length === null ? null : { message: decodeMessage(source.read(at + 8, at + length)), end: at + length };
}

function partSchema(path: string, schema: Schema): RowSchema {
  return schema.fields.map(({ name, type }) => {
    const column = columnType(type);
    if (column === undefined) throw damagedPart(path, `column ${name} has type ${String(type)}`);
    return { name, type: column };
  });
}
