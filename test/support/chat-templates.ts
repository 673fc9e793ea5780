/** Real chat templates, from a package that ships them, and tokenizer folders made of them and the fixtures. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createJiti } from "jiti";
import type { ChatMessage } from "../../shared/task/task.ts";

/** What Python makes of a conversation: its text, the text's hash, or a refusal. */
export interface PythonRendering {
  readonly text?: string;
  readonly sha256?: string;
  readonly refused?: string;
}

export interface Family {
  readonly model: string;
  readonly templateSha256: string;
  readonly tokens: Readonly<Record<string, string>>;
  readonly cases: Readonly<
    Record<string, { readonly withGenerationPrompt: PythonRendering; readonly without: PythonRendering }>
  >;
}

/** `dist/test/support` and `test/support` alike lie beside what the build leaves where it is. */
const here = path.dirname(fileURLToPath(import.meta.url)).replace(`${path.sep}dist${path.sep}`, path.sep);
export const PROMPT_FIXTURES = path.join(here, "..", "fixtures", "prompts");

export async function fixture<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(path.join(PROMPT_FIXTURES, name), "utf8")) as T;
}

export const { conversations, families } = await fixture<{
  readonly conversations: Readonly<Record<string, readonly ChatMessage[]>>;
  readonly families: Readonly<Record<string, Family>>;
}>("rendered.json");

const packageRoot = path.dirname(createRequire(import.meta.url).resolve("@huggingface/ollama-utils"));
const { OLLAMA_CHAT_TEMPLATE_MAPPING: shipped } = await createJiti(import.meta.url).import<{
  readonly OLLAMA_CHAT_TEMPLATE_MAPPING: readonly { readonly model: string; readonly gguf: string }[];
}>(path.join(packageRoot, "..", "src", "chat-template-automap.ts"));

/** The chat template of a family: the very one that the fixtures were made with. */
export function templateOf(family: string): string {
  const { model, templateSha256 } = known(family);
  const template = shipped.findLast((entry) => entry.model === `library/${model}`)?.gguf ?? "";
  assert.equal(createHash("sha256").update(template).digest("hex"), templateSha256, `the template of ${family}`);
  return template;
}

export function known(family: string): Family {
  const found = families[family];
  assert.ok(found, `no fixture of ${family}`);
  return found;
}

export interface TokenizerFolder extends AsyncDisposable {
  readonly folder: string;
}

/** A folder with a cut vocabulary of the fixtures and a family's template and tokens, as a repository would have it. */
export async function tokenizerFolder(
  vocabulary: string,
  family: string,
  { inConfig = true }: { readonly inConfig?: boolean } = {},
): Promise<TokenizerFolder> {
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-tokenizer-"));
  await cp(path.join(PROMPT_FIXTURES, vocabulary), folder, { recursive: true });
  const config = await fixture<Record<string, unknown>>(`${vocabulary}/tokenizer_config.json`);
  const template = templateOf(family);
  const merged = {
    ...config,
    bos_token: null,
    ...known(family).tokens,
    ...(inConfig ? { chat_template: template } : {}),
  };
  await writeFile(path.join(folder, "tokenizer_config.json"), JSON.stringify(merged));
  if (!inConfig) await writeFile(path.join(folder, "chat_template.jinja"), template);
  return {
    folder,
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true });
    },
  };
}
