import { availableParallelism } from "node:os";
import { LoadGenerator } from "./load-generator.ts";
import type { StageLoad } from "./stage-load.ts";
import { startNoOpServer } from "./no-op-server.ts";

const STREAMS_A_THREAD = 64;
const TOKENS = 250;
const SECONDS = 1;

/**
 * Token events a second that this client can take in, with every metric, on so many threads: events a CPU second, measured
 * in about two seconds on a server that does nothing, times the threads that have a core. By CPU time, because that server
 * runs on the same machine and takes its share. A busy machine makes it less; `npm run bench:no-op` measures with care.
 */
export async function measureNoOpCeiling({ threads }: { readonly threads: number }): Promise<number> {
  await using server = await startNoOpServer(TOKENS);
  await using generator = await LoadGenerator.open({
    target: {
      url: server.url,
      route: "chat",
      model: "",
      headers: {},
      ignoreEos: false,
      generation: {},
      requestTimeoutMs: 60_000,
    },
    prompts: { source: { kind: "synthetic", tokens: { mean: 20 }, count: 64 }, maxTokens: TOKENS, folder: "." },
    threads,
    slo: null,
    onRecords: () => undefined,
  });
  const load: StageLoad = {
    name: "warm-up",
    arrivals: { kind: "closed", concurrency: STREAMS_A_THREAD * threads },
    seconds: SECONDS / 2,
    requests: null,
    warmUpSeconds: 0,
    coolDownSeconds: 0,
    rampSeconds: 0,
    maxInFlight: STREAMS_A_THREAD * threads,
    graceSeconds: 10,
    seed: 1,
  };
  const { signal } = new AbortController();
  await generator.runStage(load, { signal });
  const { client } = await generator.runStage({ ...load, name: "ceiling", seconds: SECONDS }, { signal });
  const perCpuSecond = client.events_per_second / (client.cpu_share * availableParallelism());
  return perCpuSecond * Math.min(threads, availableParallelism());
}
