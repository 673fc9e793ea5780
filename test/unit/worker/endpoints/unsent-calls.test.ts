/** Calls that fail here before a request was made: the endpoint has no part in it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TidingError } from "../../../../shared/errors.ts";
import { HandLLM } from "../../../support/hand-llm.ts";
import type { Waiting } from "../../../support/hand-llm.ts";
import { openGateway, until } from "../../../support/open-gateway.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const nextRequest = async (llm: HandLLM): Promise<Waiting> => {
  await until("a request", () => llm.inFlight.length > 0);
  return llm.inFlight[0] as Waiting;
};

void test("a row that was refused before it was sent gives its slot back, and is no request and no attempt", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm, { slots: 1 });
  const refused = world.generate();
  const next = world.generate();
  llm.inFlight[0]?.fail("ROW_INVALID", { isUnsent: true });
  await assert.rejects(refused, (error: TidingError) => {
    assert.equal(error.code, "ROW_INVALID");
    assert.deepEqual(error.details, { attempts: 0, seed: 100 });
    return true;
  });
  (await nextRequest(llm)).answer();
  await next;
  const { requests, answers } = world.gateway.counts();
  assert.deepEqual([requests, answers, world.gateway.inUse], [1, 1, 0]);
});

void test("what was never sent restores no slots that back-pressure cut, and ends no rest", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm, { slots: 16, attempts: 1 });
  const all = Promise.allSettled(Array.from({ length: 16 }, () => world.generate()));
  llm.inFlight[0]?.fail("ENDPOINT_SATURATED");
  await turn();
  for (let row = 0; row < 8; row++) llm.inFlight[0]?.fail("CONTEXT_TOO_LONG", { isUnsent: true });
  await turn();
  assert.equal(world.gateway.endpoints()[0]?.slots, 8);
  assert.equal(world.gateway.counts().requests, 16 + 1 - 8);
  while (llm.inFlight.length > 0) {
    llm.inFlight[0]?.answer();
    await turn();
  }
  await all;
  assert.equal(world.gateway.endpoints()[0]?.slots, 9, "answers do restore them");
});

void test("rows that are refused before they are sent do not keep a failing endpoint's circuit closed", async () => {
  const llm = new HandLLM();
  let nowMs = 0;
  await using world = openGateway(llm, { slots: 40, random: () => 1, now: () => nowMs });
  const all = Promise.allSettled(Array.from({ length: 20 }, () => world.generate()));
  for (let failed = 0; failed < 10; failed++) {
    llm.inFlight[0]?.fail("ENDPOINT_ERROR");
    llm.inFlight[0]?.fail("ROW_INVALID", { isUnsent: true });
    await turn();
    nowMs += 200;
  }
  assert.equal(world.gateway.endpoints()[0]?.circuit, "open");
  await world[Symbol.asyncDispose]();
  await all;
});

void test("a spec that is at fault before anything is sent opens no circuit", async () => {
  const llm = new HandLLM();
  await using world = openGateway(llm);
  const refused = world.generate();
  const next = world.generate();
  llm.inFlight[0]?.fail("TOKENIZER_UNUSABLE", { isUnsent: true });
  await assert.rejects(refused, { code: "TOKENIZER_UNUSABLE" });
  assert.equal(world.gateway.endpoints()[0]?.circuit, "closed");
  llm.inFlight[0]?.answer();
  await next;
});

void test("an endpoint that cannot be reached is down, though nothing was sent to it", async () => {
  const llm = new HandLLM(["a", "b"]);
  await using world = openGateway(llm, { slots: 1 });
  const answer = world.generate();
  llm.inFlight[0]?.fail("ENDPOINT_UNREACHABLE", { isUnsent: true });
  (await nextRequest(llm)).answer();
  assert.equal((await answer).endpoint, "b");
  assert.equal(world.gateway.endpoints()[0]?.circuit, "open");
});
