import type { BenchReport, Distribution, StageReport } from "../bench-report.ts";
import { aboveZero, toneOf } from "./plot.ts";
import type { Plot, PlotAxis, PlotGroup, PlotSeries } from "./plot.ts";

/** The stages that can stand on one axis, in its order, each with its place on it. */
interface Along {
  readonly axis: PlotAxis;
  readonly stages: readonly StageReport[];
  readonly xs: readonly number[];
}

/**
 * What the load does to each figure. A sweep's closed-loop stages have no rate of their own and are left to the tables:
 * a line through both would join what cannot be compared.
 */
export function loadPlots(report: BenchReport): PlotGroup {
  const along = alongLoad(report.stages);
  const { slo } = report;
  const plots = [
    latencyPlot(along, report, {
      id: "load-ttft",
      title: "Time to first token",
      caption: "From when a request was due to its first token.",
      of: ({ metrics }) => metrics.ttft_response,
      limit: slo?.ttft_ms,
    }),
    latencyPlot(along, report, {
      id: "load-itl",
      title: "Inter-token latency",
      caption: "Gap between tokens, each token counted once.",
      of: ({ metrics }) => metrics.itl,
      limit: undefined,
    }),
    latencyPlot(along, report, {
      id: "load-e2e",
      title: "End-to-end latency",
      caption: "From when a request was due to its last token.",
      of: ({ metrics }) => metrics.e2e_response,
      limit: slo?.e2e_ms,
    }),
    tokensPlot(along, report),
    requestsPlot(along, report),
    failuresPlot(along, report),
    ...(slo === null ? [] : [attainmentPlot(along, report, slo.attainment)]),
  ];
  return {
    id: "load",
    title: "Across the load",
    picker: null,
    variants: [{ label: "All stages", plots }],
    initial: 0,
  };
}

function alongLoad(all: readonly StageReport[]): Along {
  const open = all.filter(({ load }) => load.rate !== null);
  const closed = all.filter(({ load }) => load.concurrency !== null);
  const [label, valueOf, stages] =
    open.length > 0
      ? (["requests a second, as due", ({ load }: StageReport) => load.rate, open] as const)
      : closed.length > 0
        ? (["requests in flight", ({ load }: StageReport) => load.concurrency, closed] as const)
        : ([
            "requests sent at once",
            ({ load, counts }: StageReport) => load.requests ?? counts.scheduled,
            all,
          ] as const);
  const placed = stages.map((stage) => ({ stage, x: valueOf(stage) ?? 0 })).toSorted((one, other) => one.x - other.x);
  const xs = placed.map(({ x }) => x);
  const isWide = (xs[0] ?? 0) > 0 && (xs.at(-1) ?? 0) / (xs[0] ?? 1) >= 16;
  return {
    axis: { label, scale: isWide ? "log2" : "linear", unit: "count" },
    stages: placed.map(({ stage }) => stage),
    xs,
  };
}

interface LatencyPlot extends Pick<Plot, "id" | "title" | "caption"> {
  readonly of: (stage: StageReport) => Distribution;
  readonly limit: number | undefined;
}

type Quantile = "p50" | "p90" | "p95" | "p99";

function latencyPlot(along: Along, report: BenchReport, { id, title, caption, of, limit }: LatencyPlot): Plot {
  const distributions = along.stages.map(of);
  const stagesWith = (key: Quantile): number => distributions.filter((one) => one[key] !== null).length;
  // p95 stands in for p99 where most stages have too few requests for one.
  const highest: Quantile = stagesWith("p99") * 2 > stagesWith("p50") ? "p99" : "p95";
  const shown = (["p50", "p90", highest] as const).filter((key) => stagesWith(key) > 0);
  return {
    ...plotAlong(along, report),
    id,
    title,
    caption: `${caption} Logarithmic.`,
    y: { label: "", scale: "log10", unit: "ms" },
    series: shown.map((key, index) => ({
      ...line(
        key,
        distributions.map((distribution) => aboveZero(distribution[key])),
      ),
      tone: toneOf(index, shown.length),
    })),
    lines: [
      ...linesOf(along, report),
      ...(limit === undefined ? [] : [{ axis: "y" as const, at: limit, label: "limit" }]),
    ],
  };
}

function tokensPlot(along: Along, report: BenchReport): Plot {
  return {
    ...plotAlong(along, report),
    id: "load-tokens",
    title: "Output tokens a second",
    caption: "Tokens that came within the measured window, of whatever request.",
    series: [
      {
        ...line(
          "of finished requests",
          along.stages.map(({ throughput }) => throughput.out_tok_s_done),
        ),
        tone: "muted",
        dashed: true,
      },
      line(
        "all",
        along.stages.map(({ throughput }) => throughput.out_tok_s),
      ),
    ],
  };
}

function requestsPlot(along: Along, report: BenchReport): Plot {
  const due = line(
    "due",
    along.stages.map(({ throughput }) => throughput.offered_req_s),
  );
  return {
    ...plotAlong(along, report),
    id: "load-requests",
    title: "Requests finished a second",
    caption: "Successes a second, beside what was due: where the two part, the endpoint does not keep up.",
    series: [
      { ...due, tone: "muted", dashed: true },
      line(
        "finished",
        along.stages.map(({ throughput }) => throughput.req_s),
      ),
    ],
  };
}

function failuresPlot(along: Along, report: BenchReport): Plot {
  const share = ({ counts }: StageReport, count: number): number =>
    counts.scheduled === 0 ? 0 : count / counts.scheduled;
  return {
    ...plotAlong(along, report),
    id: "load-errors",
    title: "Requests that failed",
    caption: "Of all that were due. Cut or never sent: what the stage's end left open.",
    y: { label: "", scale: "linear", unit: "share" },
    series: [
      {
        ...line(
          "cut or never sent",
          along.stages.map((stage) => share(stage, stage.counts.incomplete + stage.counts.never_sent)),
        ),
        tone: "muted",
        dashed: true,
      },
      line(
        "failed",
        along.stages.map((stage) => share(stage, stage.counts.errors)),
      ),
    ],
  };
}

function attainmentPlot(along: Along, report: BenchReport, wanted: number): Plot {
  const plot = plotAlong(along, report);
  return {
    ...plot,
    id: "load-slo",
    title: "Requests within the limits",
    caption: "Of all that were due, those that succeeded and met every limit, from when they were due.",
    y: { label: "", scale: "linear", unit: "share" },
    series: [
      line(
        "within the limits",
        along.stages.map(({ slo }) => slo?.attainment ?? null),
      ),
    ],
    lines: [...plot.lines, { axis: "y", at: wanted, label: "wanted" }],
  };
}

function plotAlong(along: Along, report: BenchReport): Pick<Plot, "x" | "y" | "xs" | "lines" | "shades"> {
  return {
    x: along.axis,
    y: { label: "", scale: "linear", unit: "count" },
    xs: along.xs,
    lines: linesOf(along, report),
    shades: shadesOf(along),
  };
}

function line(label: string, values: readonly (number | null)[]): PlotSeries {
  return { label, tone: 0, values, points: true, dashed: false };
}

/** Only within what was measured: a sweep's throughput may lie far beyond its rates. */
function linesOf({ stages, xs }: Along, { sweep }: BenchReport): Plot["lines"] {
  if (sweep === null || stages.some(({ load }) => load.rate === null)) return [];
  const { knee_req_s: knee, slo_req_s: slo } = sweep;
  const labels = new Map<number, string[]>();
  for (const [at, label] of [
    [knee, "knee"],
    [slo, "SLO"],
  ] as const) {
    if (at !== null && at <= (xs.at(-1) ?? 0)) labels.set(at, [...(labels.get(at) ?? []), label]);
  }
  return [...labels].map(([at, words]) => ({ axis: "x", at, label: words.join(" = ") }));
}

/** From the middle between the last stage that was kept up with and the first that was not. */
function shadesOf({ stages, xs }: Along): Plot["shades"] {
  const first = stages.findIndex(({ over_saturated: beyond }) => beyond === true);
  const at = xs[first];
  const last = xs.at(-1);
  if (at === undefined || last === undefined || stages.slice(first).some((stage) => stage.over_saturated !== true))
    return [];
  const before = xs[first - 1] ?? at;
  return [{ from: (before + at) / 2, to: last, label: "queue grows" }];
}
