import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { ProgressFeed } from "../../../cli/progress-feed.ts";
import { CapturedStream, jobProgress } from "../../support/cli-world.ts";

function openFeed(stream: CapturedStream, environment = {}, quiet = false) {
  let time = 0;
  const feed = new ProgressFeed({ name: "job", stream, environment, quiet, now: () => time });
  return { feed, pass: (milliseconds: number) => (time += milliseconds) };
}

void test("without a terminal there is a line every ten seconds, and one soon after the state changed", () => {
  const stream = new CapturedStream();
  const { feed, pass } = openFeed(stream);
  for (let second = 0; second < 20; second++) {
    feed.show(
      jobProgress({ state: second < 5 ? "running" : "waiting", waitingFor: second < 5 ? null : "an endpoint is down" }),
    );
    pass(1_000);
  }
  feed[Symbol.dispose]();
  const lines = stream.text.trimEnd().split("\n");
  assert.equal(lines.length, 3);
  assert.match(lines[1] ?? "", /waiting: an endpoint is down$/);
  assert.equal(stripVTControlCharacters(stream.text), stream.text);
});

void test("a job that changes its state all the time does not fill a log", () => {
  const stream = new CapturedStream();
  const { feed, pass } = openFeed(stream);
  for (let step = 0; step < 100; step++) {
    feed.show(jobProgress({ state: step % 2 === 0 ? "running" : "waiting" }));
    pass(50);
  }
  assert.ok(stream.text.split("\n").length <= 6);
});

void test("a terminal is redrawn at most five times a second, and left clean", () => {
  const stream = new CapturedStream(80);
  const { feed, pass } = openFeed(stream, { TERM: "xterm" });
  let drawn = 0;
  for (let step = 0; step < 100; step++) {
    const before = stream.text.length;
    feed.show(jobProgress({ elapsedMs: step * 1_000 }));
    if (stream.text.length > before) drawn++;
    pass(10);
  }
  assert.equal(drawn, 5);
  const before = stream.text.length;
  feed[Symbol.dispose]();
  const cleared = stream.text.slice(before);
  assert.notEqual(cleared, "");
  assert.equal(stripVTControlCharacters(cleared), "");
});

void test("a dumb terminal gets lines, not control characters", () => {
  const stream = new CapturedStream(80);
  const { feed } = openFeed(stream, { TERM: "dumb" });
  feed.show(jobProgress());
  feed.notice("slots capped at 128");
  feed[Symbol.dispose]();
  assert.match(stream.text, /^1m 23s running, [^\p{Cc}]*\nslots capped at 128\n$/u);
});

void test("a notice on a terminal stays above the progress", () => {
  const stream = new CapturedStream(80);
  const { feed } = openFeed(stream, { TERM: "xterm", NO_COLOR: "1" });
  feed.show(jobProgress());
  const before = stream.text.length;
  feed.notice("slots capped at 128");
  const shown = stripVTControlCharacters(stream.text.slice(before));
  assert.match(shown, /slots capped at 128\n[^]*job {2}running\n/);
  feed[Symbol.dispose]();
});

void test("quiet keeps progress and notices back, but not answers to the reader", () => {
  const stream = new CapturedStream();
  const { feed } = openFeed(stream, {}, true);
  feed.show(jobProgress());
  feed.notice("slots capped at 128");
  assert.equal(stream.text, "");
  assert.equal(feed.requestsRunning, 37);
  feed.say("Interrupted.");
  assert.equal(stream.text, "Interrupted.\n");
});

void test("a notice that repeats with other numbers is shown once a minute", () => {
  const stream = new CapturedStream();
  const { feed, pass } = openFeed(stream);
  for (let waited = 5; waited <= 120; waited += 5) {
    feed.notice(`The endpoint is down for ${waited} s.`);
    pass(5_000);
  }
  feed.notice("The endpoint is back.");
  assert.deepEqual(stream.text.trimEnd().split("\n"), [
    "The endpoint is down for 5 s.",
    "The endpoint is down for 65 s.",
    "The endpoint is back.",
  ]);
});
