import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { clockMs, FineTimer } from "../../../bench/fine-timer.ts";

function reached(timer: FineTimer, deadlineMs: number): Promise<number> {
  return new Promise((resolve) => timer.set(deadlineMs, () => resolve(clockMs())));
}

void test("a callback never comes before its deadline, near or far", async () => {
  const timer = new FineTimer();
  for (const waitMs of [0.05, 0.7, 1.3, 2.9, 5.5, 11.1]) {
    const deadlineMs = clockMs() + waitMs;
    assert.ok((await reached(timer, deadlineMs)) >= deadlineMs);
  }
  assert.equal(timer.pending, false);
});

void test("lateness counts each callback, and its figures are in order", async () => {
  const timer = new FineTimer();
  assert.deepEqual(timer.lateness(), { count: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 });
  let dueMs = clockMs();
  for (let beat = 0; beat < 20; beat++) await reached(timer, (dueMs += 0.5));
  const { count, p50Ms, p99Ms, maxMs } = timer.lateness();
  assert.equal(count, 20);
  assert.ok(p50Ms > 0 && p50Ms <= p99Ms && p99Ms <= maxMs);
  timer.resetLateness();
  assert.equal(timer.lateness().count, 0);
});

void test("a deadline that has passed is met in a later turn and counted as late", async () => {
  const timer = new FineTimer();
  let came = false;
  const done = new Promise<void>((resolve) => {
    timer.set(clockMs() - 25, () => {
      came = true;
      resolve();
    });
  });
  assert.equal(came, false);
  await done;
  assert.ok(timer.lateness().maxMs >= 24.9);
});

void test("a cleared or replaced deadline never runs", async () => {
  const timer = new FineTimer();
  const fail = (): void => assert.fail("It was cleared.");
  timer.set(clockMs() + 1, fail);
  timer.clear();
  assert.equal(timer.pending, false);
  timer.set(clockMs() + 4, fail);
  await reached(timer, clockMs() + 6);
  assert.equal(timer.lateness().count, 1);
});

void test("waiting close to a deadline lets sockets through", async () => {
  const server = createServer((socket) => socket.end("hello")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const timer = new FineTimer();
  let due = 0;
  const beat = (): void => {
    due++;
    timer.set(clockMs() + 1, beat); // Always within the stretch that turns the event loop.
  };
  beat();
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [data] = (await once(socket, "data")) as [Buffer];
  assert.equal(data.toString(), "hello");
  timer.clear();
  server.close();
  assert.ok(due > 0);
});

void test("threads read one clock", async () => {
  const before = clockMs();
  const thread = new Worker(
    "const [s, ns] = process.hrtime(); require('node:worker_threads').parentPort.postMessage(s * 1e3 + ns / 1e6);",
    { eval: true },
  );
  const [inside] = (await once(thread, "message")) as [number];
  assert.ok(before <= inside && inside <= clockMs());
  await thread.terminate();
});
