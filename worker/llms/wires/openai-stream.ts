/** What streams of OpenAI's two routes have in common: choices in chunks, and the usage, the model and the end beside them. */
import type { Generation } from "../../../shared/task/task.ts";
import { invalidAnswer } from "./answer-parts.ts";
import { generationOf } from "./chat-answer.ts";
import type { ChatMessageFields } from "./chat-answer.ts";
import { EventStream } from "./event-stream.ts";

interface StreamChoice {
  readonly finish_reason?: unknown;
}

interface Chunk<Choice> {
  readonly choices?: readonly Choice[];
  readonly usage?: unknown;
  readonly model?: unknown;
}

export abstract class OpenAIStream<Choice extends StreamChoice> extends EventStream<Chunk<Choice>> {
  #finish: unknown = null;
  #usage: unknown = null;
  #model: unknown = null;
  #hasChoice = false;

  /** Takes what a chunk adds to the answer. */
  protected abstract takeChoice(choice: Choice): void;
  /** The sum of what was taken. */
  protected abstract message(): ChatMessageFields;

  protected override get isComplete(): boolean {
    return this.#finish !== null;
  }

  protected override generation(): Generation {
    if (!this.#hasChoice) throw invalidAnswer("a stream without choices", "", { context: this.context });
    const parts = { finish: this.#finish, usage: this.#usage, model: this.#model, raw: this.text };
    return generationOf({ message: this.message(), ...parts }, this.context);
  }

  protected override take(chunk: Chunk<Choice>): void {
    if (chunk.usage !== undefined && chunk.usage !== null) this.#usage = chunk.usage;
    this.#model ??= chunk.model ?? null;
    const choice = chunk.choices?.[0];
    if (choice === undefined) return;
    this.#hasChoice = true;
    this.takeChoice(choice);
    if (typeof choice.finish_reason === "string" && choice.finish_reason !== "") this.#finish = choice.finish_reason;
  }
}
