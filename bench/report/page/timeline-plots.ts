import type { BenchReport, StageReport, TimelinePoint } from "../bench-report.ts";
import type { Plot, PlotGroup, PlotSeries } from "./plot.ts";

/** How each stage went, second by second: whether it was steady is seen here before any mean is believed. */
export function timelinePlots({ stages, sweep }: BenchReport): PlotGroup {
  const best = sweep?.slo_req_s ?? sweep?.knee_req_s ?? null;
  const atBest = stages.findIndex(({ load }) => best !== null && load.rate === best);
  return {
    id: "timeline",
    title: "Over time",
    picker: "Stage",
    variants: stages.map((stage, index) => ({ label: stage.name, plots: plotsOf(stage, index) })),
    initial: atBest === -1 ? Math.max(0, stages.length - 1) : atBest,
  };
}

function plotsOf(stage: StageReport, index: number): Plot[] {
  const { timeline } = stage;
  const shared = {
    x: { label: "seconds since the stage's start", scale: "linear", unit: "s" },
    y: { label: "", scale: "linear", unit: "count" },
    xs: timeline.map(({ second }) => second),
    lines: [],
    shades: shadesOf(stage),
  } as const;
  const line = (label: string, of: (point: TimelinePoint) => number | null): PlotSeries => ({
    label,
    tone: 0,
    values: timeline.map(of),
    points: timeline.length < 30,
    dashed: false,
  });
  return [
    {
      ...shared,
      id: `timeline-${index}-flight`,
      title: "Requests in flight",
      caption: "Mean of each second.",
      series: [line("in flight", (point) => point.in_flight)],
    },
    {
      ...shared,
      id: `timeline-${index}-tokens`,
      title: "Output tokens a second",
      caption: "By the stamp of each token.",
      series: [line("tokens", (point) => point.output_tokens)],
    },
    {
      ...shared,
      id: `timeline-${index}-ttft`,
      title: "Time to first token",
      caption: "From when a request was due; mean of the first tokens that came in each second.",
      y: { label: "", scale: "linear", unit: "ms" },
      series: [line("mean", (point) => point.ttft_response_mean)],
    },
    {
      ...shared,
      id: `timeline-${index}-requests`,
      title: "Requests a second",
      caption: "As they were due, finished and failed.",
      series: [
        { ...line("due", (point) => point.scheduled), tone: "muted", dashed: true, points: false },
        { ...line("finished", (point) => point.completed), tone: 0 },
        { ...line("failed", (point) => point.errors), tone: 1 },
      ],
    },
  ];
}

function shadesOf({ window, timeline }: StageReport): Plot["shades"] {
  const last = timeline.at(-1)?.second ?? 0;
  const [from, to] = [window.start_ms / 1_000, window.end_ms / 1_000];
  return [
    ...(from > 0 ? [{ from: 0, to: Math.min(from, last), label: "warm-up" }] : []),
    ...(to < last ? [{ from: to, to: last, label: "not measured" }] : []),
  ];
}
