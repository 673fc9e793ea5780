/** The rows of a shard's result batches: decoded, in order, without those that another batch has brought. */
import { TidingError } from "../../shared/errors.ts";
import { ENGINE_COLUMNS, type EngineValues } from "../../shared/rows/result-batch.ts";
import { decodeRowBatch } from "../../shared/rows/row-batch.ts";
import type { RowSchema } from "../../shared/rows/row-schema.ts";
import type { EngineColumns } from "./part-columns.ts";

export interface ShardRow {
  readonly batch: ShardBatch;
  readonly position: number;
  readonly rowId: number;
  readonly generation: number;
}

interface ShardBatch {
  readonly columns: readonly (readonly unknown[])[];
  readonly layout: Layout;
  readonly bytesPerRow: number;
}

/** Where a batch has the columns that are asked for; -1 where it has not, as a batch of failed rows may. */
interface Layout {
  readonly columns: readonly number[];
  readonly types: readonly (string | null)[];
  readonly engine: readonly number[];
}

const engineNames = ENGINE_COLUMNS.map(({ name }) => name.slice("tiding.".length) as keyof EngineValues);

/**
 * The rows of one shard by row id, then generation. Bit `i` of a skip bitmap leaves out the row at the batch's position
 * `i`. Throws `INTERNAL` when a row comes twice.
 */
export function readShard(
  batches: readonly Uint8Array[],
  skips: readonly (Uint8Array | null)[],
  names: readonly string[],
): readonly ShardRow[] {
  const rows = batches.flatMap((bytes, index) => readBatch(bytes, skips[index] ?? null, names));
  rows.sort((a, b) => a.rowId - b.rowId || a.generation - b.generation);
  for (let index = 1; index < rows.length; index++) {
    const { rowId, generation } = rows[index]!;
    if (rows[index - 1]!.rowId === rowId && rows[index - 1]!.generation === generation) {
      throw new TidingError("INTERNAL", `Generation ${generation} of row ${rowId} came twice in one landing.`);
    }
  }
  return rows;
}

function readBatch(bytes: Uint8Array, skip: Uint8Array | null, names: readonly string[]): ShardRow[] {
  const { schema, columns, rows } = decodeRowBatch(bytes);
  const layout = layoutOf(schema, names);
  const batch = { columns, layout, bytesPerRow: bytes.length / rows };
  const rowIds = columns[layout.engine[engineNames.indexOf("row_id")]!] as readonly number[];
  const generations = columns[layout.engine[engineNames.indexOf("generation")]!] as readonly number[];
  const found: ShardRow[] = [];
  for (let position = 0; position < rows; position++) {
    if (skip !== null && ((skip[position >> 3] ?? 0) & (1 << (position & 7))) !== 0) continue;
    found.push({ batch, position, rowId: rowIds[position]!, generation: generations[position]! });
  }
  return found;
}

function layoutOf(schema: RowSchema, names: readonly string[]): Layout {
  const indexes = new Map(schema.map(({ name }, index) => [name, index]));
  const columns = names.map((name) => indexes.get(name) ?? -1);
  return {
    columns,
    types: columns.map((index) => (index < 0 ? null : JSON.stringify(schema[index]!.type))),
    engine: ENGINE_COLUMNS.map(({ name }) => {
      const index = indexes.get(name);
      if (index === undefined) throw new TidingError("STORE_DAMAGED", `A result batch has no column ${name}.`);
      return index;
    }),
  };
}

/** Rows that wait for their row group, by column. */
export class PendingRows {
  readonly columns: readonly unknown[][];
  /** Types, as JSON, that the values of each column came in. */
  readonly types: readonly Set<string>[];
  readonly engine: EngineColumns & Record<keyof EngineValues, unknown[]>;
  bytes = 0;

  constructor(names: readonly string[]) {
    this.columns = names.map(() => []);
    this.types = names.map(() => new Set());
    this.engine = Object.fromEntries(engineNames.map((name) => [name, [] as unknown[]])) as typeof this.engine;
  }

  get rowIds(): readonly number[] {
    return this.engine.row_id as number[];
  }

  add({ batch, position }: ShardRow): void {
    const { layout, columns } = batch;
    for (let column = 0; column < this.columns.length; column++) {
      const index = layout.columns[column]!;
      const type = layout.types[column]!;
      this.columns[column]!.push(index < 0 ? null : columns[index]![position]);
      if (type !== null) this.types[column]!.add(type);
    }
    for (let column = 0; column < engineNames.length; column++) {
      this.engine[engineNames[column]!].push(columns[layout.engine[column]!]![position]);
    }
    this.bytes += batch.bytesPerRow;
  }
}
