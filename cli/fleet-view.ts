/** How a broker's jobs and workers look: pure functions from what the library lists to lines. */
import type {
  BrokerJobs,
  BrokerWorkers,
  CoordinatorView,
  SubmittedJob,
  Unreadable,
  WorkerView,
} from "../jobs/broker-view.ts";
import { formatCount, formatDuration, formatRate, formatShare } from "./format.ts";
import { renderDescription } from "./print-error.ts";
import { renderProgressLines } from "./progress-view.ts";
import { renderReport } from "./summary.ts";
import { renderTable, type TableColumn } from "./table.ts";
import { labelled, paint, plain, type Look, type Style } from "./text.ts";

const stateStyles: Readonly<Record<SubmittedJob["state"], Style>> = {
  queued: "yellow",
  running: "green",
  paused: "yellow",
  cancelled: "dim",
  finished: "green",
  "finished-with-failed-rows": "yellow",
  stopped: "red",
};

/** The state in words: what is wanted shows while it is being done. */
export function describeState({ state, wanted }: Pick<SubmittedJob, "state" | "wanted">): string {
  if (state === "running" && wanted === "pause") return "pausing";
  if (state === "running" && wanted !== "run") return "cancelling";
  return state === "finished-with-failed-rows" ? "finished, rows failed" : state;
}

const jobColumns: readonly TableColumn<SubmittedJob>[] = [
  { title: "ID", text: ({ id }) => id },
  { title: "NAME", text: ({ name }) => name },
  { title: "STATE", text: describeState, style: ({ state }) => stateStyles[state] },
  { title: "ROWS", text: describeRows, right: true },
  { title: "%", text: ({ done }) => (done === null ? "" : formatShare(done)), right: true },
  {
    title: "ROWS/S",
    text: ({ state, rowsPerSecond }) => (state === "running" ? formatRate(rowsPerSecond) : ""),
    right: true,
  },
  { title: "WORKERS", text: ({ workers }) => formatCount(workers), right: true },
  { title: "OUTPUT", text: ({ output }) => output },
];

function describeRows({ rows: { accepted, failed, total } }: SubmittedJob): string {
  const done = formatCount(accepted + failed);
  return total === null ? done : `${done}/${formatCount(total)}`;
}

/** What `tiding jobs` shows. */
export function renderJobs({ coordinator, jobs, unreadable }: BrokerJobs, look: Look): string[] {
  const waiting = jobs.flatMap(({ id, waitingFor }) => (waitingFor === null ? [] : [`${id}: ${waitingFor}`]));
  const failed = jobs.flatMap(({ id, error }) => (error === null ? [] : [`${id}: ${error.code} ${error.message}`]));
  return [
    ...(jobs.length === 0 ? ["No jobs."] : renderTable(jobColumns, jobs, look)),
    ...[...waiting, ...failed].map((text) => paint(look, { text: plain(text), style: "yellow" })),
    ...renderUnreadable(unreadable, look),
    "",
    describeCoordinator(coordinator),
  ];
}

/** Who takes jobs, in a sentence. */
export function describeCoordinator(coordinator: CoordinatorView | null): string {
  if (coordinator === null) return "No coordinator is at work. Start one with: tiding coordinator --broker URL";
  const { host, pid, since, jobs, maxJobs } = coordinator;
  return plain(`Coordinator: pid ${pid} on ${host}, since ${since}, ${jobs} of at most ${maxJobs} jobs run.`);
}

/** What `tiding status ID` shows, and a job's summary once it ended. `resume` is the command that carries on. */
export function renderSubmitted(
  job: SubmittedJob,
  { look, resume }: { readonly look: Look; readonly resume: string },
): string[] {
  const { id, name, state, report, progress, waitingFor, error, workers, output } = job;
  const whole = { ...look, width: Number.POSITIVE_INFINITY };
  const failure = error === null ? [] : ["", ...renderDescription(error, look)];
  if (report !== null && (state === "stopped" || state.startsWith("finished")))
    return [...renderReport(report, { look, resume }), ...failure];
  const headline = [
    paint(look, { text: plain(name), style: "bold" }),
    id,
    paint(look, { text: describeState(job), style: stateStyles[state] }),
  ];
  return [
    headline.join("  "),
    ...(progress === null ? labelled("rows", [describeRows(job)], look) : renderProgressLines(progress, look)),
    ...(progress === null && waitingFor !== null ? labelled("waiting", [waitingFor], whole) : []),
    ...(state === "running" ? labelled("workers", [formatCount(workers)], look) : []),
    ...labelled("output", [output], whole),
    ...failure,
    ...(state === "paused" || state === "stopped" ? ["", `Go on with:  ${resume}`] : []),
  ];
}

const workerColumns = (nowMs: number): readonly TableColumn<WorkerView>[] => [
  { title: "ID", text: ({ worker }) => worker },
  { title: "HOST", text: ({ host }) => host },
  { title: "PID", text: ({ pid }) => String(pid), right: true },
  // By two clocks, and for people alone.
  { title: "UP", text: ({ since }) => formatDuration(Math.max(0, nowMs - Date.parse(since))), right: true },
  { title: "JOBS", text: ({ jobs }) => formatCount(jobs), right: true },
  { title: "ROWS", text: ({ rows }) => formatCount(rows), right: true },
  { title: "SLOTS", text: ({ slots, slotsInUse }) => `${formatCount(slotsInUse)}/${formatCount(slots)}`, right: true },
  {
    title: "STATE",
    text: ({ state, silentMs }) => (state === "silent" ? `silent for ${formatDuration(silentMs)}` : state),
    style: ({ state }) => (state === "silent" ? "red" : state === "working" ? "green" : "yellow"),
  },
];

/** What `tiding workers` shows. */
export function renderWorkers({ workers, unreadable }: BrokerWorkers, look: Look, nowMs: number): string[] {
  const problems = workers.flatMap(({ worker, problems: own }) =>
    own.map(({ job, message }) => `${worker} does not work on ${job}: ${message}`),
  );
  return [
    ...(workers.length === 0
      ? ["No workers. Start one with: tiding worker --broker URL"]
      : renderTable(workerColumns(nowMs), workers, look)),
    ...problems.map((text) => paint(look, { text: plain(text), style: "yellow" })),
    ...renderUnreadable(unreadable, look),
  ];
}

function renderUnreadable(unreadable: readonly Unreadable[], look: Look): string[] {
  return unreadable.map(({ key, message, mend }) =>
    paint(look, { text: plain(`${key}: ${message} ${mend ?? ""}`), style: "red" }),
  );
}
