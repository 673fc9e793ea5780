import assert from "node:assert/strict";
import { test } from "node:test";
import { InFlightMeter } from "../../../../bench/job/in-flight.ts";

/** Steps by hand: `[ms, "new" | "again" | "end"]`. */
function figures(
  steps: readonly (readonly [number, "new" | "again" | "answer" | "failure"])[],
  { slots = 4, beganMs = 0, endedMs = 1_000 } = {},
) {
  const meter = new InFlightMeter({ slots, beganMs });
  for (const [atMs, what] of steps) {
    if (what === "new" || what === "again") meter.started(atMs, what === "new");
    else meter.ended(atMs, what === "answer");
  }
  return meter.finish(endedMs);
}

/** Four slots: filled from 100 to 130, each refilled once at 400, drained from 700 to 900; the job ends at 1,000. */
const WHOLE = [
  [100, "new"],
  [110, "new"],
  [120, "new"],
  [130, "new"],
  ...[1, 2, 3, 4].flatMap(() => [[400, "answer"] as const, [400, "new"] as const]),
  [700, "answer"],
  [700, "answer"],
  [800, "answer"],
  [900, "answer"],
] as const;

void test("the wall time is cut into prepare, ramp, drain and finish", () => {
  const found = figures(WHOLE);
  assert.equal(found.wallMs, 1_000);
  assert.equal(found.prepareMs, 100);
  assert.equal(found.rampMs, 130, "95 % of four slots are all four");
  assert.equal(found.drainMs, 200, "from the first idle slot at 700 to the last answer at 900");
  assert.equal(found.finishMs, 100);
  assert.equal(found.tailFraction, 0.3);
  assert.equal(found.peak, 4);
  assert.deepEqual([found.requests, found.answers], [8, 8]);
});

void test("utilisation is the mean in flight over the slots: of the whole wall, and of the time in which there was work", () => {
  const found = figures(WHOLE);
  // 30 ms of 1 + 2 + 3, 570 of 4, 100 of 2, 100 of 1.
  const busyMs = 10 * (1 + 2 + 3) + 570 * 4 + 100 * 2 + 100;
  assert.equal(found.meanInFlight, busyMs / 1_000);
  assert.equal(found.utilisation, busyMs / 1_000 / 4);
  assert.equal(found.dispatchUtilisation, (10 * (1 + 2 + 3) + 570 * 4) / 600 / 4);
});

void test("the steady rate is that of the answers between ramp and drain", () => {
  // Four at 400, and the first of 700, after which a slot is idle.
  assert.equal(figures(WHOLE).steadyAnswersPerSecond, (5 * 1_000) / 570);
});

void test("a late retry is nothing new to start: the tail began when the last new request left a slot idle", () => {
  const late = figures([...WHOLE.slice(0, -1), [850, "again"], [900, "failure"], [950, "answer"]]);
  assert.equal(late.drainMs, 250, "from 700 to 950");
  assert.equal(late.tailFraction, 0.3);
  assert.equal(late.answers, 8);
});

void test("slots that are idle while requests are still to be sent are no tail", () => {
  // Held back to two of four until the last new one is sent at 600, which leaves two idle at once.
  const found = figures([
    [0, "new"],
    [0, "new"],
    [300, "answer"],
    [300, "new"],
    [600, "answer"],
    [600, "new"],
    [800, "answer"],
    [1_000, "answer"],
  ]);
  assert.equal(found.rampMs, null, "all slots were never in flight");
  assert.equal(found.drainMs, 400);
  assert.equal(found.dispatchUtilisation, 0.5);
  assert.equal(found.steadyAnswersPerSecond, null);
});

void test("a run without a request has no phases", () => {
  const found = figures([]);
  assert.deepEqual(
    [found.prepareMs, found.rampMs, found.drainMs, found.finishMs, found.tailFraction, found.dispatchUtilisation],
    [null, null, null, null, null, null],
  );
  assert.equal(found.utilisation, 0);
  assert.equal(found.wallMs, 1_000);
});

void test("the timeline has the mean of each step, and its sum is what was in flight", () => {
  const { timeline, meanInFlight } = figures(WHOLE);
  assert.equal(timeline.stepMs, 50);
  assert.equal(timeline.inFlight.length, 20);
  assert.deepEqual(timeline.inFlight.slice(0, 2), [0, 0]);
  assert.equal(timeline.inFlight[10], 4);
  assert.equal(timeline.inFlight[19], 0);
  const mean = timeline.inFlight.reduce((sum, value) => sum + value, 0) / 20;
  assert.ok(Math.abs(mean - meanInFlight) < 1e-9);
});

void test("a timeline of hours has no more points than one can see, and loses nothing", () => {
  const found = figures(
    [
      [0, "new"],
      [7_200_000, "answer"],
    ],
    { endedMs: 7_200_000 },
  );
  assert.ok(found.timeline.inFlight.length <= 240);
  for (const mean of found.timeline.inFlight) assert.ok(Math.abs(mean - 1) < 1e-6, `${mean}`);
});

void test("stamps that come a little out of order never count time twice", () => {
  const found = figures(
    [
      [100, "new"],
      [90, "new"],
      [200, "answer"],
      [195, "answer"],
    ],
    { endedMs: 200 },
  );
  assert.equal(found.meanInFlight, 1, "two for 100 of 200 ms");
});

void test("clocks do not begin at 0", () => {
  const shifted = WHOLE.map(([atMs, what]) => [atMs + 81_234_567.125, what] as const);
  const found = figures(shifted, { beganMs: 81_234_567.125, endedMs: 81_235_567.125 });
  assert.ok(Math.abs(found.utilisation - figures(WHOLE).utilisation) < 1e-9);
  assert.equal(found.timeline.inFlight.length, 20);
});
