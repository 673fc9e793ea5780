/** A plan for people: a table of ranges, and below it what they rest on. */
import type { Plan, PlanRange } from "../bench/plan/plan-document.ts";
import { formatDollars } from "../shared/observe/money.ts";
import { formatCount, formatCounted, formatDuration } from "./format.ts";
import { renderTable, type TableColumn } from "./table.ts";
import type { Look } from "./text.ts";
import { labelled, labelWidth, paint, plain, wrap } from "./text.ts";

interface Line {
  readonly what: string;
  readonly likely: string;
  readonly from: string;
  readonly to: string;
}

const columns: readonly TableColumn<Line>[] = [
  { title: "", text: ({ what }) => what, style: () => "dim" },
  { title: "LIKELY", text: ({ likely }) => likely, right: true },
  { title: "FROM", text: ({ from }) => from, right: true },
  { title: "TO", text: ({ to }) => to, right: true },
];

/** What `tiding plan` shows. */
export function renderPlan(plan: Plan, look: Look): string[] {
  const { job, rows, sample, steps } = plan;
  const title = `${paint(look, { text: plain(job.name), style: "bold" })}  plan, nothing was written`;
  if (rows.to_run === 0) return [title, ...labelled("rows", rowTexts(plan), look), "", "There is nothing to run."];
  return [
    title,
    ...labelled("rows", rowTexts(plan), look),
    ...(sample === null ? [] : labelled("sample", sampleTexts(sample), look)),
    "",
    ...renderTable(columns, linesOf(plan), look),
    ...(steps.length > 1 ? ["", ...renderTable(stepColumns, steps, look)] : []),
    ...sentences("rests on", plan.rests_on, look),
    ...sentences("mind", plan.warnings, look, "yellow"),
    "",
    "To run it:",
    `  ${plan.next}`,
  ];
}

function rowTexts({ rows }: Plan): string[] {
  const about = rows.counted === "estimated" ? "about " : "";
  return [
    `${about}${formatCount(rows.to_run)} to run`,
    `${about}${formatCount(rows.total)} in the job`,
    ...(rows.done > 0 ? [`${formatCount(rows.done)} done before`] : []),
    ...(rows.unreadable > 0 ? [`about ${formatCount(rows.unreadable)} cannot be read`] : []),
  ];
}

function sampleTexts(sample: NonNullable<Plan["sample"]>): string[] {
  return [
    `${formatCounted(sample.rows, "row")} run for real in ${formatDuration(sample.seconds * 1_000)}`,
    formatCounted(sample.calls, "call"),
    `${formatCount(sample.input_tokens)} tokens in`,
    `${formatCount(sample.output_tokens)} out`,
    ...(sample.failed > 0 ? [`${formatCounted(sample.failed, "row")} failed`] : []),
    ...(sample.dollars === null ? [] : [`cost ${formatDollars(sample.dollars)}`]),
  ];
}

function linesOf(plan: Plan): Line[] {
  const duration = (seconds: number): string => formatDuration(seconds * 1_000);
  const lines = [
    lineOf("calls", plan.calls, formatCount),
    lineOf("tokens in", plan.input_tokens, formatCount),
    lineOf("tokens out", plan.output_tokens, formatCount),
  ];
  if (plan.sample !== null) lines.push(lineOf("failed rows", plan.failed_rows, formatCount));
  if (plan.seconds === null) lines.push({ what: "time", likely: "not known", from: "", to: "" });
  else lines.push(lineOf(plan.time_is_bound ? "time, a bound" : "time", plan.seconds, duration));
  if (plan.dollars !== null) lines.push(lineOf("cost", plan.dollars, formatDollars));
  return lines;
}

function lineOf(what: string, { low, likely, high }: PlanRange, format: (value: number) => string): Line {
  return { what, likely: format(likely), from: format(low), to: format(high) };
}

type Step = Plan["steps"][number];

const stepColumns: readonly TableColumn<Step>[] = [
  { title: "STEP", text: ({ name }) => name },
  { title: "CALLS", text: ({ calls }) => formatCount(calls.likely), right: true },
  { title: "TOKENS IN", text: ({ input_tokens: tokens }) => formatCount(tokens.likely), right: true },
  { title: "TOKENS OUT", text: ({ output_tokens: tokens }) => formatCount(tokens.likely), right: true },
  { title: "COST", text: ({ dollars }) => (dollars === null ? "" : formatDollars(dollars.likely)), right: true },
  { title: "ENDPOINTS", text: ({ endpoints }) => endpoints.join(", ") },
];

function sentences(label: string, texts: readonly string[], look: Look, style?: "yellow"): string[] {
  if (texts.length === 0) return [];
  const mark = look.unicode ? "•" : "-";
  const width = Math.max(20, Math.min(look.width, 100) - labelWidth - 2);
  const lines = texts.flatMap((sentence) =>
    wrap(plain(sentence), width).map((text, at) => `${at === 0 ? mark : " "} ${text}`),
  );
  return [
    "",
    ...lines.map((text, index) => {
      const start = paint(look, { text: (index === 0 ? label : "").padEnd(labelWidth), style: "dim" });
      return start + (style === undefined ? text : paint(look, { text, style }));
    }),
  ];
}
