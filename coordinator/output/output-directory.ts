/**
 * The output folder: where things lie, whose it is, and the one way to change what the dataset is.
 *
 *   data/ failed/           parts; what the manifest does not name does not exist
 *   manifest.<n>.json       generations; the highest is the truth
 *   .tiding/                owner.<nonce>.json, shard table, spills, the log, temporaries; names begin with the owner's epoch
 *                           stdin-<digest>, the job's rows where they came by standard input (jobs/standard-input.ts)
 *                           endpoints.json, endpoints that the job is to stop (jobs/kept-endpoints.ts)
 */
import { randomUUID } from "node:crypto";
import { access, constants, mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TidingError } from "../../shared/errors.ts";
import type { JobProgress } from "../../shared/observe/job-report.ts";
import type { StepListener } from "../../shared/protocol/protocol-step.ts";
import { createExclusively, hasCode, replaceFile, storageError, syncDirectory } from "./durable-file.ts";
import { parseManifest, type Manifest } from "./manifest.ts";
import { HEARTBEAT_MS, ownerLives, readOwner, TAKEOVER_MS, thisProcess, type Owner } from "./owner.ts";

/** Generations kept beside the newest, for a reader that is just opening one. */
const KEPT_GENERATIONS = 2;

export interface OutputPaths {
  readonly root: string;
  readonly dataFolder: string;
  readonly failedFolder: string;
  readonly private: string;
  readonly log: string;
  readonly spills: string;
  readonly temporaries: string;
}

export function outputPaths(root: string): OutputPaths {
  const own = join(root, ".tiding");
  return {
    root,
    dataFolder: join(root, "data"),
    failedFolder: join(root, "failed"),
    private: own,
    log: join(own, "log"),
    spills: join(own, "spills"),
    temporaries: join(own, "tmp"),
  };
}

function ownerPath(paths: OutputPaths, nonce: string): string {
  return join(paths.private, `owner.${nonce}.json`);
}

/** The newest generation's number, or 0. */
async function newestGeneration(root: string): Promise<number> {
  let newest = 0;
  for (const name of await namesIn(root)) {
    const match = /^manifest\.(\d+)\.json$/.exec(name);
    if (match !== null) newest = Math.max(newest, Number(match[1]));
  }
  return newest;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) return [];
    throw storageError(error, folder);
  });
}

/** The newest manifest, or null where there is none. Safe while an owner writes. Throws `OUTPUT_DAMAGED`. */
export async function readManifest(root: string): Promise<Manifest | null> {
  for (;;) {
    const generation = await newestGeneration(root);
    if (generation === 0) return null;
    const path = join(root, `manifest.${generation}.json`);
    try {
      return parseManifest(await readFile(path, "utf8"), path);
    } catch (error) {
      // Pruned between the listing and the read: a newer one is there.
      if (!hasCode(error, "ENOENT")) throw error;
    }
  }
}

/** The manifest's owner as its heartbeat file has it, dead or alive; null once it let go. */
export async function ownerOf(root: string, manifest: Manifest): Promise<Owner | null> {
  return manifest.owner === null ? null : readOwner(ownerPath(outputPaths(root), manifest.owner));
}

/** The manifest's owner where it lives, else null. Waits up to `takeoverMs` for a silent one. */
export async function livingOwner(
  root: string,
  manifest: Manifest,
  options: { readonly takeoverMs?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<Owner | null> {
  if (manifest.owner === null) return null;
  return ownerLives(ownerPath(outputPaths(root), manifest.owner), options);
}

export type ManifestChange = Partial<Omit<Manifest, "version" | "generation" | "epoch" | "owner" | "at">>;

/** An output that this process owns, until it lets go or learns that it lost it. */
export class OwnedOutput {
  readonly paths: OutputPaths;
  /** Aborted, with `OWNERSHIP_LOST`, when another process took over. */
  readonly lost: AbortSignal;
  readonly #lost = new AbortController();
  readonly #owner: Owner;
  readonly #onStep: StepListener | undefined;
  #manifest: Manifest;
  #beat = 0;
  #heartbeat: NodeJS.Timeout;
  #beating: Promise<void> = Promise.resolve();
  #changing: Promise<unknown> = Promise.resolve();
  #progress: (() => JobProgress) | null = null;

  private constructor(paths: OutputPaths, manifest: Manifest, owner: Owner, onStep: StepListener | undefined) {
    this.paths = paths;
    this.lost = this.#lost.signal;
    this.#manifest = manifest;
    this.#owner = owner;
    this.#onStep = onStep;
    this.#heartbeat = setInterval(() => this.#beatOnce(), HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  /**
   * Makes the output this process's own: creates it with `first`, or takes over the one that is there.
   *
   * Throws `OUTPUT_IN_USE` while another process owns it, `OUTPUT_NOT_A_JOB` for a folder with something else in it,
   * `OUTPUT_UNWRITABLE`, `DISK_FULL`, `OUTPUT_DAMAGED`.
   */
  static async take(
    root: string,
    first: () => Omit<Manifest, "version" | "generation" | "epoch" | "owner" | "at">,
    options: {
      readonly takeoverMs?: number;
      readonly signal?: AbortSignal | undefined;
      readonly onStep?: StepListener | undefined;
      readonly onNotice?: ((notice: string) => void) | undefined;
      /** The generation by which the caller decided, 0 for none: its job must not be mixed with another's. */
      readonly seen?: number;
      /** Begin anew: the job that is there never committed a row. */
      readonly anew?: boolean;
    } = {},
  ): Promise<OwnedOutput> {
    const before = await readManifest(root);
    if (before === null) await refuseForeignFolder(root);
    else await refuseWhileOwned(root, before, options);
    if (options.seen !== undefined && options.seen !== (before?.generation ?? 0)) {
      throw inUse(root, "another process had it since this one looked");
    }
    const epoch = (before?.epoch ?? 0) + 1;
    const known = outputPaths(root);
    const paths = { ...known, temporaries: join(known.temporaries, String(epoch)) };
    for (const folder of [paths.private, paths.dataFolder, paths.failedFolder, paths.spills, paths.temporaries]) {
      await mkdir(folder, { recursive: true }).catch((error: unknown) => {
        throw storageError(error, folder);
      });
    }
    const nonce = `${epoch}-${randomUUID()}`;
    const owner = await thisProcess(nonce);
    await replaceFile(ownerPath(paths, nonce), JSON.stringify(owner)).catch((error: unknown) => {
      // Another that took the output at the same moment clears up what is not its own.
      throw hasCode(error, "ENOENT") ? inUse(root, "another process took it at the same moment") : error;
    });
    const isNew = before === null || options.anew === true;
    const manifest: Manifest = {
      ...(isNew ? first() : before),
      version: 1,
      generation: (before?.generation ?? 0) + 1,
      epoch,
      owner: nonce,
      at: new Date().toISOString(),
      state: "running",
      error: null,
    };
    if (!(await linkGeneration(paths, manifest))) {
      await rm(ownerPath(paths, nonce), { force: true });
      throw inUse(root, "another process took it at the same moment");
    }
    const output = new OwnedOutput(paths, manifest, owner, options.onStep);
    options.onStep?.("manifest-linked");
    await output.#clearLeftovers(isNew);
    return output;
  }

  get manifest(): Manifest {
    return this.#manifest;
  }

  /** From now on heartbeats carry the job's progress, for `tiding status`. */
  showProgress(progress: () => JobProgress): void {
    this.#progress = progress;
  }

  /** Makes the next generation. Changes follow one another. Throws `OWNERSHIP_LOST` when the output is another's now. */
  change(change: ManifestChange | ((manifest: Manifest) => ManifestChange)): Promise<void> {
    const changed = this.#changing.then(() =>
      this.#next(typeof change === "function" ? change(this.#manifest) : change, this.#owner.nonce),
    );
    this.#changing = changed.catch(() => undefined);
    return changed;
  }

  /** Looks whether another process took over. */
  async isLost(): Promise<boolean> {
    if (!this.lost.aborted && (await newestGeneration(this.paths.root)) > this.#manifest.generation) {
      // One above may be this process's own change, under way.
      const newest = await readManifest(this.paths.root);
      if (newest?.epoch !== this.#manifest.epoch) this.#lose();
    }
    return this.lost.aborted;
  }

  /** Stops the heartbeat and lets go, with a last change. An output that was lost is left alone. */
  async release(change: ManifestChange): Promise<void> {
    clearInterval(this.#heartbeat);
    await this.#beating;
    await this.#changing;
    try {
      if (!this.lost.aborted) {
        // A former owner that woke may have linked a part before it learned of its loss.
        await this.#clearUnnamed();
        await this.#next(change, null);
      }
    } finally {
      await rm(ownerPath(this.paths, this.#owner.nonce), { force: true });
    }
  }

  async #next(change: ManifestChange, owner: string | null): Promise<void> {
    this.lost.throwIfAborted();
    const next: Manifest = {
      ...this.#manifest,
      ...change,
      generation: this.#manifest.generation + 1,
      owner,
      at: new Date().toISOString(),
    };
    if (!(await linkGeneration(this.paths, next))) throw this.#lose();
    this.#manifest = next;
    this.#onStep?.("manifest-linked");
    // A generation below the truth can be linked by a sleeper once its successor pruned that number: look again.
    if ((await newestGeneration(this.paths.root)) > next.generation) throw this.#lose();
    await this.#prune();
  }

  #lose(): TidingError {
    const error = new TidingError(
      "OWNERSHIP_LOST",
      "Another process took over this output while this one was silent.",
      {
        place: this.paths.root,
        mend: "Nothing is lost. Let the other process finish; `tiding status` shows it.",
      },
    );
    this.#lost.abort(error);
    return error;
  }

  #beatOnce(): void {
    this.#beating = this.#beating.then(async () => {
      if (await this.isLost()) return;
      this.#beat += 1;
      const owner: Owner = {
        ...this.#owner,
        at: new Date().toISOString(),
        beat: this.#beat,
        progress: this.#progress?.() ?? null,
      };
      // A beat that cannot be written leads to silence, which is what it means.
      await replaceFile(ownerPath(this.paths, owner.nonce), JSON.stringify(owner)).catch(() => undefined);
    });
  }

  async #prune(): Promise<void> {
    for (const name of await namesIn(this.paths.root)) {
      const match = /^manifest\.(\d+)\.json$/.exec(name);
      if (match !== null && Number(match[1]) < this.#manifest.generation - KEPT_GENERATIONS) {
        await rm(join(this.paths.root, name), { force: true });
      }
    }
  }

  /** Deletes parts and spills that no manifest names. */
  async #clearUnnamed(): Promise<void> {
    const { parts, failed, spills } = this.#manifest;
    const named = new Set([...parts, ...failed, ...spills].map((entry) => basename(entry.file)));
    for (const folder of [this.paths.dataFolder, this.paths.failedFolder, this.paths.spills]) {
      await this.#clear(folder, (name, epoch) => epoch <= this.#manifest.epoch && !named.has(name));
    }
  }

  /** Deletes by name, and by the epoch in the name: a sleeper that wakes as it clears must not touch a successor's files. */
  async #clear(folder: string, isNeedless: (name: string, epoch: number) => boolean): Promise<void> {
    for (const name of await namesIn(folder)) {
      const epoch = epochOf(name);
      if (epoch !== null && isNeedless(name, epoch)) await rm(join(folder, name), { force: true, recursive: true });
    }
  }

  /** Deletes what former owners left behind. */
  async #clearLeftovers(isNew: boolean): Promise<void> {
    const { paths } = this;
    const { epoch } = this.#manifest;
    await this.#clearUnnamed();
    await this.#clear(dirname(paths.temporaries), (_name, other) => other < epoch);
    await this.#clear(paths.private, (name, other) => other < epoch && (isNew || /^\.?owner\./.test(name)));
    if (isNew) await this.#clear(paths.log, (_name, other) => other < epoch);
    await mkdir(paths.log, { recursive: true });
    await syncDirectory(paths.dataFolder);
  }
}

/**
 * The epoch of the owner that gave the name: of a part, a spill, a shard table, a heartbeat, a file of the log or a folder of
 * temporaries. Null for a stranger's file.
 */
function epochOf(name: string): number | null {
  const match = /^(?:(?:train|failed)-\d+-e|spill\.|shards\.|\.?owner\.)?(\d+)(?=[-.g]|$)/.exec(name);
  return match === null ? null : Number(match[1]);
}

async function linkGeneration(paths: OutputPaths, manifest: Manifest): Promise<boolean> {
  const name = `manifest.${manifest.generation}.json`;
  const temporary = join(paths.temporaries, `${name}.${randomUUID()}`);
  // A generation that could not be read again would lose the whole output.
  const text = `${JSON.stringify(manifest)}\n`;
  parseManifest(text, join(paths.root, name));
  return createExclusively(join(paths.root, name), text, temporary);
}

/** Throws `OUTPUT_NOT_A_JOB` or `OUTPUT_UNWRITABLE` for a folder without a manifest that no job can be begun in. */
export async function refuseForeignFolder(root: string): Promise<void> {
  const found = await stat(root).catch((error: unknown) => {
    if (hasCode(error, "ENOENT")) return null;
    throw storageError(error, root);
  });
  if (found === null) return;
  if (!found.isDirectory()) {
    throw new TidingError("OUTPUT_UNWRITABLE", "The output path is a file.", {
      place: root,
      mend: "Choose another output.path.",
    });
  }
  await access(root, constants.W_OK).catch((error: unknown) => {
    throw storageError(error, root);
  });
  // A first run that died before its first manifest leaves these empty folders.
  const foreign = (await namesIn(root)).filter((name) => ![".tiding", "data", "failed"].includes(name));
  for (const folder of ["data", "failed"])
    foreign.push(...(await namesIn(join(root, folder))).map((name) => `${folder}/${name}`));
  if (foreign.length > 0) {
    if ((await newestGeneration(root)) > 0) throw inUse(root, "another process took it at the same moment");
    throw new TidingError(
      "OUTPUT_NOT_A_JOB",
      `The output folder holds something that is no job of Tiding (${foreign[0]}).`,
      {
        place: root,
        mend: "Choose another output.path, or empty the folder.",
      },
    );
  }
}

async function refuseWhileOwned(
  root: string,
  manifest: Manifest,
  options: {
    readonly takeoverMs?: number;
    readonly signal?: AbortSignal | undefined;
    readonly onNotice?: ((notice: string) => void) | undefined;
  },
): Promise<void> {
  const watching = setTimeout(() => {
    const seconds = Math.round((options.takeoverMs ?? TAKEOVER_MS) / 1_000);
    options.onNotice?.(
      `The output has an owner that shows no sign of life; waiting up to ${seconds} s before taking over.`,
    );
  }, 2 * HEARTBEAT_MS);
  try {
    const owner = await livingOwner(root, manifest, options);
    if (owner !== null) throw inUse(root, `process ${owner.pid} on ${owner.host} runs it since ${owner.since}`);
  } finally {
    clearTimeout(watching);
  }
}

function inUse(root: string, why: string): TidingError {
  return new TidingError("OUTPUT_IN_USE", `The output is in use: ${why}.`, {
    place: root,
    mend: "Let it finish, stop it, or choose another output.path. `tiding status` shows its progress.",
  });
}
