/** How a benchmark looks in the terminal: pure functions from its stages to lines. */
import type { BenchStart } from "../bench/bench-options.ts";
import type { StageLoad } from "../bench/load/stage-load.ts";
import type { StageProgress } from "../bench/metrics/stage-progress.ts";
import type { BenchReport, StageReport } from "../bench/report/bench-report.ts";
import { shownNumber, shownShare, shownWhole } from "../bench/report/numbers.ts";
import { stagesInOrder } from "../bench/report/stage-order.ts";
import { formatDuration } from "./format.ts";
import { renderTable } from "./table.ts";
import type { TableColumn } from "./table.ts";
import type { Look, Style } from "./text.ts";
import { fit, paint, plain, textWidth, wrap } from "./text.ts";

/** One line of the table of stages, while it runs and after; null for what is not known yet. */
export interface StageRow {
  readonly name: string;
  readonly state: "waiting" | "running" | "over";
  readonly dueReqS: number | null;
  readonly reqS: number | null;
  readonly inFlight: number | null;
  readonly ok: number | null;
  readonly errors: number | null;
  readonly errorRate: number | null;
  readonly ttft: Percentiles;
  readonly itl: Percentiles;
  readonly tokS: number | null;
  readonly attainment: number | null;
  readonly isBeyond: boolean;
}

interface Percentiles {
  readonly p50: number | null;
  readonly p99: number | null;
}

const NOTHING = { p50: null, p99: null };
const EMPTY: Omit<StageRow, "name" | "state"> = {
  dueReqS: null,
  reqS: null,
  inFlight: null,
  ok: null,
  errors: null,
  errorRate: null,
  ttft: NOTHING,
  itl: NOTHING,
  tokS: null,
  attainment: null,
  isBeyond: false,
};

export function waitingRow(name: string): StageRow {
  return { ...EMPTY, name, state: "waiting" };
}

/** Counts and rates of all that was sent so far, warm-up included; the report's are of the window alone. */
export function runningRow({ name, arrivals }: StageLoad, progress: StageProgress | null): StageRow {
  const due = arrivals.kind === "constant" || arrivals.kind === "poisson" ? arrivals.rate : null;
  if (progress === null) return { ...EMPTY, name, state: "running", dueReqS: due };
  const { ended, elapsedMs } = progress;
  const seconds = elapsedMs / 1_000;
  const ends = ended.ok + ended.error;
  const perSecond = (count: number): number | null => (seconds >= 1 ? count / seconds : null);
  return {
    ...EMPTY,
    name,
    state: "running",
    dueReqS: due ?? perSecond(progress.scheduled),
    reqS: perSecond(ended.ok),
    inFlight: progress.inFlight,
    ok: ended.ok,
    errors: ended.error,
    errorRate: ends === 0 ? 0 : ended.error / ends,
    ttft: progress.ttftResponse,
    itl: progress.itl,
    tokS: perSecond(progress.events),
  };
}

export function rowOfReport({ name, counts, throughput, metrics, slo, over_saturated: beyond }: StageReport): StageRow {
  return {
    name,
    state: "over",
    dueReqS: throughput.offered_req_s,
    reqS: throughput.req_s,
    inFlight: throughput.concurrency,
    ok: counts.ok,
    errors: counts.errors,
    errorRate: throughput.error_rate,
    ttft: metrics.ttft_response,
    itl: metrics.itl,
    tokS: throughput.out_tok_s,
    attainment: slo?.attainment ?? null,
    isBeyond: beyond === true,
  };
}

interface StageColumn extends TableColumn<StageRow> {
  /** Columns leave a narrow terminal from the highest on. */
  readonly rank: number;
}

function number(
  title: string,
  rank: number,
  of: (row: StageRow) => number | null,
  style?: TableColumn<StageRow>["style"],
) {
  const text = (row: StageRow): string => shownNumber(of(row));
  return { title, rank, text, right: true, ...(style === undefined ? {} : { style }) } as const satisfies StageColumn;
}

const COLUMNS: readonly StageColumn[] = [
  {
    title: "stage",
    rank: 0,
    text: ({ name, isBeyond }) => (isBeyond ? `${name} !` : name),
    style: ({ state, isBeyond }) =>
      state === "waiting" ? "dim" : isBeyond ? "yellow" : state === "running" ? "cyan" : undefined,
  },
  number("due/s", 6, ({ dueReqS }) => dueReqS),
  number("done/s", 1, ({ reqS }) => reqS),
  number("in flight", 4, ({ inFlight }) => inFlight),
  { title: "ok", rank: 5, text: ({ ok }) => shownWhole(ok), right: true },
  {
    title: "failed",
    rank: 3,
    text: ({ errorRate }) => shownShare(errorRate),
    style: ({ errors }) => (errors !== null && errors > 0 ? "red" : undefined),
    right: true,
  },
  number("TTFT p50", 1, ({ ttft }) => ttft.p50),
  number("p99", 2, ({ ttft }) => ttft.p99),
  number("ITL p50", 1, ({ itl }) => itl.p50),
  number("p99", 2, ({ itl }) => itl.p99),
  number("tok/s", 0, ({ tokS }) => tokS),
];

const IN_SLO: StageColumn = {
  title: "in SLO",
  rank: 2,
  text: ({ attainment }) => shownShare(attainment),
  right: true,
};

/** The stages as a table, without the columns that a narrow terminal has no room for. */
export function renderStages(rows: readonly StageRow[], look: Look): string[] {
  const unpainted = { ...look, colour: false };
  let columns = rows.some(({ attainment }) => attainment !== null) ? [...COLUMNS, IN_SLO] : COLUMNS;
  const isTooWide = (): boolean => renderTable(columns, rows, unpainted).some((line) => textWidth(line) > look.width);
  while (isTooWide()) {
    const highest = Math.max(...columns.map(({ rank }) => rank));
    if (highest === 0) break;
    columns = columns.filter(({ rank }) => rank < highest);
  }
  return renderTable(columns, rows, look);
}

export interface BenchView {
  readonly start: BenchStart;
  readonly rows: readonly StageRow[];
  readonly running: { readonly load: StageLoad; readonly elapsedMs: number } | null;
}

const BAR = 30;

/** The lines that are redrawn while a benchmark runs. None is wider than the terminal but where a stage's name is. */
export function renderBench({ start, rows, running }: BenchView, look: Look): string[] {
  return [renderEndpoint(start.endpoint, look), "", ...renderStages(rows, look), "", ...renderRunning(running, look)];
}

function renderEndpoint({ model, server, server_version: version, url }: BenchReport["endpoint"], look: Look): string {
  const rest = `on ${version === null ? server : `${server} ${version}`} at ${url}`;
  const name = fit(plain(model), look);
  const room = look.width - textWidth(name) - 1;
  return `${paint(look, { text: name, style: "bold" })} ${room > 8 ? fit(plain(rest), look, room) : ""}`.trimEnd();
}

function renderRunning(running: BenchView["running"], look: Look): string[] {
  if (running === null) return [];
  const { load, elapsedMs } = running;
  const name = plain(load.name);
  if (load.seconds === null) return [fit(`${name}: ${formatDuration(wholeSeconds(elapsedMs))}`, look)];
  const share = Math.min(1, elapsedMs / (load.seconds * 1_000));
  const left = load.seconds * 1_000 - elapsedMs;
  const state =
    left <= 0
      ? "waiting for the last answers"
      : `${partOf(load, elapsedMs)}, ${formatDuration(wholeSeconds(left))} left`;
  const text = `${name}: ${state}`;
  const columns = Math.min(BAR, look.width - textWidth(text) - 2);
  if (columns < 8) return [fit(text, look)];
  const done = Math.round(columns * share);
  const [full, empty] = look.unicode ? ["━", "─"] : ["#", "-"];
  return [
    `${paint(look, { text: full.repeat(done), style: "green" })}${paint(look, { text: empty.repeat(columns - done), style: "dim" })}  ${text}`,
  ];
}

function partOf({ seconds, warmUpSeconds, rampSeconds, coolDownSeconds }: StageLoad, elapsedMs: number): string {
  if (elapsedMs < Math.max(warmUpSeconds, rampSeconds) * 1_000) return "warm-up";
  return elapsedMs < ((seconds ?? 0) - coolDownSeconds) * 1_000 ? "measuring" : "cool-down";
}

/** A clock that is redrawn several times a second must not flicker between units. */
function wholeSeconds(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds / 1_000)) * 1_000;
}

/** One line without control characters, for logs. */
export function renderStageLine({ name, ...row }: StageRow, elapsedMs: number): string {
  const texts = [
    `${formatDuration(wholeSeconds(elapsedMs))} ${name}`,
    `${shownNumber(row.reqS)} of ${shownNumber(row.dueReqS)} req/s`,
    `${shownNumber(row.inFlight)} in flight`,
    `${shownWhole(row.ok)} ok`,
    `${shownWhole(row.errors)} failed`,
    `TTFT p50 ${shownNumber(row.ttft.p50)} p99 ${shownNumber(row.ttft.p99)} ms`,
    `ITL p50 ${shownNumber(row.itl.p50)} p99 ${shownNumber(row.itl.p99)} ms`,
    `${shownNumber(row.tokS)} tok/s`,
  ];
  return plain(texts.join(", "));
}

/** What is left on the terminal when a benchmark is over. */
export function renderBenchReport(report: BenchReport, folder: string, look: Look): string[] {
  const { headlines, stages, sweep, slo } = report;
  const width = Math.max(20, Math.min(look.width, 100) - 2);
  const mark = look.unicode ? "▲ " : "! ";
  const lines = [renderEndpoint(report.endpoint, { ...look, width: Number.POSITIVE_INFINITY }), ""];
  lines.push(...renderStages(stagesInOrder(report).map(rowOfReport), look));
  lines.push(
    paint(look, {
      text: fit("Times in ms, from when a request was due; a dash: too few requests.", look),
      style: "dim",
    }),
  );
  if (stages.some(({ over_saturated: beyond }) => beyond === true)) {
    lines.push(paint(look, { text: fit("!  the queue grew for as long as requests came", look), style: "dim" }));
  }
  if (sweep !== null) lines.push("", ...renderSweep(sweep, slo !== null, look));
  if (headlines.length > 0) lines.push("");
  for (const [index, sentence] of headlines.entries()) {
    const style: Style = index === 0 ? ["yellow", "bold"] : "yellow";
    for (const [at, line] of wrap(plain(sentence), width).entries()) {
      lines.push(at === 0 ? `${paint(look, { text: mark, style })}${line}` : `  ${line}`);
    }
  }
  lines.push("", `Report:  ${folder}/report.html`);
  return lines;
}

function renderSweep(sweep: NonNullable<BenchReport["sweep"]>, hasSlo: boolean, look: Look): string[] {
  const rows: (readonly [string, string])[] = [
    ["one at a time", `${shownNumber(sweep.synchronous_req_s)} req/s`],
    ["full load", `${shownNumber(sweep.throughput_req_s)} req/s`],
    [
      "knee",
      sweep.knee_req_s === null ? "none found" : `${shownNumber(sweep.knee_req_s)} req/s without a growing queue`,
    ],
  ];
  if (hasSlo)
    rows.push(["within the SLO", sweep.slo_req_s === null ? "no rate" : `up to ${shownNumber(sweep.slo_req_s)} req/s`]);
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, text]) => `${paint(look, { text: name.padEnd(width), style: "dim" })}  ${text}`);
  return sweep.stopped === null ? lines : [...lines, plain(sweep.stopped)];
}
