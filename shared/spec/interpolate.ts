/** `${NAME}`, `${NAME:-default}` and the escape `$${` in the texts of a spec. */
import { isSecret, keyName } from "./spec-problem.ts";
import type { KeyPath, SpecProblem } from "./spec-problem.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** `${` before anything but a name is left alone, so that a Jinja template may say `${{ price }}`. */
const REFERENCE = /\$\$\{|\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}|\$\{(?=[A-Za-z_])/g;
const WHOLE = /^\$\{[A-Za-z_]\w*(?::-[^}]*)?\}$/;

export interface Interpolation {
  /** Called for a variable that is unset, or empty, and has no default; gives the text in its place, or throws. */
  readonly missing: (name: string) => string;
  /** Called for a `${` that does not end in a reference. */
  readonly malformed: () => string;
}

/** Puts variables into one text. As in a shell, the default also stands in for an empty variable. */
export function interpolate(text: string, lookup: (name: string) => string | undefined, on: Interpolation): string {
  return text.replaceAll(REFERENCE, (match: string, name: string | undefined, fallback: string | undefined) => {
    if (match === "$${") return "${";
    if (name === undefined) return on.malformed();
    const value = lookup(name);
    if (fallback !== undefined) return value === undefined || value === "" ? fallback : value;
    return value ?? on.missing(name);
  });
}

export interface InterpolatedSpec {
  readonly value: unknown;
  readonly problems: readonly SpecProblem[];
  /**
   * Values that are nothing but one reference and read as a number or a boolean, with their text, which stands where
   * the schema wants a text.
   */
  readonly typed: ReadonlyMap<string, string>;
}

/**
 * Interpolates every text of a spec but the secret ones, which stay references. Also refuses what JSON could not hold
 * (functions, dates, NaN), which only a spec from a program can contain.
 */
export function interpolateSpec(spec: unknown, environment: Environment): InterpolatedSpec {
  const problems: SpecProblem[] = [];
  const typed = new Map<string, string>();

  function visit(value: unknown, path: KeyPath): unknown {
    if (typeof value === "string") return isSecret(path) ? value : visitText(value, path);
    if (value === null || typeof value === "boolean" || Number.isFinite(value)) return value;
    if (Array.isArray(value)) return value.map((item, index) => visit(item, [...path, index]));
    if (isPlainObject(value)) {
      const entries = Object.entries(value).filter(([, item]) => item !== undefined);
      return Object.fromEntries(entries.map(([key, item]) => [key, visit(item, [...path, key])]));
    }
    const what = `\`${keyName(path)}\` is a ${value === undefined ? "gap" : kindOf(value)}, which a spec cannot hold.`;
    problems.push({ path, what, mend: "Use texts, numbers, true, false, null, lists and maps." });
    return null;
  }

  function visitText(text: string, path: KeyPath): unknown {
    const result = interpolate(text, (name) => environment[name], {
      missing: (name) => {
        const what = `\`${keyName(path)}\` needs the environment variable ${name}, which is not set.`;
        problems.push({ path, what, mend: `Set ${name}, or give a default: \${${name}:-default}.` });
        return text;
      },
      malformed: () => {
        const what = `\`${keyName(path)}\` holds a \${ that is not followed by NAME} or NAME:-default}.`;
        problems.push({ path, what, mend: "Complete the reference, or write $${ for the characters themselves." });
        return "${";
      },
    });
    if (!WHOLE.test(text)) return result;
    const scalar = scalarOf(result);
    if (typeof scalar !== "string") typed.set(keyName(path), result);
    return scalar;
  }

  return { value: visit(spec, []), problems, typed };
}

/** A number or boolean only where it is written as JavaScript would write it: 007 and 1.10 stay texts. */
function scalarOf(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  const number = Number(text);
  return Number.isFinite(number) && String(number) === text ? number : text;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // A spec from a module may come from another realm, so the prototype is not compared with our own.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function kindOf(value: unknown): string {
  if (typeof value === "number") return String(value);
  return typeof value === "object" ? (value?.constructor?.name ?? "object") : typeof value;
}
