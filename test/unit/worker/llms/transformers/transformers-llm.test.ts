import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { TransformersLLM } from "../../../../../worker/llms/transformers/transformers-llm.ts";
import type { TransformersGenerateOptions } from "../../../../../worker/llms/transformers/transformers-llm.ts";
import { openFakeTransformers } from "../../../../support/fake-transformers.ts";

const signal = new AbortController().signal;
const user = (content: string) => [{ role: "user", content }];

/** One answer of the fake package, whose model repeats. */
async function ask(content: string, kwargs: object = {}, more: TransformersGenerateOptions = {}) {
  await using fake = await openFakeTransformers();
  await using llm = new TransformersLLM({ model_id: "./model", folder: fake.folder });
  return await llm.generate(user(content), { generationKwargs: { ...kwargs }, ...more });
}

void test("without the package every call says how to install it", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "tiding-none-"));
  await using llm = new TransformersLLM({ model_id: "./model", folder });
  const missing = { code: "PACKAGE_MISSING", mend: "npm install @huggingface/transformers" };
  await assert.rejects(llm.probe("local", signal), missing);
  await assert.rejects(llm.generate(user("hello")), missing);
  await assert.rejects(llm.getLastHiddenState(["hello"]), missing);
  await rm(folder, { recursive: true });
});

void test("a package that is there and cannot be loaded says why", async () => {
  await using fake = await openFakeTransformers('throw new Error("no binary for this machine");');
  await using llm = new TransformersLLM({ model_id: "./model", folder: fake.folder });
  await assert.rejects(llm.probe("local", signal), { code: "PACKAGE_MISSING", message: /no binary for this machine/ });
});

void test("a folder without a model's files is named with what it lacks, before the library fails on it", async () => {
  await using fake = await openFakeTransformers();
  await using llm = new TransformersLLM({ model_id: "./nowhere", folder: fake.folder });
  await assert.rejects(llm.probe("local", signal), { code: "MODEL_NOT_FOUND", message: /nowhere has no config\.json/ });
  await using other = new TransformersLLM({ model_id: "./model", dtype: "q4", folder: fake.folder });
  await assert.rejects(other.probe("local", signal), { code: "MODEL_NOT_FOUND", message: /no model_q4\.onnx/ });
});

void test("a conversation goes through the template beside the model, and tokens are counted", async () => {
  const { text, inputTokens, outputTokens, finishReason, model } = await ask("hello");
  assert.deepEqual([text, finishReason, model], ["hello", "stop", "./model"]);
  // `chat:hello`, and `hello` with its end.
  assert.deepEqual([inputTokens, outputTokens], [10, 6]);
});

void test("an answer is cut by max_new_tokens, and by the first of its stop sequences", async () => {
  const cut = await ask("hello", { max_new_tokens: 3 });
  assert.deepEqual([cut.text, cut.finishReason], ["hel", "length"]);
  const whole = await ask("hello", { max_new_tokens: 6 });
  assert.deepEqual([whole.text, whole.finishReason], ["hello", "stop"]);
  const stopped = await ask("one, two, three", { stop_sequences: ["three", ", t"] });
  assert.deepEqual([stopped.text, stopped.finishReason, stopped.outputTokens], ["one", "stop", 6]);
  assert.equal((await ask("one, two", { stop_sequences: ", " })).text, "one");
});

void test("the seed is the call's, and chance is drawn where the parameters ask for it", async () => {
  const settings = async (kwargs: object, seed: number): Promise<unknown> =>
    JSON.parse((await ask("SETTINGS", kwargs, { seed })).text);
  assert.deepEqual(await settings({}, 7), { seed: 7, remote: false, do_sample: false });
  assert.deepEqual(await settings({ temperature: 0 }, 0), { seed: 0, remote: false, do_sample: false });
  const drawn = { temperature: 0.5, top_p: 0.9, repetition_penalty: 1.1 };
  assert.deepEqual(await settings(drawn, 2 ** 53 - 1), { seed: 2 ** 53 - 1, remote: false, do_sample: true, ...drawn });
  assert.deepEqual(await settings({ top_k: 5 }, 1), { seed: 1, remote: false, do_sample: true, top_k: 5 });
});

void test("what the template refuses is the row's fault", async () => {
  await using fake = await openFakeTransformers();
  await using llm = new TransformersLLM({ model_id: "./model", folder: fake.folder });
  await assert.rejects(llm.generate([{ role: "odd", content: "a" }]), { code: "ROW_INVALID", message: /alternate/ });
});

void test("a call that is aborted rejects at once, and its answer ends: the next one is not kept waiting", async () => {
  await using fake = await openFakeTransformers();
  await using llm = new TransformersLLM({ model_id: "./model", folder: fake.folder });
  await llm.probe("local", signal);
  const leaving = new AbortController();
  const given = llm.generate(user(":ENDLESS"), { signal: leaving.signal });
  leaving.abort(new Error("left"));
  await assert.rejects(given, { message: "left" });
  assert.equal((await llm.generate(user("next"))).text, "next");
});

void test("hidden states come for each token, and as an embedding their mean", async () => {
  await using fake = await openFakeTransformers();
  const options = { model_id: "./model", model_display_name: "embedder", folder: fake.folder } as const;
  await using llm = new TransformersLLM({ ...options, makes: "embedding" });
  const [states = []] = await llm.getLastHiddenState(["AC"]);
  assert.deepEqual(
    states.map((state) => [...state]),
    [
      [1, 1],
      [65, 1],
      [67, 1],
    ],
  );
  const call = { endpoint: "local", structuredOutput: null, preQuery: false, seed: 1, signal };
  const answer = await llm.call({ ...call, input: "AC", generationKwargs: {} });
  assert.deepEqual([answer.embedding, answer.inputTokens, answer.text], [[133 / 3, 1], 3, ""]);
  assert.equal(llm.modelName, "embedder");
  await assert.rejects(llm.getLastHiddenState(["A"]), { code: "MODEL_NOT_FOUND", message: /last_hidden_state/ });
});
