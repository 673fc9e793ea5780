import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The oldest that the transport works on. */
export const OLDEST_NATS_SERVER = "2.9.10";
/** What "newest" means until the project is tested with a later one. */
export const NEWEST_NATS_SERVER = "2.15.1";

/** What the binary says of itself, such as `2.9.10`. Throws when it does not run, or says something else. */
export async function natsServerVersion(binary: string, signal?: AbortSignal): Promise<string> {
  const { stdout } = await run(binary, ["--version"], { signal, timeout: 10_000 });
  const version = /^nats-server: v(\d+\.\d+\.\d+\S*)\s*$/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`${binary} --version said ${JSON.stringify(stdout.slice(0, 80))}.`);
  return version;
}

/** Whether the version is `oldest` or later; what follows the three numbers does not count. */
export function isAtLeast(version: string, oldest: string): boolean {
  const [found, wanted] = [version, oldest].map((text) => text.split(/[.+-]/).slice(0, 3).map(Number));
  const different = wanted!.findIndex((number, at) => number !== found![at]);
  return different === -1 || found![different]! > wanted![different]!;
}
