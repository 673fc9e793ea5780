/**
 * What the tally of a benchmark's stage costs its load generator: CPU nanoseconds a token event of `StageTally.add`, everything
 * of the request included, for events of one token (TGI) and for events whose tokens are spread (usage alone), which are
 * recorded twice.
 *
 *     node dist/bench/engine/tally.js [--requests 500] [--events 400] [--rounds 15]
 */
import type { MeasuredRequest } from "../load/request-record.ts";
import { StageTally } from "../metrics/stage-tally.ts";
import { median, printFigure, rounded, sizesFrom } from "./figure.ts";

/** A bare loop that only counts events takes about 15 µs for each; the tally should not be seen beside that. */
const MOST_NANOSECONDS = 500;

const { requests, events, rounds } = sizesFrom({ requests: 500, events: 400, rounds: 15 });

/** A stream of steps of about 9 ms that wander by a millisecond, a request every 10 ms. */
function request(index: number, tokensAnEvent: number): MeasuredRequest {
  const scheduledMs = index * 10;
  const stamps = Float64Array.from(
    { length: events },
    (_, event) => scheduledMs + 150 + event * 9.3 + (((index * 31 + event) * 7919) % 1009) / 1009,
  );
  const [firstTokenMs, lastTokenMs] = [stamps[0]!, stamps.at(-1)!];
  return {
    record: {
      stage: "tally",
      index,
      prompt: index,
      outcome: "ok",
      measured: true,
      scheduledMs,
      sentMs: scheduledMs + 0.2,
      headersMs: scheduledMs + 1,
      firstTokenMs,
      lastTokenMs,
      endMs: lastTokenMs + 0.1,
      status: 200,
      finishReason: "length",
      promptTokens: 200,
      promptTokensSource: "usage",
      outputTokens: Math.round(events * tokensAnEvent),
      outputTokensSource: "usage",
      cachedTokens: null,
      events,
      error: null,
      errorMessage: null,
    },
    stamps,
    tokensOfEvents: null,
  };
}

function nanosecondsAnEvent(tokensAnEvent: number): number {
  const all = Array.from({ length: requests }, (_, index) => request(index, tokensAnEvent));
  const costs = Array.from({ length: rounds }, () => {
    const tally = new StageTally({
      window: { startMs: 0, endMs: Infinity },
      slo: { ttft_ms: 200, tpot_ms: 50, attainment: 0.99 },
    });
    const before = process.cpuUsage();
    for (const one of all) tally.add(one);
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1000) / (requests * events);
  });
  return median(costs);
}

const single = nanosecondsAnEvent(1);
const spread = nanosecondsAnEvent(1.7);
printFigure({
  figure: "CPU nanoseconds a token event of StageTally.add",
  value: rounded(single, 1),
  want: `at most ${MOST_NANOSECONDS}, also with tokens spread over events`,
  ok: Math.max(single, spread) <= MOST_NANOSECONDS,
  details: { single: rounded(single, 1), spread: rounded(spread, 1), requests, events, rounds },
});
