/** A spec as it was written: its value, and the place in its file that each key came from. */
import { readFile } from "node:fs/promises";
import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument } from "yaml";
import type { Document, Node } from "yaml";
import { TidingError, messageOf } from "../errors.ts";
import { specError } from "./spec-problem.ts";
import type { KeyPath, PlacedProblem } from "./spec-problem.ts";

export interface SpecSource {
  readonly value: unknown;
  /** `file:line:column` of a key's value, or of the key itself; of the nearest parent where the file has no such key. */
  readonly placeOf: (path: KeyPath, atKey?: boolean) => string;
}

/** Reads the text of a spec file. Throws `SPEC_UNREADABLE`. */
export async function readSpecText(file: string, name: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new TidingError("SPEC_UNREADABLE", `The spec ${name} cannot be read: ${reasonOf(error)}.`, {
      place: name,
      mend: "Check the path; it is taken from the current folder.",
      cause: error,
    });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new TidingError("SPEC_UNREADABLE", `The spec ${name} is not UTF-8 text.`, {
      place: name,
      mend: "Save it as UTF-8.",
      cause: error,
    });
  }
}

/** Parses YAML or JSON; both keep their places, since JSON is YAML. Throws `SPEC_INVALID` with every syntax error. */
export function parseSpecText(text: string, name: string): SpecSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  // After the first error of syntax the others are mostly its echo.
  const all = [...document.errors, ...document.warnings];
  const firstOfSyntax = all.find(({ code }) => code !== "DUPLICATE_KEY");
  const faults = all
    .filter((fault) => fault.code === "DUPLICATE_KEY" || fault === firstOfSyntax)
    .map(({ code, message, pos }): PlacedProblem => {
      const isReference = text.slice(Math.max(0, pos[0] - 1)).startsWith("${");
      return { place: at(pos[0]), ...syntaxFault(isReference ? "REFERENCE" : code, message) };
    });
  if (faults.length > 0) throw specError("SPEC_INVALID", faults);
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // Aliases are resolved here: one without its anchor, or one that would unfold without end.
    throw new TidingError("SPEC_INVALID", `The YAML cannot be resolved: ${messageOf(error)}.`, {
      place: name,
      mend: "Set the anchor (&name) before its alias (*name).",
      cause: error,
    });
  }
  return { value, placeOf: (path, atKey) => at(offsetOf(document, path, atKey === true)) };
}

function syntaxFault(code: string, message: string): { what: string; mend: string } {
  switch (code) {
    case "DUPLICATE_KEY":
      return { what: "This key stands twice in the same map.", mend: "Keep one of the two." };
    case "TAB_AS_INDENT":
      return { what: "A tab is used as indentation.", mend: "Indent with spaces." };
    case "REFERENCE":
      return {
        what: "A reference stands without quotes inside { } or [ ], where its brace has a meaning of its own.",
        mend: 'Put it into quotes: "${NAME}".',
      };
    case "MULTIPLE_DOCS":
      return { what: "The file holds several YAML documents.", mend: "Keep one job to a file." };
    default:
      // What follows a word and a colon is text of the file, which may be a secret.
      return {
        what: `The YAML is not valid: ${message.replace(/(\w): .*$/s, "$1")}.`,
        mend: "Mend the syntax at this place; quote a text that holds special characters.",
      };
  }
}

function offsetOf(document: Document, path: KeyPath, atKey: boolean): number {
  let node = document.contents;
  let offset = 0;
  for (const [depth, key] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document) ?? null;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      if (pair === undefined) return offset;
      const value = pair.value as Node | null;
      const last = depth === path.length - 1;
      const keyOffset = (pair.key as Node).range?.[0] ?? offset;
      // A missing key is shown at its parent's key, and not at the first line below it.
      offset = last && !atKey && !isMap(value) && !isSeq(value) ? (value?.range?.[0] ?? keyOffset) : keyOffset;
      node = value;
    } else if (isSeq(node)) {
      const item = node.items[Number(key)] as Node | undefined;
      if (item === undefined) return offset;
      offset = item.range?.[0] ?? offset;
      node = item;
    } else {
      return offset;
    }
  }
  return offset;
}

function reasonOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a folder";
  return messageOf(error);
}
