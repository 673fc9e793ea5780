/** What tokens and hours cost. */
import { isTidingError, TidingError } from "../../shared/errors.ts";
import type { JobSpec } from "../../shared/spec/job-spec.ts";
import { endpointPrice } from "../../worker/llms/hub/endpoint-hardware.ts";
import { InferenceEndpoints } from "../../worker/llms/hub/inference-endpoints.ts";

/** US dollars for a million tokens: one for all steps, or by the steps' names, where `*` stands for those without an entry. */
export type TokenPrice = number | Readonly<Record<string, number>>;

const OTHERS = "*";

export interface PlanPrices {
  readonly input?: TokenPrice | undefined;
  readonly output?: TokenPrice | undefined;
  /** US dollars an hour, of all the job's endpoints together. */
  readonly hour?: number | undefined;
}

export interface StepPrice {
  readonly input: number;
  readonly output: number;
}

/** For each step what its tokens cost; null where no price was given for it. Throws `USAGE` for a name that no step has. */
export function stepPrices(prices: PlanPrices, steps: readonly string[]): readonly (StepPrice | null)[] {
  for (const [option, price] of [
    ["--price-in", prices.input],
    ["--price-out", prices.output],
  ] as const) {
    if (typeof price !== "object") continue;
    const unknown = Object.keys(price).find((name) => name !== OTHERS && !steps.includes(name));
    if (unknown === undefined) continue;
    throw new TidingError("USAGE", `${option} names a step ${JSON.stringify(unknown)}, which the job does not have.`, {
      place: option,
      mend: `Its steps are ${steps.join(", ")}.`,
    });
  }
  return steps.map((name) => {
    const [input, output] = [priceFor(prices.input, name), priceFor(prices.output, name)];
    return input === null && output === null ? null : { input: input ?? 0, output: output ?? 0 };
  });
}

function priceFor(price: TokenPrice | undefined, step: string): number | null {
  return typeof price === "number" ? price : (price?.[step] ?? price?.[OTHERS] ?? null);
}

export function dollarsFor(
  price: StepPrice | null,
  { inputTokens, outputTokens }: { readonly inputTokens: number; readonly outputTokens: number },
): number {
  return price === null ? 0 : (price.input * inputTokens + price.output * outputTokens) / 1_000_000;
}

/**
 * What Hugging Face asks an hour for the dedicated endpoints that the job names, as `namespace/name` or `name`, with as many
 * replicas as run now. Those without a known price are left out, and told by a notice. Rejects with the signal's reason.
 */
export async function dedicatedPrices(
  spec: JobSpec,
  options: {
    readonly environment: Readonly<Record<string, string | undefined>>;
    readonly signal: AbortSignal;
    readonly onNotice: (notice: string) => void;
  },
): Promise<ReadonlyMap<string, number>> {
  const { environment, signal, onNotice } = options;
  const prices = new Map<string, number>();
  for (const { llm } of spec.steps) {
    const { endpoint_name: name, endpoint_namespace: namespace } = llm ?? {};
    if (name === undefined) continue;
    const title = namespace === undefined ? name : `${namespace}/${name}`;
    if (prices.has(title)) continue;
    try {
      const service = new InferenceEndpoints({ environment, ...(namespace === undefined ? {} : { namespace }) });
      const price = endpointPrice(await service.get(name, { signal }), await service.hardware({ signal }));
      if (price !== null) prices.set(title, price.now);
      else onNotice(`Hugging Face names no price for the endpoint ${title}.`);
    } catch (error) {
      if (!isTidingError(error)) throw error;
      onNotice(`What the endpoint ${title} costs is not known: ${error.message}`);
    }
  }
  return prices;
}
