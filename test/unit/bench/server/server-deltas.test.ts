import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ServerDeltas } from "../../../../bench/report/bench-report.ts";
import { crossCheck } from "../../../../bench/server/cross-check.ts";
import { readPrometheusText } from "../../../../bench/server/prometheus-text.ts";
import { compareSnapshots, serverDeltas } from "../../../../bench/server/server-deltas.ts";
import type { ServerSnapshot } from "../../../../bench/server/server-snapshot.ts";

function at(seconds: number, text: string, more: Partial<ServerSnapshot> = {}): ServerSnapshot {
  return { atMs: seconds * 1_000, identity: null, samples: readPrometheusText(text), missing: [], ...more };
}

/** What a real server said before and after (test/fixtures/metrics/README.md). */
async function captured(server: string): Promise<[string, string]> {
  const read = (moment: string): Promise<string> =>
    readFile(
      fileURLToPath(new URL(`../../../../../test/fixtures/metrics/${server}-${moment}.txt`, import.meta.url)),
      "utf8",
    );
  return [await read("before"), await read("after")];
}

function near(value: number | undefined, wanted: number, share = 1e-6): void {
  assert.ok(value !== undefined && Math.abs(value - wanted) < share * wanted, `${value}, wanted ${wanted}`);
}

void test("a real llama.cpp server's counters: six answers of 24 tokens to prompts of 37", async () => {
  const [before, after] = await captured("llama-cpp");
  const deltas = serverDeltas(at(10, before), at(14, after));
  assert.deepEqual(Object.keys(ServerDeltas.parse(deltas)).toSorted(), [
    "kind",
    "mean_batch",
    "mean_itl_ms",
    "output_tokens",
    "prefix_cache_hit_rate",
    "prompt_tokens",
    "queue_size",
    "seconds",
  ]);
  assert.equal(deltas?.kind, "llamacpp");
  assert.equal(deltas.seconds, 4);
  assert.equal(deltas.prompt_tokens, 6 * 37);
  assert.equal(deltas.output_tokens, 6 * 24);
  // Two of the six found 30 tokens each in the cache, as their usage said.
  near(deltas.prefix_cache_hit_rate, 60 / 222);
  near(deltas.mean_itl_ms, 16_198.8 / 144);
  assert.equal(deltas.mean_batch, 3);
});

void test("a mean that llama.cpp gives since its start becomes that of the stage", () => {
  const text = (decodes: number, busy: number): string =>
    `llamacpp:n_decode_total ${decodes}\nllamacpp:n_busy_slots_per_decode ${busy}\n`;
  // 100 steps of 1 before, 50 steps of 4 meanwhile: 300 slots in 150 steps.
  assert.equal(serverDeltas(at(0, text(100, 1)), at(1, text(150, 2)))?.mean_batch, 4);
});

void test("a real vLLM's counters: eight answers of 24 tokens to prompts that share their beginning", async () => {
  const [before, after] = await captured("vllm");
  const deltas = ServerDeltas.parse(serverDeltas(at(0, before), at(5, after)));
  assert.equal(deltas.kind, "vllm");
  assert.equal(deltas.requests_ok, 8);
  assert.equal(deltas.requests_failed, 0);
  assert.equal(deltas.output_tokens, 8 * 24);
  assert.equal(deltas.prompt_tokens, 2280);
  near(deltas.prefix_cache_hit_rate, 1792 / 2280);
  near(deltas.mean_e2e_ms, 2080.983579158783);
  assert.ok(deltas.mean_queue_ms! < deltas.mean_ttft_ms! && deltas.mean_ttft_ms! < deltas.mean_e2e_ms!);
  // Queue, prefill and 23 gaps make up a request.
  near((deltas.mean_e2e_ms! - deltas.mean_ttft_ms!) / 23, deltas.mean_itl_ms!, 0.01);
  assert.ok(deltas.mean_batch! > 1 && deltas.mean_batch! <= 4);
});

const TGI = (k: number): string =>
  [
    `tgi_request_count ${22 * k}`,
    `tgi_request_success ${10 * k}`,
    `tgi_request_failure{err="overloaded"} ${k}`,
    `tgi_request_failure{err="validation"} ${2 * k}`,
    `tgi_request_input_length_sum ${500 * k}`,
    `tgi_request_input_length_count ${10 * k}`,
    `tgi_request_generated_tokens_sum ${800 * k}`,
    `tgi_request_generated_tokens_count ${10 * k}`,
    `tgi_request_queue_duration_sum ${0.5 * k}`,
    `tgi_request_queue_duration_count ${10 * k}`,
    `tgi_request_duration_sum ${12 * k}`,
    `tgi_request_duration_count ${10 * k}`,
    `tgi_batch_inference_duration_sum{method="decode"} ${3 * k}`,
    `tgi_batch_inference_duration_count{method="decode"} ${180 * k}`,
    `tgi_batch_inference_duration_sum{method="prefill"} ${1 * k}`,
    `tgi_batch_inference_duration_count{method="prefill"} ${20 * k}`,
    "tgi_queue_size 3",
  ].join("\n");

void test("TGI's counters: requests by success and failure, steps of both kinds", () => {
  assert.deepEqual(ServerDeltas.parse(serverDeltas(at(0, TGI(1)), at(30, TGI(3)))), {
    kind: "tgi",
    seconds: 30,
    requests_ok: 20,
    requests_failed: 6,
    prompt_tokens: 1_000,
    output_tokens: 1_600,
    mean_queue_ms: 50,
    mean_e2e_ms: 1_200,
    mean_step_ms: 20,
    mean_batch: 4,
    queue_size: 3,
  });
});

void test("tokens that speculation guessed took no step of TGI's, so they make no batch larger", () => {
  const guessed = (k: number): string => `${TGI(k)}\ntgi_request_skipped_tokens_sum ${200 * k}`;
  assert.equal(serverDeltas(at(0, guessed(1)), at(30, guessed(3)))?.mean_batch, 3);
});

void test("what vLLM turned away, gave up or broke off are failures, and answers of any end successes", () => {
  const text = (k: number): string =>
    [
      ...["stop", "length", "repetition"].map(
        (reason) => `vllm:request_success_total{finished_reason="${reason}"} ${5 * k}`,
      ),
      ...["abort", "error"].map((reason) => `vllm:request_success_total{finished_reason="${reason}"} ${2 * k}`),
      `vllm:admission_rejections_total{reason="max_num_queued_reqs"} ${7 * k}`,
    ].join("\n");
  const deltas = serverDeltas(at(0, text(1)), at(1, text(2)));
  assert.equal(deltas?.requests_ok, 15);
  assert.equal(deltas.requests_failed, 11);
});

void test("a counter that TGI did not name before it first counted began at 0", () => {
  const deltas = serverDeltas(at(0, "tgi_queue_size 0"), at(1, TGI(1)));
  assert.equal(deltas?.requests_ok, 10);
  assert.equal(deltas.mean_queue_ms, 50);
});

void test("SGLang's counters: the cache's share is of tokens, not the gauge of its last batch", () => {
  const text = (k: number): string =>
    [
      `sglang:prompt_tokens_total{model_name="m",is_streaming="true"} ${3_000 * k}`,
      `sglang:prompt_tokens_total{model_name="m",is_streaming="false"} ${1_000 * k}`,
      `sglang:generation_tokens_total{model_name="m"} ${900 * k}`,
      `sglang:cached_tokens_total{model_name="m",cache_source="device"} ${800 * k}`,
      `sglang:cached_tokens_total{model_name="m",cache_source="host"} ${200 * k}`,
      `sglang:num_requests_total{model_name="m"} ${9 * k}`,
      `sglang:time_to_first_token_seconds_sum{model_name="m"} ${1.8 * k}`,
      `sglang:time_to_first_token_seconds_count{model_name="m"} ${9 * k}`,
      'sglang:num_queue_reqs{model_name="m",dp_rank="0"} 2',
      'sglang:num_queue_reqs{model_name="m",dp_rank="1"} 1',
      'sglang:token_usage{model_name="m",dp_rank="0"} 0.5',
      'sglang:token_usage{model_name="m",dp_rank="1"} 0.3',
      'sglang:cache_hit_rate{model_name="m"} 0',
    ].join("\n");
  assert.deepEqual(ServerDeltas.parse(serverDeltas(at(0, text(1)), at(2, text(2)))), {
    kind: "sglang",
    seconds: 2,
    requests_ok: 9,
    prompt_tokens: 4_000,
    output_tokens: 900,
    mean_ttft_ms: 200,
    prefix_cache_hit_rate: 0.25,
    queue_size: 3,
    kv_cache_usage: 0.4,
  });
});

void test("a stage without requests has counts of 0 and no means", () => {
  assert.deepEqual(serverDeltas(at(0, TGI(2)), at(1, TGI(2))), {
    kind: "tgi",
    seconds: 1,
    requests_ok: 0,
    requests_failed: 0,
    prompt_tokens: 0,
    output_tokens: 0,
    queue_size: 3,
  });
});

void test("counters that went back are told as a restart, and never reported as negative", () => {
  const { deltas, notes } = compareSnapshots(at(0, TGI(3)), at(30, TGI(1)));
  assert.equal(deltas, null);
  assert.equal(notes.length, 1);
  assert.match(notes[0] ?? "", /counter tgi_\w+ went back: it was restarted, or several replicas/);
});

void test("a restart is noticed even where all counters are higher than before", () => {
  const started = (seconds: number, text: string): string => `${text}\nprocess_start_time_seconds ${seconds}`;
  const { deltas, notes } = compareSnapshots(at(0, started(100, TGI(1))), at(30, started(110, TGI(5))));
  assert.equal(deltas, null);
  assert.match(notes[0] ?? "", /process is another one than before: it was restarted, or several replicas/);
});

void test("another model or version behind the same address is told", () => {
  const identity = {
    server: "tgi",
    version: "3.3.6",
    model: "a",
    revision: null,
    maxConcurrentRequests: 1,
    info: {},
  } as const;
  const { deltas, notes } = compareSnapshots(
    at(0, TGI(1), { identity }),
    at(1, TGI(2), { identity: { ...identity, model: "b" } }),
  );
  assert.equal(deltas?.requests_ok, 10);
  assert.deepEqual(notes, ["The model of what answers changed meanwhile, from a to b."]);
});

void test("without metrics there are no differences, and the reason is told once", () => {
  const missing = ["No metrics of the server: it has none."];
  const none = at(0, "", { samples: null, missing });
  assert.deepEqual(compareSnapshots(none, none), { deltas: null, notes: missing });
  assert.equal(serverDeltas(null, at(0, TGI(1))), null);
  assert.match(compareSnapshots(at(0, "up 1"), at(1, "up 1")).notes[0] ?? "", /of no kind that is known/);
});

void test("client and server are said to differ beyond a tenth and 5 ms, and not within", () => {
  const server = { kind: "tgi", seconds: 10, mean_e2e_ms: 200, requests_ok: 100, output_tokens: 5_000 };
  const agreed = { meanE2eMs: 225, requestsOk: 102, outputTokens: 5_400 };
  assert.deepEqual(crossCheck(agreed, server), []);
  assert.deepEqual(crossCheck(agreed, null), []);
  assert.deepEqual(crossCheck({ meanE2eMs: null, requestsOk: null, outputTokens: null }, server), []);
  assert.match(crossCheck({ ...agreed, meanE2eMs: 225.2 }, server)[0] ?? "", /225 ms .* here and 200 ms .* network/);
  assert.match(crossCheck({ ...agreed, meanE2eMs: 170 }, server)[0] ?? "", /170 ms .* others' requests/);
  assert.match(crossCheck({ ...agreed, requestsOk: 200 }, server)[0] ?? "", /200 requests .* several replicas/);
  assert.match(
    crossCheck({ ...agreed, requestsOk: 50, outputTokens: 2_500 }, server)[0] ?? "",
    /50 requests .* others used the server/,
  );
  assert.match(crossCheck({ ...agreed, outputTokens: 4_000 }, server)[0] ?? "", /4000 tokens .* 5000/);
});
