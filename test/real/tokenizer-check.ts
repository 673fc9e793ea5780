/** Whether the tokenizer that was made of the model's file is the server's own: the same token ids, the same prompts. */
import { isDeepStrictEqual } from "node:util";
import { Tokenizer } from "@huggingface/tokenizers";
import type { ChatMessage } from "../../shared/task/task.ts";
import { openPromptRenderer } from "../../worker/llms/prompts/open-prompt-renderer.ts";
import { openTokenizerSource } from "../../worker/llms/prompts/open-tokenizer-source.ts";
import { openTokenCounter } from "../../worker/llms/prompts/token-counter.ts";
import { readTokenizerFiles } from "../../worker/llms/prompts/tokenizer-files.ts";
import type { Findings } from "./findings.ts";

/** Digits in rows, blanks in rows, contractions, accents, other scripts, emoji, code, special tokens. */
const TEXTS = [
  "What does an otter eat?",
  "In 2024 it was 3.14159 % of 1,234,567.",
  "  Two blanks  before,\n\n\tand lines\n  and\u00A0an unbreakable one.",
  "They'll say it isn't Zoë's naïve café, they've said I'd…",
  "Привет, 世界! मनुष्य ٣٤٥ 한국어",
  "🦦👩‍👩‍👧 ½ ² ﬁ e\u0301",
  "for (let i = 0; i < 10; i += 1) { a[i] ||= `x${i}`; } // __init__",
  "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",
  "a <file_sep>b<|endoftext|>",
];

const CONVERSATIONS: readonly (readonly ChatMessage[])[] = [
  [{ role: "user", content: "What does an otter eat?" }],
  [
    { role: "system", content: "You are brief." },
    { role: "user", content: "Hello\n" },
    { role: "assistant", content: " Hello. " },
    { role: "user", content: "Who's there?" },
  ],
];

export async function checkTokenizer(
  url: string,
  folder: string,
  findings: Findings,
): Promise<Readonly<Record<string, unknown>>> {
  const options = { folder, environment: {} };
  const files = await readTokenizerFiles(await openTokenizerSource(folder, options));
  const tokenizer = new Tokenizer(files.tokenizer, files.config);
  const counter = openTokenCounter(files);
  const renderer = await openPromptRenderer({ ...options, tokenizerId: folder, preQueryTemplate: null });
  const prompts: string[] = [];
  for (const messages of CONVERSATIONS) {
    const { prompt } = (await ask(`${url}/apply-template`, { messages })) as { readonly prompt: string };
    const rendered = renderer.render(messages, { preQuery: false });
    findings.expect(
      rendered === prompt,
      `Rendered here: ${JSON.stringify(rendered)}, there: ${JSON.stringify(prompt)}`,
    );
    prompts.push(prompt);
  }
  let tokens = 0;
  for (const content of [...TEXTS, ...prompts]) {
    const asked = { content, add_special: false, parse_special: true };
    const { tokens: theirs } = (await ask(`${url}/tokenize`, asked)) as { readonly tokens: readonly number[] };
    const { ids } = tokenizer.encode(content, { add_special_tokens: false });
    findings.expect(
      isDeepStrictEqual(ids, theirs),
      `${JSON.stringify(content)} is ${ids.join(" ")} here, and ${theirs.join(" ")} there.`,
    );
    const counted = counter.countTokens(content);
    findings.expect(counted === theirs.length, `${JSON.stringify(content)} is counted as ${counted} tokens.`);
    tokens += theirs.length;
  }
  return { texts: TEXTS.length, prompts: prompts.length, tokens };
}

async function ask(url: string, body: object): Promise<unknown> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}
