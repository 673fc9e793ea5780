import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { BatchApi, SUBMISSION_KEY } from "../../../../../worker/llms/batches/batch-api.ts";
import { endpointAddress } from "../../../../../worker/llms/endpoint-address.ts";
import { BATCH_MODEL, startBatchServer, type BatchServer } from "../../../../support/batch-server.ts";
import { sendJson, startScriptedServer } from "../../../../support/scripted-server.ts";

const { signal } = new AbortController();
const url = "/v1/chat/completions";

function open(t: TestContext, base: string, headers: Record<string, string> = {}): BatchApi {
  const request = { headers, secrets: Object.values(headers) };
  const api = new BatchApi({ address: endpointAddress(base), request, environment: {} });
  t.after(() => api.close());
  return api;
}

async function folder(t: TestContext): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), "tiding-batch-api-"));
  t.after(() => rm(made, { recursive: true }));
  return made;
}

async function upload(t: TestContext, api: BatchApi): Promise<string> {
  const file = path.join(await folder(t), "r.jsonl");
  const line = { custom_id: "c", method: "POST", url, body: { model: BATCH_MODEL, messages: [] } };
  await writeFile(file, `${JSON.stringify(line)}\n`);
  return api.upload({ path: file, name: "r.jsonl" }, signal);
}

async function create(server: BatchServer, api: BatchApi, fileId: string, submission: string): Promise<void> {
  server.statuses = ["completed"];
  await api.create({ fileId, url, metadata: { [SUBMISSION_KEY]: submission } }, signal);
}

void test("a file is uploaded as it is, becomes a batch, and its results are downloaded", async (t) => {
  await using server = await startBatchServer();
  const api = open(t, server.url);
  const fileId = await upload(t, api);
  assert.match(server.file(fileId), /^\{"custom_id":"c",.*\}\n$/);
  await create(server, api, fileId, "s");
  const batch = await api.get("batch_1", signal);
  assert.equal(batch?.status, "completed");
  const to = path.join(await folder(t), "out.jsonl");
  assert.equal(await api.download(batch?.output_file_id ?? "", to, signal), true);
  assert.match(await readFile(to, "utf8"), /^\{"id":"batch_req_1","custom_id":"c"/);
});

void test("a submission is found on any page of the list, and one that is not there is not", async (t) => {
  await using server = await startBatchServer();
  const api = open(t, server.url);
  const fileId = await upload(t, api);
  for (let number = 0; number < 230; number++) await create(server, api, fileId, `s${number}`);
  const since = Date.now();
  assert.equal((await api.find("s3", { since, signal }))?.id, "batch_4");
  assert.equal((await api.find("s229", { since, signal }))?.id, "batch_230");
  assert.equal(await api.find("other", { since, signal }), null);
  const pages = server.asked.filter((asked) => asked === "GET /v1/batches").length;
  assert.equal(pages, 3 + 1 + 3);
});

void test("batches that are a day older than the submission end the search", async (t) => {
  const created_at = 1_000_000;
  const data = Array.from({ length: 100 }, (_, index) => ({ id: `b${index}`, status: "completed", created_at }));
  await using server = await startScriptedServer((_, response) => sendJson(response, { data, has_more: true }));
  const api = open(t, server.url);
  assert.equal(await api.find("s", { since: (created_at + 90_000) * 1_000, signal }), null);
  assert.equal(server.requests.length, 1);
});

void test("what the server does not have any more is told from a route that it does not have", async (t) => {
  await using server = await startBatchServer();
  const api = open(t, server.url);
  assert.equal(await api.get("batch_9", signal), null);
  assert.equal(await api.download("file-9", path.join(await folder(t), "x"), signal), false);
  await using other = await startScriptedServer((_, response) => void response.writeHead(404).end("<html>"));
  await assert.rejects(open(t, other.url).get("batch_9", signal), { code: "WRONG_SERVICE" });
});

void test("a query of the base URL goes with every request, and a prefix before /v1 stays", async (t) => {
  await using server = await startScriptedServer((_, response) => sendJson(response, { data: [], has_more: false }));
  const api = open(t, `${server.url}/openai/v1?api-version=7`, { authorization: "Bearer canary" });
  await api.find("s", { since: 0, signal });
  assert.equal(server.requests[0]?.path, "/openai/v1/batches?api-version=7&limit=100");
  assert.equal(server.requests[0]?.headers.authorization, "Bearer canary");
});

void test("what a key is refused with does not hold it", async (t) => {
  await using server = await startScriptedServer((_, response) =>
    sendJson(response, { error: { message: "wrong key Bearer canary" } }, { status: 403 }),
  );
  const api = open(t, server.url, { authorization: "Bearer canary" });
  await assert.rejects(api.get("b", signal), (error: Error) => {
    assert.equal((error as Error & { code?: string }).code, "UNAUTHORIZED");
    assert.ok(!error.message.includes("canary"), error.message);
    return true;
  });
});

void test("a download that breaks off is an error, and an answer of another form as well", async (t) => {
  await using server = await startScriptedServer(({ path: asked }, response) => {
    if (asked.endsWith("/content")) {
      response.writeHead(200, { "content-length": "100" });
      response.write("half", () => response.socket?.destroy());
    } else sendJson(response, { object: "batch" });
  });
  const api = open(t, server.url);
  await assert.rejects(api.download("f", path.join(await folder(t), "x"), signal), { code: "CONNECTION_LOST" });
  await assert.rejects(api.get("b", signal), { code: "RESPONSE_INVALID" });
});
