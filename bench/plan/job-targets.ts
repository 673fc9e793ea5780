/** Where a job's calls go, as a simulation needs it: gateways, their slots, and the servers that they share. */
import type { PreparedJob } from "../../jobs/prepare-job.ts";
import type { GatewayShape } from "./job-shape.ts";
import type { StepTarget } from "./sample-use.ts";

/** TGI takes it where a request says nothing; others are seldom without a limit. */
const USUAL_MAX_NEW_TOKENS = 1_024;

export interface JobTargets {
  /** Names of endpoints; a server is known by its position here. */
  readonly servers: readonly string[];
  readonly gateways: readonly GatewayShape[];
  /** Of the first step with a model. */
  readonly firstGateway: number;
  /** One for each step; null for a step without a model. */
  readonly steps: readonly (StepTarget | null)[];
  readonly stepNames: readonly string[];
}

/** Slots are what the endpoints say they take where they were probed, and the spec's otherwise. */
export function targetsOf(job: PreparedJob, isTgi: boolean): JobTargets {
  const { gateways } = job.steps;
  const pools = gateways.map((gateway) => gateway.endpoints());
  const servers = [...new Set(pools.flatMap((of) => of.map(({ endpoint }) => endpoint)))];
  const { steps } = job.steps.pipeline(0);
  const targets = steps.map(({ name, gateway, index }): StepTarget | null => {
    if (gateway === null) return null;
    const most = job.loaded.spec.steps[index]?.llm?.generation_kwargs.max_new_tokens;
    return { name, gateway: gateways.indexOf(gateway), isTgi, maxNewTokens: most ?? USUAL_MAX_NEW_TOKENS };
  });
  return {
    servers,
    gateways: pools.map((of) => ({
      pools: of.map(({ endpoint, slots }) => ({ server: servers.indexOf(endpoint), slots })),
    })),
    firstGateway: targets.find((target) => target !== null)?.gateway ?? 0,
    steps: targets,
    stepNames: steps.map(({ name }) => name),
  };
}

/** Requests that may be in flight to a server at a time. */
export function slotsAt({ gateways }: Pick<JobTargets, "gateways">, server: number): number {
  return gateways.reduce((sum, { pools }) => {
    return sum + pools.reduce((of, pool) => of + (pool.server === server ? pool.slots : 0), 0);
  }, 0);
}
