/** What the tools measured, side by side, as lines of text. */
import { mean } from "./agreement.ts";
import { METRICS } from "./bench-tool.ts";
import type { BenchTool } from "./bench-tool.ts";
import type { Comparison, Observed } from "./comparison.ts";

export interface ToolRuns {
  readonly tool: BenchTool;
  /** In the order of the rounds. */
  readonly runs: readonly Observed[];
}

export interface ComparedTool extends ToolRuns {
  readonly comparisons: readonly Comparison[];
}

/** A table for each metric: our row, and one for each tool that defines it alike. */
export function agreementTable(own: ToolRuns, others: readonly ComparedTool[]): readonly string[] {
  const lines: string[] = [];
  for (const metric of METRICS) {
    const peers = others.flatMap(({ tool, comparisons }) =>
      comparisons.filter((comparison) => comparison.metric === metric).map((comparison) => ({ tool, comparison })),
    );
    if (peers.length === 0) continue;
    const unit = metric === "out_tok_s" ? "tok/s" : "ms";
    const values = own.runs.map(({ metrics }) => metrics[metric] ?? NaN);
    lines.push("", `${metric}, ${unit}: ${own.tool.definitions[metric]}`);
    lines.push(`  ${own.tool.name.padEnd(14)}${spreadOf(values)}`);
    for (const { tool, comparison } of peers) {
      lines.push(
        `  ${tool.name.padEnd(14)}${spreadOf(comparison.theirs)}  ${judgement(comparison)}`,
        `  ${" ".repeat(14)}${tool.definitions[metric]}`,
      );
    }
  }
  return lines;
}

/** What else each tool's runs were. */
export function runsTable(all: readonly ToolRuns[]): readonly string[] {
  const head = [
    "",
    "tool",
    "CPU s",
    "seconds",
    "server: prompt ms",
    "token ms",
    "cached tokens",
    "before socket ms",
    "load",
  ];
  const rows = all.map(({ tool, runs }) => [
    "",
    `${tool.name} ${tool.version}`,
    ...[
      (run: Observed) => run.cpuSeconds,
      (run: Observed) => run.seconds,
      (run: Observed) => run.server.promptMs,
      (run: Observed) => run.server.tokenMs,
      (run: Observed) => run.cachedTokens,
      (run: Observed) => run.beforeSocketMs,
      (run: Observed) => run.load,
    ].map((of) => mean(runs.map(of)).toFixed(2)),
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]!.length)));
  const lineOf = (row: readonly string[]): string =>
    row.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join("  ");
  return ["", "Means over the runs:", lineOf(head), ...rows.map(lineOf)];
}

function spreadOf(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return `${mean(values).toFixed(2).padStart(9)}  (${least.toFixed(2)} to ${most.toFixed(2)})`.padEnd(32);
}

function judgement({ verdict, difference, spread, explanation, ours }: Comparison): string {
  const share = (100 * difference) / mean(ours);
  const apart = `apart by ${difference.toFixed(2)} ± ${spread.toFixed(2)} (${share.toFixed(1)} %)`;
  return explanation === null ? `${verdict}: ${apart}` : `${verdict} once explained: ${apart}, for ${explanation}`;
}
