import type { BenchReport } from "../bench/report/bench-report.ts";
import type { ComparedFigure, Comparison } from "../bench/report/compare-reports.ts";
import { shownNumber, shownShare } from "../bench/report/numbers.ts";
import { renderTable } from "./table.ts";
import type { TableColumn } from "./table.ts";
import type { Look, Style } from "./text.ts";
import { paint, plain, wrap } from "./text.ts";

/** Two runs side by side, stage by stage; what lies within the spread is not coloured. */
export function renderComparison(
  comparison: Comparison,
  { a, b }: { readonly a: BenchReport; readonly b: BenchReport },
  look: Look,
): string[] {
  const { sweep, stages, only_a: onlyA, only_b: onlyB } = comparison;
  const lines = [`A  ${describeRun(a)}`, `B  ${describeRun(b)}`];
  if (sweep.length > 0) lines.push("", paint(look, { text: "sweep", style: "bold" }), ...renderFigures(sweep, look));
  for (const { name, figures } of stages) {
    lines.push("", paint(look, { text: plain(name), style: "bold" }), ...renderFigures(figures, look));
  }
  if (onlyA.length + onlyB.length > 0) {
    lines.push(
      "",
      plain(`Stages of one run alone, as each sweep finds its own rates: A ${listed(onlyA)}; B ${listed(onlyB)}.`),
    );
  }
  for (const [name, { headlines }] of [
    ["A", a],
    ["B", b],
  ] as const) {
    if (headlines.length > 0) lines.push("");
    for (const sentence of headlines)
      lines.push(...wrap(plain(`${name}: ${sentence}`), Math.max(20, Math.min(look.width, 100))));
  }
  const spread =
    "Spread: of each run in itself (95 %). Runs of another day differ by more: repeat them before you conclude.";
  return [
    ...lines,
    "",
    ...wrap(spread, Math.max(20, Math.min(look.width, 100))).map((text) => paint(look, { text, style: "dim" })),
  ];
}

function describeRun({ endpoint, started_at: startedAt, id }: BenchReport): string {
  const version = endpoint.server_version === null ? "" : ` ${endpoint.server_version}`;
  return plain(
    `${endpoint.model} on ${endpoint.server}${version} at ${endpoint.url}, ${startedAt.slice(0, 16)}Z, run ${id}`,
  );
}

function renderFigures(figures: readonly ComparedFigure[], look: Look): string[] {
  const columns: TableColumn<ComparedFigure>[] = [
    { title: "", text: ({ figure, unit }) => (unit === "share" ? figure : `${figure}, ${unit}`) },
    { title: "A", text: ({ unit, a }) => shown(unit, a), right: true },
    { title: "B", text: ({ unit, b }) => shown(unit, b), right: true },
    { title: "change", text: ({ change }) => describeChange(change), style: styleOf, right: true },
    { title: "", text: describeSpread, style: styleOf },
  ];
  return renderTable(columns, figures, look);
}

function shown(unit: ComparedFigure["unit"], value: number | null): string {
  return unit === "share" ? shownShare(value) : shownNumber(value);
}

function describeChange(change: number | null): string {
  if (change === null) return "–";
  const percent = change * 100;
  const digits = Math.abs(percent) < 10 ? 1 : 0;
  return `${percent > 0 ? "+" : ""}${percent.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits })} %`;
}

function describeSpread({ beyond_spread: beyond, better }: ComparedFigure): string {
  if (beyond === null) return "";
  return beyond && better !== null ? `${better.toUpperCase()} is better` : "within the spread";
}

function styleOf({ beyond_spread: beyond, better }: ComparedFigure): Style | undefined {
  if (beyond === null) return undefined;
  return beyond && better !== null ? (better === "b" ? "green" : "red") : "dim";
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? "none" : names.join(", ");
}
