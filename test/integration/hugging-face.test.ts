/** Whole jobs on Hugging Face's services: dedicated endpoints by name, and models of the Hub's providers. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { HUB_TOKEN, startFakeHub } from "../support/fake-hub.ts";
import { answerOf, idsOf, JobWorld, upTo } from "../support/job-world.ts";
import { chatAnswer, sendJson } from "../support/scripted-server.ts";

/** A spec whose `llm` says nothing but this. */
function onlyLLM(world: JobWorld, llm: object, input: object = {}): object {
  return world.spec({ input, step: { llm: { slots: 8, ...llm } } });
}

async function filesOf(folder: string): Promise<Buffer[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return Promise.all(
    entries.filter((entry) => entry.isFile()).map((entry) => readFile(path.join(entry.parentPath, entry.name))),
  );
}

void test("a job by endpoint_name has the repository for its model, and goes on when the endpoint moved", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(40);
  await using elsewhere = await JobWorld.open(0);
  const { environment } = hub;
  const running = { state: "running", repository: "org/writer", revision: "c0ffee" };
  hub.endpoints["ada/writer"] = { ...running, url: world.simulator.url };
  const first = await world.run(onlyLLM(world, { endpoint_name: "writer" }, { limit: 16 }), { environment });
  assert.deepEqual(first.rows, { accepted: 16, failed: 0, total: 16 });

  hub.endpoints["ada/writer"] = { ...running, url: elsewhere.simulator.url };
  const second = await world.run(onlyLLM(world, { endpoint_name: "writer" }), { environment });
  assert.deepEqual(second.rows, { accepted: 40, failed: 0, total: 40 });
  assert.equal(elsewhere.simulator.stats().answers, 24);

  const rows = (await world.rows()) as unknown as readonly { model_name: string; generation: string }[];
  assert.ok(rows.every(({ model_name }) => model_name === "org/writer"));
  assert.deepEqual(idsOf(await world.rows()), upTo(40));
  assert.ok(rows.every(({ generation }, row) => generation.startsWith(answerOf(row))));
  for (const file of await filesOf(world.output)) assert.ok(!file.includes(HUB_TOKEN));
});

void test("a job on another model under the same endpoint's name is another job", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(8);
  const { environment } = hub;
  hub.endpoints["ada/writer"] = { state: "running", url: world.simulator.url, repository: "org/writer" };
  await world.run(onlyLLM(world, { endpoint_name: "writer" }, { limit: 4 }), { environment });
  hub.endpoints["ada/writer"] = { state: "running", url: world.simulator.url, repository: "org/poet" };
  await assert.rejects(world.run(onlyLLM(world, { endpoint_name: "writer" }), { environment }), {
    code: "OUTPUT_OTHER_JOB",
    message: /org\/writer.*org\/poet/s,
  });
});

void test("a job on a paused endpoint stops before its first row, with what to do", async () => {
  await using hub = await startFakeHub();
  await using world = await JobWorld.open(4);
  hub.endpoints["ada/writer"] = { state: "paused" };
  await assert.rejects(world.run(onlyLLM(world, { endpoint_name: "writer" }), { environment: hub.environment }), {
    code: "ENDPOINT_NOT_RUNNING",
    mend: /tiding endpoints resume writer --namespace ada/,
  });
});

void test("a job by model_id alone goes over the Hub's router, by auto or a named provider, and is one job", async () => {
  await using hub = await startFakeHub(({ body }, response) =>
    sendJson(response, chatAnswer(`to ${String(body.messages[0].content)}`, { model: body.model })),
  );
  hub.models["org/m"] = { together: { providerId: "m-turbo", status: "live", task: "conversational" } };
  await using world = await JobWorld.open(20);
  const { environment } = hub;
  await world.run(onlyLLM(world, { model_id: "org/m" }, { limit: 10 }), { environment });
  const report = await world.run(onlyLLM(world, { model_id: "org/m", provider: "together" }), { environment });
  assert.deepEqual(report.rows, { accepted: 20, failed: 0, total: 20 });
  const rows = (await world.rows()) as unknown as readonly { model_name: string }[];
  assert.ok(rows.every(({ model_name }) => model_name === "org/m"));
  const routes = hub.calls.map(({ path: route }) => route);
  assert.deepEqual([...new Set(routes)], ["/router/v1/chat/completions", "/router/together/v1/chat/completions"]);
});
