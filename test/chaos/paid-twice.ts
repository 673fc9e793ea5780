/**
 * Calls beyond each row's first, and why they were made.
 *
 * A row may be paid for again once for each time that its shard was lost, or released, before the row was committed. A loss
 * has a cause where its owner was killed or slept, or the server was away, between the opening and the loss; so has a
 * release, by an owner that lost its lease over that. What is left is unexplained: the engine paid for something twice
 * without need.
 */
import type { RequestLogEntry } from "../../bench/simulator/request-log.ts";
import type { Ownership } from "./shard-history.ts";

const CAUSES = ["worker-killed", "worker-asleep", "server-away", "rolled-back", "released", "unexplained"] as const;
export type LossCause = (typeof CAUSES)[number];

export interface Span {
  readonly fromMs: number;
  /** Infinity while it lasts. */
  toMs: number;
}

export interface Disturbances {
  /** When a worker died; undefined for one that lives. By the id that it writes into the log. */
  readonly diedAtMs: (worker: string) => number | undefined;
  readonly sleeps: (worker: string) => readonly Span[];
  readonly serverAway: readonly Span[];
}

export interface PaidTwice {
  readonly calls: number;
  /** Of those, calls that were answered; the others were broken off. */
  readonly answered: number;
  readonly byCause: Readonly<Partial<Record<LossCause, number>>>;
  readonly losses: Readonly<Partial<Record<LossCause, number>>>;
  /** Losses without a cause, in words. */
  readonly unexplained: readonly string[];
  readonly violations: readonly string[];
}

export function countPaidTwice(
  requests: readonly RequestLogEntry[],
  about: {
    readonly rowOf: (key: string) => number | undefined;
    readonly shardRows: number;
    readonly ownershipsOf: (shard: number) => readonly Ownership[];
    readonly disturbances: Disturbances;
  },
): PaidTwice {
  const violations: string[] = [];
  const calls = new Map<number, { answered: number; brokenOff: number }>();
  for (const { key, outcome } of requests) {
    const row = about.rowOf(key);
    if (row === undefined) violations.push(`a request with key ${key} is about no row`);
    else if (outcome === "ok" || outcome === "dropped") {
      const counts = calls.get(row) ?? { answered: 0, brokenOff: 0 };
      calls.set(row, counts);
      if (outcome === "ok") counts.answered += 1;
      else counts.brokenOff += 1;
    }
  }
  const unexplained: string[] = [];
  const losses: Partial<Record<LossCause, number>> = {};
  const causes = new Map<number, readonly { readonly cause: LossCause; readonly done: Ownership["done"] }[]>();
  const lossesOf = (shard: number) => {
    const known = causes.get(shard);
    if (known !== undefined) return known;
    const found = about.ownershipsOf(shard).flatMap((ownership) => {
      const cause = causeOf(ownership, about.disturbances);
      if (cause === "unexplained") unexplained.push(`shard ${shard}: ${inWords(ownership)}`);
      return cause === null ? [] : [{ cause, done: ownership.done }];
    });
    causes.set(shard, found);
    for (const { cause } of found) losses[cause] = (losses[cause] ?? 0) + 1;
    return found;
  };
  const byCause: Partial<Record<LossCause, number>> = {};
  let paidTwice = 0;
  let answeredTwice = 0;
  for (const [row, { answered, brokenOff }] of calls) {
    const excess = answered + brokenOff - 1;
    paidTwice += excess;
    answeredTwice += Math.max(0, answered - 1);
    // What needs no explaining comes first: which loss a call was for cannot be told from outside.
    const before = lossesOf(Math.floor(row / about.shardRows))
      .filter(({ done }) => !done.has(row % about.shardRows))
      .toSorted((a, b) => CAUSES.indexOf(a.cause) - CAUSES.indexOf(b.cause));
    for (let call = 0; call < excess; call++) {
      const cause = before[call]?.cause ?? "unexplained";
      byCause[cause] = (byCause[cause] ?? 0) + 1;
    }
  }
  return { calls: paidTwice, answered: answeredTwice, byCause, losses, unexplained, violations };
}

/** Null for an ownership that ended with all rows committed, or not at all. */
function causeOf({ worker, openedAtMs, end }: Ownership, disturbances: Disturbances): LossCause | null {
  if (end === null || end.how === "closed") return null;
  if (end.how === "reopened") return "rolled-back";
  const within = ({ fromMs, toMs }: Span): boolean => fromMs <= end.atMs && toMs >= openedAtMs;
  if ((disturbances.diedAtMs(worker) ?? Infinity) <= end.atMs) return "worker-killed";
  if (disturbances.sleeps(worker).some(within)) return "worker-asleep";
  if (disturbances.serverAway.some(within)) return "server-away";
  return end.how === "released" ? "released" : "unexplained";
}

function inWords({ worker, openedAtMs, end, done }: Ownership): string {
  const time = (ms: number): string => new Date(ms).toISOString().slice(11, 23);
  const ended = end === null ? "" : `, ${end.how} at ${time(end.atMs)}`;
  return `opened by ${worker} at ${time(openedAtMs)}${ended}, ${done.count} rows committed`;
}
