import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { LoadGenerator } from "../../../bench/load/load-generator.ts";
import type { LoadGeneratorOptions, StageOutcome } from "../../../bench/load/load-generator.ts";
import type { LoadTarget } from "../../../bench/load/load-target.ts";
import type { RequestRecord } from "../../../bench/load/request-record.ts";
import type { StageLoad } from "../../../bench/load/stage-load.ts";
import { startSimulatorProcess } from "../../../bench/simulator/child.ts";
import type { SimulatorProcess } from "../../../bench/simulator/child.ts";
import { startSimulator } from "../../../bench/simulator/simulator.ts";

const ANSWER_MS = 200;
const TOKENS = 20;

let simulator: SimulatorProcess;
before(async () => {
  simulator = await startSimulatorProcess({
    latency: { distribution: "fixed", medianMs: ANSWER_MS },
    answerTokens: TOKENS,
    streamWrites: TOKENS,
    maxConcurrentRequests: 0,
  });
});
after(() => simulator.stop());

const LOAD: StageLoad = {
  name: "stage",
  arrivals: { kind: "closed", concurrency: 4 },
  seconds: null,
  requests: 12,
  warmUpSeconds: 0,
  coolDownSeconds: 0,
  rampSeconds: 0,
  maxInFlight: 256,
  graceSeconds: 30,
  seed: 1,
};

void test("a closed loop sends exactly as many requests as it is given, never more at a time than its concurrency", async () => {
  const { records, outcome } = await runStage(LOAD);
  assert.deepEqual(indexes(records), range(12));
  assert.ok(records.every((record) => record.outcome === "ok" && record.outputTokens === TOKENS));
  assert.ok(mostInFlight(records) <= 4, `${mostInFlight(records)} were in flight`);
  assert.equal(outcome.tally.due.outcomes.ok, 12);
  assert.equal(outcome.heldBack, null);
});

void test("what is in flight when the window ends is awaited and counted (inference-benchmarker dropped it)", async () => {
  const { records } = await runStage({
    ...LOAD,
    requests: null,
    seconds: 0.5,
    arrivals: { kind: "constant", rate: 40 },
  });
  assert.deepEqual(indexes(records), range(20));
  assert.ok(records.every((record) => record.outcome === "ok"));
  assert.ok(records.some((record) => record.endMs! > 500));
});

void test("a due request that must wait is counted and its wait is in its response time (inference-benchmarker skipped it)", async () => {
  const { records, outcome } = await runStage({
    ...LOAD,
    arrivals: { kind: "constant", rate: 40 },
    maxInFlight: 2,
    requests: 20,
  });
  assert.deepEqual(indexes(records), range(20));
  assert.ok(mostInFlight(records) <= 2);
  for (const record of records) assert.equal(record.scheduledMs, record.index * 25);
  // Two places, 200 ms an answer at least: the last two can not be sent before the ninth round.
  assert.ok(records[19]!.sentMs! >= 9 * 0.95 * ANSWER_MS, `sent at ${records[19]!.sentMs}`);
  assert.ok(outcome.heldBack!.requests >= 16);
  const { ttft_response: response, ttft_service: service } = outcome.tally.metrics();
  assert.ok(response.max! > service.max! + 1_000);
});

void test("requests that were due and not sent when the time is over are told as never sent", async () => {
  const { records, outcome } = await runStage({
    ...LOAD,
    arrivals: { kind: "constant", rate: 40 },
    maxInFlight: 1,
    requests: null,
    seconds: 0.5,
  });
  assert.deepEqual(indexes(records), range(20));
  const neverSent = records.filter((record) => record.outcome === "never-sent");
  assert.ok(neverSent.length >= 16 && neverSent.every((record) => record.sentMs === null && record.measured));
  assert.equal(outcome.tally.due.outcomes["never-sent"], neverSent.length);
});

void test("all at once: every request is due at the start, whenever a place comes free", async () => {
  const { records } = await runStage({ ...LOAD, arrivals: { kind: "at-once" }, maxInFlight: 3, requests: 9 });
  assert.deepEqual(indexes(records), range(9));
  assert.ok(records.every((record) => record.scheduledMs === 0 && record.outcome === "ok"));
  assert.ok(mostInFlight(records) <= 3);
});

void test("what is in flight when the grace is over is cut, and recorded with the tokens it had", async () => {
  const load = {
    ...LOAD,
    requests: null,
    seconds: 0.1,
    graceSeconds: 0,
    arrivals: { kind: "closed", concurrency: 4 },
  } as const;
  const { records } = await runStage(load);
  assert.deepEqual(indexes(records), range(4));
  for (const record of records) {
    assert.equal(record.outcome, "incomplete");
    assert.equal(record.outputTokens, record.events);
    assert.ok(record.events < TOKENS && record.error === null);
  }
});

void test("the signal ends a stage at once, and what was measured until then is its outcome", async () => {
  const ending = new AbortController();
  const load = { ...LOAD, requests: null, seconds: 600, arrivals: { kind: "closed", concurrency: 4 } } as const;
  const { records, outcome } = await runStage(load, {}, { signal: ending.signal, onRecords: () => ending.abort() });
  assert.equal(outcome.endedBy, "signal");
  assert.ok(outcome.window.endMs < 600_000);
  assert.ok(records.some((record) => record.outcome === "ok"));
  assert.deepEqual(indexes(records), range(records.length));
});

void test("a stage that its watcher stops sends nothing more and waits for what is in flight", async () => {
  const load = { ...LOAD, requests: null, seconds: 600, arrivals: { kind: "constant", rate: 20 } } as const;
  const { records, outcome } = await runStage(load, {}, { stop: (timeline) => timeline.length > 0 });
  assert.equal(outcome.endedBy, "stop");
  assert.ok(records.length > 0 && records.every((record) => record.outcome === "ok"));
  assert.ok(records.every((record) => record.scheduledMs < outcome.window.endMs));
});

void test("several threads together send the one schedule (guidellm's workers each drew the same one)", async () => {
  const load = { ...LOAD, arrivals: { kind: "poisson", rate: 200 }, requests: 120 } as const;
  const alone = await runStage(load, {}, { threads: 1 });
  const shared = await runStage(load, {}, { threads: 3 });
  assert.equal(shared.outcome.client.threads, 3);
  assert.deepEqual(indexes(shared.records), range(120));
  assert.deepEqual(
    shared.records.map((record) => record.scheduledMs),
    alone.records.map((record) => record.scheduledMs),
  );
  const shares = { ...LOAD, arrivals: { kind: "closed", concurrency: 70 }, requests: 150 } as const;
  const closed = await runStage(shares, {}, { threads: 2 });
  assert.equal(closed.outcome.client.threads, 2);
  assert.deepEqual(indexes(closed.records), range(150));
});

void test("every request of a burst is counted where places are full (inference-benchmarker's break lost the rest of a tick)", async () => {
  const { records, outcome } = await runStage({
    ...LOAD,
    arrivals: { kind: "constant", rate: 5_000 },
    maxInFlight: 5,
    requests: 40,
  });
  assert.deepEqual(indexes(records), range(40));
  assert.equal(outcome.tally.due.outcomes.ok, 40);
});

void test("the run starts when its first request is due, whichever ends first (inference-benchmarker began with the first that completed)", async () => {
  await using slow = await startSimulator({ latency: { distribution: "fixed", medianMs: 300 }, streamWrites: 1 });
  const load = { ...LOAD, arrivals: { kind: "constant", rate: 50 }, requests: 5 } as const;
  const { records, outcome } = await runStage(load, { url: slow.url });
  assert.equal(outcome.window.startMs, 0);
  assert.equal(records[0]!.scheduledMs, 0);
  assert.ok(outcome.window.endMs >= Math.max(...records.map((record) => record.endMs!)));
});

void test("what ends after the window is in the records and the counts (inference-benchmarker waited for it and threw it away)", async () => {
  const load = {
    ...LOAD,
    requests: null,
    seconds: 0.6,
    coolDownSeconds: 0.3,
    arrivals: { kind: "constant", rate: 20 },
  } as const;
  const { records, outcome } = await runStage(load);
  assert.deepEqual(indexes(records), range(12));
  assert.deepEqual(
    records.map((record) => record.measured),
    range(12).map((index) => index < 6),
  );
  assert.ok(records[5]!.endMs! > outcome.window.endMs);
  assert.equal(outcome.tally.due.outcomes.ok, 6);
});

void test("as many requests are in flight as the load says (a client library's limit of 100 connections made a ceiling)", async () => {
  // Answers nobody before all have asked.
  const waiting: ServerResponse[] = [];
  const server = createServer((_request, response) => {
    waiting.push(response);
    if (waiting.length < 150) return;
    for (const each of waiting) each.writeHead(200, { "content-type": "text/event-stream" }).end(LAST_EVENT);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const load = { ...LOAD, arrivals: { kind: "closed", concurrency: 150 }, requests: 150 } as const;
  const { records } = await runStage(load, { url: `http://127.0.0.1:${port}` });
  server.close();
  assert.ok(records.every((record) => record.outcome === "ok"));
  assert.equal(mostInFlight(records), 150);
});

void test("a request that takes longer than it may is an error, and its connection is not used again", async () => {
  await using hanging = await startSimulator({ faults: { hang: 1 } });
  const { records } = await runStage({ ...LOAD, requests: 8 }, { url: hanging.url, requestTimeoutMs: 100 });
  assert.deepEqual(indexes(records), range(8));
  assert.ok(
    records.every((record) => record.outcome === "error" && record.error === "timeout" && record.endMs! >= 100),
  );
});

void test("a closed loop does not storm a server that refuses at once", async () => {
  await using refusing = await startSimulator({ faults: { "503": 1 } });
  const load = { ...LOAD, requests: null, seconds: 1, arrivals: { kind: "closed", concurrency: 2 } } as const;
  const { records } = await runStage(load, { url: refusing.url });
  assert.ok(records.every((record) => record.error === "http-503"));
  // Two places that rest 100 ms after each.
  assert.ok(records.length >= 2 && records.length <= 22, `${records.length} requests`);
  const lag = records.map((record) => record.sentMs! - record.scheduledMs);
  assert.ok(Math.min(...lag) < 50, "the rest counts as lateness");
});

void test("a stage goes on with prompts that no stage before it has sent", async () => {
  await using generator = await open({}, {});
  const signal = new AbortController().signal;
  await generator.runStage({ ...LOAD, requests: 5 }, { signal });
  assert.equal(generator.promptsUsed, 5);
  await generator.runStage({ ...LOAD, requests: 3 }, { signal });
  assert.equal(generator.promptsUsed, 8);
});

void test("what keeps the prompts from opening is thrown, and no thread is left", async () => {
  const prompts = { source: { kind: "synthetic", tokens: { mean: -1 } }, maxTokens: 1, folder: "." } as const;
  await assert.rejects(open({}, { prompts, threads: 2 }), { code: "USAGE", message: /prompts/i });
  await assert.rejects(open({ url: "ftp://127.0.0.1" }, {}), { code: "SPEC_INVALID" });
});

void test("a stage without an end is refused", async () => {
  await using generator = await open({}, {});
  const running = generator.runStage({ ...LOAD, requests: null }, { signal: new AbortController().signal });
  await assert.rejects(running, { code: "USAGE", message: /has no end/ });
});

const LAST_EVENT = `data: {"index":1,"token":{"id":1,"text":"a"},"generated_text":"a","details":{"finish_reason":"length","generated_tokens":1,"input_length":1}}\n\n`;

interface RunOptions {
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onRecords?: (lines: string) => void;
  readonly stop?: (timeline: readonly unknown[]) => boolean;
}

async function runStage(
  load: StageLoad,
  target: Partial<LoadTarget> = {},
  options: RunOptions = {},
): Promise<{ readonly records: RequestRecord[]; readonly outcome: StageOutcome }> {
  let lines = "";
  const onRecords = (some: string): void => {
    lines += some;
    options.onRecords?.(some);
  };
  await using generator = await open(target, { onRecords, threads: options.threads ?? 1 });
  const { signal = new AbortController().signal, stop } = options;
  const outcome = await generator.runStage(load, { signal, ...(stop === undefined ? {} : { stop }) });
  const records = lines.split("\n").filter((line) => line !== "");
  return {
    records: records.map((line) => JSON.parse(line) as RequestRecord).toSorted((one, other) => one.index - other.index),
    outcome,
  };
}

function open(target: Partial<LoadTarget>, options: Partial<LoadGeneratorOptions>): Promise<LoadGenerator> {
  return LoadGenerator.open({
    target: {
      url: simulator.url,
      route: "tgi",
      model: "tgi",
      headers: {},
      ignoreEos: false,
      generation: {},
      requestTimeoutMs: 60_000,
      ...target,
    },
    prompts: { source: { kind: "synthetic", tokens: { mean: 20 } }, maxTokens: 512, folder: "." },
    threads: 1,
    slo: null,
    ...options,
  });
}

function indexes(records: readonly RequestRecord[]): number[] {
  return records.map((record) => record.index);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function mostInFlight(records: readonly RequestRecord[]): number {
  const changes = records.flatMap(({ sentMs, endMs }) =>
    sentMs === null || endMs === null ? [] : [[sentMs, 1] as const, [endMs, -1] as const],
  );
  // An end comes before a beginning at the same time: the place was free by then.
  changes.sort(([one, first], [other, second]) => one - other || first - second);
  let inFlight = 0;
  return Math.max(...changes.map(([, change]) => (inFlight += change)));
}
