/** What is wrong with a spec, gathered before anything is thrown, so that one run shows all of it. */
import { TidingError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";

export type KeyPath = readonly (string | number)[];

export interface SpecProblem {
  readonly path: KeyPath;
  /** A sentence that names the key. */
  readonly what: string;
  /** A sentence, or an empty text where `what` says it all. */
  readonly mend: string;
  /** Points at the key and not at its value. */
  readonly atKey?: boolean;
}

export interface PlacedProblem {
  readonly place: string;
  readonly what: string;
  readonly mend: string;
}

/** One error for all problems; with several, the message lists each with its place and mend. */
export function specError(code: ErrorCode, problems: readonly PlacedProblem[]): TidingError {
  const [first] = problems;
  if (first === undefined) throw new RangeError("specError needs at least one problem");
  if (problems.length === 1) {
    const { place, what, mend } = first;
    return new TidingError(code, what, mend === "" ? { place } : { place, mend });
  }
  const lines = problems.map(({ place, what, mend }) => `  ${place}: ${what} ${mend}`.trimEnd());
  return new TidingError(code, `The spec has ${problems.length} errors:\n${lines.join("\n")}`, {
    place: first.place,
    mend: "Correct each of them.",
  });
}

/** `steps.0.llm.slots`, as in `--set`. */
export function keyName(path: KeyPath): string {
  if (path.length === 0) return "the spec";
  return path.map((key) => (/^[^."=]+$/.test(String(key)) ? String(key) : JSON.stringify(String(key)))).join(".");
}

/** True for keys whose values may be secret: they are neither interpolated nor shown. */
export function isSecret(path: KeyPath): boolean {
  // The schema of an answer may have a property of such a name.
  if (path.includes("structured_output")) return false;
  return path.includes("llm") && (path.includes("api_key") || path.includes("headers"));
}

/** A value for an error message: short, and without secrets. */
export function shown(value: unknown, path: KeyPath): string {
  if (value === undefined) return "missing";
  if (value === null) return "empty";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map of keys";
  if (isSecret(path)) return "a value that is not shown here";
  if (typeof value !== "string") return JSON.stringify(value);
  const masked = value.replaceAll(/\/\/[^/@\s]*@/g, "//…@").replaceAll(/\b(hf_|sk-)[\w-]+/g, "$1…");
  return JSON.stringify(masked.length > 60 ? `${masked.slice(0, 60)}…` : masked);
}

/** What lies at the path, or undefined. */
export function valueAt(value: unknown, path: KeyPath): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, key)) return undefined;
    found = (found as Record<string | number, unknown>)[key];
  }
  return found;
}

/** A copy with `next` at the path; what is not on the way is shared. Undefined takes the key out. */
export function withValueAt(value: unknown, path: KeyPath, next: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return next;
  const child = withValueAt(valueAt(value, [key]), rest, next);
  if (Array.isArray(value)) {
    const index = Number(key);
    return child === undefined
      ? value.toSpliced(index, 1)
      : [...value.slice(0, index), child, ...value.slice(index + 1)];
  }
  const { [key]: _, ...others } = (value ?? {}) as Record<string | number, unknown>;
  if (child === undefined) return others;
  return { ...(value as object | null), [key]: child };
}
