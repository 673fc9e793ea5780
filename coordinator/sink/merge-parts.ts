/**
 * Parts merged by row id into new ones, as a stream: memory holds one row group of each source whose rows it has come to,
 * and one of the file being written. Rows of one id keep the order of the sources.
 */
import { join } from "node:path";
import type { Zstd } from "../../shared/rows/zstd.ts";
import { PartBuilder } from "./part-builder.ts";
import { type MergeRequest, type MergeSource, type PartFile, ROW_GROUP_BYTES, partExtension } from "./part-file.ts";
import { PartCursor } from "./part-cursor.ts";
import type { PartReader, PartWriter, RowMetadata } from "./part-port.ts";
import { damagedPart } from "./source-file.ts";

/** Throws `OUTPUT_DAMAGED` for a source that is not as we wrote it, and what writing throws; then leaves no file behind. */
export async function mergeParts(request: MergeRequest, zstd: Zstd): Promise<readonly PartFile[]> {
  const merged = new MergedFiles(request);
  const waiting = request.sources.toSorted((a, b) => firstRowOf(a) - firstRowOf(b));
  const open: PartCursor[] = [];
  try {
    for (;;) {
      let least = leastOf(open);
      while (waiting[0] && (least === undefined || firstRowOf(waiting[0]) <= least.rowId)) {
        const cursor = await PartCursor.open(waiting.shift()!, request.format, zstd);
        if (cursor !== null) open.push(cursor);
        open.sort((a, b) => request.sources.indexOf(a.source) - request.sources.indexOf(b.source));
        least = leastOf(open);
      }
      if (least === undefined) return merged.finish();
      if (!isLeftOut(least.rowId, request.leaveOut ?? [])) merged.add(least);
      if (!least.step() && !(await least.load())) open.splice(open.indexOf(least), 1);
    }
  } catch (error) {
    merged.discard();
    throw error;
  } finally {
    for (const cursor of open) cursor.close();
  }
}

function firstRowOf({ firstRow, runs }: MergeSource): number {
  return firstRow ?? runs?.[0]?.[0] ?? 0;
}

/** The source that is next; of several with the same row id, the first. */
function leastOf(open: readonly PartCursor[]): PartCursor | undefined {
  let least = open[0];
  for (const cursor of open) if (cursor.rowId < least!.rowId) least = cursor;
  return least;
}

function isLeftOut(rowId: number, ranges: readonly (readonly [number, number])[]): boolean {
  return ranges.some(([first, count]) => rowId >= first && rowId < first + count);
}

/** The files that a merge writes, one after the other. */
class MergedFiles {
  readonly #request: MergeRequest;
  readonly #finished: PartFile[] = [];
  readonly #builders: PartBuilder[] = [];
  #builder: PartBuilder | null = null;
  #schema: string | null = null;
  #columns: unknown[][] = [];
  #rowIds: number[] = [];
  #failures: RowMetadata[] = [];
  #groupBytes = 0;
  #fileBytes = 0;

  constructor(request: MergeRequest) {
    this.#request = request;
  }

  add(cursor: PartCursor): void {
    this.#checkSchema(cursor);
    const { maxBytes, rowGroupBytes = ROW_GROUP_BYTES } = this.#request;
    if (cursor.rowId !== this.#rowIds.at(-1)) {
      if (this.#fileBytes > 0 && this.#fileBytes + cursor.bytes > maxBytes) this.#closeFile();
      else if (this.#groupBytes >= rowGroupBytes) this.#flush();
    }
    this.#builder ??= this.#openBuilder(cursor.reader);
    cursor.row.forEach((value, column) => (this.#columns[column] ??= []).push(value));
    this.#rowIds.push(cursor.rowId);
    if (cursor.metadata) this.#failures.push(cursor.metadata);
    this.#groupBytes += cursor.bytes;
    this.#fileBytes += cursor.bytes;
  }

  finish(): readonly PartFile[] {
    this.#closeFile();
    return this.#finished;
  }

  discard(): void {
    for (const builder of this.#builders) builder.discard();
  }

  #checkSchema({ reader, source }: PartCursor): void {
    this.#schema ??= reader.schema;
    if (reader.schema !== this.#schema)
      throw damagedPart(source.path, "its columns differ from those of the other parts");
  }

  #openBuilder(reader: PartReader): PartBuilder {
    const { targets, format } = this.#request;
    const path = join(targets.folder, `${targets.prefix}.${this.#builders.length}.${partExtension(format)}`);
    const builder = new PartBuilder((): PartWriter => reader.openWriter(path));
    this.#builders.push(builder);
    return builder;
  }

  #flush(): void {
    this.#builder?.write(this.#columns, this.#rowIds, this.#failures);
    this.#columns = [];
    this.#rowIds = [];
    this.#failures = [];
    this.#groupBytes = 0;
  }

  #closeFile(): void {
    this.#flush();
    const file = this.#builder?.finish();
    if (file) this.#finished.push(file);
    this.#builder = null;
    this.#fileBytes = 0;
  }
}
