import assert from "node:assert/strict";
import { test } from "node:test";
import { endpointAddress, ownRoute, rootPath, withoutQuery } from "../../../../worker/llms/endpoint-address.ts";

const addresses: readonly [baseUrl: string, chat: string, models: string, info: string, name: string][] = [
  ["http://h:8080", "/v1/chat/completions", "/v1/models", "/info", "http://h:8080"],
  ["http://h:8080/", "/v1/chat/completions", "/v1/models", "/info", "http://h:8080"],
  ["http://h/v1", "/v1/chat/completions", "/v1/models", "/info", "http://h/v1"],
  ["http://h/v1/", "/v1/chat/completions", "/v1/models", "/info", "http://h/v1"],
  ["http://h/v1/chat/completions", "/v1/chat/completions", "/v1/models", "/info", "http://h/v1/chat/completions"],
  ["http://h/team/a", "/team/a/v1/chat/completions", "/team/a/v1/models", "/team/a/info", "http://h/team/a"],
  [
    "http://h/v1beta/openai/",
    "/v1beta/openai/chat/completions",
    "/v1beta/openai/models",
    "/info",
    "http://h/v1beta/openai",
  ],
  ["http://h/v1?k=s", "/v1/chat/completions?k=s", "/v1/models?k=s", "/info?k=s", "http://h/v1"],
  ["http://u:p@h/", "/v1/chat/completions", "/v1/models", "/info", "http://h"],
];

for (const [baseUrl, chat, models, info, name] of addresses) {
  void test(`${baseUrl} leads to ${chat}`, () => {
    const address = endpointAddress(baseUrl);
    assert.deepEqual(
      [address.chatPath, address.modelsPath, address.infoPath, address.name],
      [chat, models, info, name],
    );
  });
}

const prompts: readonly [baseUrl: string, completions: string, generate: string, root: string, namesOpenAI: boolean][] =
  [
    ["http://h:8080", "/v1/completions", "/generate", "/", false],
    ["http://h/v1/", "/v1/completions", "/generate", "/", true],
    ["http://h/v1/chat/completions", "/v1/completions", "/generate", "/", true],
    ["http://h/v1/completions", "/v1/completions", "/generate", "/", true],
    ["http://h/generate", "/v1/completions", "/generate", "/", false],
    ["http://h/team/a/generate_stream", "/team/a/v1/completions", "/team/a/generate", "/team/a", false],
    ["http://h/team/a/v1?k=s", "/team/a/v1/completions?k=s", "/team/a/generate?k=s", "/team/a?k=s", true],
    ["http://h/v3/openai", "/v3/openai/completions", "/generate", "/", true],
  ];

for (const [baseUrl, completions, generate, root, namesOpenAI] of prompts) {
  void test(`prompts for ${baseUrl} go to ${completions}, ${generate} or ${root}`, () => {
    const address = endpointAddress(baseUrl);
    assert.deepEqual(
      [address.completionsPath, ownRoute(address, "/generate"), rootPath(address), address.namesOpenAI],
      [completions, generate, root, namesOpenAI],
    );
  });
}

void test("another protocol is refused", () => {
  assert.throws(() => endpointAddress("ftp://h"), { code: "SPEC_INVALID" });
});

void test("a server's own routes lie beside /v1 and keep the query, which is left out where a path is shown", () => {
  const routes = (baseUrl: string) => {
    const address = endpointAddress(baseUrl);
    return [ownRoute(address, "/version"), rootPath(address)];
  };
  assert.deepEqual(routes("http://h/v1"), ["/version", "/"]);
  assert.deepEqual(routes("http://h/info/v1?info=1"), ["/info/version?info=1", "/info?info=1"]);
  assert.deepEqual(routes("http://h?k=s"), ["/version?k=s", "/?k=s"]);
  assert.equal(withoutQuery("/info/v1?info=1?"), "/info/v1");
});
