/** A job benchmark as one HTML file, with the timeline of every run. */
import { shownMs, shownNumber, shownShare, shownWhole } from "../report/numbers.ts";
import { htmlPage, plotSection, section, type PageParts } from "../report/page/html-page.ts";
import { escaped, htmlPairs, htmlTable, type Html } from "../report/page/html.ts";
import type { Plot, PlotGroup } from "../report/page/plot.ts";
import { figureRows, recoveryTexts, type FigureRow } from "./figure-rows.ts";
import type { JobBenchReport, JobBenchRun } from "./job-bench-report.ts";

const RUN_NAMES = { job: "job", bare: "bare loop", "job-one-endpoint": "job on one endpoint" } as const;

export function jobPage(report: JobBenchReport, parts: PageParts): Html {
  const { name } = report.job;
  const group = timelines(report);
  return htmlPage(
    {
      title: `${name}: job benchmark`,
      heading: name,
      lead: described(report),
      notes: report.notes,
      sections: [
        section("figures", "Figures", figureTable(report)),
        plotSection(group),
        section("runs", "Runs", runTable(report.runs)),
        section("setup", "What was measured", setup(report)),
      ],
      groups: [group],
      run: report,
      beside: "job-report.json",
    },
    parts,
  );
}

function described({ started_at: startedAt, seconds, job, runs }: JobBenchReport): string {
  const day = startedAt.slice(0, 16).replace("T", " ");
  const endpoints = job.endpoints.map(({ endpoint }) => endpoint).join(", ");
  return [`${day} UTC`, `${runs.length} runs in ${shownNumber(seconds)} s`, `${job.rows} rows each`, endpoints].join(
    " · ",
  );
}

function figureTable(report: JobBenchReport): Html {
  const table = htmlTable<FigureRow>(
    [
      { title: "figure", text: ({ name }) => name },
      { title: "median of the pairs", text: ({ median }) => median },
      { title: "least – most", text: ({ range }) => range },
      { title: "", text: ({ says }) => says },
    ],
    figureRows(report),
    "",
  );
  const recovery = recoveryTexts(report);
  return recovery.length === 0 ? table : `${table}<p>${escaped(`A worker's death: ${recovery.join("; ")}.`)}</p>`;
}

function runTable(runs: readonly JobBenchRun[]): Html {
  return htmlTable<JobBenchRun>(
    [
      { title: "run", text: nameOf },
      { title: "wall", text: (run) => shownMs(run.wall_ms) },
      { title: "accepted", text: (run) => shownWhole(run.rows?.accepted) },
      { title: "failed", text: (run) => shownWhole(run.rows?.failed), isBad: (run) => (run.rows?.failed ?? 0) > 0 },
      { title: "requests", text: (run) => shownWhole(run.requests) },
      { title: "answers", text: (run) => shownWhole(run.answers) },
      { title: "refused", text: (run) => shownWhole(run.refused), isBad: (run) => run.refused > 0 },
      { title: "errors", text: (run) => shownWhole(run.errors), isBad: (run) => run.errors > 0 },
      { title: "answers/s", text: (run) => shownNumber(run.answers_s) },
      { title: "tokens/s", text: (run) => shownNumber(run.tok_s) },
      { title: "utilisation", text: (run) => shownShare(run.utilisation) },
      { title: "waste", text: (run) => shownShare(run.waste) },
    ],
    runs,
    "",
  );
}

function setup({ job, client, paid }: JobBenchReport): Html {
  return htmlPairs([
    ["tasks", job.tasks.join(", ")],
    ["endpoints", job.endpoints.map(({ endpoint, slots }) => `${endpoint} (${slots} slots)`).join(", ")],
    [
      "paid",
      `${shownWhole(paid.requests)} requests, ${shownWhole(paid.prompt_tokens)} tokens in, ${shownWhole(paid.output_tokens)} out`,
    ],
    ["client", `${client.host}, ${client.cores} cores (${client.cpu}), ${client.platform}, Node ${client.node}`],
  ]);
}

/** One plot for each run, and one for that in which a worker was killed. */
function timelines({ runs, recovery }: JobBenchReport): PlotGroup {
  const plots = runs.map((run, index) =>
    plotOf(`run-${index}`, nameOf(run), {
      timeline: run.timeline,
      slots: run.slots,
      caption: `${shownShare(run.utilisation)} of ${run.slots} slots in the mean.`,
      marks: [],
      shades: [
        ...(run.ramp_ms === null ? [] : [{ fromMs: 0, toMs: run.ramp_ms, label: "ramp" }]),
        ...(run.drain_ms === null || run.finish_ms === null
          ? []
          : [{ fromMs: run.wall_ms - run.finish_ms - run.drain_ms, toMs: run.wall_ms, label: "tail" }]),
      ],
    }),
  );
  if (recovery !== null) {
    plots.push(
      plotOf("run-kill", "job with a worker killed", {
        timeline: recovery.timeline,
        slots: recovery.slots,
        caption: "Both workers together; a dead worker's rows wait for its lease to run out.",
        marks: [{ atMs: recovery.killed_at_ms, label: "killed" }],
        shades: [],
      }),
    );
  }
  return { id: "timeline", title: "Requests in flight", picker: null, variants: [{ label: "", plots }], initial: 0 };
}

function plotOf(
  id: string,
  title: string,
  of: {
    readonly timeline: JobBenchRun["timeline"];
    readonly slots: number;
    readonly caption: string;
    readonly marks: readonly { readonly atMs: number; readonly label: string }[];
    readonly shades: readonly { readonly fromMs: number; readonly toMs: number; readonly label: string }[];
  },
): Plot {
  const { step_ms: stepMs, in_flight: inFlight } = of.timeline;
  return {
    id,
    title,
    caption: of.caption,
    x: { label: "seconds since the begin", scale: "linear", unit: "s" },
    y: { label: "", scale: "linear", unit: "count" },
    // In the middle of the step whose mean it is.
    xs: inFlight.map((_, step) => ((step + 0.5) * stepMs) / 1_000),
    series: [{ label: "in flight", tone: 0, values: inFlight, points: false, dashed: false }],
    lines: [
      { axis: "y", at: of.slots, label: `${of.slots} slots` },
      ...of.marks.map(({ atMs, label }) => ({ axis: "x" as const, at: atMs / 1_000, label })),
    ],
    shades: of.shades.map(({ fromMs, toMs, label }) => ({ from: fromMs / 1_000, to: toMs / 1_000, label })),
  };
}

function nameOf({ kind, pair }: JobBenchRun): string {
  return pair === 0 ? `${RUN_NAMES[kind]}, recorded` : `${RUN_NAMES[kind]} ${pair}`;
}
