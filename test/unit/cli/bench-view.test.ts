import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import type { BenchStart } from "../../../bench/bench-options.ts";
import type { StageLoad } from "../../../bench/load/stage-load.ts";
import type { StageProgress } from "../../../bench/metrics/stage-progress.ts";
import { BenchFeed } from "../../../cli/bench-feed.ts";
import {
  renderBench,
  renderBenchReport,
  renderStages,
  rowOfReport,
  runningRow,
  waitingRow,
} from "../../../cli/bench-view.ts";
import type { Look } from "../../../cli/text.ts";
import { textWidth } from "../../../cli/text.ts";
import { benchReport, sweepReport } from "../../support/bench-reports.ts";
import { CapturedStream } from "../../support/cli-world.ts";

const wide: Look = { width: 120, colour: false, unicode: true };

const load: StageLoad = {
  name: "4 req/s",
  arrivals: { kind: "constant", rate: 4 },
  seconds: 30,
  requests: null,
  warmUpSeconds: 5,
  coolDownSeconds: 2,
  rampSeconds: 0,
  maxInFlight: 64,
  graceSeconds: 10,
  seed: 1,
};

const start: BenchStart = {
  folder: "/out",
  endpoint: benchReport().endpoint,
  stages: ["2 req/s", "4 req/s", "8 req/s"],
};

function progress(changes: Partial<StageProgress> = {}): StageProgress {
  const nothing = { n: 0, mean: null, p50: null, p99: null };
  return {
    elapsedMs: 10_000,
    scheduled: 40,
    sent: 40,
    inFlight: 3,
    events: 4_000,
    ended: { ok: 36, error: 1, incomplete: 0, "never-sent": 0 },
    ttftResponse: { n: 20, mean: 44, p50: 42.3, p99: null },
    e2eResponse: nothing,
    itl: { n: 2_000, mean: 9.4, p50: 9.31, p99: 14.9 },
    ...changes,
  };
}

void test("the table shows what is over, what runs and what is to come", () => {
  const [first] = benchReport().stages;
  const lines = renderStages([rowOfReport(first!), runningRow(load, progress()), waitingRow("8 req/s")], wide);
  assert.match(lines[0] ?? "", /^stage +due\/s +done\/s +in flight +ok +failed +TTFT p50 +p99 +ITL p50 +p99 +tok\/s$/);
  assert.match(lines[1] ?? "", /^concurrency 1 +0\.820 +0\.820 +1\.00 +41 +0 % /);
  assert.match(lines[2] ?? "", /^4 req\/s +4\.00 +3\.60 +3\.00 +36 +2\.7 % +42\.3 +– +9\.31 +14\.9 +400$/);
  assert.match(lines[3] ?? "", /^8 req\/s +–/);
});

void test("no line is wider than the terminal: what matters least leaves first, the stage and its tokens last", () => {
  const rows = sweepReport().stages.map(rowOfReport);
  for (const width of [30, 40, 60, 80, 100, 120]) {
    const lines = renderStages(rows, { ...wide, width });
    assert.ok(
      lines.every((line) => textWidth(line) <= width),
      String(width),
    );
    assert.match(lines[0] ?? "", /^stage .*tok\/s/);
  }
  assert.match(renderStages(rows, { ...wide, width: 60 })[0] ?? "", /TTFT p50/);
});

void test("the running stage says which part of it is going on, and how long it lasts", () => {
  const at = (elapsedMs: number): string =>
    renderBench({ start, rows: [], running: { load, elapsedMs } }, wide).at(-1) ?? "";
  assert.match(at(1_000), /4 req\/s: warm-up, 29s left$/);
  assert.match(at(10_000), /4 req\/s: measuring, 20s left$/);
  assert.match(at(29_000), /4 req\/s: cool-down, 1s left$/);
  assert.match(at(31_000), /4 req\/s: waiting for the last answers$/);
});

void test("a server's name can not steer the terminal", () => {
  const endpoint = { ...start.endpoint, model: "evil\u001b[2J\u0007model" };
  const text = renderBench({ start: { ...start, endpoint }, rows: [], running: null }, wide).join("\n");
  assert.equal(stripVTControlCharacters(text), text);
  assert.match(text, /evilmodel/);
});

void test("the summary has the table, what limits it, what a sweep found, and where the page lies", () => {
  const text = renderBenchReport(sweepReport(), "/out", wide).join("\n");
  assert.match(text, /^org\/model-8b on tgi 3\.3\.7 at http:\/\/10\.0\.0\.7:8080\n/);
  assert.match(text, /24 req\/s ! /);
  assert.match(text, /knee +18\.0 req\/s without a growing queue/);
  assert.match(text, /within the SLO +up to 18\.0 req\/s/);
  assert.match(text, /▲ At 21 req\/s and 24 req\/s the queue grew/);
  assert.match(text, /Report: {2}\/out\/report\.html$/);
});

void test("a sweep without a knee says so", () => {
  const report = sweepReport();
  const none = {
    ...report,
    sweep: { ...report.sweep!, knee_req_s: null, slo_req_s: null, stopped: "At 3 req/s it fell behind." },
  };
  const text = renderBenchReport(none, "/out", wide).join("\n");
  assert.match(text, /knee +none found[^]*within the SLO +no rate\nAt 3 req\/s it fell behind\./);
});

function openFeed(stream: CapturedStream, quiet = false) {
  let time = 0;
  const feed = new BenchFeed({ stream, environment: { TERM: "xterm" }, quiet, now: () => time });
  return { feed, pass: (milliseconds: number) => (time += milliseconds) };
}

void test("without a terminal there is a line every ten seconds and one for each stage, without control characters", () => {
  const stream = new CapturedStream();
  const { feed, pass } = openFeed(stream);
  feed.onStart(start);
  feed.onStage(load);
  for (let second = 1; second <= 30; second++) {
    pass(1_000);
    feed.onProgress(progress({ elapsedMs: second * 1_000 }));
  }
  const [stage] = benchReport().stages;
  feed.onStageEnd(stage!);
  feed[Symbol.dispose]();
  const lines = stream.text.trimEnd().split("\n");
  assert.equal(lines.length, 4);
  assert.match(
    lines[0] ?? "",
    /^10s 4 req\/s, 3\.60 of 4\.00 req\/s, 3\.00 in flight, 36 ok, 1 failed, TTFT p50 42\.3 p99 – ms/,
  );
  assert.match(lines[3] ?? "", /concurrency 1, .* 41 ok/);
  assert.equal(stripVTControlCharacters(stream.text), stream.text);
});

void test("a terminal is redrawn at most five times a second, with the stages to come, and left clean", () => {
  const stream = new CapturedStream(100);
  const { feed, pass } = openFeed(stream);
  feed.onStart(start);
  feed.onStage(load);
  assert.match(stripVTControlCharacters(stream.text), /4 req\/s +4\.00[^]*8 req\/s/);
  let drawn = 0;
  for (let step = 0; step < 100; step++) {
    pass(10);
    const before = stream.text.length;
    feed.onProgress(progress({ elapsedMs: step * 100, scheduled: step, inFlight: step }));
    if (stream.text.length > before) drawn++;
  }
  assert.equal(drawn, 5);
  const before = stream.text.length;
  feed[Symbol.dispose]();
  assert.equal(stripVTControlCharacters(stream.text.slice(before)), "");
});

void test("quiet is quiet but for what it is asked to say", () => {
  const stream = new CapturedStream();
  const { feed, pass } = openFeed(stream, true);
  feed.onStart(start);
  feed.onStage(load);
  pass(60_000);
  feed.onProgress(progress());
  assert.equal(stream.text, "");
  feed.say("Ending.");
  assert.equal(stream.text, "Ending.\n");
});
