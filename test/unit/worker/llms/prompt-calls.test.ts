/** Which wire a call takes, and what a rendered prompt looks like at the server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TidingError } from "../../../../shared/errors.ts";
import type { LLMInput } from "../../../../shared/task/task.ts";
import type { PromptRenderer, Room } from "../../../../worker/llms/prompts/prompt-renderer.ts";
import { bracketRenderer, listing, openLLM } from "../../../support/inference-llm.ts";
import { chatAnswer, sendJson, startScriptedServer, tgi, TGI_INFO } from "../../../support/scripted-server.ts";
import type { ScriptedServer } from "../../../support/scripted-server.ts";

const conversation = [{ role: "user", content: "hello" }];
const RENDERED = "<user>hello</turn><assistant>";
const completion = { choices: [{ text: "x", finish_reason: "stop" }] };

function startTgi(info: Record<string, unknown> = TGI_INFO): Promise<ScriptedServer> {
  return startScriptedServer(
    tgi(
      ({ path }, response) =>
        sendJson(response, path.startsWith("/v1/chat") ? chatAnswer("x") : { generated_text: "x" }),
      info,
    ),
  );
}

function startListing(owner: string): Promise<ScriptedServer> {
  return startScriptedServer(
    listing(owner, ({ path }, response) =>
      sendJson(response, path.startsWith("/v1/chat") ? chatAnswer("x") : completion),
    ),
  );
}

const sent = (server: ScriptedServer): [path: string, prompt: unknown] => {
  const { path = "", body } = server.requests.at(-1) ?? {};
  return [path, body?.inputs ?? body?.prompt];
};

const routes: readonly [what: string, input: LLMInput, rendered: boolean, onTgi: unknown, onVllm: unknown][] = [
  [
    "a conversation without a renderer",
    conversation,
    false,
    ["/v1/chat/completions", undefined],
    ["/v1/chat/completions", undefined],
  ],
  ["a conversation with one", conversation, true, ["/generate", RENDERED], ["/v1/completions", `<s>${RENDERED}`]],
  ["a prompt", "<s>as it is", false, ["/generate", "<s>as it is"], ["/v1/completions", "<s>as it is"]],
  ["a prompt beside a renderer", "<s>as it is", true, ["/generate", "<s>as it is"], ["/v1/completions", "<s>as it is"]],
];
for (const [what, input, isRendered, onTgi, onVllm] of routes) {
  void test(`${what} takes the wire that it must, with the BOS that it must`, async () => {
    const renderer = isRendered ? bracketRenderer : null;
    await using tgiServer = await startTgi();
    await using viaTgi = openLLM({ base_url: tgiServer.url }, renderer);
    await viaTgi.call(input);
    assert.deepEqual(sent(tgiServer), onTgi);
    await using vllmServer = await startListing("vllm");
    await using viaVllm = openLLM({ base_url: vllmServer.url }, renderer);
    await viaVllm.call(input);
    assert.deepEqual(sent(vllmServer), onVllm);
  });
}

void test("of a rendered prompt one BOS is left out where the server adds its own, and only the first", async () => {
  for (const owner of ["sglang", "llamacpp", "someone"]) {
    await using server = await startListing(owner);
    const doubled = { ...bracketRenderer, render: () => "<s><s>twice" };
    await using client = openLLM({ base_url: server.url }, doubled);
    await client.call(conversation);
    assert.deepEqual(sent(server), ["/v1/completions", "<s>twice"]);
    await using without = openLLM({ base_url: server.url }, { ...doubled, bosToken: null });
    await without.call(conversation);
    assert.deepEqual(sent(server), ["/v1/completions", "<s><s>twice"]);
  }
});

void test("a user's message is asked for with the ends of turns, the user's own stop sequences first", async () => {
  const stops = async (server: ScriptedServer, generation_kwargs: Record<string, unknown>): Promise<unknown> => {
    await using client = openLLM({ base_url: server.url, generation_kwargs }, bracketRenderer);
    await client.call(conversation, { preQuery: true });
    assert.match(String(sent(server)[1]), /<user>$/);
    const { body } = server.requests.at(-1) ?? {};
    return body.stop ?? body.parameters?.stop;
  };
  await using server = await startTgi();
  assert.deepEqual(await stops(server, {}), ["</turn>", "</s>"]);
  assert.deepEqual(await stops(server, { stop_sequences: "a" }), ["a", "</turn>", "</s>"]);
  assert.deepEqual(await stops(server, { stop_sequences: ["</s>", "a", "b"] }), ["</s>", "a", "b", "</turn>"]);
  assert.deepEqual(await stops(server, { stop: ["a", "b", "c", "d"] }), ["a", "b", "c", "d"]);
  await using roomy = await startTgi({ ...TGI_INFO, max_stop_sequences: 6 });
  assert.deepEqual(await stops(roomy, { stop_sequences: ["a", "b", "c", "d"] }), [
    "a",
    "b",
    "c",
    "d",
    "</turn>",
    "</s>",
  ]);
  await using vllm = await startListing("vllm");
  assert.deepEqual(await stops(vllm, { stop: ["a", "b", "c"] }), ["a", "b", "c", "</turn>"]);
  await using sglang = await startListing("sglang");
  assert.deepEqual(await stops(sglang, { stop: ["a", "b", "c", "d"] }), ["a", "b", "c", "d", "</turn>", "</s>"]);
});

void test("stop sequences of the user's own are never left out, even beyond what OpenAI's API takes", async () => {
  await using server = await startListing("someone");
  const own = ["a", "b", "c", "d", "e"];
  await using client = openLLM({ base_url: server.url, generation_kwargs: { stop_sequences: own } }, bracketRenderer);
  await client.call(conversation, { preQuery: true });
  assert.deepEqual(server.requests.at(-1)?.body.stop, own);
});

void test("an answer is asked for without them", async () => {
  await using server = await startTgi();
  await using client = openLLM({ base_url: server.url }, bracketRenderer);
  await client.call(conversation);
  assert.equal(server.requests.at(-1)?.body.parameters.stop, undefined);
});

void test("a user's message without a renderer is refused with the key that is missing", async () => {
  await using server = await startTgi();
  await using client = openLLM({ base_url: server.url });
  await assert.rejects(client.call(conversation, { preQuery: true }), {
    code: "SPEC_INVALID",
    place: "tokenizer_id",
    mend: /Set tokenizer_id/,
  });
  assert.ok(server.requests.every(({ method }) => method === "GET"));
});

void test("a conversation that the template refuses fails before anything is sent", async () => {
  await using server = await startTgi();
  const refusing = {
    ...bracketRenderer,
    render: () => {
      throw new Error("roles must alternate");
    },
  };
  await using client = openLLM({ base_url: server.url }, refusing);
  await assert.rejects(client.call(conversation), /roles must alternate/);
  assert.ok(server.requests.every(({ method }) => method === "GET"));
});

void test("what fails before anything is sent says so, whatever it is, and what a server refuses does not", async () => {
  await using server = await startTgi({ ...TGI_INFO, max_total_tokens: 10 });
  const refused = (code: "ROW_INVALID" | "CONTEXT_TOO_LONG") => new TidingError(code, "refused here");
  const refusing = {
    ROW_INVALID: {
      ...bracketRenderer,
      render: () => {
        throw refused("ROW_INVALID");
      },
    },
    CONTEXT_TOO_LONG: { ...bracketRenderer, checkRoom: () => Promise.reject(refused("CONTEXT_TOO_LONG")) },
  };
  for (const code of ["ROW_INVALID", "CONTEXT_TOO_LONG"] as const) {
    await using client = openLLM({ base_url: server.url }, refusing[code]);
    await assert.rejects(client.call(conversation), { code, isUnsent: true });
  }
  await using plain = openLLM({ base_url: server.url });
  await assert.rejects(plain.call(conversation, { preQuery: true }), { code: "SPEC_INVALID", isUnsent: true });
  assert.ok(server.requests.every(({ method }) => method === "GET"));
  server.script = tgi((_request, response) => sendJson(response, { error: "no" }, { status: 422 }));
  await assert.rejects(plain.call(conversation), { code: "REQUEST_REJECTED", isUnsent: false });
});

/** A server of this kind with a context of 100 tokens. */
function startWithContext(kind: string): Promise<ScriptedServer> {
  if (kind === "tgi") return startTgi({ ...TGI_INFO, max_total_tokens: 100 });
  const models = { object: "list", data: [{ id: "served", owned_by: kind, max_model_len: 100 }] };
  return startScriptedServer(({ method, path }, response) =>
    path === "/v1/models" || method === "POST"
      ? sendJson(response, method === "POST" ? completion : models)
      : sendJson(response, {}, { status: 404 }),
  );
}

void test("only TGI wants the whole answer to have room, the others answer with what room there is", async () => {
  const roomAt = async (kind: string, generation_kwargs: Record<string, unknown>): Promise<Room[]> => {
    const rooms: Room[] = [];
    const measuring: PromptRenderer = { ...bracketRenderer, checkRoom: (_prompt, room) => (rooms.push(room), null) };
    await using server = await startWithContext(kind);
    await using client = openLLM({ base_url: server.url, generation_kwargs }, measuring);
    await client.call(conversation);
    return rooms;
  };
  for (const [kind, answerTokens] of [
    ["tgi", 40],
    ["vllm", 1],
    ["sglang", 1],
    ["llamacpp", 1],
    ["someone", 1],
  ] as const) {
    assert.deepEqual(await roomAt(kind, { max_new_tokens: 40 }), [{ contextTokens: 100, answerTokens }], kind);
    assert.deepEqual(await roomAt(kind, {}), [{ contextTokens: 100, answerTokens: 1 }], kind);
  }
});

void test("a conversation that JSON cannot hold is the row's fault, and is not sent", async () => {
  await using server = await startTgi();
  await using client = openLLM({ base_url: server.url });
  await assert.rejects(client.call([{ role: "user", content: [{ type: "text", text: "a", id: 2n ** 60n }] }]), {
    code: "ROW_INVALID",
    isUnsent: true,
    message: /BigInt/,
  });
  assert.ok(server.requests.every(({ method }) => method === "GET"));
});

void test("an error shows nothing of a prompt, rendered or not", async () => {
  await using server = await startScriptedServer(
    tgi((request, response) =>
      sendJson(response, { error: `bad ${request.body.inputs}`, error_type: "validation" }, { status: 422 }),
    ),
  );
  await using client = openLLM({ base_url: server.url }, bracketRenderer);
  for (const input of [conversation, "hello"]) {
    const error = await client.call(input).then(
      () => assert.fail("no error"),
      (thrown: unknown) => thrown as Error,
    );
    assert.ok(!`${error.message} ${JSON.stringify(error)}`.includes("hello"), error.message);
  }
});

void test("parameters that would break the reading of answers are refused", () => {
  for (const name of ["return_full_text", "details", "best_of", "echo", "inputs"]) {
    assert.throws(() => openLLM({ base_url: "http://h", generation_kwargs: { [name]: 1 } }), { code: "SPEC_INVALID" });
  }
});

void test("a regex that the server takes none of is the spec's error before the first call, and a row's own is the row's", async () => {
  await using server = await startScriptedServer(listing("llamacpp", (_request, response) => sendJson(response, {})));
  const regex = { format: "regex", schema: "[ab]+" } as const;
  await using whole = openLLM({ base_url: server.url, structured_output: regex });
  await assert.rejects(whole.llm.probe(whole.endpoint, new AbortController().signal), { code: "SPEC_INVALID" });
  await using rows = openLLM({ base_url: server.url });
  await assert.rejects(rows.call([{ role: "user", content: "hi" }], { structuredOutput: regex }), {
    code: "ROW_INVALID",
    message: /takes no regex/,
  });
  assert.equal(server.requests.filter(({ method }) => method === "POST").length, 0);
});

void test("what TGI's chat route ignores is said where conversations take it, and what /generate ignores where they do not", async () => {
  const generation_kwargs = { top_k: 5, frequency_penalty: 0.1, max_new_tokens: 9 };
  await using server = await startTgi();
  const adviceOf = async (renderer: typeof bracketRenderer | null): Promise<string> => {
    await using client = openLLM({ base_url: server.url, generation_kwargs }, renderer);
    return (await client.llm.probe(client.endpoint, new AbortController().signal)).advice?.join(" ") ?? "";
  };
  assert.equal(await adviceOf(null), "TGI's chat route ignores top_k.");
  assert.doesNotMatch(await adviceOf(bracketRenderer), /chat route/);
});
