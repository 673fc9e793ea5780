import assert from "node:assert/strict";
import { test } from "node:test";
import { answerFor, answerKey } from "../../../../bench/simulator/answer.ts";
import type { FaultKind } from "../../../../bench/simulator/faults.ts";
import { startSimulator } from "../../../../bench/simulator/simulator.ts";
import type { SimulatorStats } from "../../../../bench/simulator/simulator.ts";
import { chat, eventsOf, get, openStream, post } from "./client.ts";
import type { Reply } from "./client.ts";

const PROMPT = "Name a bird.";
const text = answerFor(PROMPT, { answerChars: 200 }).text;

/** One plain and one streamed request that both meet the fault; an error's message where the request failed. */
async function meet(kind: FaultKind): Promise<{ plain: Reply | string; streamed: Reply | string }> {
  await using simulator = await startSimulator({
    faults: { [kind]: 1 },
    retryAfterSeconds: 3,
    faultDelayMs: 5,
    log: "memory",
  });
  const attempt = (path: string): Promise<Reply | string> =>
    post(simulator.url + path, { inputs: PROMPT }).catch(
      (error: unknown) => (error as { code?: string }).code ?? String(error),
    );
  const replies = { plain: await attempt("/generate"), streamed: await attempt("/generate_stream") };
  assert.deepEqual(simulator.stats().byOutcome, { [kind]: 2 });
  assert.equal(simulator.stats().answers, kind === "slow-first-byte" ? 2 : 0);
  assert.equal(simulator.stats().inFlight, 0);
  assert.deepEqual(
    simulator.requests().map(({ outcome, nth }) => [outcome, nth]),
    [
      [kind, 1],
      [kind, 2],
    ],
  );
  return replies;
}

function reply(found: Reply | string, status: number): Reply {
  assert.ok(typeof found === "object", JSON.stringify(found));
  assert.equal(found.status, status);
  return found;
}

void test("fault 429 is TGI's overload, fault 429-retry-after a gateway's", async () => {
  const own = await meet("429");
  assert.equal(reply(own.plain, 429).headers["retry-after"], undefined);
  assert.match(reply(own.streamed, 200).text, /"error_type":"overloaded"/);
  const gateway = await meet("429-retry-after");
  assert.equal(reply(gateway.plain, 429).headers["retry-after"], "3");
  assert.equal(reply(gateway.streamed, 429).headers["retry-after"], "3");
});

void test("faults 503, 500, 422 and html-200 look as a proxy or TGI sends them", async () => {
  assert.equal(reply((await meet("503")).plain, 503).headers["retry-after"], undefined);
  assert.equal(reply((await meet("503-retry-after")).streamed, 503).headers["retry-after"], "3");
  assert.match(reply((await meet("500")).plain, 500).text, /incomplete_generation/);
  const rejected = await meet("422");
  assert.match(reply(rejected.plain, 422).text, /"error_type":"validation"/);
  assert.match(reply(rejected.streamed, 200).text, /^data: \{"error":"Input validation error: /);
  assert.match(reply((await meet("html-200")).plain, 200).text, /^<!DOCTYPE html>/);
});

void test("fault reset cuts the connection before the first byte", async () => {
  assert.deepEqual(await meet("reset"), { plain: "ECONNRESET", streamed: "ECONNRESET" });
});

void test("fault truncated-body cuts the connection halfway", async () => {
  assert.deepEqual(await meet("truncated-body"), { plain: "UND_ERR_SOCKET", streamed: "UND_ERR_SOCKET" });
});

void test("fault truncated-stream ends a stream cleanly without its last events", async () => {
  const { plain, streamed } = await meet("truncated-stream");
  assert.equal(plain, "UND_ERR_SOCKET");
  const events = eventsOf(reply(streamed, 200).text);
  assert.ok(events.length > 1);
  assert.ok(events.every((event) => event.includes('"generated_text":null')));
});

void test("fault error-in-200 puts an error where an answer or its end should be", async () => {
  const { plain, streamed } = await meet("error-in-200");
  const error = { error: "Request failed during generation: simulated failure", error_type: "generation" };
  assert.deepEqual(JSON.parse(reply(plain, 200).text), error);
  const events = eventsOf(reply(streamed, 200).text).map((event) => JSON.parse(event) as object);
  assert.ok(events.length > 2);
  assert.deepEqual(events.at(-1), error);
});

void test("fault garbage-json is a whole response that cannot be parsed", async () => {
  const { plain, streamed } = await meet("garbage-json");
  assert.throws(() => JSON.parse(reply(plain, 200).text));
  assert.throws(() => JSON.parse(eventsOf(reply(streamed, 200).text)[0]!));
});

void test("fault slow-first-byte is a right answer", async () => {
  const { plain, streamed } = await meet("slow-first-byte");
  assert.deepEqual(JSON.parse(reply(plain, 200).text), { generated_text: text });
  assert.match(eventsOf(reply(streamed, 200).text).at(-1)!, /"generated_text":"answer-/);
});

void test("a hanging request stays in flight until its client leaves", async () => {
  await using simulator = await startSimulator({ hangPrompts: ["bird"], log: "memory" });
  const stream = await openStream(`${simulator.url}/generate_stream`, { inputs: PROMPT });
  const abort = new AbortController();
  const plain = post(`${simulator.url}/generate`, { inputs: PROMPT }, { signal: abort.signal });
  assert.equal((await post(`${simulator.url}/generate`, { inputs: "Name a fish." })).status, 200);
  await until(() => simulator.stats().inFlight === 2);
  abort.abort();
  await assert.rejects(plain, { name: "AbortError" });
  stream.leave();
  await until(() => simulator.stats().inFlight === 0);
  assert.deepEqual(simulator.stats().byOutcome, { ok: 1, hang: 2 });
});

void test("a client that leaves before its answer counts as dropped", async () => {
  await using simulator = await startSimulator({ latency: { distribution: "fixed", medianMs: 3_600_000 } });
  const abort = new AbortController();
  const plain = post(`${simulator.url}/generate`, { inputs: PROMPT }, { signal: abort.signal });
  await until(() => simulator.stats().inFlight === 1);
  abort.abort();
  await assert.rejects(plain, { name: "AbortError" });
  await until(() => simulator.stats().inFlight === 0);
  assert.deepEqual(simulator.stats().byOutcome, { dropped: 1 });
  assert.match((await get(`${simulator.url}/metrics`)).text, /tgi_request_failure\{err="dropped"\} 1/);
});

void test("a prompt that must fail fails every time, and others do not", async () => {
  await using simulator = await startSimulator({ failPrompts: ["bird"] });
  for (const _ of [1, 2]) assert.equal((await post(`${simulator.url}/generate`, { inputs: PROMPT })).status, 422);
  assert.equal((await post(`${simulator.url}/generate`, { inputs: "Name a fish." })).status, 200);
});

void test("a prompt that met a fault succeeds when tried again, the same way in every run", async () => {
  const run = async (): Promise<number[]> => {
    await using simulator = await startSimulator({ faults: { "500": 0.5 } });
    const attempts = Array.from({ length: 30 }, async (_, index) => {
      for (let attempt = 1; ; attempt++) {
        const { status } = await post(`${simulator.url}/v1/chat/completions`, chat(`prompt ${index}`));
        if (status === 200) return attempt;
        assert.equal(status, 500);
      }
    });
    return await Promise.all(attempts);
  };
  const first = await run();
  assert.deepEqual(await run(), first);
  assert.ok(first.includes(1) && first.some((attempt) => attempt > 1));
});

void test("a seed changes the answer only when asked to", async () => {
  for (const seedChangesAnswer of [false, true]) {
    await using simulator = await startSimulator({ seedChangesAnswer });
    const texts = await Promise.all(
      [1, 2].map(
        async (seed) => (await post(`${simulator.url}/generate`, { inputs: PROMPT, parameters: { seed } })).text,
      ),
    );
    assert.ok(texts.every((found) => found.startsWith(`{"generated_text":"${answerKey(PROMPT)}`)));
    assert.equal(texts[0] !== texts[1], seedChangesAnswer);
  }
});

void test("a slow stream comes in several writes and carries the whole answer", async () => {
  await using simulator = await startSimulator({ latency: { distribution: "fixed", medianMs: 20 }, streamWrites: 4 });
  const streamed = await post(`${simulator.url}/generate_stream`, { inputs: PROMPT });
  const events = eventsOf(streamed.text);
  assert.equal(events.length, answerFor(PROMPT, { answerChars: 200 }).tokens);
  assert.equal((JSON.parse(events.at(-1)!) as { generated_text: string }).generated_text, text);
  const { answers, inFlight, byOutcome } = JSON.parse(
    (await get(`${simulator.url}/simulator/stats`)).text,
  ) as SimulatorStats;
  assert.deepEqual([answers, inFlight, byOutcome], [1, 0, { ok: 1 }]);
});

void test("statistics are the same over HTTP as in the process", async () => {
  await using simulator = await startSimulator();
  await post(`${simulator.url}/generate`, { inputs: PROMPT });
  await post(`${simulator.url}/generate`, { inputs: PROMPT });
  const { cpuMs, ...stats } = JSON.parse((await get(`${simulator.url}/simulator/stats`)).text) as Record<
    string,
    unknown
  >;
  assert.deepEqual(stats, { requests: 2, answers: 2, prompts: 1, inFlight: 0, maxInFlight: 1, byOutcome: { ok: 2 } });
  assert.ok(Number(cpuMs) > 0);
});

/** Resolves when the condition holds; the test runner's own time limit ends a wait for what never comes. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
