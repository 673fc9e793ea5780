/**
 * The Hub's own cache folder, so that what other tools downloaded is found, and what we download is found by them.
 *
 * Layout as in huggingface_hub (`file_download.py`): `models--org--name/refs/<revision>` holds a commit,
 * `snapshots/<commit>/<file>` the files, and `.no_exist/<commit>/<file>` marks files that the commit lacks. Files are
 * written into the snapshot themselves, without `blobs/`, as huggingface_hub does where links are not to be had.
 *
 * A folder that cannot be read or written (read-only, full, another user's) is no reason to stop: what belongs into it is
 * kept in memory, and `fault` says why.
 */
import { randomUUID } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import type { Environment } from "../../../shared/spec/interpolate.ts";
import { readIfThere } from "./read-if-there.ts";

export class HubCache {
  /** Of all repositories. */
  readonly root: string;
  readonly #folder: string;
  /** By name within the folder, what could not be written there. */
  readonly #unwritten = new Map<string, string>();
  #fault: string | null = null;

  constructor(repository: string, environment: Environment) {
    this.root = cacheFolder(environment);
    this.#folder = path.join(this.root, `models--${repository.replaceAll("/", "--")}`);
  }

  /** The file system's code of what first went wrong with the folder, such as `EROFS`; null where nothing did. */
  get fault(): string | null {
    return this.#fault;
  }

  /** The commit that a branch or tag had when it was last asked for; null where that is not known. */
  async commitOf(revision: string): Promise<string | null> {
    return (await this.#read(path.join("refs", revision)))?.trim() ?? null;
  }

  /** Null where it is not in the cache. */
  read(commit: string, file: string): Promise<string | null> {
    return this.#read(path.join("snapshots", commit, file));
  }

  /** Whether the commit is known to lack the file. */
  async lacks(commit: string, file: string): Promise<boolean> {
    return (await this.#read(path.join(".no_exist", commit, file))) !== null;
  }

  async keep(commit: string, file: string, text: string): Promise<void> {
    await this.#write(path.join("snapshots", commit, file), text);
  }

  async markLacking(commit: string, file: string): Promise<void> {
    await this.#write(path.join(".no_exist", commit, file), "");
  }

  async pin(revision: string, commit: string): Promise<void> {
    if (revision !== commit) await this.#write(path.join("refs", revision), commit);
  }

  async #read(name: string): Promise<string | null> {
    const unwritten = this.#unwritten.get(name);
    if (unwritten !== undefined) return unwritten;
    try {
      return await readIfThere(path.join(this.#folder, name));
    } catch (error) {
      this.#fault ??= codeOf(error);
      return null;
    }
  }

  async #write(name: string, text: string): Promise<void> {
    try {
      await writeWhole(path.join(this.#folder, name), text);
    } catch (error) {
      this.#fault ??= codeOf(error);
      this.#unwritten.set(name, text);
    }
  }
}

/** Whole or not at all: other processes read at the same time. */
async function writeWhole(target: string, text: string): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true });
  const temporary = `${target}.${randomUUID()}.incomplete`;
  try {
    await writeFile(temporary, text);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Throws what is no error of the file system. */
function codeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== "string") throw error;
  return code;
}

/** `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, or `hub` in `HF_HOME`, as in huggingface_hub 1.x, `constants.py`. */
function cacheFolder(environment: Environment): string {
  const named = environment["HF_HUB_CACHE"] || environment["HUGGINGFACE_HUB_CACHE"];
  if (named) return named;
  const cache = environment["XDG_CACHE_HOME"] || path.join(environment["HOME"] ?? homedir(), ".cache");
  return path.join(environment["HF_HOME"] || path.join(cache, "huggingface"), "hub");
}
