/** Servers that close connections which they said they would keep. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import { LoadGenerator } from "../../../bench/load/load-generator.ts";
import type { StageOutcome } from "../../../bench/load/load-generator.ts";

const REQUESTS = 12;
const CONCURRENCY = 2;
const STREAM = `data: {"index":1,"token":{"id":1,"text":"a"},"generated_text":"a","details":{"finish_reason":"length","generated_tokens":1,"input_length":1}}\n\n`;

void test("a request that crosses the end of its kept connection is sent again on a new one (llama.cpp closes after each stream)", async () => {
  let received = 0;
  const served = new WeakSet<Socket>();
  const server = createServer(({ socket }, response) => {
    received++;
    if (served.has(socket)) return void socket.resetAndDestroy();
    served.add(socket);
    response.writeHead(200, { "content-type": "text/event-stream", "keep-alive": "timeout=5, max=100" }).end(STREAM);
  });
  const { tally, resent } = await runStage(server);
  assert.deepEqual(tally.due.outcomes, { ok: REQUESTS, error: 0, incomplete: 0, "never-sent": 0 });
  // Every connection but the last of each place was tried a second time.
  assert.deepEqual([resent, received], [REQUESTS - CONCURRENCY, 2 * REQUESTS - CONCURRENCY]);
});

void test("a server that breaks every connection fails each request, and sees none more than twice", async () => {
  let received = 0;
  const server = createServer(({ socket }, response) => {
    received++;
    if (received > 1) return void socket.resetAndDestroy();
    response.writeHead(200, { "content-type": "text/event-stream" }).end(STREAM);
  });
  const { tally, resent } = await runStage(server);
  assert.equal(tally.due.outcomes.ok, 1);
  assert.deepEqual(tally.due.byError, { reset: REQUESTS - 1 });
  // The one connection that had carried an answer.
  assert.deepEqual([resent, received], [1, REQUESTS + 1]);
});

void test("an answer that breaks off is no request to be sent again", async () => {
  let received = 0;
  const server = createServer(({ socket }, response) => {
    received++;
    response.writeHead(200, { "content-type": "text/event-stream" });
    if (received <= CONCURRENCY) return void response.end(STREAM);
    response.flushHeaders();
    setImmediate(() => socket.resetAndDestroy());
  });
  const { tally, resent } = await runStage(server);
  assert.deepEqual([tally.due.outcomes.ok, resent], [CONCURRENCY, 0]);
});

async function runStage(server: Server): Promise<StageOutcome> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    await using generator = await LoadGenerator.open({
      target: {
        url: `http://127.0.0.1:${port}`,
        route: "tgi",
        model: "tgi",
        headers: {},
        ignoreEos: false,
        generation: {},
        requestTimeoutMs: 60_000,
      },
      prompts: { source: { kind: "synthetic", tokens: { mean: 20 } }, maxTokens: 512, folder: "." },
      threads: 1,
      slo: null,
    });
    const { signal } = new AbortController();
    return await generator.runStage(
      {
        name: "stage",
        arrivals: { kind: "closed", concurrency: CONCURRENCY },
        seconds: null,
        requests: REQUESTS,
        warmUpSeconds: 0,
        coolDownSeconds: 0,
        rampSeconds: 0,
        maxInFlight: CONCURRENCY,
        graceSeconds: 30,
        seed: 1,
      },
      { signal },
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
