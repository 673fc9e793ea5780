/** Faults of requests that run in batches: the same to a client as without, and what only a batch can have. */

import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { clockMs } from "../../../../bench/fine-timer.ts";
import { answerFor } from "../../../../bench/simulator/answer.ts";
import { FAULT_KINDS } from "../../../../bench/simulator/faults.ts";
import type { FaultKind } from "../../../../bench/simulator/faults.ts";
import type { SimulatorInput } from "../../../../bench/simulator/options.ts";
import { startSimulator } from "../../../../bench/simulator/simulator.ts";
import { eventsOf, get, openStream, post } from "./client.ts";
import type { Reply } from "./client.ts";

const PROMPT = "Name a bird.";
const BATCHED = { knownTruth: { fixedTtftMs: 3, stepMs: 1, maxBatch: 8 }, answerTokens: 12 } satisfies SimulatorInput;
const GENERATION_FAILED = { error: "Request failed during generation: simulated failure", error_type: "generation" };

/** What one plain and one streamed request get that both meet the fault; an error's code where the request failed. */
async function meet(
  kind: FaultKind,
  options: SimulatorInput,
): Promise<{ plain: Reply | string; streamed: Reply | string }> {
  await using simulator = await startSimulator({ ...options, faults: { [kind]: 1 }, faultDelayMs: 5 });
  const attempt = (path: string): Promise<Reply | string> =>
    post(simulator.url + path, { inputs: PROMPT }).catch(
      (error: unknown) => (error as { code?: string }).code ?? String(error),
    );
  const replies = { plain: await attempt("/generate"), streamed: await attempt("/generate_stream") };
  assert.deepEqual(simulator.stats().byOutcome, { [kind]: 2 });
  assert.equal(simulator.stats().batch?.running ?? 0, 0);
  return replies;
}

/** Without what tells the time. */
function seen(found: Reply | string): unknown {
  return typeof found === "string" ? found : { status: found.status, text: found.text };
}

for (const kind of FAULT_KINDS) {
  if (kind === "hang") continue; // Ends when its client leaves, below.
  void test(`fault ${kind} looks the same in a batch as without`, async () => {
    const [batched, plain] = [await meet(kind, BATCHED), await meet(kind, { answerTokens: 12 })];
    assert.deepEqual(seen(batched.plain), seen(plain.plain));
    // A connection that is cut is told by what was there; how much of that was read is the client's.
    assert.deepEqual(seen(batched.streamed), seen(plain.streamed));
  });
}

void test("a hanging stream takes no place in a batch", async () => {
  await using simulator = await startSimulator({ ...BATCHED, hangPrompts: ["bird"] });
  const stream = await openStream(`${simulator.url}/generate_stream`, { inputs: PROMPT });
  assert.equal(simulator.stats().batch!.running, 0);
  assert.equal((await post(`${simulator.url}/generate`, { inputs: "Name a fish." })).status, 200);
  stream.leave();
});

void test("a failing batch takes with it whatever it runs, and none that waits", async () => {
  // Two places; of these prompts the first one alone meets the fault.
  const prompts = ["fails 11", "with it", "waits"];
  await using simulator = await startSimulator({
    knownTruth: { fixedTtftMs: 200, stepMs: 10, maxBatch: 2 },
    answerTokens: 12,
    faults: { "batch-failure": 0.5 },
    faultSeed: await seedThatFails(prompts),
  });
  const running = [
    post(`${simulator.url}/generate_stream`, { inputs: prompts[0] }),
    post(`${simulator.url}/generate`, { inputs: prompts[1] }),
  ];
  while (simulator.stats().maxInFlight < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  const waiting = post(`${simulator.url}/generate`, { inputs: prompts[2] });
  const [stream, plain] = await Promise.all(running);
  const events = eventsOf(stream!.text).map((data) => JSON.parse(data) as object);
  assert.deepEqual([stream!.status, events.at(-1)], [200, GENERATION_FAILED]);
  assert.deepEqual([plain!.status, JSON.parse(plain!.text)], [424, GENERATION_FAILED]);
  assert.equal((await waiting).status, 200);
  assert.deepEqual(simulator.stats().byOutcome, { "batch-failure": 1, generation: 1, ok: 1 });
  const metrics = (await get(`${simulator.url}/metrics`)).text;
  assert.match(metrics, /tgi_request_failure\{err="generation"\} 2/);
  assert.match(metrics, /tgi_batch_inference_failure\{method="decode"\} 1/);
});

void test("a latency spike holds up its whole batch after the first token", async () => {
  await using simulator = await startSimulator({ ...BATCHED, faults: { "latency-spike": 1 }, faultDelayMs: 80 });
  const startMs = clockMs();
  const reply = await post(`${simulator.url}/generate_stream`, { inputs: PROMPT });
  assert.ok(clockMs() - startMs >= 3 + 80);
  assert.equal(eventsOf(reply.text).length, 12);
});

void test("odd chunks break events apart and carry the whole answer", async () => {
  for (const options of [BATCHED, { answerTokens: 200 }]) {
    await using simulator = await startSimulator({ ...options, faults: { "odd-chunks": 1 } });
    const writes = await writesOf(simulator.url, "/generate_stream", { inputs: PROMPT });
    const last = JSON.parse(eventsOf(writes.join("")).at(-1)!) as { generated_text: string };
    assert.equal(last.generated_text, answerFor(PROMPT, { answerChars: 200, answerTokens: options.answerTokens }).text);
    assert.ok(
      writes.some((write) => !write.endsWith("\n\n")),
      "a write ends within an event",
    );
    assert.ok(
      writes.some((write) => !write.startsWith("data: ")),
      "a write begins within an event",
    );
  }
});

/** What the server wrote at a time, however TCP joined it: a chunk of the chunked encoding is one write. */
async function writesOf(url: string, path: string, body: unknown): Promise<string[]> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const text = JSON.stringify(body);
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\nconnection: close\r\n` +
      `content-length: ${text.length}\r\n\r\n${text}`,
  );
  let received = "";
  for await (const data of socket) received += String(data);
  let rest = received.slice(received.indexOf("\r\n\r\n") + 4);
  const writes: string[] = [];
  for (;;) {
    const lineEnd = rest.indexOf("\r\n");
    const length = Number.parseInt(rest.slice(0, lineEnd), 16);
    if (length === 0) return writes;
    writes.push(rest.slice(lineEnd + 2, lineEnd + 2 + length));
    rest = rest.slice(lineEnd + 4 + length);
  }
}

/** A seed with which the first prompt meets the fault when it first comes, and the others do not. */
async function seedThatFails(prompts: readonly string[]): Promise<number> {
  const { drawFault } = await import("../../../../bench/simulator/faults.ts");
  const { hashText } = await import("../../../../bench/simulator/hash.ts");
  for (let seed = 0; ; seed++) {
    const met = prompts.map((prompt) => drawFault(hashText(prompt), 1, { rates: { "batch-failure": 0.5 }, seed }));
    if (met[0] !== null && met.slice(1).every((kind) => kind === null)) return seed;
  }
}
