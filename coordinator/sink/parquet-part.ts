/**
 * Parts as Parquet: zstd, nested columns as Parquet's own lists and structs, times in microseconds UTC.
 *
 * `json` is stored as plain text without Parquet's JSON annotation, which readers turn into extension types that
 * `datasets` and pandas do not take.
 */
import { parquetMetadataAsync, parquetRead, parquetSchema, type SchemaElement, type SchemaTree } from "hyparquet";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { type ScalarType, convertLeaves } from "../../shared/rows/convert-leaves.ts";
import { toJsonText } from "../../shared/rows/json-text.ts";
import { IMAGE_FIELDS } from "../../shared/rows/row-schema.ts";
import type { ColumnType, RowSchema } from "../../shared/rows/row-schema.ts";
import type { Zstd } from "../../shared/rows/zstd.ts";
import { FEATURES_KEY, featuresText } from "./dataset-features.ts";
import { SyncedFile } from "./synced-file.ts";
import type { ColumnValues, PartReader, PartWriter, RowGroup, RowMetadata } from "./part-port.ts";
import { SourceFile, damagedPart } from "./source-file.ts";

export function openParquetWriter(path: string, schema: RowSchema, zstd: Zstd): PartWriter {
  return new ParquetPartWriter(new SyncedFile(path), { schema, features: featuresText(schema), zstd });
}

/** Gathers a row group, compressed, and writes it to the file whole. */
class GroupBuffer extends ByteWriter {
  readonly #file: SyncedFile;

  constructor(file: SyncedFile) {
    super(65_536);
    this.#file = file;
  }

  flush(): void {
    this.#file.write(this.getBytes());
    this.index = 0;
  }

  override finish(): void {
    this.flush();
  }
}

class ParquetPartWriter implements PartWriter {
  readonly #file: SyncedFile;
  readonly #writer: ParquetWriter;
  readonly #columns: readonly { readonly name: string; readonly convert: ((value: unknown) => unknown) | null }[];

  constructor(
    file: SyncedFile,
    { schema, features, zstd }: { readonly schema: RowSchema; readonly features: string | null; readonly zstd: Zstd },
  ) {
    this.#file = file;
    this.#columns = schema.map(({ name, type }) => ({ name, convert: convertLeaves(storedType(type), physicalValue) }));
    this.#writer = new ParquetWriter({
      writer: new GroupBuffer(file),
      schema: [
        { name: "root", num_children: schema.length },
        ...schema.flatMap(({ name, type }) => elements(name, type)),
      ],
      codec: "ZSTD",
      compressors: { ZSTD: zstd.compress },
      createdBy: "tiding",
      ...(features === null ? {} : { kvMetadata: [{ key: FEATURES_KEY, value: features }] }),
    });
  }

  get path(): string {
    return this.#file.path;
  }

  get bytes(): number {
    return this.#file.bytes;
  }

  write(columns: ColumnValues): void {
    const rows = columns[0]?.length ?? 0;
    void this.#writer.write({
      columnData: this.#columns.map(({ name, convert }, index) => ({
        name,
        data: (convert ? columns[index]!.map(convert) : columns[index]!) as unknown[],
      })),
      rowGroupSize: rows,
    });
  }

  finish(): void {
    void this.#writer.finish();
    this.#file.finish();
  }

  discard(): void {
    this.#file.discard();
  }
}

function elements(name: string, type: ColumnType): SchemaElement[] {
  const column = { name, repetition_type: "OPTIONAL" } as const;
  const stored = storedType(type);
  if (typeof stored === "string") return [{ ...column, ...leaf(stored) }];
  if ("list" in stored) {
    return [
      { ...column, converted_type: "LIST", logical_type: { type: "LIST" }, num_children: 1 },
      { name: "list", repetition_type: "REPEATED", num_children: 1 },
      ...elements("element", stored.list),
    ];
  }
  const fields = Object.entries(stored.struct);
  return [{ ...column, num_children: fields.length }, ...fields.flatMap(([field, inner]) => elements(field, inner))];
}

/** Parquet has no struct without fields: it is stored as JSON text. */
function storedType(type: ColumnType): Exclude<ColumnType, "image"> {
  if (type === "image") return { struct: IMAGE_FIELDS };
  return typeof type === "object" && "struct" in type && Object.keys(type.struct).length === 0 ? "json" : type;
}

function leaf(type: ScalarType): Omit<SchemaElement, "name"> {
  switch (type) {
    case "string":
    case "json":
      return { type: "BYTE_ARRAY", converted_type: "UTF8", logical_type: { type: "STRING" } };
    case "bool":
      return { type: "BOOLEAN" };
    case "int32":
      return { type: "INT32" };
    case "int64":
      return { type: "INT64" };
    case "float32":
      return { type: "FLOAT" };
    case "float64":
      return { type: "DOUBLE" };
    case "binary":
      return { type: "BYTE_ARRAY" };
    case "timestamp":
      return {
        type: "INT64",
        converted_type: "TIMESTAMP_MICROS",
        logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
      };
    case "date":
      return { type: "INT32", converted_type: "DATE", logical_type: { type: "DATE" } };
  }
}

function physicalValue(type: ScalarType): ((value: unknown) => unknown) | null {
  if (type === "int64") return (value) => BigInt(value as number | bigint);
  return type === "json" ? toJsonText : null;
}

export async function openParquetReader(path: string, zstd: Zstd): Promise<PartReader> {
  const source = new SourceFile(path);
  const file = {
    byteLength: source.bytes,
    slice: (start: number, end = source.bytes) => source.read(start, end).buffer,
  };
  try {
    const metadata = await parquetMetadataAsync(file);
    const schema = parquetSchema(metadata).children.map((tree) => ({ name: tree.element.name, type: typeOf(tree) }));
    const features = metadata.key_value_metadata?.find(({ key }) => key === FEATURES_KEY)?.value ?? null;
    const struct = schema.findIndex(({ name }) => name === "tiding");

    async function* groups(): AsyncGenerator<RowGroup> {
      let rowStart = 0;
      for (const { num_rows, total_byte_size } of metadata.row_groups) {
        const rows = Number(num_rows);
        const columns = new Map(schema.map(({ name }) => [name, [] as unknown[]]));
        await parquetRead({
          file,
          metadata,
          rowStart,
          rowEnd: rowStart + rows,
          utf8: false,
          compressors: { ZSTD: zstd.decompress },
          onChunk: ({ columnName, columnData }) => {
            const column = columns.get(columnName)!;
            for (const value of columnData) column.push(value);
          },
        });
        yield { rows, bytes: Number(total_byte_size), columns: [...columns.values()] };
        rowStart += rows;
      }
    }

    return {
      schema: JSON.stringify({ schema, features }),
      groups,
      metadata: (group) => (struct < 0 ? null : (group.columns[struct] as readonly RowMetadata[])),
      openWriter: (target) => new ParquetPartWriter(new SyncedFile(target), { schema, features, zstd }),
      close: () => source.close(),
    };
  } catch (error) {
    source.close();
    throw damagedPart(path, String(error), error);
  }
}

function typeOf({ element, children }: SchemaTree): ColumnType {
  if (element.converted_type === "LIST") return { list: typeOf(children[0]!.children[0]!) };
  switch (element.type) {
    case undefined:
      return { struct: Object.fromEntries(children.map((child) => [child.element.name, typeOf(child)])) };
    case "BOOLEAN":
      return "bool";
    case "INT32":
      return element.converted_type === "DATE" ? "date" : "int32";
    case "INT64":
      return element.converted_type === "TIMESTAMP_MICROS" ? "timestamp" : "int64";
    case "FLOAT":
      return "float32";
    case "DOUBLE":
      return "float64";
    case "BYTE_ARRAY":
      return element.converted_type === "UTF8" ? "string" : "binary";
    default:
      throw new TypeError(`column ${element.name} has type ${element.type}`);
  }
}
