/** A program and all that it starts, run to its end, with the CPU time of the whole tree. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { pythonProgram } from "../python-environment.ts";

export interface TreeCommand {
  readonly command: readonly [program: string, ...argv: string[]];
  /** Of this Python the wrapper is run that counts. */
  readonly python: string;
  /** Where the program runs, and where what it says (`said.log`) and its temporary files lie. Made if it is not there. */
  readonly folder: string;
  /** Beside that of this process. Undefined leaves one out. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export interface TreeUsage {
  /** User and system time, start-up included. */
  readonly cpuSeconds: number;
  readonly seconds: number;
}

const Usage = z.strictObject({ cpuSeconds: z.number() });
const SAID_CHARACTERS = 3_000;

/** Throws an Error with what the program said last where it fails. When this process ends, the tree does. */
export async function runTree({ command, python, folder, environment }: TreeCommand): Promise<TreeUsage> {
  const temporary = join(folder, "tmp");
  await mkdir(temporary, { recursive: true });
  const result = join(folder, "usage.json");
  const log = join(folder, "said.log");
  await using said = await open(log, "w");
  const startedMs = performance.now();
  const child = spawn(python, [pythonProgram("measure_tree.py"), result, ...command], {
    cwd: folder,
    env: { ...process.env, TMPDIR: temporary, ...environment },
    stdio: ["pipe", said.fd, said.fd],
    // A group of its own, which the wrapper kills once this process is gone.
    detached: true,
  });
  const [code] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  const seconds = (performance.now() - startedMs) / 1_000;
  if (code !== 0) {
    const last = (await readFile(log, "utf8")).slice(-SAID_CHARACTERS);
    throw new Error(`${command[0]} ended with code ${code}:\n${last}`);
  }
  return { ...Usage.parse(JSON.parse(await readFile(result, "utf8"))), seconds };
}
