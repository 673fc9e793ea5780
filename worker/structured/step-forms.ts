/** The forms that a step's answers must have: its own, and those that rows and tasks bring. */
import { TidingError } from "../../shared/errors.ts";
import { compileForm, type CompiledForm } from "../../shared/structured/compile-form.ts";
import type { StructuredOutput } from "../../shared/task/task.ts";

/** Forms of rows that are kept compiled. */
const KEPT = 256;

export class StepForms {
  /** How often an answer that does not fit is asked for again. */
  readonly retries: number;
  /** Of the step itself; null where its answers are free. */
  readonly own: StructuredOutput | null;
  readonly #byObject = new WeakMap<StructuredOutput, CompiledForm>();
  /** The least recently used first. */
  readonly #byText = new Map<string, CompiledForm>();

  constructor(own: StructuredOutput | null, retries: number) {
    this.own = own;
    this.retries = retries;
  }

  /** The compiled form, whose `form` is one and the same object for all that read alike. Throws `ROW_INVALID`. */
  compiled(form: StructuredOutput): CompiledForm {
    const known = this.#byObject.get(form);
    if (known !== undefined) return known;
    const compiled = this.#compiledByText(form);
    this.#byObject.set(form, compiled);
    return compiled;
  }

  #compiledByText(form: StructuredOutput): CompiledForm {
    const text = JSON.stringify(form);
    const compiled = this.#byText.get(text) ?? compileOrThrow(form);
    this.#byText.delete(text);
    this.#byText.set(text, compiled);
    const [oldest] = this.#byText.keys();
    if (this.#byText.size > KEPT && oldest !== undefined) this.#byText.delete(oldest);
    return compiled;
  }
}

function compileOrThrow(form: StructuredOutput): CompiledForm {
  const compiled = compileForm(form);
  if ("faultsOf" in compiled) return compiled;
  const key = ["structured_output", ...compiled.path].join(".");
  throw new TidingError("ROW_INVALID", `\`${key}\` ${compiled.what}`, { mend: compiled.mend });
}
