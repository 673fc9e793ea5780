/** Texts of one length for a run of a tool, like those of no other run: llama.cpp keeps the prompts that it has seen. */
import { openPrompts } from "../../../bench/prompts/prompt-source.ts";

export interface PromptTask {
  /** Names the run: another name gives texts with other beginnings. */
  readonly run: string;
  readonly count: number;
  /** Of each, exactly, without what the chat template adds. */
  readonly tokens: number;
  /** Folder of the model's tokenizer. */
  readonly tokenizer: string;
}

export async function freshPrompts({ run, count, tokens, tokenizer }: PromptTask): Promise<readonly string[]> {
  const source = { kind: "synthetic", tokens: { mean: tokens }, count } as const;
  const set = await openPrompts({ source, run, maxTokens: 1, tokenizerId: tokenizer, folder: "." });
  return Array.from({ length: count }, (_, index) => set.prompt(index).text);
}
