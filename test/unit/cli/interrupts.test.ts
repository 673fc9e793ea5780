import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { watchInterrupts } from "../../../cli/interrupts.ts";

function watch() {
  let time = 0;
  const signals = new EventEmitter();
  const steps: string[] = [];
  const interrupts = watchInterrupts(
    signals,
    (step) => steps.push(step),
    () => time,
  );
  const press = (signal: string, later = 1_000): void => {
    time += later;
    signals.emit(signal);
  };
  return { signals, steps, interrupts, press };
}

void test("the first signal drains, the second stops, and the third is not held back", async () => {
  const { signals, steps, interrupts, press } = watch();
  press("SIGINT");
  assert.ok(interrupts.drain.aborted && !interrupts.stop.aborted);
  press("SIGTERM");
  assert.ok(interrupts.stop.aborted);
  assert.deepEqual(steps, ["drain", "stop"]);
  assert.equal(signals.listenerCount("SIGTERM"), 1, "a listener that finds itself alone may end the program");
  await new Promise(setImmediate);
  assert.equal(signals.listenerCount("SIGINT") + signals.listenerCount("SIGTERM"), 0);
});

void test("one key press that arrives twice counts once", () => {
  const { interrupts, press } = watch();
  press("SIGINT");
  press("SIGINT", 5);
  assert.ok(!interrupts.stop.aborted);
});

void test("nothing listens after the watch was disposed of", () => {
  const { signals, interrupts } = watch();
  interrupts[Symbol.dispose]();
  assert.equal(signals.listenerCount("SIGINT") + signals.listenerCount("SIGTERM"), 0);
});
