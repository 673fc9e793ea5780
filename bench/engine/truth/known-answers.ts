/**
 * What the simulator makes of each prompt of a run, told without asking it: lengths and faults are pure functions of the
 * prompt, and prompts of the run's id.
 */
import type { BenchOptions } from "../../bench-options.ts";
import type { LoadTarget } from "../../load/load-target.ts";
import type { BenchPrompt } from "../../prompts/prompt-source.ts";
import { openPrompts } from "../../prompts/prompt-source.ts";
import { answerTokensFor } from "../../simulator/answer-length.ts";
import { answerForHash, countTokens, promptOf } from "../../simulator/answer.ts";
import { drawFault } from "../../simulator/faults.ts";
import type { FaultKind } from "../../simulator/faults.ts";
import { hashText, hexOf } from "../../simulator/hash.ts";
import { parseSimulatorOptions } from "../../simulator/options.ts";
import type { SimulatorInput } from "../../simulator/options.ts";

/** How a request fails: the code of its record, and how many tokens come first. */
export interface KnownFault {
  readonly error: string;
  /** `refused`: it never reaches the batch. `first`: instead of the first token. `halfway`: behind half of the tokens. */
  readonly at: "refused" | "first" | "halfway";
}

export interface KnownAnswer {
  /** What the simulator's log calls its prompt. */
  readonly key: string;
  readonly promptTokens: number;
  /** All of them, whether or not a fault cuts them off. */
  readonly outputTokens: number;
  readonly maxTokens: number;
  readonly finishReason: string;
  readonly fault: KnownFault | null;
}

/** The faults of a stream that are told beforehand. */
const FAULTS: Partial<Record<FaultKind, KnownFault>> = {
  "429": { error: "overloaded", at: "refused" },
  "422": { error: "error-in-stream", at: "refused" },
  "503": { error: "http-503", at: "refused" },
  "500": { error: "http-500", at: "first" },
  "error-in-200": { error: "error-in-stream", at: "halfway" },
  "truncated-stream": { error: "no-end", at: "halfway" },
};

export interface KnownRun {
  readonly prompts: BenchOptions["prompts"];
  /** The report's id, which nonces depend on where there are any. */
  readonly run: string;
  readonly route: LoadTarget["route"];
  readonly simulator: SimulatorInput;
}

/** The answer for each position of the run. Throws a RangeError for a fault whose course is not told here. */
export async function knownAnswers({
  prompts,
  run,
  route,
  simulator,
}: KnownRun): Promise<(prompt: number) => KnownAnswer> {
  const set = await openPrompts({ ...prompts, run });
  const { answerChars, answerTokens, answerLength, faults, faultSeed } = parseSimulatorOptions(simulator);
  return (position) => {
    const prompt = set.prompt(position);
    const { maxTokens } = prompt;
    const text = textOf(prompt, route);
    const hash = hashText(text);
    const { tokens, cut } = answerForHash(hash, {
      answerChars,
      answerTokens: answerLength === undefined ? answerTokens : answerTokensFor(hash, answerLength),
      maxTokens,
    });
    const kind = drawFault(hash, 1, { rates: faults, seed: faultSeed });
    return {
      key: hexOf(hash),
      promptTokens: countTokens(text),
      outputTokens: tokens,
      maxTokens,
      finishReason: cut ? "length" : route === "tgi" ? "eos_token" : "stop",
      fault: kind === null ? null : faultOf(kind),
    };
  };
}

function textOf(prompt: BenchPrompt, route: LoadTarget["route"]): string {
  return route === "chat" ? promptOf(prompt.messages) : prompt.text;
}

function faultOf(kind: FaultKind): KnownFault {
  const fault = FAULTS[kind];
  if (fault === undefined) throw new RangeError(`How a bench sees the fault ${kind} is not written down here.`);
  return fault;
}
