import assert from "node:assert/strict";
import { test } from "node:test";
import { TidingError } from "../../../../shared/errors.ts";
import type { Generation } from "../../../../shared/task/task.ts";
import { generation, HandLLM } from "../../../support/hand-llm.ts";
import type { Waiting } from "../../../support/hand-llm.ts";
import { openGateway, until } from "../../../support/open-gateway.ts";

const never = new AbortController().signal;
const input = [{ role: "user", content: "hello" }];

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const requestAt = async (llm: HandLLM, place = 0): Promise<Waiting> => {
  await until(`request ${place}`, () => llm.inFlight.length > place);
  return llm.inFlight[place] as Waiting;
};

void test("no more requests than slots are in flight, and others wait in order", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm);
  const done: number[] = [];
  const all = [0, 1, 2, 3, 4].map((row) => world.generate().then(() => done.push(row)));
  assert.deepEqual([world.gateway.inUse, world.gateway.waiting, world.gateway.capacity], [2, 3, 2]);
  while (done.length < 5) {
    (await requestAt(llm)).answer();
    await turn();
  }
  await Promise.all(all);
  assert.deepEqual(done, [0, 1, 2, 3, 4]);
  assert.equal(llm.peak, 2);
  assert.deepEqual([world.gateway.inUse, world.gateway.waiting], [0, 0]);
});

void test("an answer comes with its endpoint, seed, attempts and times, and is counted", async () => {
  const llm = new HandLLM();
  let nowMs = 5_000;
  await using world = openGateway(llm, { now: () => nowMs });
  const answer = world.generate();
  nowMs = 5_250;
  llm.inFlight[0]?.answer({ finishReason: "length" });
  const taken = { endpoint: "a", seed: 100, attempts: 1, startedAtMs: 5_000, durationMs: 250 };
  assert.deepEqual(await answer, { ...generation, finishReason: "length", ...taken });
  const { requests, answers: got, cutByLength, inputTokens, outputTokens } = world.gateway.counts();
  assert.deepEqual([requests, got, cutByLength, inputTokens, outputTokens], [1, 1, 1, 2, 1]);
  assert.deepEqual(world.gateway.slotUse(), { inUseMs: 250, capacityMs: 500 });
});

void test("the listener hears of each freed slot and may start the next call at once", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm);
  let left = 50;
  const answered: Promise<unknown>[] = [];
  const startMore = (): void => {
    while (world.gateway.waiting < 1 && left > 0) {
      left--;
      answered.push(world.generate());
    }
  };
  world.gateway.onSlotFree(startMore);
  startMore();
  while (llm.inFlight.length > 0) {
    llm.inFlight[0]?.answer();
    await turn();
  }
  assert.equal((await Promise.all(answered)).length, 50);
  assert.equal(llm.peak, 2);
});

void test("a transient failure is tried again with the same seed, its slot free meanwhile", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm, { slots: 1, random: () => 0.1 });
  const first = world.generate();
  const second = world.generate();
  (await requestAt(llm)).fail("ENDPOINT_ERROR");
  await turn();
  assert.equal(world.gateway.inUse, 1); // The second call has the slot while the first backs off.
  (await requestAt(llm)).answer();
  assert.equal((await second).attempts, 1);
  (await requestAt(llm)).answer();
  const { attempts, seed } = await first;
  assert.deepEqual([attempts, seed], [2, 100]);
  assert.equal(world.gateway.counts().retries.transient, 1);
});

void test("an answer that was no use is asked for again with a new seed", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm);
  const answer = world.generate();
  (await requestAt(llm)).fail("RESPONSE_INVALID");
  (await requestAt(llm)).answer();
  assert.equal((await answer).seed, 101);
});

void test("a seed among the parameters is told to whoever makes the seeds, and the LLM gets theirs alone", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm, { generationKwargs: { seed: 5, top_p: 0.5 } });
  const asked: unknown[] = [];
  const seedFor = (answerAttempt: number, fixedSeed: number | null): number => {
    asked.push([answerAttempt, fixedSeed]);
    return 10 * (fixedSeed ?? 0) + answerAttempt;
  };
  const answer = world.gateway.generate(input, { seedFor, signal: never });
  llm.inFlight[0]?.fail("RESPONSE_INVALID");
  const { call } = await requestAt(llm);
  assert.deepEqual([call.seed, call.generationKwargs], [51, { top_p: 0.5 }]);
  llm.inFlight[0]?.answer();
  assert.equal((await answer).seed, 51);
  for (const seed of [0, null]) {
    void world.gateway.generate(input, { generationKwargs: { seed }, seedFor, signal: never }).catch(() => {});
  }
  assert.deepEqual(asked, [
    [0, 5],
    [1, 5],
    [0, 0],
    [0, null],
  ]);
});

void test("a call's own generation_kwargs lie over the gateway's", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm, { generationKwargs: { temperature: 1, top_p: 0.5 } });
  void world.gateway
    .generate(input, { generationKwargs: { temperature: 0 }, seedFor: () => 1, signal: never })
    .catch(() => {});
  assert.deepEqual(llm.inFlight[0]?.call.generationKwargs, { temperature: 0, top_p: 0.5 });
});

void test("used-up attempts reject with the last error, and say how many there were", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm);
  const answer = world.generate();
  answer.catch(() => {});
  for (let attempt = 0; attempt < 3; attempt++) {
    (await requestAt(llm)).fail("CONNECTION_LOST");
    await turn();
  }
  await assert.rejects(answer, { code: "CONNECTION_LOST", details: { attempts: 3, seed: 100, endpoint: "a" } });
});

void test("an error that is none of Tiding's is LLM_FAILED and tried again, thrown or rejected", async () => {
  class Thrower extends HandLLM {
    override call(): Promise<Generation> {
      throw new RangeError("bad index for hello world and its whole long prompt");
    }
  }
  await using world = openGateway(new Thrower(), { attempts: 2 });
  await assert.rejects(world.generate(), {
    code: "LLM_FAILED",
    message: /RangeError/,
    details: { attempts: 2, seed: 100, endpoint: "a" },
  });
});

void test("a row error rejects at once and leaves the endpoint in use", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm);
  const answer = world.generate();
  llm.inFlight[0]?.fail("CONTEXT_TOO_LONG");
  await assert.rejects(answer, { code: "CONTEXT_TOO_LONG", details: { attempts: 1, seed: 100, endpoint: "a" } });
  assert.equal(world.gateway.endpoints()[0]?.circuit, "closed");
});

void test("back-pressure cuts the limit, counts no attempt, and lets the row go first", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm, { slots: 4, attempts: 1 });
  const all = Array.from({ length: 6 }, () => world.generate());
  const refused = llm.inFlight[0]?.call;
  llm.inFlight[0]?.fail("ENDPOINT_SATURATED");
  await turn();
  assert.equal(world.gateway.endpoints()[0]?.slots, 2);
  assert.equal(llm.inFlight.length, 3);
  llm.inFlight[0]?.answer();
  await turn();
  llm.inFlight[0]?.answer();
  await until("the refused call is first", () => llm.inFlight.length === 2);
  assert.equal(llm.inFlight[1]?.call.input, refused?.input);
  assert.equal(world.gateway.counts().requests, 5);
  while (llm.inFlight.length > 0) {
    llm.inFlight[0]?.answer();
    await turn();
  }
  assert.ok((await Promise.all(all)).every(({ attempts }) => attempts === 1));
  assert.equal(world.gateway.counts().retries["back-pressure"], 1);
});

void test("Retry-After keeps an endpoint free of requests", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm);
  const answer = world.generate();
  llm.inFlight[0]?.fail("ENDPOINT_SATURATED", { retryAfterMs: 60 });
  await turn();
  void world.generate().catch(() => {});
  assert.equal(llm.inFlight.length, 0);
  assert.match(world.gateway.waitingFor() ?? "", /ENDPOINT_SATURATED/);
  (await requestAt(llm)).answer();
  await answer;
  assert.equal(world.gateway.waitingFor(), null);
});

void test("an endpoint that goes down loses nothing: others carry on", async () => {
  const llm = new HandLLM(["a", "b"]);
  await using world = openGateway(llm, { slots: 1 });
  const all = [world.generate(), world.generate()];
  llm.inFlight.find(({ call }) => call.endpoint === "a")?.fail("ENDPOINT_UNREACHABLE");
  await turn();
  for (let time = 0; time < 2; time++) {
    (await requestAt(llm)).answer();
    await turn();
  }
  const taken = await Promise.all(all);
  assert.deepEqual(
    taken.map(({ endpoint, attempts }) => [endpoint, attempts]),
    [
      ["b", 1],
      ["b", 1],
    ],
  );
  const states = world.gateway.endpoints().map(({ endpoint, circuit, reason }) => [endpoint, circuit, reason]);
  assert.deepEqual(states, [
    ["a", "open", "failed with ENDPOINT_UNREACHABLE"],
    ["b", "closed", null],
  ]);
  assert.equal(world.gateway.waitingFor(), null);
});

void test("a key that one of several endpoints refuses stops that one, a key that all refuse stops the job", async () => {
  const llm = new HandLLM(["a", "b"]);
  await using world = openGateway(llm, { slots: 1 });
  const all = [world.generate(), world.generate(), world.generate()];
  const results = Promise.allSettled(all);
  llm.inFlight.find(({ call }) => call.endpoint === "a")?.fail("UNAUTHORIZED");
  await turn();
  (await requestAt(llm)).answer();
  await turn();
  assert.equal(llm.inFlight[0]?.call.endpoint, "b");
  llm.inFlight[0]?.fail("MODEL_NOT_FOUND");
  const settled = await results;
  const codes = settled.map((each) => (each.status === "rejected" ? (each.reason as TidingError).class : "answer"));
  assert.deepEqual(codes.toSorted(), ["answer", "job", "job"]);
});

void test("the only endpoint's refusal is the job's error, for those that wait as well", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm, { slots: 1 });
  const all = Promise.allSettled([world.generate(), world.generate()]);
  llm.inFlight[0]?.fail("UNAUTHORIZED");
  for (const each of await all)
    assert.equal(each.status === "rejected" && (each.reason as TidingError).code, "UNAUTHORIZED");
  assert.equal(world.gateway.counts().requests, 1);
});

void test("without any endpoint calls wait, say why, and are rejected in the end", async () => {
  const llm = new HandLLM(["a", "b"]);
  llm.served = () => {
    throw new TidingError("ENDPOINT_LOADING", "still loading.");
  };
  await using world = openGateway(llm, { slots: 1, endpointWaitMs: 150 });
  const all = Promise.allSettled([world.generate(), world.generate(), world.generate()]);
  llm.inFlight[0]?.fail("ENDPOINT_UNREACHABLE");
  llm.inFlight[0]?.fail("ENDPOINT_LOADING");
  await turn();
  assert.match(world.gateway.waitingFor() ?? "", /UNREACHABLE, for 0 s; .*LOADING, for 0 s\. The job stops in 0 s/);
  for (const each of await all) {
    assert.ok(each.status === "rejected");
    const error = each.reason as TidingError;
    assert.equal(error.code, "NO_ENDPOINT");
    assert.match(error.message, /UNREACHABLE.*LOADING/);
    assert.equal(error.details["attempts"], 0);
  }
  await assert.rejects(world.generate(), { code: "NO_ENDPOINT" });
});

void test("an abort rejects with the signal's reason and frees the slot at once, whatever the LLM does", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm, { slots: 1 });
  const [running, waiting] = [new AbortController(), new AbortController()];
  const first = world.generate(running.signal);
  const second = world.generate(waiting.signal);
  const third = world.generate();
  waiting.abort(new Error("second gone"));
  await assert.rejects(second, /second gone/);
  running.abort(new Error("first gone"));
  await assert.rejects(first, /first gone/);
  assert.deepEqual([world.gateway.inUse, llm.inFlight.length], [1, 2]); // The LLM does not heed the signal.
  llm.inFlight[0]?.answer();
  llm.inFlight[0]?.answer();
  assert.equal((await third).text, "hi");
  assert.deepEqual([world.gateway.inUse, world.gateway.waiting], [0, 0]);
});

void test("one signal for all calls sends nothing more once it fires", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm);
  const job = new AbortController();
  const all = Promise.allSettled(Array.from({ length: 50 }, () => world.generate(job.signal)));
  job.abort(new Error("stop"));
  assert.ok((await all).every(({ status }) => status === "rejected"));
  assert.deepEqual([world.gateway.counts().requests, world.gateway.inUse, world.gateway.waiting], [2, 0, 0]);
  await assert.rejects(world.generate(job.signal), /stop/);
});

void test("an abort while backing off ends the wait", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm, { random: () => 1 });
  const controller = new AbortController();
  const answer = world.generate(controller.signal);
  llm.inFlight[0]?.fail("ENDPOINT_ERROR");
  await turn();
  controller.abort(new Error("gone"));
  await assert.rejects(answer, /gone/);
});

void test("calls that back off count as waiting only beyond one set of slots", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm, { slots: 2, attempts: 9, random: () => 1 });
  for (let failed = 0; failed < 4; failed++) {
    void world.generate().catch(() => {});
    llm.inFlight[0]?.fail("ENDPOINT_ERROR");
    await turn();
  }
  assert.equal(world.gateway.waiting, 2);
});

void test("an answer cut by length fails the row by choice, with what there was", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm, { failOnLength: true });
  const answer = world.generate();
  llm.inFlight[0]?.answer({ finishReason: "length", text: "half" });
  await assert.rejects(answer, { code: "ANSWER_CUT", rawResponse: "half" });
  assert.equal(world.gateway.counts().cutByLength, 1);
});

void test("closing rejects what is under way", async () => {
  const llm = new HandLLM();
  const world = openGateway(llm);
  const all = Promise.allSettled([world.generate(), world.generate(), world.generate()]);
  await world[Symbol.asyncDispose]();
  assert.ok((await all).every(({ status }) => status === "rejected"));
  await assert.rejects(world.generate(), { name: "AbortError" });
});
