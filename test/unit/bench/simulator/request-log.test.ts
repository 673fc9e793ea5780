import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { answerKey, promptOf } from "../../../../bench/simulator/answer.ts";
import { MemoryRequestLog, readRequestLog } from "../../../../bench/simulator/request-log.ts";
import type { RequestLogEntry } from "../../../../bench/simulator/request-log.ts";
import { startSimulator } from "../../../../bench/simulator/simulator.ts";
import { meanInFlight } from "../../../../bench/simulator/slot-use.ts";
import { chat, get, openStream, post } from "./client.ts";

async function inFolder(run: (log: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tiding-simulator-"));
  try {
    await run(join(folder, "requests.log"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

function entry(startMs: number, endMs: number): RequestLogEntry {
  return {
    startMs,
    endMs,
    status: 200,
    outcome: "ok",
    key: "",
    nth: 1,
    seed: null,
    inFlight: 1,
    route: "chat",
    stream: false,
  };
}

void test("every request that ended is in the log once it was flushed, with its key, count, seed and times", async () => {
  await inFolder(async (log) => {
    await using simulator = await startSimulator({ log });
    const before = Date.now();
    await post(`${simulator.url}/v1/chat/completions`, chat("hello", { seed: 42 }));
    await post(`${simulator.url}/v1/chat/completions`, chat("hello", { stream: true }));
    await post(`${simulator.url}/generate`, { inputs: "" });
    assert.equal((await get(`${simulator.url}/simulator/flush`)).status, 200);
    const entries = await readRequestLog(log);
    const key = answerKey(promptOf([{ role: "user", content: "hello" }])).slice("answer-".length);
    assert.deepEqual(
      entries.map(({ startMs: _start, endMs: _end, ...rest }) => rest),
      [
        { status: 200, outcome: "ok", key, nth: 1, seed: 42, inFlight: 1, route: "chat", stream: false },
        { status: 200, outcome: "ok", key, nth: 2, seed: null, inFlight: 1, route: "chat", stream: true },
        {
          status: 422,
          outcome: "invalid",
          key: answerKey("").slice("answer-".length),
          nth: 1,
          seed: null,
          inFlight: 1,
          route: "generate",
          stream: false,
        },
      ],
    );
    for (const { startMs, endMs } of entries) {
      assert.ok(startMs > before - 1000 && endMs >= startMs && endMs < Date.now() + 1000);
    }
  });
});

void test("the log tells how many requests were in flight, and a refused one does not count as seen", async () => {
  await using simulator = await startSimulator({ log: "memory", maxConcurrentRequests: 1, hangPrompts: ["never"] });
  const held = await openStream(`${simulator.url}/generate_stream`, { inputs: "never" });
  await post(`${simulator.url}/generate`, { inputs: "hello" });
  held.leave();
  while (simulator.stats().inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
  await post(`${simulator.url}/generate`, { inputs: "hello" });
  assert.deepEqual(
    simulator.requests().map(({ outcome, nth, inFlight }) => [outcome, nth, inFlight]),
    [
      ["overloaded", 0, 1],
      ["hang", 1, 1],
      ["ok", 1, 1],
    ],
  );
});

void test("closing logs what was in flight as ended, and a later simulator appends", async () => {
  await inFolder(async (log) => {
    for (const _ of [1, 2]) {
      const simulator = await startSimulator({ log, hangPrompts: ["never"] });
      await openStream(`${simulator.url}/generate_stream`, { inputs: "never" });
      await simulator.close();
      await simulator.close();
    }
    const entries = await readRequestLog(log);
    assert.deepEqual(
      entries.map(({ outcome, nth }) => [outcome, nth]),
      [
        ["hang", 1],
        ["hang", 1],
      ],
    );
  });
});

void test("a line that a killed simulator left unfinished is left out", async () => {
  await inFolder(async (log) => {
    const simulator = await startSimulator({ log });
    await post(`${simulator.url}/generate`, { inputs: "hello" });
    await simulator.close();
    await appendFile(log, (await readFile(log, "utf8")).slice(0, 20));
    assert.equal((await readRequestLog(log)).length, 1);
  });
});

void test("asked for it, the log has the time of each token that a batch streamed, those before a fault included", async () => {
  const [fixedTtftMs, stepMs] = [40, 15];
  const batch = { knownTruth: { fixedTtftMs, stepMs, maxBatch: 4 }, answerTokens: 6 };
  await inFolder(async (log) => {
    const told = { ...batch, log, logTokens: true, faults: { "truncated-stream": 1 } };
    await using faulty = await startSimulator(told);
    await post(`${faulty.url}/generate_stream`, { inputs: "hello" });
    await using sound = await startSimulator({ ...told, faults: {} });
    await post(`${sound.url}/generate_stream`, { inputs: "hello" });
    await post(`${sound.url}/generate`, { inputs: "hello" });
    await Promise.all([faulty, sound].map((simulator) => simulator.flushLog()));
    const [cut, whole, plain] = await readRequestLog(log);
    assert.deepEqual(
      [cut, whole, plain].map((one) => one?.tokensMs?.length),
      [3, 6, 0],
    );
    for (const { startMs, endMs, tokensMs } of [cut!, whole!]) {
      for (const [token, ms] of tokensMs!.entries()) {
        assert.ok(ms >= startMs + fixedTtftMs + token * stepMs - 1, `token ${token} came after ${ms - startMs} ms`);
        assert.ok(ms <= endMs, `token ${token} came after the end`);
      }
    }
  });
  await using silent = await startSimulator({ ...batch, log: "memory" });
  await post(`${silent.url}/generate_stream`, { inputs: "hello" });
  assert.equal(silent.requests()[0]?.tokensMs, undefined);
});

void test("a log in memory keeps the newest requests, oldest first", () => {
  const log = new MemoryRequestLog(3);
  assert.deepEqual(log.entries(), []);
  for (const start of [1, 2, 3, 4, 5]) log.add(entry(start, start));
  assert.deepEqual(
    log.entries().map(({ startMs }) => startMs),
    [3, 4, 5],
  );
});

void test("the mean in flight counts each request for the part of it that lies in the window", () => {
  const log = [entry(0, 10), entry(5, 15), entry(-100, 100), entry(20, 30), entry(7, 7)];
  assert.equal(meanInFlight(log, 0, 10), (10 + 5 + 10) / 10);
  assert.equal(meanInFlight(log, 12, 12), 0);
  assert.equal(meanInFlight([], 0, 10), 0);
});
