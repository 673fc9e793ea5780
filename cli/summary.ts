/** What is told of a job when a run of it ended, and by `tiding status`: pure functions from reports to lines. */
import type { JobStatus } from "../jobs/job-status.ts";
import { describeCost } from "../shared/observe/money.ts";
import type { BatchProgress, EndpointLeft, FailureCount, JobReport, RowCounts } from "../shared/observe/job-report.ts";
import { formatBytes, formatCount, formatCounted, formatDuration, formatRate, formatShare } from "./format.ts";
import { cutSegments, renderProgressLines, retrySegments } from "./progress-view.ts";
import type { Look, Segment, Style } from "./text.ts";
import { fit, labelled, paint, plain } from "./text.ts";

/** Paths and commands are never cut: a line may be wider than the terminal, so that it can be copied whole. */
function whole(look: Look): Look {
  return { ...look, width: Number.POSITIVE_INFINITY };
}

const outcomes: Readonly<Record<JobReport["outcome"] | "running", { readonly text: string; readonly style: Style }>> = {
  running: { text: "running", style: "green" },
  finished: { text: "finished", style: "green" },
  "finished-with-failed-rows": { text: "finished, with failed rows", style: "yellow" },
  interrupted: { text: "interrupted", style: "yellow" },
  parked: { text: "parked, waiting for offline batches", style: "yellow" },
  stopped: { text: "stopped by an error", style: "red" },
};

function renderHeadline(name: string, outcome: keyof typeof outcomes, look: Look): string {
  return `${paint(look, { text: plain(name), style: "bold" })}  ${paint(look, outcomes[outcome])}`;
}

/** The summary that ends `tiding run` and `tiding retry`. `resume` is the command that carries on. */
export function renderReport(
  report: JobReport,
  { look, resume }: { readonly look: Look; readonly resume: string },
): string[] {
  const { run, outcome, rows } = report;
  const paused = outcome === "interrupted" || outcome === "stopped";
  const parked = outcome === "parked";
  const idle = !paused && run.rows === 0 && run.calls.requests === 0;
  const lines = [
    renderHeadline(report.name, outcome, look),
    ...labelled("rows", rowSegments(rows), look),
    ...renderCommitted(report, look),
    ...(parked
      ? []
      : idle
        ? labelled("this run", ["nothing to do, every row was done before"], look)
        : renderRun(run, look)),
    ...renderBatches(report.batches ?? [], look),
    ...renderDataset(report, look),
    ...renderFailures(report.failures, look),
    ...renderEndpointsLeft(report.endpoints, look),
  ];
  if (parked) lines.push("", "Nothing is left running. To collect what is ready:", `  ${resume}`);
  else if (paused) lines.push("", "What was committed is kept; the same command carries on:", `  ${resume}`);
  else if (rows.failed > 0) {
    lines.push("", `Run the failed rows again:  tiding retry ${quoteForShell(report.output)}`);
  }
  return lines;
}

/** Rows that are safe but in no part yet; a job that ended has none. */
function renderCommitted({ committed, rows }: JobReport, look: Look): string[] {
  const waiting = committed - rows.accepted - rows.failed;
  return waiting > 0
    ? labelled("", [`${formatCount(waiting)} more committed, to become parts when it goes on`], look)
    : [];
}

function renderRun(run: JobReport["run"], look: Look): string[] {
  const { calls } = run;
  const pace = [
    `${formatCounted(run.rows, "row")} in ${formatDuration(run.elapsedMs)}`,
    `${formatRate(run.rowsPerSecond)} rows/s`,
  ];
  if (run.slotUse !== null) pace.push(`slots ${formatShare(run.slotUse)} in use`);
  const tokens = [`${formatCount(calls.inputTokens)} in`, `${formatCount(calls.outputTokens)} out`];
  const requests = [formatCounted(calls.requests, "request"), formatCounted(calls.answers, "answer")];
  return [
    ...labelled("this run", pace, look),
    ...labelled("tokens", tokens, look),
    ...labelled("calls", requests, look),
    ...labelled("retries", retrySegments(calls), look),
    ...labelled("cut", cutSegments(calls), look),
  ];
}

/** What `tiding status` shows. */
export function renderStatus(status: JobStatus, look: Look): string[] {
  const { rows, owner, revisions, progress } = status;
  const lines = [
    renderHeadline(status.name, status.state, look),
    ...(progress === null ? labelled("rows", rowSegments(rows), look) : renderProgressLines(progress, look)),
    ...labelled("landing", [`${formatCount(rows.committed)} committed`, `${formatCount(rows.landed)} landed`], look),
  ];
  if (owner !== null) {
    const segments = [
      `pid ${owner.pid} on ${owner.host}`,
      `since ${owner.since}`,
      `heartbeat ${formatDuration(owner.heartbeatAgeMs)} ago`,
    ];
    lines.push(...labelled("run by", segments, look));
  }
  lines.push(...renderBatches(status.batches ?? [], look), ...renderDataset(status, look));
  for (const { at, overrides } of revisions) {
    lines.push(...labelled("revision", [at, ...overrides], look));
  }
  lines.push(...renderFailures(status.failures, look));
  if (status.state !== "running") lines.push(...renderEndpointsLeft(status.endpoints, look));
  if (status.state === "parked") {
    lines.push("", "The tiding run that began this job, given again, collects what is ready.");
  } else if (status.state === "interrupted" || status.state === "stopped") {
    lines.push("", "The tiding run that began this job, given again, carries on.");
  } else if (rows.failed > 0 && status.state !== "running") {
    lines.push("", `Run the failed rows again:  tiding retry ${quoteForShell(status.output)}`);
  }
  return lines;
}

/** Dedicated endpoints that cost money while nobody needs them any more. */
function renderEndpointsLeft(endpoints: readonly EndpointLeft[], look: Look): string[] {
  return endpoints.flatMap(({ endpoint, since, pricePerHour, problem, command }) => {
    const what = `The endpoint ${endpoint} may still run, in use since ${since}, for ${describeCost(pricePerHour)}.`;
    const why = problem === null ? [] : [plain(`It could not be stopped: ${problem}`)];
    const style = problem === null ? "yellow" : "red";
    const lines = [plain(what), ...why].map((text) => paint(look, { text, style }));
    return ["", ...lines, "Stop it, if nobody else needs it:", `  ${command}`];
  });
}

function renderBatches(batches: readonly BatchProgress[], look: Look): string[] {
  return batches.flatMap(({ number, id, status, requests, completed, failed, expiresAt, isSettled }) => {
    const segments: (Segment | string)[] = [id ?? "not submitted yet", isSettled ? `${status}, collected` : status];
    if (completed === null) segments.push(formatCounted(requests, "request"));
    else segments.push(`${formatCount(completed)} of ${formatCounted(requests, "request")} done`);
    if (failed !== null && failed > 0) segments.push({ text: `${formatCount(failed)} failed`, style: "red" });
    if (expiresAt !== null && !isSettled) segments.push(`expires ${expiresAt}`);
    return labelled(`batch ${number}`, segments, look);
  });
}

function rowSegments({ accepted, failed, total }: RowCounts): (Segment | string)[] {
  const failedText = `${formatCount(failed)} failed`;
  return [
    `${formatCount(accepted)} accepted`,
    failed > 0 ? { text: failedText, style: "red" } : failedText,
    total === null ? "total not known yet" : `${formatCount(total)} in total`,
  ];
}

interface Dataset {
  readonly output: string;
  readonly format: string;
  readonly parts: number;
  readonly bytes: number;
}

function renderDataset(dataset: Dataset, look: Look): string[] {
  const { output, format, parts, bytes } = dataset;
  const size = `${formatCounted(parts, `${format} part`)}, ${formatBytes(bytes)}`;
  const lines = labelled("dataset", [output, { text: size, style: "dim" }], whole(look));
  return parts === 0 ? lines : [...lines, ...labelled("load it", [loadLine(dataset)], whole(look))];
}

const builders: Readonly<Record<string, string>> = { jsonl: "json" };

/** One line of Python, for the `datasets` library. */
export function loadLine({ output, format }: Pick<Dataset, "output" | "format">): string {
  const files = `${output.replace(/\/+$/, "")}/data/*.${format}`;
  return `load_dataset("${builders[format] ?? format}", data_files=${JSON.stringify(files)})`;
}

function renderFailures(failures: readonly FailureCount[], look: Look): string[] {
  if (failures.length === 0) return [];
  const counts = failures.map(({ rows }) => formatCount(rows));
  const countWidth = Math.max(...counts.map((count) => count.length));
  const codeWidth = Math.max(...failures.map(({ code }) => code.length));
  const lines = failures.map(({ code, example }, index) => {
    const start = `  ${(counts[index] ?? "").padStart(countWidth)}  ${code.padEnd(codeWidth)}  `;
    // On a narrow terminal the example is worth more than the line's end.
    return start + fit(plain(example), look, Math.max(40, look.width - start.length));
  });
  return ["", paint(look, { text: "failed rows, with one example each", style: "dim" }), ...lines];
}

/** A word that a POSIX shell reads as it is, in quotes where it needs them. */
export function quoteForShell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
