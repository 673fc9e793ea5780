/**
 * A job whose rows come by standard input, which can be read once only: they are spooled to a file in the output's private
 * folder, and are that file's from then on. Its name holds the digest of its content, so that two runs that begin at one time
 * do not write one file, and the fingerprint tells other rows by it.
 *
 *   .tiding/stdin-<digest>        whole; a job's once a manifest names it, and kept for as long as the job: extending it and
 *                                 retrying its failed rows read from it
 *   .tiding/stdin-<uuid>.part     what a run that was killed left, or one that spools now
 */
import { randomUUID } from "node:crypto";
import { link, mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { spoolStream } from "../coordinator/input/spool-stream.ts";
import { streamHead } from "../coordinator/input/stream-head.ts";
import { hasCode, storageError, syncDirectory } from "../coordinator/output/durable-file.ts";
import type { Manifest } from "../coordinator/output/manifest.ts";
import { outputPaths, refuseForeignFolder, type OwnedOutput } from "../coordinator/output/output-directory.ts";
import { TidingError } from "../shared/errors.ts";
import type { LoadedSpec } from "../shared/spec/loaded-spec.ts";
import { readsStandardInput, STANDARD_INPUT } from "../shared/spec/standard-input.ts";

/** `process.stdin`, or another stream in its place. */
export type StandardInput = Readable & { readonly isTTY?: boolean };

const SPOOL = /^stdin-[0-9a-f]{32}$/;
const HALF_SPOOL = /^stdin-.*\.part$/;
const PLACE = "standard input";

/**
 * The spec with the spool in place of standard input; as it is where the rows come from files. Standard input is read only
 * where the output holds no job yet. Throws `USAGE` where there is none to read, or a terminal; `INPUT_MISSING` for a job
 * without its spool; as `spoolStream` does.
 */
export async function spooledInput(
  loaded: LoadedSpec,
  options: {
    readonly root: string;
    readonly found: Manifest | null;
    /** Nothing of what was found counts. */
    readonly anew: boolean;
    readonly standardInput: StandardInput | undefined;
    readonly signal: AbortSignal;
    readonly onNotice: ((notice: string) => void) | undefined;
  },
): Promise<LoadedSpec> {
  if (!readsStandardInput(loaded.spec.input)) return loaded;
  const { root, found, anew, onNotice } = options;
  const spool = found === null ? null : await spoolOf(root, found);
  if (spool !== null) {
    onNotice?.(
      `Standard input is not read: this output holds the rows that it was begun with, ${spool}. ` +
        "For other rows choose another output.path.",
    );
    return withInput(loaded, spool);
  }
  if (!anew) {
    throw new TidingError("INPUT_MISSING", "The output holds a job, and no rows that came by standard input.", {
      place: outputPaths(root).private,
      mend: "Give that job the input that it was begun with, or choose another output.path for these rows.",
    });
  }
  if (found === null) await refuseForeignFolder(root);
  return withInput(loaded, await spoolNew(outputPaths(root).private, options));
}

/** The spec that an output keeps, with the spool in place of standard input. Throws `INPUT_MISSING` where that is gone. */
export async function keptInput(loaded: LoadedSpec, root: string, manifest: Manifest): Promise<LoadedSpec> {
  if (!readsStandardInput(loaded.spec.input)) return loaded;
  const spool = await spoolOf(root, manifest);
  if (spool !== null) return withInput(loaded, spool);
  throw new TidingError("INPUT_MISSING", "The rows that came by standard input are gone from the output.", {
    place: outputPaths(root).private,
    mend: "Put the file back; without it nothing can be run again.",
  });
}

/** Deletes spools, whole and half, that are not the job's. */
export async function clearSpools(output: OwnedOutput): Promise<void> {
  // A successor may have spooled anew.
  if (await output.isLost()) return;
  const { paths, manifest } = output;
  const named = new Set(manifest.plan.inputFiles.map((file) => path.basename(file.path)));
  for (const name of await namesOf(paths.private, (each) => SPOOL.test(each) || HALF_SPOOL.test(each)))
    if (!named.has(name)) await rm(path.join(paths.private, name), { force: true });
}

/** The spec with its first rows in a file of its own, which goes when it is disposed of; the rest is not read. */
export async function previewInput(
  loaded: LoadedSpec,
  options: {
    readonly rows: number;
    readonly standardInput: StandardInput | undefined;
    readonly signal: AbortSignal;
  },
): Promise<AsyncDisposable & { readonly loaded: LoadedSpec }> {
  const { input } = loaded.spec;
  if (!readsStandardInput(input)) return { loaded, [Symbol.asyncDispose]: () => Promise.resolve() };
  const stream = readable(options.standardInput);
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-preview-"));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const file = path.join(folder, "stdin");
    const head = { format: input.format, rows: input.offset + options.rows };
    const take = (chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> => streamHead(chunks, head);
    await spoolStream(stream, file, { place: PLACE, signal: options.signal, take });
    return { loaded: withInput(loaded, file), [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Null where the manifest's job has another input, or the file is gone. */
async function spoolOf(root: string, { job, plan }: Manifest): Promise<string | null> {
  const [file] = plan.inputFiles;
  if (file === undefined || (job.spec["input"] as { path?: unknown } | undefined)?.path !== STANDARD_INPUT) return null;
  // The output may have been moved.
  const spool = path.join(outputPaths(root).private, path.basename(file.path));
  return (await isThere(spool)) ? spool : null;
}

async function spoolNew(
  folder: string,
  { standardInput, signal, onNotice }: Parameters<typeof spooledInput>[1],
): Promise<string> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw storageError(error, folder);
  });
  const left = await newestSpool(folder);
  const useLeft = (spool: string): string => {
    onNotice?.(`Standard input brings nothing; the rows are those of the run before, which began no job: ${spool}`);
    return spool;
  };
  if (left !== null && standardInput?.isTTY === true) return useLeft(left);
  const stream = readable(standardInput);
  // They may be as large as the disk. A run that spools at this moment finds its own gone when it has ended.
  for (const name of await namesOf(folder, (each) => HALF_SPOOL.test(each)))
    await rm(path.join(folder, name), { force: true });
  onNotice?.("Reading standard input to its end; then the rows are run.");
  const half = path.join(folder, `stdin-${randomUUID()}.part`);
  try {
    const { bytes, digest } = await spoolStream(stream, half, { place: PLACE, signal });
    if (bytes === 0 && left !== null) return useLeft(left);
    const spool = path.join(folder, `stdin-${digest.slice(0, 32)}`);
    await link(half, spool).catch((error: unknown) => {
      if (hasCode(error, "ENOENT")) throw spooledElsewhere(folder);
      // Of the same name is of the same content.
      if (!hasCode(error, "EEXIST")) throw storageError(error, spool);
    });
    await syncDirectory(folder);
    return spool;
  } finally {
    await rm(half, { force: true });
  }
}

/** Of a run that ended before there was a manifest. */
async function newestSpool(folder: string): Promise<string | null> {
  let newest: { readonly spool: string; readonly atMs: number } | null = null;
  for (const name of await namesOf(folder, (each) => SPOOL.test(each))) {
    const spool = path.join(folder, name);
    const { mtimeMs, size } = await stat(spool);
    if (size === 0) continue;
    if (newest === null || mtimeMs > newest.atMs) newest = { spool, atMs: mtimeMs };
  }
  return newest?.spool ?? null;
}

function readable(stream: StandardInput | undefined): Readable {
  if (stream === undefined) {
    throw new TidingError("USAGE", "The rows come by standard input, and this process has none to give.", {
      place: "input.path",
      mend: "Run it with `tiding run`, or hand the stream to `runJob` as `standardInput`; or write the rows to a file.",
    });
  }
  if (stream.isTTY !== true) return stream;
  throw new TidingError("USAGE", "The rows come by standard input, which is a terminal.", {
    place: "input.path",
    mend: "Pipe them in: tiding run job.yaml < rows.jsonl",
  });
}

function spooledElsewhere(folder: string): TidingError {
  return new TidingError("OUTPUT_IN_USE", "The output is in use: another run reads its own standard input for it.", {
    place: folder,
    mend: "Let it finish, or choose another output.path.",
  });
}

function withInput(loaded: LoadedSpec, file: string): LoadedSpec {
  const { spec } = loaded;
  return { ...loaded, spec: { ...spec, input: { ...spec.input, path: file } } };
}

async function namesOf(folder: string, isWanted: (name: string) => boolean): Promise<readonly string[]> {
  return (await readdir(folder)).filter(isWanted);
}

async function isThere(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    (error: unknown) => {
      if (hasCode(error, "ENOENT")) return false;
      throw storageError(error, file);
    },
  );
}
