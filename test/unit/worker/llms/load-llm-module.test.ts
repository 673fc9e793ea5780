import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import { LLMSpec } from "../../../../shared/spec/job-spec.ts";
import { secretResolver } from "../../../../shared/spec/secret.ts";
import { loadLLMModule } from "../../../../worker/llms/load-llm-module.ts";
import type { LoadedLLMModule } from "../../../../worker/llms/load-llm-module.ts";

const folder = await mkdtemp(path.join(tmpdir(), "tiding-llm-"));
after(async () => await rm(folder, { recursive: true }));

let modules = 0;
async function load(source: string, spec: object = {}): Promise<LoadedLLMModule> {
  const name = `./llm-${++modules}.ts`;
  await writeFile(path.join(folder, name), source);
  return await loadLLMModule(LLMSpec.parse({ class: name, ...spec }), { folder, secret: secretResolver({ KEY: "k" }) });
}

const signal = new AbortController().signal;

void test("a class is constructed with its options and context, whichever copy of LLM it extends", async () => {
  const source = `
    class OtherLLM { get endpoints() { return ["a", "b"]; } async probe() { return { server: "s", model: "m", revision: null }; } async close() {} }
    export default class extends OtherLLM {
      #name: string;
      constructor(options: { name: string }, { spec, secret }) { super(); this.#name = options.name + secret(spec.api_key); }
      get modelName() { return this.#name; }
      async call() { return { text: this.#name }; }
    }`;
  const { llm, codeHash } = await load(source, { options: { name: "mine-" }, api_key: "${KEY}" });
  assert.deepEqual([llm.modelName, llm.endpoints], ["mine-k", ["a", "b"]]);
  assert.match(codeHash, /^[0-9a-f]{64}$/);
});

void test("an object or a function that gives one needs `call` alone; the rest is the port's", async () => {
  const { llm } = await load("export default { call: async ({ endpoint }) => ({ text: endpoint }) };");
  assert.deepEqual([llm.modelName, llm.endpoints], [`llm-${modules}`, ["local"]]);
  assert.deepEqual(await llm.probe("local", signal), { server: "custom", model: `llm-${modules}`, revision: null });
  const form = { generationKwargs: {}, structuredOutput: null, preQuery: false };
  const call = { input: [], endpoint: "here", ...form, seed: 1, signal };
  assert.equal((await llm.call(call)).text, "here");
  await llm.close();
  const made = await load("export default (o) => ({ modelName: o.name, call: async () => ({}) });", {
    options: { name: "n" },
  });
  assert.equal(made.llm.modelName, "n");
  assert.equal((await load("export default { call() {} };", { model_id: "served" })).llm.modelName, "served");
});

void test("a module that gives nothing with `call` is invalid", async () => {
  for (const source of ["export default {};", "export default () => null;", "export default class { generate() {} }"]) {
    await assert.rejects(load(source), (error: unknown) => isTidingError(error) && error.code === "MODULE_INVALID");
  }
});
