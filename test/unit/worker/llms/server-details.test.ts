import assert from "node:assert/strict";
import { test } from "node:test";
import { unknownServer } from "../../../../worker/llms/recognise-server.ts";
import type { RecognisedServer, ServerKind } from "../../../../worker/llms/recognise-server.ts";
import { withDetails } from "../../../../worker/llms/server-details.ts";
import { SGLANG_INFO } from "../../../support/server-captures.ts";

const server = (kind: ServerKind): RecognisedServer => ({ ...unknownServer("m"), server: kind });

void test("SGLang's ranks work side by side, and its argument counts where no rank says more", () => {
  const ranks = [40, 40].map((most) => ({ effective_max_running_requests_per_dp: most }));
  const { limits } = withDetails(server("sglang"), { ...SGLANG_INFO, internal_states: ranks });
  assert.equal(limits.maxConcurrentRequests, 80);
  const silent = withDetails(server("sglang"), { ...SGLANG_INFO, internal_states: [{}] });
  assert.equal(silent.limits.maxConcurrentRequests, 128);
  const left = withDetails(server("sglang"), { ...SGLANG_INFO, internal_states: [], max_running_requests: null });
  assert.equal(left.limits.maxConcurrentRequests, null);
});

void test("SGLang's context is the list's, or the argument's where the list has none", () => {
  const listed = { ...server("sglang"), limits: { ...server("sglang").limits, maxTotalTokens: 32768 } };
  assert.equal(withDetails(listed, { ...SGLANG_INFO, context_length: 4096 }).limits.maxTotalTokens, 32768);
  assert.equal(withDetails(server("sglang"), { ...SGLANG_INFO, context_length: 4096 }).limits.maxTotalTokens, 4096);
});

void test("what is no object, or speaks of other things, leaves the server as it was", () => {
  for (const kind of ["tgi", "vllm", "sglang", "llamacpp", "openai", "container", "unknown"] as const) {
    for (const answer of [undefined, null, "x", [], { version: 3, total_slots: "4", internal_states: 1 }]) {
      assert.deepEqual(withDetails(server(kind), answer), server(kind));
    }
  }
});

void test("details change neither the model nor the revision, by which a job knows what it runs on", () => {
  for (const kind of ["vllm", "sglang", "llamacpp"] as const) {
    const { model, revision } = withDetails(server(kind), { version: "9", revision: "r", build_info: "b1" });
    assert.deepEqual([model, revision], ["m", null]);
  }
});
