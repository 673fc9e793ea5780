/** Each example of `InferenceEndpointsLLM` as it stands, in a process of its own, against a server that holds its contract. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { startSimulator } from "../../bench/simulator/simulator.ts";
import { startFakeHub } from "../support/fake-hub.ts";
import { event, sendEvents } from "../support/inference-llm.ts";
import { chatAnswer, sendJson, startScriptedServer, tgi, TGI_INFO } from "../support/scripted-server.ts";

const project = path.resolve(import.meta.dirname, "..", "..", "..");
const folder = path.join(project, "examples", "inference-endpoints");
const jiti = path.join(
  path.dirname(createRequire(import.meta.url).resolve("jiti/package.json")),
  "lib",
  "jiti-cli.mjs",
);
const run = promisify(execFile);
const HELLO = [{ role: "user", content: "Hello world!" }];

/** What it prints. Nothing of this process's environment reaches it. */
async function example(
  name: string,
  environment: Readonly<Record<string, string>>,
  args: readonly string[] = [],
): Promise<string> {
  const { stdout, stderr } = await run(process.execPath, [jiti, path.join(folder, `${name}.ts`), ...args], {
    cwd: project,
    env: { PATH: process.env["PATH"], HOME: "/nonexistent", ...environment },
  });
  assert.equal(stderr, "");
  return stdout;
}

const examples: Readonly<Record<string, () => Promise<void>>> = {
  "serverless-model": async () => {
    await using hub = await startFakeHub((_request, response) => sendJson(response, chatAnswer("Hello!")));
    hub.models["org/m"] = { together: { providerId: "m", status: "live", task: "conversational" } };
    const printed = await example("serverless-model", { ...hub.environment, MODEL_ID: "org/m" });
    assert.deepEqual(JSON.parse(printed), [
      { generations: ["Hello!"], errors: [null], statistics: { input_tokens: [7], output_tokens: [3] } },
    ]);
    const { seed: _, ...body } = (hub.calls[0]?.body ?? {}) as Record<string, unknown>;
    assert.deepEqual(body, { model: "org/m", messages: HELLO });
  },

  "dedicated-endpoint": async () => {
    await using server = await startScriptedServer(
      tgi((_request, response) => sendJson(response, chatAnswer("Hello!")), { ...TGI_INFO, model_id: "/repository" }),
    );
    await using hub = await startFakeHub();
    hub.endpoints["team/writer"] = { state: "running", url: server.url, repository: "org/writer", revision: "c0ffee" };
    const printed = await example("dedicated-endpoint", hub.environment, ["writer", "team"]);
    const { model, revision, outputs } = JSON.parse(printed) as Record<string, unknown>;
    assert.deepEqual([model, revision], ["org/writer", "c0ffee"]);
    assert.deepEqual((outputs as { generations: string[] }[])[0]?.generations, ["Hello!"]);
  },

  tgi: async () => {
    await using simulator = await startSimulator({ port: 0, seedChangesAnswer: true });
    const printed = await example("tgi", { BASE_URL: simulator.url });
    const outputs = JSON.parse(printed) as { generations: string[]; errors: unknown[]; statistics: object }[];
    assert.equal(outputs.length, 2);
    assert.equal(new Set(outputs.flatMap(({ generations }) => generations)).size, 4);
    for (const { errors, statistics } of outputs) {
      assert.deepEqual(errors, [null, null]);
      assert.ok(
        Object.values(statistics).every((counts: number[]) => counts.length === 2 && counts.every((n) => n > 0)),
      );
    }
    assert.equal(simulator.stats().answers, 4);
  },

  "structured-json": async () => {
    const user = { name: "Tadej", last_name: "Pogačar", id: 7 };
    await using server = await startScriptedServer(
      tgi(({ body }, response) => {
        const { type, value } = body.response_format;
        const isAsked = type === "json_object" && "last_name" in value.properties;
        return sendJson(response, chatAnswer(isAsked ? JSON.stringify(user) : "I cannot know that."));
      }),
    );
    assert.deepEqual(JSON.parse(await example("structured-json", { BASE_URL: server.url })), user);
  },

  "structured-regex": async () => {
    await using server = await startScriptedServer(
      tgi(({ body }, response) => {
        const { type, value } = body.response_format;
        assert.equal(type, "regex");
        return sendJson(response, chatAnswer(value === "(yes|no)" ? "yes" : "1903-07-01"));
      }),
    );
    const printed = await example("structured-regex", { BASE_URL: server.url });
    assert.deepEqual(JSON.parse(printed), [["1903-07-01"], ["yes"]]);
  },

  "chat-messages": async () => {
    await using server = await startScriptedServer(
      tgi((_request, response) => sendJson(response, chatAnswer("Madrid."))),
    );
    const printed = await example("chat-messages", { BASE_URL: server.url });
    assert.deepEqual(JSON.parse(printed), { text: "Madrid.", finish: "stop", tokens: 3 });
    const call = server.requests.find(({ method }) => method === "POST");
    assert.equal(call?.path, "/v1/chat/completions");
    assert.deepEqual(
      call.body.messages.map(({ role }: { role: string }) => role),
      ["system", "user", "assistant", "user"],
    );
  },

  streaming: async () => {
    const delta = (content: string, finish_reason: string | null = null): string =>
      event({ choices: [{ index: 0, delta: { content }, finish_reason }] });
    await using server = await startScriptedServer(
      tgi((_request, response) =>
        sendEvents(response, [delta("1, "), delta("2, "), delta("3", "stop_sequence"), "data: [DONE]\n\n"]),
      ),
    );
    assert.equal(await example("streaming", { BASE_URL: server.url }), "1, 2, 3\n");
    const body = server.requests.find(({ method }) => method === "POST")?.body;
    assert.equal(body.stream, true);
    assert.deepEqual(body.stop, ["\n\n", "User:"]);
  },

  "inputs-route": async () => {
    await using server = await startScriptedServer((request, response) =>
      request.method === "POST" && request.path === "/"
        ? sendJson(response, [{ generated_text: `${String(request.body.inputs)}, there was a test.` }])
        : sendJson(response, { error: "Not Found" }, { status: 404 }),
    );
    const printed = await example("inputs-route", { BASE_URL: server.url });
    assert.match(printed, /there was a test\.\n$/);
    const call = server.requests.find(({ method }) => method === "POST");
    assert.equal(call?.body.inputs, "Once upon a time");
    assert.equal(call.body.parameters.max_new_tokens, 32);
  },
};

for (const [name, runExample] of Object.entries(examples)) {
  void test(`the example ${name} runs as it stands and prints what it is to print`, runExample);
}

void test("every example is run", async () => {
  const files = await readdir(folder);
  assert.deepEqual(
    files.filter((file) => file.endsWith(".ts")).toSorted(),
    Object.keys(examples)
      .map((name) => `${name}.ts`)
      .toSorted(),
  );
});
