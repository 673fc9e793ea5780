/** `--set steps.0.llm.slots=8`: single keys of a spec set from the command line, before anything is checked. */
import { isCollection, isScalar, parseDocument } from "yaml";
import { specError, keyName, valueAt, withValueAt } from "./spec-problem.ts";
import type { KeyPath, PlacedProblem } from "./spec-problem.ts";
import type { SpecSource } from "./spec-source.ts";

interface Segment {
  readonly key: string;
  /** Names a key of a map even where it looks like an index. */
  readonly quoted: boolean;
}

const SEGMENT = /"((?:[^"\\]|\\.)*)"|([^."=\s]+)/y;

/**
 * Sets keys over a spec, in order; their values then have `--set <path>` as their place.
 *
 * A value is read as a YAML scalar or flow collection, and is plain text where it is neither. `key=` sets the empty
 * text, `key=null` takes the key out, an index equal to a list's length appends. A key that holds a dot is quoted:
 * `steps.0.columns."a.b"=text`. Throws `SPEC_INVALID`.
 */
export function applyOverrides(source: SpecSource, overrides: readonly string[]): SpecSource {
  const problems: PlacedProblem[] = [];
  const set: KeyPath[] = [];
  const shortened: KeyPath[] = [];
  let value: unknown = source.value ?? (overrides.length > 0 ? {} : source.value);
  for (const text of overrides) {
    const applied = applyOne(value, text);
    if ("what" in applied) {
      problems.push(applied);
      continue;
    }
    value = applied.value;
    set.push(applied.path);
    const parent = applied.path.slice(0, -1);
    if (applied.removed && Array.isArray(valueAt(value, parent))) shortened.push(parent);
  }
  if (problems.length > 0) throw specError("SPEC_INVALID", problems);
  /** The map that the path names, or the list's entry that it passes through, is there because a key in it was set. */
  const made = (candidate: KeyPath, path: KeyPath): boolean =>
    path.some((key, index) => {
      const upTo = path.slice(0, index + 1);
      const isEntry = typeof key === "number" || index === path.length - 1;
      return isEntry && startsWith(candidate, upTo) && valueAt(source.value, upTo) === undefined;
    });

  return {
    value,
    placeOf: (path, atKey) => {
      const override =
        set.findLast((candidate) => startsWith(path, candidate)) ?? set.findLast((candidate) => made(candidate, path));
      if (override !== undefined) return placeOfOverride(override);
      // Indexes of a list that lost an entry are no longer those of the file.
      const list = shortened.find((candidate) => startsWith(path, candidate));
      return source.placeOf(list ?? path, atKey);
    },
  };
}

function applyOne(spec: unknown, text: string): { value: unknown; path: KeyPath; removed: boolean } | PlacedProblem {
  const parsed = parsePath(text);
  if (parsed === null) {
    return {
      place: `--set ${text.split("=", 1)[0] ?? ""}`,
      what: "This is not a key and a value.",
      mend: "Write it as steps.0.llm.slots=8.",
    };
  }
  const { segments, valueText } = parsed;

  const path: (string | number)[] = [];
  for (const { key, quoted } of segments) {
    const place = placeOfOverride(segments.map((segment) => segment.key));
    const container = valueAt(spec, path);
    const isIndex = !quoted && /^\d+$/.test(key);
    if (Array.isArray(container)) {
      if (!isIndex || Number(key) > container.length) {
        const what = `\`${keyName(path)}\` is a list of ${container.length}, and has no place for ${key}.`;
        return { place, what, mend: `Give an index from 0 to ${container.length}; the last one appends.` };
      }
    } else if (container !== undefined && container !== null && typeof container !== "object") {
      const what = `\`${keyName(path)}\` is a single value, and has no key ${key}.`;
      return { place, what, mend: `Set \`${keyName(path)}\` as a whole.` };
    }
    const asIndex = isIndex && (Array.isArray(container) || container === undefined || container === null);
    path.push(asIndex ? Number(key) : key);
  }

  const value = parseValue(valueText);
  if (value === MALFORMED) {
    const what = "The value is not valid YAML.";
    return {
      place: placeOfOverride(path),
      what,
      mend: "Close its quotes and brackets, or put the whole text into quotes.",
    };
  }
  return { value: withLists(spec, path, value ?? undefined), path, removed: value === null };
}

function parsePath(text: string): { segments: Segment[]; valueText: string } | null {
  const segments: Segment[] = [];
  let at = 0;
  while (at < text.length) {
    SEGMENT.lastIndex = at;
    const match = SEGMENT.exec(text);
    if (match === null) return null;
    const [whole, quoted, plain] = match;
    segments.push({ key: plain ?? (quoted ?? "").replaceAll(/\\(.)/g, "$1"), quoted: plain === undefined });
    at += whole.length;
    if (text[at] === "=") return { segments, valueText: text.slice(at + 1) };
    if (text[at] !== ".") return null;
    at += 1;
  }
  return null;
}

const MALFORMED = Symbol("malformed");

function parseValue(text: string): unknown {
  const trimmed = text.trim();
  // A Jinja template begins like a flow map.
  if (trimmed === "" || /^\{[{%#]/.test(trimmed)) return text;
  const document = parseDocument(trimmed, { prettyErrors: false });
  if (document.errors.length > 0 || document.warnings.length > 0) return /^[[{"']/.test(trimmed) ? MALFORMED : text;
  const { contents } = document;
  if (isCollection(contents)) return contents.flow === true ? document.toJS() : text;
  if (!isScalar(contents)) return text;
  const isQuoted = contents.type === "QUOTE_DOUBLE" || contents.type === "QUOTE_SINGLE";
  if (typeof contents.value === "string" && !isQuoted) return text;
  // A comment alone also reads as null.
  if (contents.value === null && contents.source !== trimmed) return text;
  return contents.value;
}

/** Like `withValueAt`, and makes the lists that an index in the path asks for. */
function withLists(spec: unknown, path: KeyPath, value: unknown): unknown {
  let grown = spec;
  for (const [depth, key] of path.entries()) {
    const container = path.slice(0, depth);
    if (typeof key === "number" && !Array.isArray(valueAt(grown, container))) grown = withValueAt(grown, container, []);
  }
  return withValueAt(grown, path, value);
}

function placeOfOverride(path: KeyPath): string {
  return `--set ${keyName(path)}`;
}

function startsWith(path: KeyPath, start: KeyPath): boolean {
  return start.length <= path.length && start.every((key, index) => String(key) === String(path[index]));
}
