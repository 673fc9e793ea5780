/** vLLM's limit of stop sequences: known by its version, asked for only where a spec goes beyond. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { probeEndpoint } from "../../../../jobs/probe-endpoint.ts";
import type { EndpointProbe } from "../../../../jobs/probe-endpoint.ts";
import { captured } from "../../../support/exchanges.ts";
import { sendJson, startScriptedServer } from "../../../support/scripted-server.ts";
import type { ReceivedRequest } from "../../../support/scripted-server.ts";
import { serving } from "../../../support/server-captures.ts";
import { FIVE_STOPS } from "../../../support/vllm-calls.ts";

const refusal = captured("vllm", "stops-alone").response.body;
const withoutStops = captured("vllm", "no-messages").response.body;

interface Probed {
  readonly probe: EndpointProbe;
  readonly posts: readonly ReceivedRequest[];
}

async function probed(version: unknown, stops: readonly string[], chatAnswer: unknown = refusal): Promise<Probed> {
  const routes = serving(
    {
      "GET /v1/models": [200, captured("vllm", "models").response.body],
      ...(version === null ? {} : { "GET /version": [200, { version }] }),
    },
    [404, { detail: "Not Found" }],
  );
  await using server = await startScriptedServer((request, response) =>
    request.method === "POST" ? sendJson(response, chatAnswer, { status: 400 }) : routes(request, response),
  );
  const probe = await probeEndpoint({
    llm: { base_url: server.url, generation_kwargs: { stop_sequences: [...stops] } },
    environment: {},
  });
  return { probe, posts: server.requests.filter(({ method }) => method === "POST") };
}

void test("the limit is claimed of the versions that have it, and of no other", async () => {
  for (const [version, most] of [
    ["0.32.0", 4],
    ["0.28.0", 4],
    ["v0.28.1.dev3+g1a2b3c4", 4],
    ["1.0.0", 4],
    ["0.27.1", null],
    ["0.5.4", null],
    ["dev", null],
    [null, null],
  ] as const) {
    const { probe, posts } = await probed(version, ["a", "b", "c", "d"]);
    assert.equal(probe.limits.maxStopSequences, most, String(version));
    assert.equal(posts.length, 0);
  }
});

void test("a server of an older or unknown version takes any number, and is asked nothing", async () => {
  for (const version of ["0.27.1", null]) {
    const { probe, posts } = await probed(version, FIVE_STOPS);
    assert.deepEqual([probe.limits.maxStopSequences, posts.length], [null, 0]);
  }
});

void test("more than the limit is SPEC_INVALID", async () => {
  await assert.rejects(probed("0.32.0", FIVE_STOPS), {
    code: "SPEC_INVALID",
    place: "generation_kwargs.stop_sequences",
  });
});

void test("a server that was started with a higher limit is believed", async () => {
  const { probe, posts } = await probed("0.32.0", FIVE_STOPS, withoutStops);
  assert.equal(probe.limits.maxStopSequences, null);
  assert.deepEqual(
    posts.map(({ path, body }) => [path, body]),
    [["/v1/chat/completions", { stop: FIVE_STOPS }]],
  );
});

void test("a server that was started with another limit is quoted with it", async () => {
  const six = JSON.parse(JSON.stringify(refusal).replaceAll("at most 4 items", "at most 6 items")) as unknown;
  await assert.rejects(probed("0.32.0", "a b c d e f g".split(" "), six), {
    code: "SPEC_INVALID",
    message: /7 stop sequences; .* takes 6/,
  });
});
