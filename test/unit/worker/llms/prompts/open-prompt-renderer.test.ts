import assert from "node:assert/strict";
import { rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { PRE_QUERY_TEMPLATES } from "../../../../../worker/llms/prompts/pre-query-templates.ts";
import { openPromptRenderer } from "../../../../../worker/llms/prompts/open-prompt-renderer.ts";
import { families, templateOf, tokenizerFolder } from "../../../../support/chat-templates.ts";

const LLAMA_HEADER = "<|start_header_id|>user<|end_header_id|>\n\n";
const SYSTEM = { role: "system", content: "Be terse." };
const TURN = [
  { role: "user", content: "Why?" },
  { role: "assistant", content: "Because." },
];

async function open(
  vocabulary: string,
  family: string,
  more: { preQueryTemplate?: string | null; inConfig?: boolean } = {},
) {
  const { preQueryTemplate = null, inConfig = true } = more;
  await using files = await tokenizerFolder(vocabulary, family, { inConfig });
  return await openPromptRenderer({
    tokenizerId: files.folder,
    folder: "/",
    preQueryTemplate,
    environment: {},
  });
}

void test("an alias begins a conversation with one begin token and the header", async () => {
  const llama = await open("llama3.1", "llama3", { preQueryTemplate: "llama3" });
  assert.equal(llama.bosToken, "<|begin_of_text|>");
  assert.equal(llama.render([], { preQuery: true }), `<|begin_of_text|>${LLAMA_HEADER}`);
  const qwen = await open("qwen3", "qwen3", { preQueryTemplate: "qwen3" });
  assert.equal(qwen.bosToken, null);
  assert.equal(qwen.render([], { preQuery: true }), "<|im_start|>user\n");
  const withBegin = await open("llama3.1", "llama3", { preQueryTemplate: `<|begin_of_text|>${LLAMA_HEADER}` });
  assert.equal(withBegin.render([], { preQuery: true }), `<|begin_of_text|>${LLAMA_HEADER}`);
});

void test("later turns and system prompts get the header alone: no assistant's header, no second begin token", async () => {
  for (const preQueryTemplate of [null, "llama3", LLAMA_HEADER, `<|begin_of_text|>${LLAMA_HEADER}`]) {
    const llama = await open("llama3.1", "llama3", { preQueryTemplate });
    const turn = llama.render([SYSTEM, ...TURN], { preQuery: true });
    assert.equal(
      turn,
      `<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe terse.<|eot_id|>${LLAMA_HEADER}Why?<|eot_id|>` +
        `<|start_header_id|>assistant<|end_header_id|>\n\nBecause.<|eot_id|>${LLAMA_HEADER}`,
    );
  }
});

void test("alias and derived header give the same prompt in every family, but for a template's own system prompt", async () => {
  const aliases = Object.keys(families).filter((family) => !["mistral-small", "mixtral"].includes(family));
  for (const family of aliases) {
    const derived = await open("qwen3", family);
    const named = await open("qwen3", family, { preQueryTemplate: family });
    assert.equal(named.render(TURN, { preQuery: true }), derived.render(TURN, { preQuery: true }), family);
    const header = PRE_QUERY_TEMPLATES[family] ?? "";
    assert.ok(named.render([], { preQuery: true }).endsWith(header), family);
    assert.ok(derived.render([], { preQuery: true }).endsWith(header), family);
  }
});

void test("a header of one's own takes the place of the template's", async () => {
  const qwen = await open("qwen3", "qwen3", { preQueryTemplate: "<|im_start|>human\n" });
  assert.ok(qwen.render([SYSTEM], { preQuery: true }).endsWith("Be terse.<|im_end|>\n<|im_start|>human\n"));
  const gemma = await open("gemma3", "gemma3", { preQueryTemplate: "<start_of_turn>human\n" });
  // Gemma's header comes before the system prompt; putting another behind it would be no prompt of Gemma's.
  assert.throws(() => gemma.render([SYSTEM], { preQuery: true }), { code: "ROW_INVALID", mend: /pre_query_template/ });
});

void test("a conversation that cannot be gone on with is refused", async () => {
  const qwen = await open("qwen3", "qwen3");
  assert.throws(() => qwen.render([], { preQuery: false }), { code: "ROW_INVALID" });
  assert.throws(() => qwen.render([{ role: "user", content: "Why?" }], { preQuery: true }), { code: "ROW_INVALID" });
});

void test("stop sequences are what ends a turn in the template, and ends of text", async () => {
  const stops = async (vocabulary: string, family: string) => (await open(vocabulary, family)).stopSequences;
  assert.deepEqual(await stops("llama3.1", "llama3.1"), ["<|eot_id|>", "<|end_of_text|>"]);
  assert.deepEqual(await stops("qwen3", "qwen3"), ["<|im_end|>", "<|endoftext|>"]);
  assert.deepEqual(await stops("gemma3", "gemma3"), ["<end_of_turn>", "<eos>"]);
  assert.deepEqual(await stops("mistral-v3", "mistral-small"), ["[/INST]", "</s>"]);
  // No token of OLMo 2 ends a user's message: the assistant's header does.
  assert.deepEqual((await stops("qwen3", "olmo2")).slice(0, 2), ["<|assistant|>", "<|endoftext|>"]);
});

void test("the revision follows what decides the text, and nothing else", async () => {
  const first = await open("qwen3", "qwen3");
  assert.equal((await open("qwen3", "qwen3", { inConfig: false })).revision, first.revision);
  // Its begin token, which is cut off a prompt or not, comes from tokenizer.json.
  assert.notEqual((await open("llama3.1", "qwen3")).revision, first.revision);
  assert.notEqual((await open("qwen3", "qwen2")).revision, first.revision);
  assert.notEqual((await open("qwen3", "qwen3", { preQueryTemplate: "qwen3" })).revision, first.revision);
});

void test("a tokenizer is a folder, its tokenizer.json, or a path relative to the spec's folder", async () => {
  await using files = await tokenizerFolder("qwen3", "qwen3", { inConfig: false });
  const { folder } = files;
  const parent = { folder: path.dirname(folder), environment: {}, preQueryTemplate: null };
  const ids = [folder, path.join(folder, "tokenizer.json"), path.basename(folder), `./${path.basename(folder)}`];
  for (const tokenizerId of ids) {
    const renderer = await openPromptRenderer({ ...parent, tokenizerId });
    const text = renderer.render([{ role: "user", content: "Hi" }], { preQuery: false });
    assert.equal(text, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    await renderer.checkRoom(text, { contextTokens: 9, answerTokens: 0 });
    const full = renderer.checkRoom(text, { contextTokens: 9, answerTokens: 1 });
    await assert.rejects(full ?? Promise.resolve(), { code: "CONTEXT_TOO_LONG", message: /has 9 tokens/ });
  }
});

void test("templates are found as a file, a text, a list of named ones, and in chat_template.json", async () => {
  await using files = await tokenizerFolder("qwen3", "qwen3", { inConfig: false });
  const { folder } = files;
  const put = (name: string, value: unknown) => writeFile(path.join(folder, name), JSON.stringify(value));
  const rendered = async (): Promise<string> => {
    const renderer = await openPromptRenderer({ tokenizerId: folder, folder, preQueryTemplate: null, environment: {} });
    return renderer.render([{ role: "user", content: "Hi" }], { preQuery: false });
  };
  const config = { bos_token: { content: "<b>", special: true, __type: "AddedToken" } };
  // The file wins over the key.
  await put("tokenizer_config.json", { ...config, chat_template: "key" });
  assert.match(await rendered(), /<\|im_start\|>user\nHi/);
  await rename(path.join(folder, "chat_template.jinja"), path.join(folder, "elsewhere"));
  assert.equal(await rendered(), "key");
  const list = [
    { name: "tool_use", template: "tools" },
    { name: "default", template: "{{ bos_token }}plain{{ eos_token }}" },
  ];
  await put("tokenizer_config.json", { ...config, chat_template: list });
  await put("special_tokens_map.json", { bos_token: "<other>", eos_token: { content: "<e>" } });
  assert.equal(await rendered(), "<b>plain<e>");
  await put("tokenizer_config.json", config);
  await put("chat_template.json", { chat_template: templateOf("gemma2") });
  assert.match(await rendered(), /^<b><start_of_turn>user\nHi/);
});

void test("a tokenizer that is no use says what is the matter", async () => {
  await using files = await tokenizerFolder("qwen3", "qwen3");
  const { folder } = files;
  const opened = (tokenizerId: string) =>
    openPromptRenderer({ tokenizerId, folder, preQueryTemplate: null, environment: {} });
  const place = { code: "TOKENIZER_UNUSABLE", place: "tokenizer_id" };
  await assert.rejects(opened("./absent"), { ...place, message: /\.\/absent is neither a folder nor a file/ });
  await assert.rejects(opened(`${folder}/none.json`), place);
  await assert.rejects(opened("not an id"), place);
  await assert.rejects(opened("org/name@../../x"), place);
  const write = (name: string, text: string) => writeFile(path.join(folder, name), text);
  await write("tokenizer_config.json", JSON.stringify({}));
  await assert.rejects(opened(folder), { ...place, message: /no chat template/, mend: /instruct/ });
  await write("chat_template.jinja", "{{ messages[0].content }}");
  await write("tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
  await assert.rejects(opened(folder), { ...place, mend: /git lfs pull/ });
  await write("tokenizer.json", JSON.stringify({ model: { type: "Nonesuch" } }));
  const counted = (await opened(folder)).checkRoom("Hi", { contextTokens: 1, answerTokens: 0 });
  await assert.rejects(counted ?? Promise.resolve(), { ...place, message: /of a kind that is not read/ });
  await rename(path.join(folder, "tokenizer.json"), path.join(folder, "gone"));
  await assert.rejects(opened(folder), { ...place, message: /has no tokenizer\.json/, mend: /save_pretrained/ });
});
