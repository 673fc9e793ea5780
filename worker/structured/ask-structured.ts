/**
 * Asks until the answer fits its form.
 *
 *   ask ──► fits, perhaps once repaired ──► done
 *    ▲  └─► cut by the token limit ──► ANSWER_CUT: asked again it would be cut again
 *    └───── does not fit: with what is wrong, up to a limit; then ANSWER_MISFIT
 *
 * Each asking is a call of its own, paid for and recorded. A slot is held for none but its request.
 */
import { isTidingError, TidingError } from "../../shared/errors.ts";
import type { AnswerFault, CompiledForm } from "../../shared/structured/compile-form.ts";
import type { ChatMessage, LLMInput } from "../../shared/task/task.ts";
import type { GatewayAnswer } from "../endpoints/gateway-call.ts";
import { rawResponse } from "../llms/server-text.ts";
import { readAnswer } from "./read-answer.ts";

export interface Asking {
  /** 0 for the first time. */
  readonly asking: number;
  readonly isRepaired: boolean;
}

export interface AskStructuredOptions {
  readonly compiled: CompiledForm;
  /** How often to ask again. */
  readonly retries: number;
  /** One call; every one of them must get a seed of its own. */
  readonly ask: (input: LLMInput) => Promise<GatewayAnswer>;
  /** Told of every answer, with what became of it. */
  readonly record: (answer: GatewayAnswer, asking: Asking) => void;
}

export interface StructuredAnswer extends GatewayAnswer {
  readonly value: unknown;
}

/** A schema that is longer is not repeated to the model. */
const SHOWN_SCHEMA = 8_000;

/** Resolves with an answer that fits. Throws `ANSWER_CUT`, `ANSWER_MISFIT`, and whatever a call rejects with. */
export async function askStructured(input: LLMInput, options: AskStructuredOptions): Promise<StructuredAnswer> {
  const { compiled, retries, ask, record } = options;
  let next = input;
  for (let asking = 0; ; asking++) {
    const answer = await askOnce(next, input, ask);
    const read = readAnswer(answer.text, compiled);
    record(answer, { asking, isRepaired: read.fits && read.isRepaired });
    if (read.fits) return { ...answer, text: read.text, value: read.value };
    if (answer.finishReason === "length") throw cutAnswer(answer);
    if (asking >= retries) throw misfit(answer, read.faults, retries);
    next = withFaults(input, { answer: answer.text, faults: read.faults, compiled });
  }
}

/** The longer conversation may be too long for the model where the plain one was not. */
async function askOnce(next: LLMInput, plain: LLMInput, ask: AskStructuredOptions["ask"]): Promise<GatewayAnswer> {
  try {
    return await ask(next);
  } catch (error) {
    if (next === plain || !isTidingError(error) || error.code !== "CONTEXT_TOO_LONG") throw error;
    return ask(plain);
  }
}

/**
 * The conversation with the answer and what is wrong with it. A rendered prompt, and a conversation that the model was
 * to continue in its own words, stay as they are: a new seed is all that changes.
 */
function withFaults(
  input: LLMInput,
  wrong: {
    readonly answer: string;
    readonly faults: readonly AnswerFault[];
    readonly compiled: CompiledForm;
  },
): LLMInput {
  const { answer, faults, compiled } = wrong;
  if (typeof input === "string" || answer.trim() === "" || input.at(-1)?.role === "assistant") return input;
  const messages: ChatMessage[] = [
    { role: "assistant", content: answer },
    { role: "user", content: correction(faults, compiled) },
  ];
  return [...input, ...messages];
}

function correction(faults: readonly AnswerFault[], { form }: CompiledForm): string {
  const schema = form.format === "json" ? JSON.stringify(form.schema) : form.schema;
  const wanted =
    form.format === "json" ? "JSON that fits this JSON Schema" : "a text that matches this regular expression";
  const shown = schema.length > SHOWN_SCHEMA ? "." : `, ${wanted}:\n${schema}`;
  const listed = faults.map(({ inAnswer }) => `- ${inAnswer}`).join("\n");
  return `That answer is not valid:\n${listed}\nAnswer again with nothing but the corrected answer${shown}`;
}

function cutAnswer(answer: GatewayAnswer): TidingError {
  return new TidingError("ANSWER_CUT", "The answer was cut by the token limit before it was complete.", {
    mend: "Raise max_new_tokens.",
    rawResponse: rawResponse(answer.text, []),
    details: { seed: answer.seed, endpoint: answer.endpoint },
  });
}

function misfit(answer: GatewayAnswer, faults: readonly AnswerFault[], retries: number): TidingError {
  const times = retries === 0 ? "asked once" : `asked ${retries + 1} times`;
  const what = faults[0]?.inSchema ?? "it does not fit";
  return new TidingError(
    "ANSWER_MISFIT",
    `The answer does not have the form of structured_output (${times}): ${what}.`,
    {
      mend: "Make the schema simpler, describe it in the prompt, or raise structured_retries.",
      rawResponse: rawResponse(answer.text, []),
      details: { seed: answer.seed, endpoint: answer.endpoint },
    },
  );
}
