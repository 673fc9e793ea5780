/**
 * Whether a server falls behind the rate at which requests are due, so that its queue grows for as long as they come, and every
 * latency is that of a moment. Decided on the slope of what is outstanding, and of TTFT beside it, as guidellm does
 * (`research/bench-peers.md`, section 1.3), with two differences. What is outstanding includes the requests that wait in the
 * client, or a limit of requests in flight would hide the queue. And a slope counts by its size against the offered rate, not
 * only by its certainty, so that stages of 15 seconds can be judged: guidellm asks for 30 and for a TTFT of 2.5 s.
 */
import type { Arrivals } from "../load/stage-load.ts";
import type { TimelinePoint } from "../report/bench-report.ts";
import { trendOf } from "./trend.ts";
import type { Trend } from "./trend.ts";

export interface SaturationVerdict {
  /** Null where the timeline is too short to tell. */
  readonly overSaturated: boolean | null;
  /** Requests outstanding, per second. */
  readonly outstanding: Trend | null;
  /** Milliseconds of response TTFT, per second. */
  readonly ttft: Trend | null;
  /** Of the requests that came due, the share that was not worked off. */
  readonly fallingBehind: number | null;
}

interface SaturationOptions {
  /** Seconds in which the rate rose to its value: what is outstanding rises with it. */
  readonly rampSeconds?: number;
  /** Points that are needed after the fill. */
  readonly minPoints?: number;
}

const MIN_POINTS = 6;
/** As guidellm's: what was long ago says nothing about now. */
const LONGEST_SECONDS = 120;
/**
 * The part of a stage in which its pipeline fills. Longer than the first answer takes: near the knee a batch grows, and slows
 * down, for several answers' lengths. A stage shorter than four of them is not judged well.
 */
const FILL_SHARE = 0.4;
/** Falling behind by this share of what is due, at the least that the margin allows, is enough by itself. */
const CLEARLY_BEHIND = 0.05;
/** By this share it is enough where TTFT rises too, by this share of its mean over the points. */
const SLIGHTLY_BEHIND = 0.01;
const TTFT_RISE = 0.1;

const CAN_NOT_TELL = { overSaturated: null, outstanding: null, ttft: null, fallingBehind: null } as const;

/**
 * `timeline` starts with the stage and may go on after its last request was due. Works on final timelines and, while a stage
 * runs, on those that count what is still outstanding as scheduled. Of a closed loop, and of requests that are all due at once,
 * there is nothing to tell: no rate is asked for.
 */
export function judgeSaturation(
  timeline: readonly TimelinePoint[],
  arrivals: Arrivals["kind"],
  { rampSeconds = 0, minPoints = MIN_POINTS }: SaturationOptions = {},
): SaturationVerdict {
  if (arrivals === "closed" || arrivals === "at-once") return CAN_NOT_TELL;
  const lastDue = timeline.findLastIndex((point) => point.scheduled > 0);
  const firstAnswer = timeline.findIndex((point) => point.completed + point.errors > 0);
  const from = Math.max(
    Math.ceil(rampSeconds) + firstAnswer + 1,
    Math.ceil(lastDue * FILL_SHARE),
    lastDue - LONGEST_SECONDS,
  );
  /** The last second in which requests were due is not whole. */
  const points = timeline.slice(from, lastDue);
  if (firstAnswer === -1 || points.length < minPoints) return CAN_NOT_TELL;
  const before = timeline.slice(0, from).reduce((sum, point) => sum + comingMinusGoing(point), 0);
  let outstandingNow = before;
  const outstanding = trendOf(
    points.map((point) => {
      outstandingNow += comingMinusGoing(point);
      return { x: point.second, y: outstandingNow };
    }),
  );
  const ttft = trendOf(
    points.flatMap(({ second, ttft_response_mean: mean }) => (mean === null ? [] : [{ x: second, y: mean }])),
  );
  const offered = points.reduce((sum, point) => sum + point.scheduled, 0) / points.length;
  if (outstanding === null || offered === 0) return CAN_NOT_TELL;
  /** A queue that grew because more came than should have is no proof: the standard error of the rate that was seen. */
  const chance = arrivals === "poisson" ? Math.sqrt(offered / points.length) : 0;
  const margin = Math.hypot(outstanding.margin, chance);
  const atLeast = (outstanding.slope - margin) / offered;
  const ttftRises =
    ttft !== null && ttft.slope > ttft.margin && (ttft.slope - ttft.margin) * points.length > TTFT_RISE * ttft.mean;
  return {
    overSaturated: atLeast > CLEARLY_BEHIND || (atLeast > SLIGHTLY_BEHIND && ttftRises),
    outstanding,
    ttft,
    fallingBehind: Math.max(0, outstanding.slope / offered),
  };
}

function comingMinusGoing(point: TimelinePoint): number {
  return point.scheduled - point.completed - point.errors;
}
