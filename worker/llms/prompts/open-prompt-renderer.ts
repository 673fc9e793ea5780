/** Prompts that are rendered here, and not by the server: by the chat template that comes with a model's tokenizer. */
import { createHash } from "node:crypto";
import { TidingError } from "../../../shared/errors.ts";
import type { ChatMessage } from "../../../shared/task/task.ts";
import { ChatTemplate } from "./chat-template.ts";
import { LengthCheck } from "./length-check.ts";
import { openTokenizerSource } from "./open-tokenizer-source.ts";
import type { TokenizerSourceOptions } from "./open-tokenizer-source.ts";
import { learnTurns, preQueryFor, renderToUserTurn } from "./pre-query-templates.ts";
import type { TurnTexts } from "./pre-query-templates.ts";
import type { PromptRenderer, Room } from "./prompt-renderer.ts";
import { addedTokens, namedTokens, prependedToken } from "./special-tokens.ts";
import { stopSequences } from "./stop-sequences.ts";
import { readTokenizerFiles } from "./tokenizer-files.ts";
import type { TokenizerFiles } from "./tokenizer-files.ts";

/** Raise it when the same files come to give another text. */
const RENDERING_VERSION = 1;

export interface PromptRendererOptions extends TokenizerSourceOptions {
  /** A folder, a tokenizer.json, or a Hub id, `org/name` or `org/name@revision`. */
  readonly tokenizerId: string;
  /** An alias, or the user's header itself; null to take it from the chat template. */
  readonly preQueryTemplate: string | null;
}

/**
 * Reads a tokenizer's files for what renders its prompts; the vocabulary itself is built when a prompt must be counted.
 * Throws `TOKENIZER_UNUSABLE`, `SPEC_INVALID` for a pre-query template that is a mistyped alias, or the signal's reason.
 */
export async function openPromptRenderer(options: PromptRendererOptions): Promise<PromptRenderer> {
  const preQuery = preQueryFor(options.preQueryTemplate);
  const source = await openTokenizerSource(options.tokenizerId, options);
  const files = await readTokenizerFiles(source);
  const length = new LengthCheck(source, files.tokenizer);
  const advice = source.advice?.() ?? [];
  return new ChatRenderer(files, { preQuery, length, advice });
}

interface ChatRendererOptions {
  readonly preQuery: string | null;
  readonly length: LengthCheck;
  readonly advice: readonly string[];
}

class ChatRenderer implements PromptRenderer {
  readonly bosToken: string | null;
  readonly revision: string;
  readonly stopSequences: readonly string[];
  readonly advice: readonly string[];
  readonly #template: ChatTemplate;
  readonly #turns: TurnTexts;
  /** Null where the chat template decides alone. */
  readonly #preQuery: string | null;
  readonly #length: LengthCheck;

  constructor(files: TokenizerFiles, { preQuery, length, advice }: ChatRendererOptions) {
    const tokens = namedTokens(files.config, files.specialTokensMap);
    const beginToken = tokens["bos_token"] ?? null;
    this.#template = new ChatTemplate(files.chatTemplate, tokens);
    this.#turns = learnTurns(this.#template, beginToken);
    this.#preQuery = preQuery;
    this.#length = length;
    this.advice = advice;
    this.bosToken = prependedToken(files.tokenizer);
    this.stopSequences = stopSequences(this.#turns, {
      eosToken: tokens["eos_token"] ?? null,
      addedTokens: addedTokens(files.tokenizer),
    });
    const { bosToken, stopSequences: stops } = this;
    const deciding = [RENDERING_VERSION, files.chatTemplate, Object.entries(tokens), bosToken, stops, preQuery];
    this.revision = createHash("sha256").update(JSON.stringify(deciding)).digest("hex");
  }

  render(messages: readonly ChatMessage[], { preQuery }: { readonly preQuery: boolean }): string {
    if (preQuery) return this.#renderPreQuery(messages);
    if (messages.length === 0) throw new TidingError("ROW_INVALID", "The conversation has no messages.");
    return this.#template.render(messages, true);
  }

  checkRoom(prompt: string, room: Room): Promise<void> | null {
    return this.#length.check(prompt, room);
  }

  #renderPreQuery(messages: readonly ChatMessage[]): string {
    if (messages.at(-1)?.role === "user") {
      throw new TidingError("ROW_INVALID", "The conversation ends with a user's message already.", {
        mend: "End it with a system prompt or an answer, for the model to write the user's next message.",
      });
    }
    const { opening, userHeader } = this.#turns;
    // An alias begins a conversation bare, as in distilabel; the template might add a system prompt of its own.
    const header = this.#preQuery === null ? null : withoutOpening(this.#preQuery, opening);
    if (header !== null && messages.length === 0) return opening + header;

    const rendered = renderToUserTurn(this.#template, messages);
    if (header === null || header === userHeader || rendered.endsWith(header)) return rendered;
    if (userHeader !== null && rendered.endsWith(userHeader)) return rendered.slice(0, -userHeader.length) + header;
    throw new TidingError(
      "ROW_INVALID",
      "The pre-query template has no place in how the model's template writes this conversation.",
      {
        mend: "Leave magpie_pre_query_template out, so that it is taken from the model's chat template.",
      },
    );
  }
}

/** A begin token stands once, where the template writes it. */
function withoutOpening(text: string, opening: string): string {
  return opening !== "" && text.startsWith(opening) ? text.slice(opening.length) : text;
}
