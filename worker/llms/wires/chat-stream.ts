/** Reads a streamed chat answer. */
import type { Generation } from "../../../shared/task/task.ts";
import { invalidAnswer } from "./answer-parts.ts";
import { generationOf } from "./chat-answer.ts";
import { EventStream } from "./event-stream.ts";

interface ToolCall {
  id?: string;
  type: "function";
  function: { name: string; arguments: string };
}

interface ToolCallDelta {
  readonly index?: number;
  readonly id?: string;
  readonly function?: { readonly name?: string; readonly arguments?: string } | null;
}

interface Chunk {
  readonly choices?: readonly {
    readonly index?: number;
    readonly delta?: {
      readonly content?: unknown;
      readonly reasoning?: unknown;
      readonly reasoning_content?: unknown;
      readonly refusal?: unknown;
      readonly tool_calls?: unknown;
    } | null;
    readonly finish_reason?: unknown;
  }[];
  readonly usage?: unknown;
  readonly model?: unknown;
}

export class ChatStream extends EventStream<Chunk> {
  #reasoning = "";
  #refusal: string | null = null;
  readonly #toolCalls: ToolCall[] = [];
  #finish: unknown = null;
  #usage: unknown = null;
  #model: unknown = null;
  #hasChoice = false;

  protected override get isComplete(): boolean {
    return this.#finish !== null;
  }

  protected override generation(): Generation {
    if (!this.#hasChoice) throw invalidAnswer("a stream without choices", "", { context: this.context });
    const message = {
      content: this.text,
      reasoning: this.#reasoning,
      refusal: this.#refusal,
      tool_calls: this.#toolCalls,
    };
    const parts = { message, finish: this.#finish, usage: this.#usage, model: this.#model, raw: this.text };
    return generationOf(parts, this.context);
  }

  protected override take(chunk: Chunk): void {
    if (chunk.usage !== undefined && chunk.usage !== null) this.#usage = chunk.usage;
    this.#model ??= chunk.model ?? null;
    const choice = chunk.choices?.[0];
    if (choice === undefined) return;
    this.#hasChoice = true;
    const { delta } = choice;
    if (typeof delta?.content === "string") this.add(delta.content);
    const reasoning = delta?.reasoning ?? delta?.reasoning_content;
    if (typeof reasoning === "string") this.#reasoning += reasoning;
    if (typeof delta?.refusal === "string") this.#refusal = (this.#refusal ?? "") + delta.refusal;
    if (Array.isArray(delta?.tool_calls)) this.#addToolCalls(delta.tool_calls as readonly ToolCallDelta[]);
    if (typeof choice.finish_reason === "string" && choice.finish_reason !== "") this.#finish = choice.finish_reason;
  }

  #addToolCalls(deltas: readonly ToolCallDelta[]): void {
    for (const { index = 0, id, function: part } of deltas) {
      const call = (this.#toolCalls[index] ??= { type: "function", function: { name: "", arguments: "" } });
      if (id !== undefined && id !== "") call.id = id;
      call.function.name += part?.name ?? "";
      call.function.arguments += part?.arguments ?? "";
    }
  }
}
