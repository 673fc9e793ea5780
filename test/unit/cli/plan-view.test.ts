import assert from "node:assert/strict";
import { test } from "node:test";
import type { Plan } from "../../../bench/plan/plan-document.ts";
import { renderPlan } from "../../../cli/plan-view.ts";
import type { Look } from "../../../cli/text.ts";

const wide: Look = { width: Number.POSITIVE_INFINITY, colour: false, unicode: true };

function range(likely: number) {
  return { low: likely * 0.9, likely, high: likely * 1.2 };
}

const use = { calls: range(6_000), input_tokens: range(500_000), output_tokens: range(1_000_000) };

function planned(changes: Partial<Plan> = {}): Plan {
  return {
    version: 1,
    kind: "plan",
    tiding: "0.1.0",
    created_at: "2026-11-21T00:00:00.000Z",
    job: { name: "answers", output: "/data/out" },
    seed: 42,
    rows: { total: 5_000, done: 0, to_run: 5_000, counted: "read", error: 0, unreadable: 0 },
    sample: {
      rows: 20,
      failed: 0,
      calls: 24,
      input_tokens: 2_000,
      output_tokens: 4_000,
      seconds: 12,
      dollars: null,
      errors: [],
    },
    ...use,
    failed_rows: { low: 0, likely: 0, high: 379 },
    seconds: range(6_000),
    time_is_bound: false,
    dollars: null,
    steps: [
      { name: "write", task: "text-generation", endpoints: ["http://10.0.0.1:8080"], slots: 64, ...use, dollars: null },
    ],
    endpoints: [],
    rests_on: ["Rows: counted, by reading the input."],
    warnings: [],
    next: "tiding run job.yaml",
    ...changes,
  };
}

void test("a plan is a table of ranges, what it rests on, and the command that comes next", () => {
  assert.deepEqual(renderPlan(planned(), wide), [
    "answers  plan, nothing was written",
    "rows      5,000 to run · 5,000 in the job",
    "sample    20 rows run for real in 12s · 24 calls · 2,000 tokens in · 4,000 out",
    "",
    "                LIKELY     FROM         TO",
    "calls            6,000    5,400      7,200",
    "tokens in      500,000  450,000    600,000",
    "tokens out   1,000,000  900,000  1,200,000",
    "failed rows          0        0        379",
    "time            1h 40m   1h 30m         2h",
    "",
    "rests on  • Rows: counted, by reading the input.",
    "",
    "To run it:",
    "  tiding run job.yaml",
  ]);
});

void test("what is not sure is said: an estimate, a bound, an unknown time, a warning", () => {
  const text = (changes: Partial<Plan>): string => renderPlan(planned(changes), wide).join("\n");
  const estimated = planned().rows;
  assert.match(text({ rows: { ...estimated, counted: "estimated" } }), /about 5,000 to run · about 5,000 in the job/);
  assert.match(
    text({ rows: { ...estimated, done: 1_000, unreadable: 50 } }),
    /1,000 done before · about 50 cannot be read/,
  );
  assert.match(text({ time_is_bound: true }), /\ntime, a bound +1h 40m/);
  assert.match(text({ seconds: null }), /\ntime +not known\n/);
  assert.match(text({ warnings: ["Take care.", "Twice."] }), /\nmind {6}• Take care\.\n {10}• Twice\.\n/);
  const none = text({ sample: null });
  assert.ok(!none.includes("sample") && !none.includes("failed rows"));
});

void test("costs are dollars, and several steps have a table of their own", () => {
  const [step] = planned().steps;
  const steps = [step!, { ...step!, name: "judge", dollars: range(2) }];
  const text = renderPlan(planned({ dollars: range(20), steps }), wide).join("\n");
  assert.match(text, /\ncost +\$20\.00 +\$18\.00 +\$24\.00\n/);
  assert.match(
    text,
    /\nSTEP {3}CALLS +TOKENS IN +TOKENS OUT +COST +ENDPOINTS\nwrite +6,000[^\n]*\njudge +6,000[^\n]*\$2\.00/,
  );
});

void test("a job that is done has nothing to plan", () => {
  const rows = { ...planned().rows, done: 5_000, to_run: 0 };
  assert.deepEqual(renderPlan(planned({ rows }), wide).at(-1), "There is nothing to run.");
});

void test("nothing that a server or a spec says steers the terminal, and lines are as wide as it is", () => {
  const lines = renderPlan(planned({ warnings: [`\u001B[31mred ${"word ".repeat(40)}`] }), { ...wide, width: 60 });
  assert.ok(!lines.join("").includes("\u001B"));
  assert.ok(lines.filter((line) => line.includes("word")).every((line) => line.length <= 60));
});
