import assert from "node:assert/strict";
import { test } from "node:test";
import { endpointAddress } from "../../../../worker/llms/endpoint-address.ts";

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

void test("another protocol is refused", () => {
  assert.throws(() => endpointAddress("ftp://h"), { code: "SPEC_INVALID" });
});
