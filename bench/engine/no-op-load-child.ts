/** The load generator on the same streams, with every metric, and a record of each request. */
import { LoadGenerator } from "../load/load-generator.ts";
import type { StageLoad } from "../load/stage-load.ts";
import { reportStage } from "../metrics/stage-report.ts";
import { serveMeasured } from "./measured-child.ts";
import type { NoOpCounts, NoOpTask } from "./no-op-ceiling.ts";

serveMeasured<NoOpTask, NoOpCounts>(async ({ url, route, streams, warmUp, requests }) => {
  let lines = 0;
  await using generator = await LoadGenerator.open({
    target: { url, route, model: "tgi", headers: {}, ignoreEos: false, generation: {}, requestTimeoutMs: 60_000 },
    prompts: { source: { kind: "synthetic", tokens: { mean: 20 }, count: 64 }, maxTokens: 512, folder: "." },
    threads: 1,
    slo: { ttft_ms: 100, attainment: 0.99 },
    onRecords: (some) => void (lines += some.length),
  });
  const hooks = { signal: new AbortController().signal, onProgress: () => undefined };
  await generator.runStage(loadOf("warm-up", streams, warmUp), hooks);
  const load = loadOf("measured", streams, requests);
  const before = process.cpuUsage();
  const startedAt = performance.now();
  const { tally, client, startedAt: began } = await generator.runStage(load, hooks);
  reportStage({ load, tally, client, startedAt: began, server: null });
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - startedAt) / 1_000;
  if (tally.due.outcomes.ok !== requests)
    throw new Error(`${tally.due.outcomes.ok} of ${requests} requests were good.`);
  if (lines === 0) throw new Error("No request was recorded.");
  return { cpuSeconds: (user + system) / 1e6, seconds };
});

function loadOf(name: string, concurrency: number, requests: number): StageLoad {
  return {
    name,
    arrivals: { kind: "closed", concurrency },
    requests,
    seconds: null,
    warmUpSeconds: 0,
    coolDownSeconds: 0,
    rampSeconds: 0,
    maxInFlight: concurrency,
    graceSeconds: 60,
    seed: 1,
  };
}
