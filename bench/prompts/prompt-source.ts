/**
 * The prompts of a benchmark: rows of a dataset or words of a known length, each found by its position in the run. The same
 * options give the same prompts in every thread and on every machine.
 */
import type { BenchReport } from "../report/bench-report.ts";
import { hashText } from "../simulator/hash.ts";
import { datasetBodies } from "./dataset-bodies.ts";
import { drawLength, lengthInWords } from "./draw-length.ts";
import { Openings } from "./openings.ts";
import { settlePrompts } from "./prompt-options.ts";
import type { PromptOptions, SettledPrompts } from "./prompt-options.ts";
import type { BenchMessage } from "./read-conversation.ts";
import { SyntheticBodies } from "./synthetic-bodies.ts";
import { openTokenMeasure } from "./token-measure.ts";
import { WordCorpus } from "./word-corpus.ts";
import { measureWords } from "./word-tokens.ts";

export interface BenchPrompt {
  readonly messages: readonly BenchMessage[];
  /**
   * For routes that take a prompt as it stands. A conversation is rendered with the tokenizer's chat template; without a
   * tokenizer its messages stand one below the other, each behind its role. Made when it is asked for.
   */
  readonly text: string;
  readonly maxTokens: number;
}

/** What the report says of the prompts, but for what requests say beside them. */
export type DescribedPrompts = Omit<BenchReport["prompts"], "ignore_eos" | "generation">;

export interface PromptSet {
  /** Different prompts; position `count` has the first one again, with a nonce of its own. */
  readonly count: number;
  /**
   * The prompt for a position of the run, from 0 to 2³² − 1. Stages of one run have positions of their own: the same position
   * is the same prompt with the same nonce, which the server has in its cache by then.
   */
  prompt(index: number): BenchPrompt;
  readonly described: DescribedPrompts;
  /** What a reader of the report must know of a run that sent so many requests, as sentences. */
  notes(requests: number): readonly string[];
}

/** Where prompts come from, before anything is put in front of them. */
export interface PromptBodies {
  readonly count: number;
  readonly described: string;
  /** Of a prompt with its opening, on average, estimated where need be. */
  readonly meanTokens: number;
  /** The messages of prompt `index`, which begin with the opening. */
  messages(index: number): readonly BenchMessage[];
  /** For routes that take a prompt as it stands. */
  render(messages: readonly BenchMessage[]): string;
}

const PURPOSE_MAX_TOKENS = 0;

/**
 * Opens the prompts: reads a dataset's sample or makes the words, and the tokenizer where one is named. Throws `USAGE` for
 * options that contradict each other, `TOKENIZER_UNUSABLE`, and what the dataset's reader throws.
 */
export async function openPrompts(options: PromptOptions): Promise<PromptSet> {
  const settled = settlePrompts(options);
  const { source, seed, maxTokens, folder, tokenizerId } = settled;
  const measure = await openTokenMeasure(tokenizerId, { folder });
  const words = measureWords(measure);
  let made: WordCorpus | null = null;
  const corpus = (): WordCorpus => (made ??= new WordCorpus(seed, words));
  const openings = new Openings(settled, { corpus, measure, words });
  const bodies =
    source.kind === "synthetic"
      ? new SyntheticBodies(source, { seed, corpus: corpus(), measure, openings })
      : await datasetBodies(source, { seed, folder, tokenizerId, measure, openings });
  const key = hashText(`prompts ${seed}`);
  return {
    count: bodies.count,
    prompt(index) {
      const answerTokens = drawLength(maxTokens, key, { purpose: PURPOSE_MAX_TOKENS, index });
      return new LazyPrompt(bodies, bodies.messages(index), answerTokens);
    },
    described: describe(settled, bodies),
    notes: (requests) => notesOn(requests, { settled, count: bodies.count }),
  };
}

class LazyPrompt implements BenchPrompt {
  readonly messages: readonly BenchMessage[];
  readonly maxTokens: number;
  readonly #bodies: PromptBodies;
  #text: string | null = null;

  constructor(bodies: PromptBodies, messages: readonly BenchMessage[], maxTokens: number) {
    this.#bodies = bodies;
    this.messages = messages;
    this.maxTokens = maxTokens;
  }

  get text(): string {
    return (this.#text ??= this.#bodies.render(this.messages));
  }
}

function describe(
  { seed, nonce, sharedPrefix, maxTokens }: SettledPrompts,
  { count, described, meanTokens }: PromptBodies,
): DescribedPrompts {
  const parts = [described];
  if (sharedPrefix !== null) {
    const { groups, tokens, share } = sharedPrefix;
    parts.push(`a share of ${share} begins with one of ${groups} texts of ${tokens} tokens`);
  }
  if (maxTokens.std > 0) parts.push(`max_tokens ${lengthInWords(maxTokens)}`);
  return {
    source: parts.join("; "),
    seed,
    count,
    nonce: nonce && sharedPrefix === null,
    shared_prefix: sharedPrefix === null ? 0 : Math.min(1, (sharedPrefix.share * sharedPrefix.tokens) / meanTokens),
    max_tokens: Math.round(maxTokens.mean),
  };
}

function notesOn(
  requests: number,
  { settled: { nonce, sharedPrefix }, count }: { readonly settled: SettledPrompts; readonly count: number },
): string[] {
  const notes: string[] = [];
  if (requests > count) {
    const times = Math.ceil(requests / count);
    const cached = nonce
      ? "each time with a nonce of its own"
      : "word for word, so that a prefix cache holds what came before";
    notes.push(`${requests} requests took ${count} prompts in turn: a prompt came up to ${times} times, ${cached}.`);
  }
  if (sharedPrefix !== null) {
    notes.push(`Prompts begin alike by intention, so a prefix cache helps: see the server's hit rate.`);
  } else if (!nonce) {
    notes.push("The prompts have no nonce: what another run sent may be in the server's prefix cache.");
  }
  return notes;
}
