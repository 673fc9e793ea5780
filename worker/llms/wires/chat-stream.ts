/** Reads a streamed chat answer. */
import type { ChatMessageFields } from "./chat-answer.ts";
import { OpenAIStream } from "./openai-stream.ts";

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

interface ChatChoice {
  /** A message's fields, piece by piece. */
  readonly delta?: ChatMessageFields | null;
  readonly finish_reason?: unknown;
}

export class ChatStream extends OpenAIStream<ChatChoice> {
  #reasoning = "";
  #refusal: string | null = null;
  readonly #toolCalls: ToolCall[] = [];

  protected override message(): ChatMessageFields {
    return { content: this.text, reasoning: this.#reasoning, refusal: this.#refusal, tool_calls: this.#toolCalls };
  }

  protected override takeChoice({ delta }: ChatChoice): void {
    if (typeof delta?.content === "string") this.add(delta.content);
    const reasoning = delta?.reasoning ?? delta?.reasoning_content;
    if (typeof reasoning === "string") this.#reasoning += reasoning;
    if (typeof delta?.refusal === "string") this.#refusal = (this.#refusal ?? "") + delta.refusal;
    if (Array.isArray(delta?.tool_calls)) this.#addToolCalls(delta.tool_calls as readonly ToolCallDelta[]);
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
