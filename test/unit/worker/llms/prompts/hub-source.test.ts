import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { openHubSource } from "../../../../../worker/llms/prompts/hub-source.ts";
import { openPromptRenderer } from "../../../../../worker/llms/prompts/open-prompt-renderer.ts";
import { startScriptedServer } from "../../../../support/scripted-server.ts";
import type { ScriptedServer } from "../../../../support/scripted-server.ts";
import { fixture, templateOf } from "../../../../support/chat-templates.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const LATER = "fedcba9876543210fedcba9876543210fedcba98";

/** A repository as the Hub serves it: small files as they are, large ones by a redirect to another host. */
interface FakeHub {
  readonly server: ScriptedServer;
  readonly storage: ScriptedServer;
  readonly home: string;
  readonly environment: Record<string, string>;
  commit: string;
  files: Record<string, string>;
}

async function startHub(t: TestContext, files: Record<string, string>): Promise<FakeHub> {
  const home = await mkdtemp(path.join(tmpdir(), "tiding-hub-"));
  const storage = await startScriptedServer((request, response) => {
    response.end(hub.files[request.path.slice(1)]);
  });
  const server = await startScriptedServer((request, response) => {
    const match = /^\/org\/model\/resolve\/([^/]+)\/(.+)$/.exec(request.path);
    const refuse = (status: number, code: string): void => {
      response.writeHead(status, { "x-error-code": code });
      response.end(code);
    };
    if (match === null) return refuse(request.headers.authorization === undefined ? 401 : 404, "RepoNotFound");
    const [, revision = "", file = ""] = match;
    if (!["main", "refs%2Fpr%2F1", COMMIT, LATER].includes(revision)) return refuse(404, "RevisionNotFound");
    response.setHeader("x-repo-commit", hub.commit);
    if (hub.files[file] === undefined) return refuse(404, "EntryNotFound");
    if (file !== "tokenizer.json") return void response.end(hub.files[file]);
    response.writeHead(302, { location: `${storage.url}/${file}` });
    response.end();
  });
  t.after(async () => {
    await server.close();
    await storage.close();
    await rm(home, { recursive: true, force: true });
  });
  const environment = { HF_ENDPOINT: server.url, HF_HOME: home };
  const hub: FakeHub = { server, storage, home, environment, commit: COMMIT, files };
  return hub;
}

const CONFIG = { "tokenizer_config.json": JSON.stringify({ chat_template: "{{ messages[0].content }}" }) };

async function model(): Promise<Record<string, string>> {
  return {
    "tokenizer.json": JSON.stringify(await fixture("qwen3/tokenizer.json")),
    "tokenizer_config.json": JSON.stringify(await fixture("qwen3/tokenizer_config.json")),
    "chat_template.jinja": templateOf("qwen3"),
  };
}

function open(hub: FakeHub, tokenizerId: string, more: Record<string, string> = {}) {
  const environment = { ...hub.environment, ...more };
  return openPromptRenderer({ tokenizerId, folder: hub.home, preQueryTemplate: null, environment });
}

void test("a repository's files come from one commit, and from the cache the next time", async (t) => {
  const hub = await startHub(t, await model());
  const renderer = await open(hub, "org/model");
  assert.equal(renderer.render([], { preQuery: true }), "<|im_start|>user\n");
  assert.equal(renderer.checkRoom("Hi", { contextTokens: 104, answerTokens: 100 }), null);
  await renderer.checkRoom("Hi", { contextTokens: 101, answerTokens: 100 });
  const full = renderer.checkRoom("Hi", { contextTokens: 100, answerTokens: 100 });
  await assert.rejects(full ?? Promise.resolve(), { code: "CONTEXT_TOO_LONG", message: /has 1 tokens/ });
  const paths = hub.server.requests.map((request) => request.path);
  assert.equal(paths[0], "/org/model/resolve/main/tokenizer_config.json");
  assert.ok(
    paths.slice(1).every((at) => at.startsWith(`/org/model/resolve/${COMMIT}/`)),
    paths.join(" "),
  );
  const cached = path.join(hub.home, "hub", "models--org--model");
  assert.equal(await readFile(path.join(cached, "refs", "main"), "utf8"), COMMIT);
  assert.equal(
    await readFile(path.join(cached, "snapshots", COMMIT, "chat_template.jinja"), "utf8"),
    hub.files["chat_template.jinja"],
  );

  const again = await open(hub, "org/model");
  assert.equal(again.revision, renderer.revision);
  assert.deepEqual(
    hub.server.requests.slice(paths.length).map((request) => request.path),
    ["/org/model/resolve/main/tokenizer_config.json"],
  );
  const offline = await open(hub, "org/model", { HF_HUB_OFFLINE: "1", HF_ENDPOINT: "http://127.0.0.1:1" });
  assert.equal(offline.revision, renderer.revision);
});

void test("a branch that moved is asked for anew, a commit never again", async (t) => {
  const hub = await startHub(t, await model());
  const first = await open(hub, "org/model");
  hub.commit = LATER;
  hub.files["chat_template.jinja"] = "{{ messages[0].content }}";
  assert.notEqual((await open(hub, "org/model")).revision, first.revision);
  const asked = hub.server.requests.length;
  assert.equal((await open(hub, `org/model@${COMMIT}`)).revision, first.revision);
  assert.equal(hub.server.requests.length, asked);
  await open(hub, "org/model@refs/pr/1");
  assert.equal(hub.server.requests[asked]?.path, "/org/model/resolve/refs%2Fpr%2F1/tokenizer_config.json");
});

void test("what Python's tools left in the cache is used", async (t) => {
  const hub = await startHub(t, {});
  const snapshot = path.join(hub.home, "hub", "models--org--model", "snapshots", COMMIT);
  await mkdir(snapshot, { recursive: true });
  await mkdir(path.join(hub.home, "hub", "models--org--model", "refs"));
  await writeFile(path.join(hub.home, "hub", "models--org--model", "refs", "main"), COMMIT);
  for (const [name, text] of Object.entries(await model())) await writeFile(path.join(snapshot, name), text);
  const renderer = await open(hub, "org/model", { HF_HUB_OFFLINE: "true" });
  await renderer.checkRoom("Hi", { contextTokens: 101, answerTokens: 100 });
  assert.equal(hub.server.requests.length, 0);
});

void test("the token goes to the Hub, and not to where it sends us", async (t) => {
  const hub = await startHub(t, await model());
  await writeFile(path.join(hub.home, "token"), "hf_canary\n");
  await open(hub, "org/model");
  assert.ok(hub.server.requests.every(({ headers }) => headers.authorization === "Bearer hf_canary"));
  assert.equal(hub.storage.requests.length, 1);
  assert.equal(hub.storage.requests[0]?.headers.authorization, undefined);
});

void test("refusals of the Hub say what to do about them", async (t) => {
  const hub = await startHub(t, CONFIG);
  const place = { code: "TOKENIZER_UNUSABLE", place: "tokenizer_id" };
  await assert.rejects(open(hub, "org/absent"), {
    ...place,
    message: /shows no model org\/absent \(401\)/,
    mend: /set HF_TOKEN/,
  });
  await assert.rejects(open(hub, "org/absent", { HF_TOKEN: "hf_x" }), { ...place, mend: /that HF_TOKEN may read it/ });
  await assert.rejects(open(hub, "org/model@v9"), { ...place, message: /no such revision: org\/model@v9/ });
  await assert.rejects(open(hub, "org/model"), { ...place, message: /has no tokenizer\.json/ });
  for (const status of [401, 403]) {
    hub.server.script = (_request, response) => {
      response.writeHead(status, { "x-error-code": "GatedRepo" });
      response.end();
    };
    await assert.rejects(open(hub, "org/gated"), { ...place, mend: /Accept them at .*\/org\/gated, and set HF_TOKEN/ });
  }
  hub.server.script = (_request, response) => void response.writeHead(503).end();
  await assert.rejects(open(hub, "org/other"), { ...place, message: /\(503\)/, mend: /HF_HUB_OFFLINE/ });
  hub.server.script = (_request, response) => void response.writeHead(302, { location: "/again" }).end();
  await assert.rejects(open(hub, "org/other"), { ...place, message: /without end/ });
  hub.server.script = (_request, response) => void response.writeHead(200, { "x-repo-commit": "../../etc" }).end("{}");
  await assert.rejects(open(hub, "org/other"), { ...place, message: /does not say which commit/ });
});

void test("without network or copy the message says so", async (t) => {
  const hub = await startHub(t, CONFIG);
  const place = { code: "TOKENIZER_UNUSABLE", place: "tokenizer_id" };
  await assert.rejects(open(hub, "org/model", { HF_HUB_OFFLINE: "1" }), { ...place, message: /HF_HUB_OFFLINE is set/ });
  await hub.server.close();
  await assert.rejects(open(hub, "org/model"), { ...place, message: /did not answer/, mend: /local folder/ });
  for (const HF_ENDPOINT of ["not a url", "ftp://hub"]) {
    await assert.rejects(open(hub, "org/model", { HF_ENDPOINT }), { code: "SPEC_INVALID", place: "HF_ENDPOINT" });
  }
});

void test("a download that is no longer wanted ends with the signal's reason", async (t) => {
  const hub = await startHub(t, CONFIG);
  const stopping = new AbortController();
  const reason = new Error("stopped");
  hub.server.script = () => stopping.abort(reason);
  const options = { environment: hub.environment, signal: stopping.signal };
  await assert.rejects(openHubSource("org/model", "main", options), (error) => error === reason);
});

void test("a cache folder that takes no files is told of once, and each file is downloaded once", async (t) => {
  const hub = await startHub(t, await model());
  const HF_HUB_CACHE = path.join(hub.home, "a-file");
  await writeFile(HF_HUB_CACHE, "");
  const renderer = await open(hub, "org/model", { HF_HUB_CACHE });
  await renderer.checkRoom("Hi", { contextTokens: 101, answerTokens: 100 });
  const paths = hub.server.requests.map((request) => request.path);
  assert.equal(new Set(paths.map((at) => path.basename(at))).size, paths.length, paths.join(" "));
  assert.equal(renderer.advice?.length, 1);
  assert.match(renderer.advice?.[0] ?? "", /a-file cannot be used \(E[A-Z]+\).* HF_HOME/);
  assert.deepEqual((await open(hub, "org/model")).advice, []);
});

void test("a file of the cache that cannot be read is downloaded, and replaced by nothing half-written", async (t) => {
  const hub = await startHub(t, await model());
  const snapshot = path.join(hub.home, "hub", "models--org--model", "snapshots", COMMIT);
  await mkdir(path.join(snapshot, "tokenizer.json"), { recursive: true });
  const renderer = await open(hub, "org/model");
  await renderer.checkRoom("Hi", { contextTokens: 101, answerTokens: 100 });
  assert.match(renderer.advice?.[0] ?? "", /\(EISDIR\)/);
  assert.equal(hub.storage.requests.length, 1);
  assert.deepEqual(
    (await readdir(snapshot)).filter((name) => name.endsWith(".incomplete")),
    [],
  );
  await assert.rejects(open(hub, "org/model", { HF_HUB_OFFLINE: "1" }), {
    code: "TOKENIZER_UNUSABLE",
    message: /cannot be read \(EISDIR\)/,
    mend: /HF_HOME/,
  });
});
