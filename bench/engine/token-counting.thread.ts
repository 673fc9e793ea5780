/** The other side of token-counting.ts: a thread with a vocabulary of its own. */
import { workerData } from "node:worker_threads";
import { openTokenCounter } from "../../worker/llms/prompts/token-counter.ts";
import type { TokenizerFiles } from "../../worker/llms/prompts/tokenizer-files.ts";

const counter = openTokenCounter(workerData as TokenizerFiles);

export default function count(text: string): number {
  return counter.countTokens(text);
}
