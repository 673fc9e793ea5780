/** Conversations with images: what is sent, and what is refused unsent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError } from "../../../../shared/errors.ts";
import { bracketRenderer, listing, openLLM } from "../../../support/inference-llm.ts";
import { chatAnswer, sendJson, startScriptedServer, tgi } from "../../../support/scripted-server.ts";
import type { Script } from "../../../support/scripted-server.ts";

const answers: Script = (_request, response) => sendJson(response, chatAnswer("a cat"));

function input(bytes: number): readonly { role: string; content: readonly object[] }[] {
  const url = `data:image/png;base64,${"A".repeat(bytes)}`;
  return [
    {
      role: "user",
      content: [
        { type: "text", text: "What is it?" },
        { type: "image_url", image_url: { url } },
      ],
    },
  ];
}

const isUnsentRow = (message: RegExp) => (error: unknown) => {
  assert.ok(isTidingError(error));
  assert.equal(error.code, "ROW_INVALID");
  assert.equal(error.isUnsent, true);
  assert.match(error.message, message);
  return true;
};

void test("a message with an image goes over the chat route as it stands", async () => {
  await using server = await startScriptedServer(tgi(answers));
  await using llm = openLLM({ base_url: server.url });
  await llm.call(input(1_000));
  assert.deepEqual(server.requests.at(-1)?.body.messages, input(1_000));
});

void test("what TGI would refuse for its size fails unsent, unless the spec says that it takes more", async () => {
  await using server = await startScriptedServer(tgi(answers));
  await using llm = openLLM({ base_url: server.url });
  await llm.call(input(1_990_000));
  const sent = server.requests.length;
  await assert.rejects(
    llm.call(input(2_000_000)),
    isUnsentRow(/would take 2000\d{3} bytes, and the server takes 2000000/),
  );
  assert.equal(server.requests.length, sent);
  await using raised = openLLM({ base_url: server.url, payload_limit: 4_000_000 });
  await raised.call(input(2_000_000));
  await using lowered = openLLM({ base_url: server.url, payload_limit: 1_000 });
  await assert.rejects(lowered.call(input(1_000)), isUnsentRow(/the server takes 1000/));
});

void test("a server whose limit is not known is sent whatever there is", async () => {
  await using server = await startScriptedServer(listing("vllm", answers));
  await using llm = openLLM({ base_url: server.url });
  await llm.call(input(3_000_000));
});

void test("bytes are counted, and not characters", async () => {
  await using server = await startScriptedServer(tgi(answers));
  await using llm = openLLM({ base_url: server.url, payload_limit: 1_000 });
  await assert.rejects(llm.call([{ role: "user", content: "日".repeat(400) }]), isUnsentRow(/would take 1\d{3} bytes/));
});

void test("an image in a conversation that is rendered here is refused, with what to do", async () => {
  await using server = await startScriptedServer(tgi(answers));
  await using llm = openLLM({ base_url: server.url, tokenizer_id: "./t" }, bracketRenderer);
  await llm.llm.probe(llm.endpoint, new AbortController().signal);
  await assert.rejects(llm.call(input(100)), isUnsentRow(/rendered here/));
  assert.ok(server.requests.every(({ method }) => method === "GET"));
});

void test("an error's words are shown beside a large image, and an echo of the text is not", async () => {
  const refuse =
    (message: string): Script =>
    (_request, response) =>
      sendJson(response, { error: message }, { status: 422 });
  const say = async (message: string): Promise<string> => {
    await using server = await startScriptedServer(tgi(refuse(message)));
    await using llm = openLLM({ base_url: server.url });
    return await llm.call(input(500_000)).then(String, String);
  };
  assert.match(await say("image is too wide"), /image is too wide/);
  assert.doesNotMatch(await say("bad text: What is it?"), /What is it/);
});
