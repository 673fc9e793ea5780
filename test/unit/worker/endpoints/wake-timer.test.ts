import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { WakeTimer } from "../../../../worker/endpoints/wake-timer.ts";
import { until } from "../../../support/open-gateway.ts";

void test("it goes off once, at the earliest moment that it was set to, and can be set again", async () => {
  let woken = 0;
  const timer = new WakeTimer(() => woken++);
  timer.setTo(3_600_000, 0);
  timer.setTo(1, 0);
  timer.setTo(Number.POSITIVE_INFINITY, 0);
  timer.setTo(2, 0);
  await until("it went off", () => woken > 0);
  await delay(20);
  assert.equal(woken, 1);
  timer.setTo(0, 3_600_000);
  await until("it went off again", () => woken > 1);
});

void test("once cleared it does not go off", async () => {
  let woken = 0;
  const timer = new WakeTimer(() => woken++);
  timer.setTo(1, 0);
  timer.clear();
  await delay(20);
  assert.equal(woken, 0);
});
