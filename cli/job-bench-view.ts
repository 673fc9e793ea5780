/** The job benchmark as text: what will be run, how each run went, and the figures. */
import { figureRows, recoveryTexts, type FigureRow } from "../bench/job/figure-rows.ts";
import type { JobBenchReport, JobBenchRun } from "../bench/job/job-bench-report.ts";
import type { JobBenchPlan } from "../bench/job/run-job-bench.ts";
import { shownMs, shownNumber, shownShare } from "../bench/report/numbers.ts";
import { formatCount, formatCounted } from "./format.ts";
import { renderTable } from "./table.ts";
import { labelled, paint, plain, wrap, type Look } from "./text.ts";

const RUN_NAMES: Readonly<Record<string, string>> = {
  trial: "trial rows",
  job: "job",
  bare: "bare loop",
  "job-one-endpoint": "job on one endpoint",
  "kill-worker": "job over NATS, one worker killed",
};

const NOTE_WIDTH = 100;

/** What is about to be paid for. */
export function planLines({ rows, isTrial, runs, killRows }: JobBenchPlan): string[] {
  if (isTrial) {
    return [`${formatCounted(rows, "trial row")} to see how fast it goes, then ${runs} runs. All of it is paid for.`];
  }
  const kill = killRows === 0 ? "" : `, and one of ${formatCounted(killRows, "row")} with a worker killed`;
  const all = formatCounted(rows * runs + killRows, "row");
  return [`${formatCounted(runs, "run")} of ${formatCounted(rows, "row")}${kill}: ${all} are paid for.`];
}

export function beginLines(run: { readonly number: number; readonly of: number; readonly kind: string }): string[] {
  const name = RUN_NAMES[run.kind] ?? run.kind;
  return [run.number === 0 ? name : `${run.number}/${run.of} ${name}`];
}

export function runLines(run: JobBenchRun, look: Look): string[] {
  const { rows } = run;
  const texts = [
    shownMs(run.wall_ms),
    ...(rows === null ? [] : [formatCounted(rows.accepted, "accepted row")]),
    ...(rows === null || rows.failed === 0 ? [] : [`${formatCount(rows.failed)} failed`]),
    `${shownNumber(run.answers_s)} answers/s`,
    `${shownNumber(run.tok_s)} tokens/s`,
    `${shownShare(run.utilisation)} of ${formatCounted(run.slots, "slot")}`,
  ];
  return labelled("", texts, look);
}

export function renderJobBench(report: JobBenchReport, look: Look): string[] {
  const { job, paid, figures } = report;
  const name = paint(look, { text: plain(job.name), style: "bold" });
  const size = `${formatCounted(job.rows, "row")} on ${formatCounted(job.endpoints.length, "endpoint")}`;
  const pairs = formatCounted(figures.rows_s_accepted?.n ?? 0, "pair");
  const tokens = [`${formatCount(paid.prompt_tokens)} tokens in`, `${formatCount(paid.output_tokens)} tokens out`];
  const recovery = labelled("recovery", recoveryTexts(report), look);
  return [
    `${name}: ${size}, ${formatCounted(job.slots, "slot")}, ${pairs} of job and bare loop`,
    "",
    ...renderTable<FigureRow>(
      [
        { title: "figure", text: (row) => row.name },
        { title: "median", right: true, text: (row) => row.median },
        { title: "least – most", right: true, text: (row) => row.range },
        { title: "", text: (row) => row.says, style: () => "dim" },
      ],
      figureRows(report),
      look,
    ),
    "",
    ...recovery,
    ...labelled("paid", [formatCounted(paid.requests, "request"), ...tokens], look),
    ...report.notes.flatMap((note) => ["", ...wrap(plain(note), Math.min(look.width, NOTE_WIDTH))]),
  ];
}
