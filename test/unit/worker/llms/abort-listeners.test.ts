import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { onAbort } from "../../../../worker/llms/abort-listeners.ts";

void test("a signal aborts all that still listen, once, through one listener", () => {
  const controller = new AbortController();
  const heard: string[] = [];
  const target = (name: string) => ({ abort: (reason: unknown) => void heard.push(`${name} ${String(reason)}`) });
  const [a, b, c] = [target("a"), target("b"), target("c")];
  const [, place] = [a, b, c].map((each) => onAbort(controller.signal, each));
  assert.equal(getEventListeners(controller.signal, "abort").length, 1);
  place?.leave();
  controller.abort("now");
  assert.deepEqual(heard, ["a now", "c now"]);
});

void test("what leaves while the signal fires is not called", () => {
  const controller = new AbortController();
  const heard: string[] = [];
  onAbort(controller.signal, { abort: () => second.leave() });
  const second = onAbort(controller.signal, { abort: () => void heard.push("second") });
  controller.abort();
  assert.deepEqual(heard, []);
});
