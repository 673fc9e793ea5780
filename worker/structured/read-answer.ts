/** One answer against its form: fits, fits once repaired, or what is wrong with it. Pure. */
import { parseJsonText, toJsonText } from "../../shared/rows/json-text.ts";
import type { AnswerFault, CompiledForm } from "../../shared/structured/compile-form.ts";
import { jsonWithin } from "./repair-json.ts";

export interface FittingAnswer {
  readonly fits: true;
  /** Canonical: JSON without spaces, its keys in the answer's order; for a regex what matched. */
  readonly text: string;
  /** The parsed value, integers beyond 2^53-1 as bigints; for a regex the text. */
  readonly value: unknown;
  /** The answer did not fit as it came. */
  readonly isRepaired: boolean;
}

export type ReadAnswer = FittingAnswer | { readonly fits: false; readonly faults: readonly AnswerFault[] };

const NO_JSON: AnswerFault = { inAnswer: "the answer is not valid JSON", inSchema: "it is not valid JSON" };
const TOO_DEEP: AnswerFault = { inAnswer: "the answer is nested too deeply", inSchema: "it is nested too deeply" };
const AMBIGUOUS: AnswerFault = {
  inAnswer: "the answer holds more than one JSON value that would do",
  inSchema: "it holds more than one JSON value that would do",
};

export function readAnswer(answer: string, compiled: CompiledForm): ReadAnswer {
  return compiled.form.format === "json" ? readJson(answer, compiled) : readText(answer, compiled);
}

function readText(answer: string, compiled: CompiledForm): ReadAnswer {
  const faults = compiled.faultsOf(answer);
  if (faults.length === 0) return { fits: true, text: answer, value: answer, isRepaired: false };
  const trimmed = answer.trim();
  if (trimmed === answer || compiled.faultsOf(trimmed).length > 0) return { fits: false, faults };
  return { fits: true, text: trimmed, value: trimmed, isRepaired: true };
}

function readJson(answer: string, compiled: CompiledForm): ReadAnswer {
  const plain = readJsonText(answer, compiled);
  if (plain !== null) return plain;
  const reads = jsonWithin(answer).flatMap((text) => readJsonText(text, compiled) ?? []);
  const fitting = reads.filter((read) => read.fits);
  const [first] = fitting;
  if (fitting.length > 1) return { fits: false, faults: [AMBIGUOUS] };
  if (first !== undefined) return { ...first, isRepaired: true };
  return reads.find((read) => !read.fits) ?? { fits: false, faults: [NO_JSON] };
}

/** Null for a text that is no JSON. */
function readJsonText(text: string, compiled: CompiledForm): ReadAnswer | null {
  try {
    const value = parseJsonText(text);
    // Validators know no bigints. What is checked here is the same JSON as any reader's without them would be.
    const faults = compiled.faultsOf(/\d{16}/.test(text) ? JSON.parse(text) : value);
    if (faults.length > 0) return { fits: false, faults };
    return { fits: true, text: toJsonText(value), value, isRepaired: false };
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    if (error instanceof RangeError) return { fits: false, faults: [TOO_DEEP] };
    throw error;
  }
}
