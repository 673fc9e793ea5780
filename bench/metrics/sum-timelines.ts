/** One timeline from those of several threads. */
import type { TimelinePoint } from "../report/bench-report.ts";

/** Adds up second by second. The mean TTFT weighs each thread by the answers it saw end: good enough to see it rise. */
export function sumTimelines(threads: readonly (readonly TimelinePoint[])[]): TimelinePoint[] {
  const seconds = Math.max(0, ...threads.map((timeline) => timeline.length));
  return Array.from({ length: seconds }, (_, second) => {
    const points = threads.flatMap((timeline) => timeline[second] ?? []);
    const sum = (pick: (point: TimelinePoint) => number) => points.reduce((total, point) => total + pick(point), 0);
    const answering = points.filter((point) => point.ttft_response_mean !== null);
    const weightOf = (point: TimelinePoint) => Math.max(1, point.completed);
    const weight = answering.reduce((total, point) => total + weightOf(point), 0);
    return {
      second,
      scheduled: sum((point) => point.scheduled),
      sent: sum((point) => point.sent),
      completed: sum((point) => point.completed),
      errors: sum((point) => point.errors),
      output_tokens: sum((point) => point.output_tokens),
      in_flight: sum((point) => point.in_flight),
      ttft_response_mean:
        weight === 0
          ? null
          : answering.reduce((total, point) => total + point.ttft_response_mean! * weightOf(point), 0) / weight,
    };
  });
}
