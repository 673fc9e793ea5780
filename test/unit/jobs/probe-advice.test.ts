import assert from "node:assert/strict";
import { test } from "node:test";
import { probeAdvice } from "../../../jobs/probe-advice.ts";
import { recogniseTgi, unknownServer } from "../../../worker/llms/recognise-server.ts";
import type { RecognisedServer } from "../../../worker/llms/recognise-server.ts";
import { TGI_INFO } from "../../support/scripted-server.ts";

const { limits } = unknownServer(undefined);
const asked = { modelId: undefined, generationKwargs: {} };

function adviceFor(changes: Partial<RecognisedServer>, generationKwargs: Record<string, unknown> = {}): string {
  return probeAdvice({ ...unknownServer(undefined), ...changes }, { ...asked, generationKwargs }).join("\n");
}

void test("slots start at what the server works on at a time, and TGI's number is said to be a refusal", () => {
  const few = { ...limits, maxConcurrentRequests: 12 };
  assert.match(adviceFor({ server: "tgi", limits: few }), /`slots: 12`, for all .* refuses more than 12/);
  assert.match(adviceFor({ server: "llamacpp", limits: few }), /`slots: 12`: it works on 12 .* wait\./);
  assert.match(adviceFor({ server: "vllm" }), /`slots: 64`, the default, and double it while/);
  assert.match(adviceFor({ server: "openai" }), /`slots: 64`, the default: it names no limit; where it answers 429/);
});

void test("max_new_tokens is asked for where it is missing, with what an answer may take otherwise", () => {
  const known = { server: "vllm", limits: { ...limits, maxTotalTokens: 8096 } } as const;
  assert.match(adviceFor(known), /Set `generation_kwargs.max_new_tokens`: .* leaves of 8096 tokens\./);
  for (const unsure of [{ server: "openai" }, { ...known, server: "openai" }, { server: "vllm" }] as const) {
    assert.match(adviceFor(unsure), /length of answers is the server's choice/);
  }
  assert.doesNotMatch(adviceFor(known, { max_new_tokens: 5 }), /max_new_tokens/);
});

void test("a server that does not say what it serves needs model_id, unless it was given", () => {
  assert.match(adviceFor({ server: "container" }), /Set `model_id`/);
  const given = probeAdvice(unknownServer("m"), { ...asked, modelId: "m" });
  assert.doesNotMatch(given.join(), /model_id/);
});

void test("a vLLM that does not tell its version is said to be asked in the words of both kinds", () => {
  assert.match(adviceFor({ server: "vllm" }), /does not tell its version/);
  assert.doesNotMatch(adviceFor({ server: "vllm", version: "0.12.0" }), /version/);
  assert.doesNotMatch(adviceFor({ server: "openai" }), /version/);
});

void test("of llama.cpp it is said which bounds its grammar leaves out", () => {
  assert.match(adviceFor({ server: "llamacpp" }), /`minimum` and `maximum` of a `number`/);
  assert.doesNotMatch(adviceFor({ server: "vllm" }), /`minimum`/);
});

void test("what the server's own recognition advises stands first", () => {
  const generationKwargs = { top_k: 3 };
  const server = recogniseTgi(
    { ...TGI_INFO, model_sha: null },
    { endpoint: "http://h", modelId: undefined, generationKwargs },
  );
  assert.ok(server !== null);
  const advice = probeAdvice(server, { ...asked, generationKwargs });
  assert.match(advice[0] ?? "", /ignores top_k/);
  assert.match(advice.at(-1) ?? "", /names no revision/);
});
