import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import type { LLMCall } from "../../../../worker/llms/llm.ts";
import { InferenceEndpointsLLM } from "../../../../worker/llms/inference-endpoints-llm.ts";
import type { InferenceEndpointsLLMOptions } from "../../../../worker/llms/llm-options.ts";
import type { Generation } from "../../../../shared/task/task.ts";
import { tokenizerFolder } from "../../../support/chat-templates.ts";
import { listing } from "../../../support/inference-llm.ts";
import { chatAnswer, sendJson, startScriptedServer, tgi } from "../../../support/scripted-server.ts";
import type { Script, ScriptedServer } from "../../../support/scripted-server.ts";
import { withResolvers } from "../../../support/with-resolvers.ts";

function ask(text: string): { role: string; content: string }[] {
  return [{ role: "user", content: text }];
}

function open(server: ScriptedServer, more: InferenceEndpointsLLMOptions = {}): InferenceEndpointsLLM {
  return new InferenceEndpointsLLM({ base_url: server.url, environment: {}, ...more });
}

function posts(server: ScriptedServer) {
  return server.requests.filter(({ method }) => method === "POST");
}

/** Answers with the question and its number of tokens in words; refuses those that say so. */
const echo: Script = ({ body }, response) => {
  const question = String(body.messages.at(-1).content);
  if (question.includes("refuse")) {
    return sendJson(response, { error: "Input validation error: no", error_type: "validation" }, { status: 422 });
  }
  const tokens = question.split(" ").length;
  const usage = { prompt_tokens: tokens, completion_tokens: tokens * 2, total_tokens: tokens * 3 };
  return sendJson(response, chatAnswer(`echo: ${question}`, { usage }));
};

void test("generateOutputs gives what distilabel's generate_outputs gives: one entry for each input, in their order", async () => {
  await using server = await startScriptedServer(tgi(echo));
  await using llm = open(server);
  const outputs = await llm.generateOutputs({ inputs: [ask("one"), ask("two words"), ask("now three words")] });
  assert.deepEqual(
    outputs.map(({ generations, statistics }) => ({ generations, statistics })),
    [
      { generations: ["echo: one"], statistics: { input_tokens: [1], output_tokens: [2] } },
      { generations: ["echo: two words"], statistics: { input_tokens: [2], output_tokens: [4] } },
      { generations: ["echo: now three words"], statistics: { input_tokens: [3], output_tokens: [6] } },
    ],
  );
});

void test("a generation that failed is null, and its error and its statistics stand in its place", async () => {
  let asked = 0;
  await using server = await startScriptedServer(
    tgi((request, response) => {
      const isSecond = request.body.messages[0].content === "sometimes" && ++asked === 2;
      return isSecond ? sendJson(response, { error: "no" }, { status: 400 }) : echo(request, response);
    }),
  );
  await using llm = open(server, { slots: 1 });
  const [sometimes, never] = await llm.generateOutputs({
    inputs: [ask("sometimes"), ask("always refuse")],
    num_generations: 3,
  });
  assert.deepEqual(sometimes?.generations, ["echo: sometimes", null, "echo: sometimes"]);
  assert.deepEqual(sometimes?.statistics, { input_tokens: [1, 0, 1], output_tokens: [2, 0, 2] });
  assert.deepEqual(
    sometimes?.errors.map((error) => error?.code ?? null),
    [null, "REQUEST_REJECTED", null],
  );
  assert.deepEqual(never?.generations, [null, null, null]);
  assert.deepEqual(never?.statistics, { input_tokens: [0, 0, 0], output_tokens: [0, 0, 0] });
});

void test("calls are retried, and wait their turn, as in a job", async () => {
  const statuses = [429, 500, 503];
  await using server = await startScriptedServer(
    tgi((request, response) => {
      const status = statuses.shift();
      return status === undefined ? echo(request, response) : sendJson(response, {}, { status });
    }),
  );
  await using llm = open(server);
  assert.equal((await llm.generate(ask("hi"))).text, "echo: hi");
  assert.equal(posts(server).length, 4);
});

void test("no more than `slots` requests are in flight, and a slow input holds no other up", async () => {
  const [full, slow] = [withResolvers<void>(), withResolvers<void>()];
  let [inFlight, most, done] = [0, 0, 0];
  await using server = await startScriptedServer(
    tgi(async (request, response) => {
      most = Math.max(most, ++inFlight);
      if (inFlight === 3) full.resolve();
      await full.promise;
      if (request.body.messages[0].content === "slow") await slow.promise;
      inFlight--;
      if (++done === 19) slow.resolve();
      return echo(request, response);
    }),
  );
  await using llm = open(server, { slots: 3 });
  const outputs = await llm.generateOutputs({
    inputs: ["slow", ...Array.from({ length: 19 }, (_, i) => `quick ${i}`)].map(ask),
  });
  assert.equal(most, 3);
  assert.deepEqual(outputs[0]?.generations, ["echo: slow"]);
  assert.equal(outputs.length, 20);
});

void test("generations of one input differ in their seeds: random ones, or the given one and those after it", async () => {
  await using server = await startScriptedServer(tgi(echo));
  await using free = open(server);
  await free.generateOutputs({ inputs: [ask("a")], num_generations: 3 });
  await using fixed = open(server, { generation_kwargs: { seed: 0 } });
  await fixed.generateOutputs({ inputs: [ask("a")], num_generations: 3 });
  await fixed.generateOutputs({ inputs: [ask("a")], num_generations: 2, generation_kwargs: { seed: 70 } });
  const seeds = posts(server).map(({ body }) => body.seed as number);
  assert.equal(new Set(seeds.slice(0, 3)).size, 3);
  assert.deepEqual(seeds.slice(3), [0, 1, 2, 70, 71]);
});

void test("under a given seed no request is made twice: not after a misfit, not after an answer that is none", async () => {
  let asked = 0;
  await using server = await startScriptedServer(
    tgi((_request, response) =>
      asked++ === 0 ? void response.end("<html>") : sendJson(response, chatAnswer("no JSON")),
    ),
  );
  const runs: number[][] = [];
  for (let run = 0; run < 2; run++) {
    asked = 0;
    const form = { structured_output: { format: "json", schema: { type: "object" } }, structured_retries: 2 } as const;
    await using llm = open(server, { ...form, slots: 1, attempts: 2, generation_kwargs: { seed: 70 } });
    const before = posts(server).length;
    await llm.generateOutputs({ inputs: ["a prompt as it stands"].map(ask), num_generations: 2 });
    const seeds = posts(server)
      .slice(before)
      .map(({ body }) => body.seed as number);
    assert.equal(seeds.length, 7);
    assert.equal(new Set(seeds).size, 7, seeds.join(", "));
    assert.ok(seeds.includes(70) && seeds.includes(71));
    runs.push(seeds.toSorted((a, b) => a - b));
  }
  assert.deepEqual(runs[0], runs[1]);
});

void test("an input may bring the form of its own answer, before that of the LLM; null is for none", async () => {
  const answers: Record<string, string> = { own: "blue", none: "anything", others: '{"n":1}', wrong: "{}" };
  await using server = await startScriptedServer(
    tgi(({ body }, response) => sendJson(response, chatAnswer(answers[body.messages[0].content as string] ?? ""))),
  );
  const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
  await using llm = open(server, { structured_output: { format: "json", schema }, structured_retries: 1 });
  const outputs = await llm.generateOutputs({
    inputs: [
      [ask("own"), { format: "regex", schema: "(red|blue)" }],
      [ask("none"), null],
      ask("others"),
      ask("wrong"),
      [ask("own"), { schema: "(" }],
    ],
  });
  assert.deepEqual(
    outputs.flatMap(({ generations }) => generations),
    ["blue", "anything", '{"n":1}', null, null],
  );
  assert.deepEqual(
    outputs.flatMap(({ errors }) => errors.map((error) => error?.code ?? null)),
    [null, null, null, "ANSWER_MISFIT", "ROW_INVALID"],
  );
  const formats = posts(server).map(
    ({ body }) => `${String(body.messages[0].content)}: ${String(body.response_format?.type)}`,
  );
  const inOrder = (a: string, b: string): number => (a < b ? -1 : 1);
  assert.deepEqual(formats.toSorted(inOrder), [
    "none: undefined",
    "others: json_object",
    "own: regex",
    "wrong: json_object",
    "wrong: json_object",
  ]);
});

void test("what would fail every call alike is thrown, once nothing came out", async () => {
  await using server = await startScriptedServer(
    tgi((_request, response) => sendJson(response, { error: "no credit" }, { status: 402 })),
  );
  await using llm = open(server);
  await assert.rejects(llm.generateOutputs({ inputs: [ask("a"), ask("b")] }), { code: "QUOTA_EXHAUSTED" });
});

void test("answers that were paid for are kept when the credit ends behind them", async () => {
  let answers = 0;
  await using server = await startScriptedServer(
    tgi((request, response) =>
      ++answers > 2 ? sendJson(response, { error: "no credit" }, { status: 402 }) : echo(request, response),
    ),
  );
  await using llm = open(server, { slots: 1 });
  const outputs = await llm.generateOutputs({ inputs: ["a", "b", "c", "d"].map(ask) });
  assert.deepEqual(
    outputs.flatMap(({ generations }) => generations),
    ["echo: a", "echo: b", null, null],
  );
  assert.deepEqual(
    outputs.flatMap(({ errors }) => errors.map((error) => error?.code ?? null)),
    [null, null, "QUOTA_EXHAUSTED", "QUOTA_EXHAUSTED"],
  );
});

void test("the signal ends everything with its reason", async () => {
  const controller = new AbortController();
  await using server = await startScriptedServer(tgi(() => controller.abort(new Error("enough"))));
  await using llm = open(server);
  await assert.rejects(llm.generateOutputs({ inputs: [ask("a")], signal: controller.signal }), { message: "enough" });
});

void test("num_generations that is no number of generations is refused", async () => {
  await using server = await startScriptedServer(tgi(echo));
  await using llm = open(server);
  for (const num_generations of [0, 1.5, Number.NaN]) {
    await assert.rejects(llm.generateOutputs({ inputs: [ask("a")], num_generations }), { code: "USAGE" });
  }
});

void test("load waits for a server that is not there yet, and says what it serves", async () => {
  let asked = 0;
  await using server = await startScriptedServer((request, response) =>
    ++asked <= 2 ? sendJson(response, { error: "loading model" }, { status: 503 }) : tgi(echo)(request, response),
  );
  await using llm = open(server);
  const [served] = await llm.load();
  assert.deepEqual([served?.server, served?.model, served?.revision], ["tgi", "some/model", "abc123"]);
  assert.equal(llm.modelName, "some/model");
});

void test("a load that failed may be tried again", async () => {
  await using server = await startScriptedServer((_request, response) => sendJson(response, {}, { status: 500 }));
  await using llm = open(server, { endpoint_wait: 0 });
  await assert.rejects(llm.load(), { code: "NO_ENDPOINT" });
  server.script = tgi(echo);
  await llm.load();
});

void test("who gives up waiting for a server leaves the others waiting", async () => {
  const controller = new AbortController();
  let asked = 0;
  await using server = await startScriptedServer((request, response) => {
    if (++asked > 2) return tgi(echo)(request, response);
    controller.abort(new Error("enough"));
    return sendJson(response, { error: "loading model" }, { status: 503 });
  });
  await using llm = open(server);
  const patient = llm.generate(ask("a"));
  await assert.rejects(llm.generate(ask("b"), { signal: controller.signal }), { message: "enough" });
  assert.equal((await patient).text, "echo: a");
});

void test("api_key is the key itself, or a reference; it is sent, and never shown", async () => {
  await using server = await startScriptedServer(
    tgi((_request, response) => sendJson(response, { error: "bad key key-canary" }, { status: 401 })),
  );
  for (const api_key of ["key-canary", "${MY_KEY}"]) {
    await using llm = open(server, { api_key, environment: { MY_KEY: "key-canary" } });
    await assert.rejects(llm.generate(ask("a")), (error: unknown) => {
      assert.ok(isTidingError(error));
      assert.equal(error.code, "UNAUTHORIZED");
      assert.doesNotMatch(`${error.message}${error.mend}${error.rawResponse}${JSON.stringify(error)}`, /key-canary/);
      return true;
    });
  }
  assert.ok(posts(server).every(({ headers }) => headers.authorization === "Bearer key-canary"));
});

/** Tells over which route it was asked. */
const twoRoutes: Script = (request, response) =>
  request.path === "/generate"
    ? sendJson(response, { generated_text: "of a prompt" })
    : sendJson(response, chatAnswer("of messages"));

void test("with tokenizer_id conversations are rendered here, and use_openai_client keeps to the chat route", async () => {
  await using server = await startScriptedServer(tgi(twoRoutes));
  await using tokenizer = await tokenizerFolder("qwen3", "qwen3", { inConfig: false });
  await using rendering = open(server, { tokenizer_id: tokenizer.folder });
  assert.equal((await rendering.generate(ask("a"))).text, "of a prompt");
  assert.match(
    posts(server).at(-1)?.body.inputs as string,
    /^<\|im_start\|>user\na<\|im_end\|>\n<\|im_start\|>assistant\n/,
  );

  await using chat = open(server, { use_openai_client: true, tokenizer_id: "org/not-loaded" });
  assert.equal((await chat.generate(ask("a"))).text, "of messages");
  assert.equal((await chat.generate("a text")).text, "of messages");
  assert.deepEqual(posts(server).at(-1)?.body.messages, ask("a text"));

  await using plain = open(server);
  assert.equal((await plain.generate("a prompt as it stands")).text, "of a prompt");
  assert.equal(posts(server).at(-1)?.body.inputs, "a prompt as it stands");
});

void test("with use_magpie_template the model writes the user's message, unless the user had the last word", async () => {
  await using server = await startScriptedServer(tgi(twoRoutes));
  await using tokenizer = await tokenizerFolder("qwen3", "qwen3", { inConfig: false });
  await using llm = open(server, { tokenizer_id: tokenizer.folder, use_magpie_template: true });
  await llm.generateOutputs({ inputs: [[], [{ role: "system", content: "Be brief." }], ask("a")] });
  const prompts = posts(server).map(({ body }) => body.inputs as string);
  assert.equal(prompts.filter((prompt) => prompt.endsWith("<|im_start|>user\n")).length, 2);
  assert.equal(prompts.filter((prompt) => prompt.endsWith("<|im_start|>assistant\n")).length, 1);
});

void test("a class that extends it takes part in every call", async () => {
  class Shouting extends InferenceEndpointsLLM {
    override async call(call: LLMCall): Promise<Generation> {
      const generation = await super.call(call);
      return { ...generation, text: generation.text.toUpperCase() };
    }
  }
  await using server = await startScriptedServer(listing("vllm", echo));
  await using llm = new Shouting({ base_url: server.url, environment: {} });
  const [outputs] = await llm.generateOutputs({ inputs: [ask("hi")] });
  assert.deepEqual(outputs?.generations, ["ECHO: HI"]);
});

void test("closing ends what is under way, and nothing can be asked after it", async () => {
  const asked = withResolvers<void>();
  await using server = await startScriptedServer(tgi(() => asked.resolve()));
  const llm = open(server);
  const generating = llm.generate(ask("a"));
  await asked.promise;
  await Promise.all([assert.rejects(generating, { name: "AbortError" }), llm.close()]);
  await assert.rejects(llm.generate(ask("a")), { code: "USAGE" });
  await llm.close();
});
