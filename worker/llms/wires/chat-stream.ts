/** Reads a streamed chat answer: server-sent events in, one `Generation` out. */
import { createParser } from "eventsource-parser";
import { TidingError } from "../../../shared/errors.ts";
import type { Generation } from "../../../shared/task/task.ts";
import { classifyInside200 } from "../classify-response.ts";
import type { ResponseContext } from "../classify-response.ts";
import { rawResponse } from "../server-text.ts";
import { invalidAnswer } from "./answer-parts.ts";
import { generationOf } from "./chat-answer.ts";
import type { AnswerStream } from "./wire.ts";

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

export class ChatStream implements AnswerStream {
  readonly #context: ResponseContext;
  readonly #onText: ((text: string) => void) | undefined;
  readonly #decoder = new TextDecoder();
  readonly #parser = createParser({ onEvent: ({ data }) => this.#take(data) });
  #content = "";
  #reasoning = "";
  #refusal: string | null = null;
  readonly #toolCalls: ToolCall[] = [];
  #finish: unknown = null;
  #usage: unknown = null;
  #model: unknown = null;
  #hasChoice = false;
  #isDone = false;
  #error: TidingError | null = null;

  constructor(context: ResponseContext, onText?: (text: string) => void) {
    this.#context = context;
    this.#onText = onText;
  }

  push(bytes: Uint8Array): boolean {
    this.#parser.feed(this.#decoder.decode(bytes, { stream: true }));
    return this.#isDone || this.#error !== null;
  }

  /** Call once when the stream ended or `push` returned true. Throws `STREAM_TRUNCATED`, or what the server reported. */
  end(): Generation {
    // Some servers leave out the blank line after the last event.
    if (!this.#isDone) this.#parser.feed("\n\n");
    if (this.#error !== null) throw this.#error;
    if (!this.#isDone && this.#finish === null) throw this.truncated();
    if (!this.#hasChoice) throw invalidAnswer("a stream without choices", "", { context: this.#context });
    const message = {
      content: this.#content,
      reasoning: this.#reasoning,
      refusal: this.#refusal,
      tool_calls: this.#toolCalls,
    };
    const parts = { message, finish: this.#finish, usage: this.#usage, model: this.#model, raw: this.#content };
    return generationOf(parts, this.#context);
  }

  /** The error for a stream that ended before its answer did. */
  truncated(cause?: unknown): TidingError {
    const { endpoint, secrets } = this.#context;
    return new TidingError("STREAM_TRUNCATED", `The stream from ${endpoint} ended before the answer did.`, {
      place: endpoint,
      details: { characters: this.#content.length },
      rawResponse: rawResponse(this.#content, secrets),
      cause,
    });
  }

  #take(data: string): void {
    if (this.#isDone || this.#error !== null) return;
    if (data === "[DONE]") {
      this.#isDone = true;
      return;
    }
    let chunk: Chunk | null;
    try {
      chunk = JSON.parse(data) as Chunk | null;
    } catch (error) {
      this.#error = invalidAnswer("a stream event that is not JSON", data, { context: this.#context, cause: error });
      return;
    }
    this.#error = classifyInside200(chunk, data, this.#context);
    if (chunk === null || this.#error !== null) return;
    if (chunk.usage !== undefined && chunk.usage !== null) this.#usage = chunk.usage;
    this.#model ??= chunk.model ?? null;
    const choice = chunk.choices?.[0];
    if (choice === undefined) return;
    this.#hasChoice = true;
    const { delta } = choice;
    if (typeof delta?.content === "string" && delta.content !== "") {
      this.#content += delta.content;
      this.#onText?.(delta.content);
    }
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
