/** A folder of commands that stand in for the machine's, so that nothing is fetched from anywhere. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface StubCommands extends AsyncDisposable {
  readonly folder: string;
  /** PATH with the folder first. */
  readonly env: NodeJS.ProcessEnv;
  /** Writes a shell script under a path in the folder; gives its whole path. */
  write(path: string, script: string): Promise<string>;
}

export const COMPLAINS = (what: string): string => `echo "downloading" >&2; echo "${what}" >&2; exit 1`;
export const SAYS_VERSION = (version: string): string => `echo "nats-server: v${version}"`;

/** With what every machine has, and a package manager, pip and Homebrew that cannot help. */
export async function stubCommands(): Promise<StubCommands> {
  const folder = await mkdtemp(join(tmpdir(), "tiding-commands-"));
  const write = async (path: string, script: string): Promise<string> => {
    const whole = join(folder, path);
    await mkdir(dirname(whole), { recursive: true });
    await writeFile(whole, `#!/bin/sh\n${script}\n`);
    await chmod(whole, 0o755);
    return whole;
  };
  await write("bin/apt-cache", COMPLAINS("No packages found"));
  await write("bin/python3", COMPLAINS("No matching distribution"));
  await write("bin/brew", COMPLAINS("No available formula"));
  return {
    folder,
    env: { PATH: `${join(folder, "bin")}:/usr/bin:/bin`, HOME: folder },
    write,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
