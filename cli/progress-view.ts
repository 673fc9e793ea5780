/** How a running job looks: pure functions from its progress to lines. */
import type { CallCounts, EndpointProgress, JobProgress } from "../shared/observe/job-report.ts";
import { formatCount, formatCounted, formatDuration, formatRate, formatShare } from "./format.ts";
import type { Look, Segment, Style } from "./text.ts";
import { fit, labelled, labelWidth, paint, plain, textWidth, wrap } from "./text.ts";

const stateStyles: Readonly<Record<JobProgress["state"], Style>> = {
  starting: "cyan",
  running: "green",
  waiting: "yellow",
  draining: "yellow",
  finishing: "cyan",
  finished: "green",
  stopped: "red",
};

/** A few lines that are redrawn in place. No line is wider than `look.width`, down to 20 columns. */
export function renderProgress(name: string, progress: JobProgress, look: Look): string[] {
  return [renderTitle(name, progress, look), ...renderProgressLines(progress, look)];
}

/** What `renderProgress` shows below the job's name. */
export function renderProgressLines(progress: JobProgress, look: Look): string[] {
  const { endpoints, waitingFor } = progress;
  const waiting = waitingFor === null ? [] : wrap(plain(waitingFor), look.width - labelWidth);
  return [
    renderBar(progress, look),
    ...waiting.flatMap((text, index) => labelled(index === 0 ? "waiting" : "", [{ text, style: "yellow" }], look)),
    ...labelled("rows", rowSegments(progress), look),
    ...labelled("tokens", tokenTexts(progress), look),
    ...renderEndpoints(endpoints, look),
    ...labelled("retries", retrySegments(progress.calls), look),
    ...labelled("cut", cutSegments(progress.calls), look),
    ...labelled("time", timeTexts(progress), look),
  ];
}

/** One line without control characters, for logs. */
export function renderProgressLine(progress: JobProgress): string {
  const { rows, calls, endpoints } = progress;
  const share = describeShare(progress);
  const texts = [
    `${formatDuration(progress.elapsedMs)} ${progress.state}`,
    `rows ${describeDone(progress)}${share === "" ? "" : ` (${share})`}`,
    `${formatCount(rows.failed)} failed`,
    `${formatRate(progress.rowsPerSecond)} rows/s`,
    `tokens/s ${formatRate(progress.inputTokensPerSecond)} in ${formatRate(progress.outputTokensPerSecond)} out`,
  ];
  if (endpoints.length > 0) {
    texts.push(`slots ${formatCount(sum(endpoints, "inUse"))}/${formatCount(sum(endpoints, "slots"))}`);
    const down = endpoints.filter(isDown).length;
    if (down > 0) texts.push(`${formatCount(down)} of ${formatCounted(endpoints.length, "endpoint")} down`);
  }
  const retries = retrySegments(calls).map((segment) => segment.text);
  if (retries.length > 0) texts.push(`retries ${retries.join(" + ")}`);
  if (calls.cutByLength > 0) texts.push(`${formatCounted(calls.cutByLength, "answer")} cut`);
  if (progress.etaMs !== null) texts.push(`${formatTimeLeft(progress.etaMs)} left`);
  if (progress.waitingFor !== null) texts.push(`waiting: ${progress.waitingFor}`);
  return plain(texts.join(", "));
}

function renderTitle(name: string, { state }: JobProgress, look: Look): string {
  const shownName = fit(plain(name), look, look.width - state.length - 2);
  return `${paint(look, { text: shownName, style: "bold" })}  ${paint(look, { text: state, style: stateStyles[state] })}`;
}

const widestBar = 60;

function renderBar(progress: JobProgress, look: Look): string {
  const { failed } = progress.rows;
  const share = shareDone(progress) ?? 0;
  const columns = Math.min(widestBar, look.width) - textWidth(" 100.0%");
  const done = Math.floor(columns * share);
  const red = failed === 0 ? 0 : Math.min(done, Math.max(1, Math.round((done * failed) / rowsDone(progress))));
  const [full, empty] = look.unicode ? ["━", "─"] : ["#", "-"];
  return [
    paint(look, { text: full.repeat(done - red), style: "green" }),
    paint(look, { text: full.repeat(red), style: "red" }),
    paint(look, { text: empty.repeat(columns - done), style: "dim" }),
    ` ${describeShare(progress)}`.trimEnd(),
  ].join("");
}

function rowsDone({ rows }: JobProgress): number {
  return rows.accepted + rows.failed;
}

/** A share of an estimated total never reaches all. */
function shareDone(progress: JobProgress): number | null {
  const { rows, estimatedTotal } = progress;
  const total = rows.total ?? estimatedTotal;
  if (total === null) return null;
  return Math.min(rows.total === null ? 0.999 : 1, total === 0 ? 1 : rowsDone(progress) / total);
}

function describeShare(progress: JobProgress): string {
  const share = shareDone(progress);
  if (share === null) return "";
  return progress.rows.total === null ? `~${formatShare(share)}` : formatShare(share);
}

function describeDone(progress: JobProgress): string {
  const done = formatCount(rowsDone(progress));
  const { rows, estimatedTotal } = progress;
  if (rows.total !== null) return `${done} of ${formatCount(rows.total)}`;
  return estimatedTotal === null ? `${done}, total not known yet` : `${done} of about ${formatCount(estimatedTotal)}`;
}

function rowSegments(progress: JobProgress): (Segment | string)[] {
  const { rows, rowsBefore, rowsRunning, rowsPerSecond } = progress;
  const segments: (Segment | string)[] = [
    describeDone(progress),
    `${formatRate(rowsPerSecond)}/s`,
    rows.failed > 0 ? { text: `${formatCount(rows.failed)} failed`, style: "red" } : "0 failed",
    `${formatCount(rowsRunning)} running`,
  ];
  if (rowsBefore > 0) segments.push({ text: `${formatCount(rowsBefore)} from earlier runs`, style: "dim" });
  return segments;
}

function tokenTexts({ calls, inputTokensPerSecond, outputTokensPerSecond }: JobProgress): string[] {
  return [
    `in ${formatCount(calls.inputTokens)} (${formatRate(inputTokensPerSecond)}/s)`,
    `out ${formatCount(calls.outputTokens)} (${formatRate(outputTokensPerSecond)}/s)`,
  ];
}

/** Retries by class; none when nothing was retried. */
export function retrySegments({ retries }: CallCounts): Segment[] {
  return Object.entries(retries)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => ({ text: `${formatCount(count)} ${name}`, style: "yellow" }));
}

/** Answers that the token limit cut; none when there are none. */
export function cutSegments({ cutByLength }: CallCounts): Segment[] {
  return cutByLength === 0
    ? []
    : [{ text: `${formatCounted(cutByLength, "answer")} at the token limit`, style: "yellow" }];
}

function timeTexts({ elapsedMs, etaMs }: JobProgress): string[] {
  const elapsed = formatDuration(Math.floor(elapsedMs / 1_000) * 1_000);
  return etaMs === null ? [elapsed] : [elapsed, `about ${formatTimeLeft(etaMs)} left`];
}

/** Whole seconds: an estimate knows no milliseconds. */
function formatTimeLeft(etaMs: number): string {
  return formatDuration(Math.max(1, Math.ceil(etaMs / 1_000)) * 1_000);
}

const mostEndpoints = 4;

/** One line per endpoint; of many, their sum and those that are down. */
function renderEndpoints(endpoints: readonly EndpointProgress[], look: Look): string[] {
  if (endpoints.length <= mostEndpoints) {
    return endpoints.flatMap((endpoint, index) =>
      labelled(index === 0 ? "slots" : "", endpointSegments(endpoint), look),
    );
  }
  const down = endpoints.filter(isDown);
  const segments: (Segment | string)[] = [
    `${formatCount(sum(endpoints, "inUse"))}/${formatCount(sum(endpoints, "slots"))}`,
    formatCounted(endpoints.length, "endpoint"),
  ];
  if (down.length > 0) segments.push({ text: `${formatCount(down.length)} down`, style: "yellow" });
  return [
    ...labelled("slots", segments, look),
    ...down.slice(0, mostEndpoints - 1).flatMap((endpoint) => labelled("", endpointSegments(endpoint), look)),
  ];
}

function endpointSegments({ endpoint, slots, inUse, circuit, reason }: EndpointProgress): (Segment | string)[] {
  const use = `${formatCount(inUse)}/${formatCount(slots)}`.padEnd(useWidth);
  const address = `${use} ${shortAddress(endpoint)}`;
  if (circuit === "closed") return [address];
  const trouble = circuit === "open" ? "circuit open" : "circuit half-open, trying again";
  const text = reason === null ? trouble : `${trouble}: ${reason}`;
  return [address, { text, style: circuit === "open" ? "red" : "yellow" }];
}

const useWidth = "64/64".length;

function isDown({ circuit }: EndpointProgress): boolean {
  return circuit !== "closed";
}

function shortAddress(endpoint: string): string {
  return endpoint.replace(/^https?:\/\//, "").replace(/\/$/, "");
}

export function sum<Key extends string>(items: readonly Readonly<Record<Key, number>>[], key: Key): number {
  return items.reduce((so, item) => so + item[key], 0);
}
