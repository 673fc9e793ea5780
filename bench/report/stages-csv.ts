import type { BenchReport, Distribution, StageReport } from "./bench-report.ts";

type Cell = string | number | boolean | null;
type Column = readonly [name: string, of: (stage: StageReport, report: BenchReport) => Cell];

const QUANTILES = ["mean", "p50", "p90", "p95", "p99", "p999", "max"] as const;

function spread(name: string, of: (stage: StageReport) => Distribution): Column[] {
  return QUANTILES.map((key) => [`${name}_${key}`, (stage) => of(stage)[key]]);
}

/** Names are part of the interface: columns are added at the end, and never renamed. */
const COLUMNS: readonly Column[] = [
  ["run", (_, { id }) => id],
  ["stage", ({ name }) => name],
  ["kind", ({ load }) => load.kind],
  ["concurrency", ({ load }) => load.concurrency],
  ["rate", ({ load }) => load.rate],
  ["window_s", ({ window }) => (window.end_ms - window.start_ms) / 1_000],
  ["scheduled", ({ counts }) => counts.scheduled],
  ["ok", ({ counts }) => counts.ok],
  ["errors", ({ counts }) => counts.errors],
  ["incomplete", ({ counts }) => counts.incomplete],
  ["never_sent", ({ counts }) => counts.never_sent],
  ["error_rate", ({ throughput }) => throughput.error_rate],
  ["offered_req_s", ({ throughput }) => throughput.offered_req_s],
  ["req_s", ({ throughput }) => throughput.req_s],
  ["out_tok_s", ({ throughput }) => throughput.out_tok_s],
  ["out_tok_s_done", ({ throughput }) => throughput.out_tok_s_done],
  ["in_tok_s", ({ throughput }) => throughput.in_tok_s],
  ["in_flight_mean", ({ throughput }) => throughput.concurrency],
  ["little", ({ throughput }) => throughput.little],
  ["goodput_req_s", ({ slo }) => slo?.goodput_req_s ?? null],
  ["slo_attainment", ({ slo }) => slo?.attainment ?? null],
  ...spread("ttft_response_ms", ({ metrics }) => metrics.ttft_response),
  ...spread("ttft_service_ms", ({ metrics }) => metrics.ttft_service),
  ...spread("e2e_response_ms", ({ metrics }) => metrics.e2e_response),
  ...spread("e2e_service_ms", ({ metrics }) => metrics.e2e_service),
  ...spread("itl_ms", ({ metrics }) => metrics.itl),
  ...spread("tpot_ms", ({ metrics }) => metrics.tpot),
  ...spread("client_lag_ms", ({ metrics }) => metrics.client_lag),
  ["prompt_tokens_mean", ({ metrics }) => metrics.prompt_tokens.mean],
  ["output_tokens_mean", ({ metrics }) => metrics.output_tokens.mean],
  ["client_limited", ({ client }) => client.limited],
  ["over_saturated", ({ over_saturated: over }) => over],
];

/** The names of the columns, in their order. */
export const STAGE_COLUMNS: readonly string[] = COLUMNS.map(([name]) => name);

/** A line of names and a line a stage, as RFC 4180 has it but with bare line feeds; what is not known is empty. */
export function stagesCsv(report: BenchReport): string {
  const lines = report.stages.map((stage) => COLUMNS.map(([, of]) => field(of(stage, report))));
  return [STAGE_COLUMNS, ...lines].map((fields) => `${fields.join(",")}\n`).join("");
}

function field(cell: Cell): string {
  if (cell === null) return "";
  // Seven digits are more than was measured, and without them sums of floats end in noise.
  if (typeof cell === "number") return String(Number(cell.toPrecision(7)));
  if (typeof cell === "boolean") return String(cell);
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
