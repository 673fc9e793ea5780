import { setTimeout as sleep } from "node:timers/promises";
import { LLMGateway } from "../../worker/endpoints/llm-gateway.ts";
import type { GatewayAnswer } from "../../worker/endpoints/gateway-call.ts";
import type { LLMGatewayOptions } from "../../worker/endpoints/llm-gateway.ts";
import type { LLM } from "../../worker/llms/llm.ts";

export interface OpenGateway extends AsyncDisposable {
  readonly gateway: LLMGateway;
  /** One call; its seeds are 100, 101 … */
  generate(signal?: AbortSignal): Promise<GatewayAnswer>;
}

/** A gateway with two slots, three attempts and no backoff, unless said otherwise. */
export function openGateway(llm: LLM, more: Partial<LLMGatewayOptions> = {}): OpenGateway {
  const options = {
    llm,
    slots: 2,
    attempts: 3,
    endpointWaitMs: 60_000,
    failOnLength: false,
    generationKwargs: {},
    random: () => 0,
  };
  const gateway = new LLMGateway({ ...options, ...more });
  return {
    gateway,
    generate: (signal = new AbortController().signal) =>
      gateway.generate([{ role: "user", content: "hello" }], {
        seedFor: (answerAttempt) => 100 + answerAttempt,
        signal,
      }),
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  };
}

/** Lets time pass until something holds; fails after five seconds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (const start = Date.now(); !holds(); await sleep(1)) {
    if (Date.now() - start > 5_000) throw new Error(`this never came to hold: ${what}`);
  }
}
