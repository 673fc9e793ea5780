/**
 * Modules of the user's own: specs, tasks and LLM classes, in TypeScript or JavaScript, loaded through jiti.
 *
 * The content hash covers the module and whatever it imports from files, transitively, by text and path relative to
 * the module; packages count by name and version, Tiding itself not at all. Not covered: imports whose name is computed
 * at run time, and files that the code reads by itself.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Jiti } from "jiti";
import { TidingError, isTidingError, messageOf } from "../errors.ts";

export interface ModuleName {
  /** How messages call the module; its path when absent. */
  readonly name?: string;
}

export interface LoadedModule {
  /** The default export. */
  readonly exported: unknown;
  /** SHA-256, hex. */
  readonly codeHash: string;
}

/** This package's name; modules that import it get the running copy, wherever they lie. */
const OWN_NAME = "tiding";
const SCRIPT = /\.[cm]?[jt]sx?$/i;

/** Loads a module and hashes its code. Throws `MODULE_INVALID`. */
export async function loadModule(file: string, options: ModuleName = {}): Promise<LoadedModule> {
  const name = options.name ?? file;
  if (!existsSync(file)) {
    throw new TidingError("MODULE_INVALID", `The module ${name} does not exist.`, {
      place: name,
      mend: "Check the path; in a spec it is relative to the spec's folder.",
    });
  }
  let exports: unknown;
  let code: ModuleCode;
  try {
    // Loaded when it is needed: most jobs have no module of their own.
    const { createJiti } = await import("jiti");
    const plain = createJiti(pathToFileURL(file).href, { fsCache: false });
    code = await readCode(file, plain);
    exports = await (await jitiFor(code, file)).import(file);
  } catch (error) {
    throw moduleError(error, file, name);
  }
  const exported = (exports as Readonly<Record<string, unknown>> | null)?.["default"];
  if (exported === undefined) {
    throw new TidingError("MODULE_INVALID", `The module ${name} has no default export.`, {
      place: name,
      mend: "Add `export default ...`.",
    });
  }
  return { exported, codeHash: code.hash };
}

/** Calls or constructs what a module exports; whatever it throws becomes `MODULE_INVALID`. */
export async function callExport(
  exported: unknown,
  options: { readonly name: string; readonly arguments?: readonly unknown[]; readonly construct?: boolean },
): Promise<unknown> {
  const given = options.arguments ?? [];
  try {
    if (options.construct === true) return new (exported as new (...given: readonly unknown[]) => unknown)(...given);
    return await (exported as (...given: readonly unknown[]) => unknown)(...given);
  } catch (error) {
    if (isTidingError(error)) throw error;
    throw new TidingError("MODULE_INVALID", `The default export of ${options.name} threw: ${messageOf(error)}`, {
      place: options.name,
      mend: "Correct the module.",
      cause: error,
    });
  }
}

/** Gives modules that import this package the running copy; found by its own name, because `shared` imports nobody. */
async function jitiFor(code: ModuleCode, file: string): Promise<Jiti> {
  const virtualModules = code.importsOwnPackage ? { [OWN_NAME]: (await import(OWN_NAME)) as unknown } : {};
  const { createJiti } = await import("jiti");
  // Without the module cache an edited module is read again, as its hash is.
  return createJiti(pathToFileURL(file).href, {
    fsCache: false,
    moduleCache: false,
    interopDefault: false,
    virtualModules,
  });
}

interface ModuleCode {
  readonly hash: string;
  readonly importsOwnPackage: boolean;
}

async function readCode(entry: string, jiti: Jiti): Promise<ModuleCode> {
  const entries = new Map<string, string>();
  const queue = [entry];
  const seen = new Set(queue);
  let importsOwnPackage = false;
  for (const file of queue) {
    const text = (await readFile(file, "utf8")).replaceAll("\r\n", "\n");
    // The entry has no name of its own, so that a renamed module is still the same code.
    const label = file === entry ? "" : path.relative(path.dirname(entry), file).replaceAll("\\", "/");
    entries.set(label, sha256(text));
    if (!SCRIPT.test(file)) continue;
    for (const specifier of importsOf(text, file, jiti)) {
      if (isBuiltin(specifier)) continue;
      if (specifier === OWN_NAME) {
        importsOwnPackage = true;
        continue;
      }
      const resolved = jiti.esmResolve(specifier, { parentURL: pathToFileURL(file).href, try: true });
      // An import that cannot be resolved fails, or is optional, when the module runs.
      if (resolved === undefined) continue;
      const target = resolved.startsWith("file:") ? fileURLToPath(resolved) : resolved;
      if (target.split(path.sep).includes("node_modules")) {
        const { name, version } = await packageOf(target);
        entries.set(`package ${name}@${version}`, "");
      } else if (!seen.has(target)) {
        seen.add(target);
        queue.push(target);
      }
    }
  }
  const lines = [...entries].map(([name, content]) => `${name}\n${content}\n`).toSorted();
  return { hash: sha256(lines.join("")), importsOwnPackage };
}

/** What the code imports once its types are gone, as it stands in the calls that jiti's transform writes. */
function importsOf(source: string, filename: string, jiti: Jiti): string[] {
  const code = jiti.transform({ source, filename, ts: /\.[cm]?tsx?$/i.test(filename), async: true });
  return [...code.matchAll(/\b(?:jitiImport|require|import)\(\s*(["'])([^"'\n]+)\1\s*\)/g)].map(
    (match) => match[2] ?? "",
  );
}

async function packageOf(file: string): Promise<{ name: string; version: string }> {
  let folder = path.dirname(file);
  for (;;) {
    const manifest = path.join(folder, "package.json");
    if (existsSync(manifest)) {
      const { name, version } = JSON.parse(await readFile(manifest, "utf8")) as { name?: string; version?: string };
      // A nested package.json often says no more than { "type": "module" }.
      if (name !== undefined && version !== undefined) return { name, version };
    }
    const parent = path.dirname(folder);
    if (parent === folder) return { name: file, version: "" };
    folder = parent;
  }
}

function moduleError(error: unknown, file: string, name: string): TidingError {
  if (isTidingError(error)) return error;
  const message = messageOf(error);
  // jiti ends a syntax error's message with its place, which may be in an imported file.
  const syntax = /^(?:Syntax|Parse)Error: (.*?)\s*\n\s*(\S.*?):(\d+):(\d+)\s*$/s.exec(message);
  if (syntax !== null) {
    const [, reason, faulty, line, column] = syntax;
    return new TidingError("MODULE_INVALID", `The module ${name} has a syntax error: ${reason}.`, {
      // Its columns count from 0.
      place: `${faulty === file ? name : faulty}:${line}:${Number(column) + 1}`,
      mend: "Correct the syntax.",
      cause: error,
    });
  }
  if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND" || /^Cannot find (module|package)/.test(message)) {
    return new TidingError("MODULE_INVALID", `The module ${name} cannot be loaded: ${message.split("\n", 1)[0]}.`, {
      place: name,
      mend: "Install the package beside the module, or correct the import's path.",
      cause: error,
    });
  }
  return new TidingError("MODULE_INVALID", `The module ${name} threw while it was loaded: ${message}`, {
    place: name,
    mend: "Correct the module.",
    cause: error,
  });
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
