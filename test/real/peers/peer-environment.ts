/** Python environments of other tools, each with the whole list of its packages at exact versions. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { makeEnvironment, pythonProgram } from "../python-environment.ts";

export interface PeerEnvironment {
  readonly version: string;
  readonly python: string;
  /** Path of the tool's own program, to be run by `python`: the path that pip wrote into it is of where it was made. */
  readonly program: string;
}

export interface PeerRecipe {
  readonly name: "guidellm" | "aiperf";
  /** On disk, in GB, as a person reads it. */
  readonly gigabytes: string;
}

/**
 * Makes the environment once, from `peer-NAME-requirements.txt`. They cannot share one: their packages ask for different
 * versions of the same ones. Throws `USAGE` as `preparePython` does.
 */
export async function preparePeer(
  say: (line: string) => void,
  { name, gigabytes }: PeerRecipe,
): Promise<PeerEnvironment> {
  const list = await readFile(pythonProgram(`peer-${name}-requirements.txt`), "utf8");
  const packages = list.split("\n").filter((line) => /^[^#]/.test(line));
  const version = packages.find((line) => line.startsWith(`${name}==`))?.split("==")[1] ?? "unknown";
  const { folder, python } = await makeEnvironment(say, {
    name: `peer-${name}`,
    packages,
    what: `${name} ${version} with ${packages.length - 1} packages (${gigabytes} GB on disk, some minutes)`,
    needs: "this is Linux on x86-64 with Python 3.11 or newer",
  });
  return { version, python, program: join(folder, "bin", name) };
}
