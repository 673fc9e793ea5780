/**
 * A wire: one HTTP dialect of generation. It says what is sent and how the answer reads, and nothing else: connections,
 * deadlines, slots and retries are the same for all of them.
 */
import type { Generation, LLMInput, StructuredOutput } from "../../../shared/task/task.ts";
import type { ResponseContext, WireService } from "../classify-response.ts";
import type { HttpAnswer, StreamReader } from "../http-client.ts";

export type BodyFields = Readonly<Record<string, unknown>>;

/** An answer that came in one piece. */
export type WholeAnswer = Omit<HttpAnswer, "isStreamed">;

/** What settles the fields that many calls have in common. */
export interface CallShape {
  readonly generationKwargs: BodyFields;
  /** Null for an answer in any form. */
  readonly structuredOutput: StructuredOutput | null;
  readonly stream: boolean;
}

export interface Wire<Input extends LLMInput> {
  /** For the message about a server that does not speak it. */
  readonly service: WireService;
  /** Where calls are posted, with the query of the base URL. */
  path(stream: boolean): string;
  /** The text that every body of this shape begins with. Throws `SPEC_INVALID` for what the server cannot do. */
  head(shape: CallShape): string;
  /** The whole body. */
  body(head: string, input: Input, seed: number): string;
  /** Reads an answer with status 200. Throws `RESPONSE_INVALID`, or what an error inside it stands for. */
  read(answer: WholeAnswer, context: ResponseContext, shape: CallShape): Generation;
  openStream(context: ResponseContext, onText?: (text: string) => void): AnswerStream;
}

/** A wire for prompts that are rendered before they are sent. */
export interface PromptWire extends Wire<string> {
  /** The server puts the tokenizer's BOS before the prompt whatever the request says: one in the prompt would be the second. */
  readonly addsSpecialTokens: boolean;
  /** Most stop sequences of a request. */
  readonly maxStopSequences: number;
  /** What the user should know of these parameters before the job starts, as sentences. */
  advice(generationKwargs: BodyFields): readonly string[];
}

/** Reads one streamed answer: bytes in, texts out as they come, and the whole at the end. */
export interface AnswerStream extends StreamReader {
  /** Call once when the stream ended or `push` returned true. Throws `STREAM_TRUNCATED`, or what the server reported. */
  end(): Generation;
}

/** The beginning of every object with these fields; serialised once, for it would cost a third of each body's time. */
export function bodyHead(fields: BodyFields): string {
  const text = JSON.stringify(fields).slice(0, -1);
  return text === "{" ? text : `${text},`;
}
