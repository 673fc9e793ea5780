/**
 * Reads a stream of TGI's native routes: an event a token, whose last carries the whole text and the details. There is
 * no `[DONE]`, and errors are events within a 200 (router v3.3, `StreamResponse`).
 */
import type { Generation } from "../../../shared/task/task.ts";
import { finishReasonOf, invalidAnswer } from "./answer-parts.ts";
import { EventStream } from "./event-stream.ts";
import { wholeOrNull } from "./generate-answer.ts";
import type { GenerateDetails } from "./generate-answer.ts";

interface TokenEvent {
  readonly token?: { readonly text?: unknown; readonly special?: unknown } | null;
  readonly generated_text?: unknown;
  readonly details?: GenerateDetails | null;
}

export class GenerateStream extends EventStream<TokenEvent> {
  #whole: string | null = null;
  #details: GenerateDetails | null = null;

  protected override get isComplete(): boolean {
    return this.#whole !== null;
  }

  protected override generation(): Generation {
    if (this.#whole === null) throw invalidAnswer("a stream without its text", this.text, { context: this.context });
    return {
      text: this.#whole,
      reasoning: null,
      finishReason: finishReasonOf(this.#details?.finish_reason),
      inputTokens: wholeOrNull(this.#details?.input_length),
      outputTokens: wholeOrNull(this.#details?.generated_tokens),
      model: this.context.model ?? "unknown",
    };
  }

  protected override take({ token, generated_text, details }: TokenEvent): void {
    // The ends of turns and texts are tokens too, and no part of the answer.
    if (typeof token?.text === "string" && token.special !== true) this.add(token.text);
    if (typeof generated_text !== "string") return;
    this.#whole = generated_text;
    this.#details = details ?? null;
    this.finish();
  }
}
