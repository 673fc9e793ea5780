/**
 * The Hub's own cache folder, so that what other tools downloaded is found, and what we download is found by them.
 *
 * Layout as in huggingface_hub (`file_download.py`): `models--org--name/refs/<revision>` holds a commit,
 * `snapshots/<commit>/<file>` the files, and `.no_exist/<commit>/<file>` marks files that the commit lacks. Files are
 * written into the snapshot themselves, without `blobs/`, as huggingface_hub does where links are not to be had.
 */
import { randomUUID } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import type { Environment } from "../../../shared/spec/interpolate.ts";
import { readIfThere } from "./read-if-there.ts";

export class HubCache {
  readonly #folder: string;

  constructor(repository: string, environment: Environment) {
    this.#folder = path.join(cacheFolder(environment), `models--${repository.replaceAll("/", "--")}`);
  }

  /** The commit that a branch or tag had when it was last asked for; null where that is not known. */
  async commitOf(revision: string): Promise<string | null> {
    return (await readIfThere(path.join(this.#folder, "refs", revision)))?.trim() ?? null;
  }

  /** Null where it is not in the cache. */
  read(commit: string, file: string): Promise<string | null> {
    return readIfThere(path.join(this.#folder, "snapshots", commit, file));
  }

  /** Whether the commit is known to lack the file. */
  async lacks(commit: string, file: string): Promise<boolean> {
    return (await readIfThere(path.join(this.#folder, ".no_exist", commit, file))) !== null;
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

  /** Whole or not at all: other processes read at the same time. */
  async #write(name: string, text: string): Promise<void> {
    const target = path.join(this.#folder, name);
    await mkdir(path.dirname(target), { recursive: true });
    const temporary = `${target}.${randomUUID()}.incomplete`;
    await writeFile(temporary, text);
    await rename(temporary, target);
  }
}

/** `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, or `hub` in `HF_HOME`, as in huggingface_hub 1.x, `constants.py`. */
function cacheFolder(environment: Environment): string {
  const named = environment["HF_HUB_CACHE"] || environment["HUGGINGFACE_HUB_CACHE"];
  if (named) return named;
  const cache = environment["XDG_CACHE_HOME"] || path.join(environment["HOME"] ?? homedir(), ".cache");
  return path.join(environment["HF_HOME"] || path.join(cache, "huggingface"), "hub");
}
