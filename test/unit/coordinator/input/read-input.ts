/** Opens and reads inputs in a folder of the test's own. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRowSource } from "../../../../coordinator/input/open-row-source.ts";
import type { InputRow, RowSource, SourceOffset } from "../../../../coordinator/input/row-source.ts";
import { isTidingError } from "../../../../shared/errors.ts";
import type { ErrorCode, TidingError } from "../../../../shared/errors.ts";
import type { RowSchema } from "../../../../shared/rows/row-schema.ts";
import { InputSpec } from "../../../../shared/spec/job-spec.ts";

export class InputFolder implements AsyncDisposable {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  static async make(files: Readonly<Record<string, string | Uint8Array>> = {}): Promise<InputFolder> {
    const folder = new InputFolder(await mkdtemp(join(tmpdir(), "tiding-input-")));
    for (const [name, content] of Object.entries(files)) await folder.write(name, content);
    return folder;
  }

  async write(name: string, content: string | Uint8Array): Promise<string> {
    await writeFile(join(this.path, name), content);
    return join(this.path, name);
  }

  async open(input: string | Partial<InputSpec>, schema?: RowSchema): Promise<RowSource> {
    const spec = InputSpec.parse(typeof input === "string" ? { path: input } : input);
    return await openRowSource(spec, { folder: this.path, ...(schema && { schema }) });
  }

  /** Every row of an input. */
  async read(input: string | Partial<InputSpec>, schema?: RowSchema): Promise<InputRow[]> {
    return await readAll(await this.open(input, schema));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true });
  }
}

export async function readAll(source: RowSource, from: SourceOffset | null = null): Promise<InputRow[]> {
  const rows: InputRow[] = [];
  for await (const chunk of source.rows(from, new AbortController().signal)) rows.push(...chunk);
  return rows;
}

/** Values of rows that have no fault. */
export function valuesOf(rows: readonly InputRow[]): Record<string, unknown>[] {
  assert.deepEqual(
    rows.flatMap(({ fault }) => fault ?? []),
    [],
  );
  return rows.map(({ values }) => values);
}

/** The Tiding error that a promise rejects with, once its code is the expected one. */
export async function failure(promise: Promise<unknown>, code: ErrorCode): Promise<TidingError> {
  const error: unknown = await promise.then(
    () => assert.fail(`expected ${code}, but nothing failed`),
    (reason: unknown) => reason,
  );
  assert.ok(isTidingError(error), String(error));
  assert.equal(error.code, code, `${error.message} (${String(error.cause)})`);
  return error;
}

/** Entering at each row's offset gives exactly that row and what follows. */
export async function assertEntersAnywhere(source: RowSource, entries: Iterable<number>): Promise<InputRow[]> {
  const all = await readAll(source);
  for (const entry of entries) {
    const from = all[entry % all.length];
    if (from === undefined) return all;
    const rest = await readAll(source, from.offset);
    assert.deepEqual(withoutPlace(rest), withoutPlace(all.slice(entry % all.length)), `entered at row ${entry}`);
  }
  return all;
}

/** Line numbers are not known to a reader that starts in the middle. */
function withoutPlace(rows: readonly InputRow[]): unknown[] {
  return rows.map((row) => ({ ...row, fault: row.fault && { ...row.fault, place: "" } }));
}

/** Paths that this process has open below a folder. */
export async function openPaths(folder: string): Promise<string[]> {
  const links = await readdir("/proc/self/fd");
  const targets = await Promise.all(links.map((link) => readlink(`/proc/self/fd/${link}`).catch(() => "")));
  return targets.filter((target) => target.startsWith(folder));
}
