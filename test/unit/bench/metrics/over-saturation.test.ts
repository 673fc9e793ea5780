import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeSaturation } from "../../../../bench/metrics/over-saturation.ts";
import { sumTimelines } from "../../../../bench/metrics/sum-timelines.ts";
import { trendOf } from "../../../../bench/metrics/trend.ts";
import type { TimelinePoint } from "../../../../bench/report/bench-report.ts";
import { handMade, queued, tallyOf } from "../../../support/measured-requests.ts";
import { seededRandom } from "../../../support/seeded-random.ts";

interface Second {
  readonly scheduled: number;
  readonly completed: number;
  readonly ttft?: number;
}

function timelineOf(seconds: number, second: (at: number) => Second): TimelinePoint[] {
  return Array.from({ length: seconds }, (_, at) => {
    const { scheduled, completed, ttft } = second(at);
    return {
      second: at,
      scheduled,
      sent: scheduled,
      completed,
      errors: 0,
      output_tokens: 0,
      in_flight: 0,
      ttft_response_mean: ttft ?? null,
    };
  });
}

/** A server of eight places of a second each, so 8 req/s, at a share of that rate. */
function eightPlaces(load: number, options: { seconds: number; seed: number; poisson: boolean }) {
  const random = seededRandom(options.seed);
  const due: number[] = [];
  const rate = 8 * load;
  for (let at = 0; at < options.seconds * 1000;) {
    due.push(at);
    at += ((options.poisson ? -Math.log(1 - random()) : 1) * 1000) / rate;
  }
  const requests = queued(due, { places: 8, serviceMs: () => 500 + 1000 * random(), firstTokenMs: 50 });
  const timeline = tallyOf(requests).timeline();
  return judgeSaturation(timeline, options.poisson ? "poisson" : "constant").overSaturated;
}

const share = (verdicts: readonly (boolean | null)[]) =>
  verdicts.filter((verdict) => verdict === true).length / verdicts.length;
const seeds = Array.from({ length: 60 }, (_, seed) => seed);

void test("a steady stage is not over-saturated", () => {
  const { overSaturated, outstanding, fallingBehind } = judgeSaturation(
    timelineOf(20, (at) => ({ scheduled: 10, completed: at === 0 ? 0 : 10, ttft: 100 })),
    "constant",
  );
  assert.equal(overSaturated, false);
  assert.deepEqual([outstanding?.slope, outstanding?.margin, outstanding?.mean, fallingBehind], [0, 0, 10, 0]);
});

void test("a queue that grows by a fifth of what comes is over-saturation, by that share", () => {
  const { overSaturated, fallingBehind, ttft } = judgeSaturation(
    timelineOf(20, (at) => ({ scheduled: 10, completed: at === 0 ? 0 : 8, ttft: 100 + 200 * at })),
    "constant",
  );
  assert.equal(overSaturated, true);
  assert.ok(Math.abs(fallingBehind! - 0.2) < 1e-9);
  assert.ok(Math.abs(ttft!.slope - 200) < 1e-6);
});

void test("a little growth is over-saturation where TTFT rises with it, and not where it does not", () => {
  const growing = (ttft: (at: number) => number) =>
    judgeSaturation(
      timelineOf(40, (at) => ({ scheduled: 100, completed: at === 0 ? 0 : 97, ttft: ttft(at) })),
      "constant",
    ).overSaturated;
  assert.equal(
    growing((at) => 100 + 30 * at),
    true,
  );
  assert.equal(
    growing(() => 100),
    false,
  );
});

void test("a pipeline that fills, as long answers do it, and then is steady is not over-saturated", () => {
  const filling = timelineOf(30, (at) => ({ scheduled: 10, completed: at < 12 ? 0 : 10, ttft: 100 }));
  assert.equal(judgeSaturation(filling, "constant").overSaturated, false);
});

void test("nor is one in which the first answers are short and the pipeline goes on filling, or the rate goes on rising", () => {
  const filling = timelineOf(30, (at) => ({ scheduled: 10, completed: Math.min(10, at), ttft: 100 }));
  assert.equal(judgeSaturation(filling, "constant").overSaturated, false);
  const rising = timelineOf(42, (at) => {
    const rate = (second: number) => Math.max(0, Math.min(second, 30));
    return { scheduled: rate(at), completed: rate(at - 5), ttft: 100 };
  });
  assert.equal(judgeSaturation(rising, "constant").overSaturated, true, "it can not know that it was meant");
  assert.equal(judgeSaturation(rising, "constant", { rampSeconds: 30, minPoints: 4 }).overSaturated, false);
});

/** A server that decodes all it has in one step, 256 at most, at the h100 preset's step times; answers of about 400 tokens. */
function growingBatch(load: number, seconds: number, seed: number): boolean | null {
  const [most, tokens] = [256, 400];
  const stepMs = (batch: number) => (batch <= 32 ? 9.15 + 0.084 * batch : 13.3 + 0.094 * batch);
  const everyMs = (tokens * stepMs(most)) / most / load;
  const random = seededRandom(seed);
  const waiting = Array.from({ length: Math.ceil((seconds * 1000) / everyMs) }, (_, index) => index * everyMs);
  const tally = tallyOf([]);
  let running: { scheduledMs: number; firstMs: number | null; left: number }[] = [];
  let nowMs = 0;
  while (waiting.length + running.length > 0) {
    if (running.length === 0) nowMs = Math.max(nowMs, waiting[0]!);
    while (running.length < most && waiting[0] !== undefined && waiting[0] <= nowMs) {
      running.push({
        scheduledMs: waiting.shift()!,
        firstMs: null,
        left: Math.round(tokens * (0.6 + 0.8 * random())),
      });
    }
    nowMs += stepMs(running.length);
    for (const request of running) {
      request.firstMs ??= nowMs;
      request.left -= 1;
      if (request.left === 0)
        tally.add(handMade({ scheduledMs: request.scheduledMs, stamps: [request.firstMs, nowMs] }));
    }
    running = running.filter(({ left }) => left > 0);
  }
  return judgeSaturation(tally.timeline(), "constant").overSaturated;
}

void test("nor is a batch that grows for a third of the stage, as at 80 % of what it can do; at 110 % the queue is told", () => {
  for (let seed = 0; seed < 6; seed += 1) {
    assert.equal(growingBatch(0.8, 60, seed), false);
    assert.equal(growingBatch(1.1, 60, seed), true);
  }
});

void test("a stage in which nothing came back yet, or that was short, says nothing", () => {
  assert.equal(
    judgeSaturation(
      timelineOf(30, () => ({ scheduled: 10, completed: 0 })),
      "constant",
    ).overSaturated,
    null,
  );
  assert.equal(
    judgeSaturation(
      timelineOf(6, () => ({ scheduled: 10, completed: 5 })),
      "constant",
    ).overSaturated,
    null,
  );
  assert.equal(judgeSaturation([], "constant").overSaturated, null);
});

void test("no rate is asked of a closed loop, so it can not be over-saturated", () => {
  const rising = timelineOf(30, () => ({ scheduled: 10, completed: 5, ttft: 100 }));
  assert.equal(judgeSaturation(rising, "constant").overSaturated, true);
  assert.equal(judgeSaturation(rising, "closed").overSaturated, null);
  assert.equal(judgeSaturation(rising, "at-once").overSaturated, null);
});

void test("requests that wait in the client are part of the queue: a limit in flight does not hide it", () => {
  const waiting = timelineOf(20, (at) => ({ scheduled: 10, completed: at === 0 ? 0 : 5, ttft: 100 })).map((point) => ({
    ...point,
    sent: 5,
    in_flight: 5,
  }));
  assert.equal(judgeSaturation(waiting, "constant").overSaturated, true);
});

void test("the seconds after the last was due, when the queue drains, do not count", () => {
  const drained = timelineOf(40, (at) =>
    at < 20 ? { scheduled: 10, completed: at === 0 ? 0 : 7, ttft: 100 } : { scheduled: 0, completed: 7, ttft: 5000 },
  );
  assert.equal(judgeSaturation(drained, "constant").overSaturated, true);
});

void test("at a constant rate, 90 % of what a noisy server can do is never taken for too much, and 120 % always is", () => {
  for (const seconds of [15, 30]) {
    const at = (load: number) => share(seeds.map((seed) => eightPlaces(load, { seconds, seed, poisson: false })));
    assert.equal(at(0.5), 0);
    assert.equal(at(0.9), 0);
    assert.equal(at(1.2), 1);
    assert.equal(at(1.5), 1);
  }
});

void test("with Poisson arrivals a chance rush is rarely taken for too much, and half as much again nearly always is", () => {
  const at = (load: number) => share(seeds.map((seed) => eightPlaces(load, { seconds: 30, seed, poisson: true })));
  assert.ok(at(0.6) <= 0.05, `${at(0.6)}`);
  assert.ok(at(0.9) <= 0.1, `${at(0.9)}`);
  assert.ok(at(1.5) >= 0.95, `${at(1.5)}`);
});

void test("a slope is that of least squares, with the margin of its 95 % interval", () => {
  const trend = trendOf([1, 3, 2, 5, 4, 6].map((y, x) => ({ x, y })))!;
  assert.ok(Math.abs(trend.slope - 31 / 35) < 1e-12);
  assert.equal(trend.mean, 3.5);
  /** Of residuals that alternate nothing is added: t(4) = 2.776 times the standard error. */
  const squares = 17.5 - (31 / 35) ** 2 * 17.5;
  assert.ok(Math.abs(trend.margin - 2.776 * Math.sqrt(squares / 4 / 17.5)) < 0.005, `${trend.margin}`);
  assert.equal(trendOf([1, 2, 3].map((y, x) => ({ x, y }))), null);
});

void test("residuals that follow each other widen the margin", () => {
  const noise = Array.from({ length: 30 }, (_, x) => ({ x, y: x % 2 }));
  const waves = Array.from({ length: 30 }, (_, x) => ({ x, y: Math.floor(x / 5) % 2 }));
  assert.ok(trendOf(waves)!.margin > 1.5 * trendOf(noise)!.margin);
});

void test("timelines of threads add up second by second", () => {
  const [left, right] = [
    timelineOf(2, () => ({ scheduled: 3, completed: 3, ttft: 100 })),
    timelineOf(1, () => ({ scheduled: 1, completed: 1, ttft: 300 })),
  ];
  assert.deepEqual(
    sumTimelines([left, right]).map((point) => [point.second, point.scheduled, point.ttft_response_mean]),
    [
      [0, 4, 150],
      [1, 3, 100],
    ],
  );
  assert.deepEqual(sumTimelines([]), []);
});
