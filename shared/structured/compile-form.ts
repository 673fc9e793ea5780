/** A structured output, compiled to a check: before the first row by the spec's checks, and where answers come in. */
import type { KeyPath } from "../spec/spec-problem.ts";
import type { StructuredOutput } from "../task/task.ts";
import { compileJsonForm } from "./json-form.ts";
import { wholeMatch } from "./regex-form.ts";

/** What is wrong with an answer. */
export interface AnswerFault {
  /** A clause for the model that gave the answer; may hold words of it. */
  readonly inAnswer: string;
  /** A clause for messages and logs: words of the schema alone. */
  readonly inSchema: string;
}

export interface CompiledForm {
  readonly form: StructuredOutput;
  /** Of the parsed value for json, of the text for regex; empty for what fits, and the first few otherwise. */
  faultsOf(answer: unknown): readonly AnswerFault[];
}

/** Why a form is none. */
export interface FormFault {
  /** Below the key `structured_output`. */
  readonly path: KeyPath;
  /** A clause to stand behind the key's name, with its full stop. */
  readonly what: string;
  readonly mend: string;
}

/** Compiles a form; takes milliseconds, so keep the outcome. */
export function compileForm(form: StructuredOutput): CompiledForm | FormFault {
  if (form.format === "json") return compileJsonForm(form.schema);
  const pattern = wholeMatch(form.schema);
  if ("refused" in pattern) {
    return {
      path: ["schema"],
      what: `is no regex that answers can be checked by: it ${pattern.refused}.`,
      mend: "Write it with what JavaScript and the server have in common.",
    };
  }
  const fault = "does not match the regular expression as a whole";
  return {
    form,
    faultsOf: (answer) =>
      pattern.test(String(answer)) ? [] : [{ inAnswer: `the answer ${fault}`, inSchema: `it ${fault}` }],
  };
}
