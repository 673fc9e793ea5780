/** Slots of a job by endpoint: as its spec says, or as the engine came to use them. */
import type { JobProgress } from "../../shared/observe/job-report.ts";
import type { JobSpec } from "../../shared/spec/job-spec.ts";
import { endpointAddress } from "../../worker/llms/endpoint-address.ts";

export interface EndpointSlots {
  /** Base URL without credentials, or the name of one that Hugging Face looks up. */
  readonly endpoint: string;
  /** Of all the job's models there together. */
  readonly slots: number;
}

/** As the spec says; one entry for each endpoint that it names by URL. */
export function slotsOfSpec({ steps }: JobSpec): readonly EndpointSlots[] {
  const entries = steps.flatMap(({ llm }) =>
    [llm?.base_url ?? []].flat().map((url) => ({ endpoint: endpointAddress(url).name, slots: llm?.slots ?? 0 })),
  );
  return summed(entries);
}

/** As they are used, which a server may have capped. */
export function slotsInUse({ endpoints }: Pick<JobProgress, "endpoints">): readonly EndpointSlots[] {
  return summed(endpoints);
}

export function totalSlots(slots: readonly EndpointSlots[]): number {
  return slots.reduce((sum, each) => sum + each.slots, 0);
}

/**
 * Slots for each origin that requests went to. What Hugging Face looks up has no URL for a name: its slots are the one
 * origin's that no URL names. Origins of neither kind have none.
 */
export function slotsOfOrigins(
  slots: readonly EndpointSlots[],
  origins: readonly string[],
): ReadonlyMap<string, number> {
  const named = slots.map(({ endpoint, slots: count }) => ({ origin: originOf(endpoint), count }));
  const unnamed = origins.filter((origin) => !named.some((each) => each.origin === origin));
  const byOrigin = new Map<string, number>();
  for (const { origin, count } of named) {
    const to = origin ?? (unnamed.length === 1 ? unnamed[0]! : null);
    if (to !== null && origins.includes(to)) byOrigin.set(to, (byOrigin.get(to) ?? 0) + count);
  }
  return byOrigin;
}

function originOf(endpoint: string): string | null {
  return /^https?:\/\//.test(endpoint) ? new URL(endpoint).origin : null;
}

function summed(entries: readonly EndpointSlots[]): readonly EndpointSlots[] {
  const byEndpoint = new Map<string, number>();
  for (const { endpoint, slots } of entries) byEndpoint.set(endpoint, (byEndpoint.get(endpoint) ?? 0) + slots);
  return [...byEndpoint].map(([endpoint, slots]) => ({ endpoint, slots }));
}
