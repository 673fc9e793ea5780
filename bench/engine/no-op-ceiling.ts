/**
 * Token events that the load generator takes in per CPU second, every metric and a record of each request included, against
 * a bare `undici` loop that only counts them: `node dist/bench/engine/no-op-ceiling.js`.
 *
 * The server streams one event a write, as fast as it can, in a process of its own. CPU is user and system time of all
 * threads of the client's process, after a warm-up. The two take turns, so that both see the same machine.
 */
import { startNoOpServer } from "../load/no-op-server.ts";
import { median, printFigure, rounded, sizesFrom, tell } from "./figure.ts";
import { runMeasured } from "./measured-child.ts";

export interface NoOpTask {
  readonly url: string;
  readonly route: "tgi" | "chat";
  readonly path: string;
  /** In flight. */
  readonly streams: number;
  readonly warmUp: number;
  readonly requests: number;
  /** Of each answer. */
  readonly tokens: number;
}

export interface NoOpCounts {
  readonly cpuSeconds: number;
  readonly seconds: number;
}

const LEAST = 0.6;
const { rounds, streams, tokens, requests } = sizesFrom({ rounds: 5, streams: 64, tokens: 500, requests: 1_000 });
const ROUTES = { chat: "/v1/chat/completions", tgi: "/generate_stream" } as const;

await using server = await startNoOpServer(tokens);
const details: Record<string, unknown> = { streams, tokens, requests };
const ratios: number[] = [];
for (const route of ["chat", "tgi"] as const) {
  const task = {
    url: server.url,
    route,
    path: ROUTES[route],
    streams,
    warmUp: Math.ceil(requests / 4),
    requests,
    tokens,
  };
  const bare: NoOpCounts[] = [];
  const load: NoOpCounts[] = [];
  for (let round = 0; round < rounds; round++) {
    bare.push((await runMeasured<NoOpTask, NoOpCounts>("no-op-bare-child", task)).result);
    load.push((await runMeasured<NoOpTask, NoOpCounts>("no-op-load-child", task)).result);
    tell(
      `${route}, round ${round + 1}: bare ${perCpuSecond(bare.at(-1)!)}, load ${perCpuSecond(load.at(-1)!)} events a CPU second`,
    );
  }
  const ratio = median(load.map(perCpuSecond)) / median(bare.map(perCpuSecond));
  ratios.push(ratio);
  details[route] = {
    ratio: rounded(ratio),
    bareEventsPerCpuSecond: bare.map(perCpuSecond),
    loadEventsPerCpuSecond: load.map(perCpuSecond),
    bareEventsPerSecond: bare.map(({ seconds }) => Math.round((requests * tokens) / seconds)),
    loadEventsPerSecond: load.map(({ seconds }) => Math.round((requests * tokens) / seconds)),
  };
}
const value = Math.min(...ratios);
printFigure({ figure: "no_op_events_ratio", value: rounded(value), want: `>= ${LEAST}`, ok: value >= LEAST, details });

function perCpuSecond({ cpuSeconds }: NoOpCounts): number {
  return Math.round((requests * tokens) / cpuSeconds);
}
