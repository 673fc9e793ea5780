import assert from "node:assert/strict";
import { test } from "node:test";
import { TidingError } from "../../../../shared/errors.ts";
import { LLMSpec } from "../../../../shared/spec/job-spec.ts";
import { endpointAddress } from "../../../../worker/llms/endpoint-address.ts";
import { requestHeaders } from "../../../../worker/llms/request-headers.ts";

const secret = (reference: string): string => {
  const value = { "${HF_TOKEN}": "hf_canary", "${KEY}": "key-canary" }[reference];
  if (value === undefined) throw new TidingError("SECRET_MISSING", `${reference} is not set.`);
  return value;
};

function headersFor(baseUrl: string, more: Record<string, unknown> = {}, resolver = secret) {
  return requestHeaders(LLMSpec.parse({ base_url: baseUrl, ...more }), endpointAddress(baseUrl), resolver);
}

void test("HF_TOKEN goes to Hugging Face hosts alone, and over https alone", () => {
  const has = (url: string): boolean => headersFor(url).headers["authorization"] === "Bearer hf_canary";
  assert.equal(has("https://huggingface.co"), true);
  assert.equal(has("https://router.huggingface.co/v1"), true);
  assert.equal(has("https://abc.us-east-1.aws.endpoints.huggingface.cloud"), true);
  assert.equal(has("https://someone-space.hf.space"), true);
  assert.equal(has("http://router.huggingface.co/v1"), false);
  assert.equal(has("https://nothuggingface.co"), false);
  assert.equal(has("https://huggingface.co.evil.test"), false);
  assert.equal(has("http://127.0.0.1:8080"), false);
});

void test("a Hugging Face host without HF_TOKEN is asked without a key", () => {
  const missing = (): string => {
    throw new TidingError("SECRET_MISSING", "HF_TOKEN is not set.");
  };
  assert.equal(headersFor("https://a.hf.space", {}, missing).headers["authorization"], undefined);
});

void test("api_key and references in headers are resolved and known as secrets", () => {
  const { headers, secrets } = headersFor("https://h", { api_key: "${KEY}", headers: { "X-Team": "team ${KEY}" } });
  assert.equal(headers["authorization"], "Bearer key-canary");
  assert.equal(headers["x-team"], "team key-canary");
  assert.ok(secrets.includes("key-canary"));
});

void test("a missing secret is an error", () => {
  assert.throws(() => headersFor("https://h", { api_key: "${NOT_SET}" }), { code: "SECRET_MISSING" });
});

void test("an address that Hugging Face named is sent its token, unless it would travel in the clear", () => {
  const named = (url: string): string | undefined =>
    requestHeaders({}, endpointAddress(url), secret, { namedByHub: true }).headers["authorization"];
  assert.equal(named("https://endpoint.example.org"), "Bearer hf_canary");
  assert.equal(named("http://127.0.0.1:8080"), "Bearer hf_canary");
  assert.equal(named("http://endpoint.example.org"), undefined);
});

void test("bill_to is a header", () => {
  assert.equal(headersFor("https://router.huggingface.co/v1", { bill_to: "team" }).headers["x-hf-bill-to"], "team");
});
