/** Prompts that are rows of a dataset. */
import { openPromptRenderer } from "../../worker/llms/prompts/open-prompt-renderer.ts";
import type { PromptRenderer } from "../../worker/llms/prompts/prompt-renderer.ts";
import { sampleDataset } from "./dataset-sample.ts";
import type { DatasetSample } from "./dataset-sample.ts";
import type { Openings } from "./openings.ts";
import type { DatasetSource } from "./prompt-options.ts";
import type { PromptBodies } from "./prompt-source.ts";
import type { BenchMessage } from "./read-conversation.ts";
import type { TokenMeasure } from "./token-measure.ts";

/** Rows whose tokens are counted for the mean. */
const COUNTED_ROWS = 200;

export interface DatasetMeans {
  readonly seed: number;
  readonly folder: string;
  readonly tokenizerId: string | null;
  readonly measure: TokenMeasure;
  readonly openings: Openings;
}

/** Throws what `sampleDataset` and the tokenizer's reader throw. */
export async function datasetBodies(source: DatasetSource, means: DatasetMeans): Promise<PromptBodies> {
  const { seed, folder, tokenizerId, measure, openings } = means;
  const sample = await sampleDataset(source, { folder, seed });
  const isRendered = tokenizerId !== null && sample.areConversations;
  const renderer = isRendered
    ? await openPromptRenderer({ tokenizerId, preQueryTemplate: null, folder, environment: process.env })
    : null;
  const { conversations } = sample;
  return {
    count: conversations.length,
    described: sample.described,
    meanTokens: meanTokens(sample, measure) + openings.mostTokens,
    messages(index) {
      const [first, ...rest] = conversations[index % conversations.length]!;
      const { role, content } = first!;
      return [{ role, content: openings.text(index) + content }, ...rest];
    },
    render: (messages) => (renderer === null ? asText(messages) : rendered(renderer, messages)),
  };
}

function meanTokens({ conversations }: DatasetSample, measure: TokenMeasure): number {
  const counted = conversations.slice(0, COUNTED_ROWS);
  const all = counted.map((messages) => messages.reduce((sum, { content }) => sum + measure.countTokens(content), 0));
  return all.reduce((sum, tokens) => sum + tokens, 0) / counted.length;
}

/** The token that begins a text is the server's to put there, once. */
function rendered(renderer: PromptRenderer, messages: readonly BenchMessage[]): string {
  const text = renderer.render(messages, { preQuery: false });
  const { bosToken } = renderer;
  return bosToken !== null && text.startsWith(bosToken) ? text.slice(bosToken.length) : text;
}

function asText(messages: readonly BenchMessage[]): string {
  if (messages.length === 1) return messages[0]!.content;
  return messages.map(({ role, content }) => `${role}: ${content}`).join("\n\n");
}
