/** Seeds for calls that are asked again and again. */
import type { LLMInput } from "../../shared/task/task.ts";
import type { GatewayAnswer, SeedFor } from "../endpoints/gateway-call.ts";

/**
 * Calls in a row whose seeds all differ: each begins behind the answers of those before it that were no use, its own
 * included. The call's number stays, so that the seeds of later calls do not depend on how often this one was asked.
 */
export function withNewSeeds(
  generate: (input: LLMInput, seedFor: SeedFor) => Promise<GatewayAnswer>,
  seedFor: SeedFor,
): (input: LLMInput) => Promise<GatewayAnswer> {
  let used = 0;
  return (input) => {
    const before = used;
    return generate(input, (answerAttempt, fixedSeed) => {
      used = before + answerAttempt + 1;
      return seedFor(before + answerAttempt, fixedSeed);
    });
  };
}
