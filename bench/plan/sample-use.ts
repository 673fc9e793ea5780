/** What sampled rows used, step by step, and what they would ask of a simulated server. */
import type { SampledCall, SampledRow } from "./paid-sample.ts";
import { reservedTokens, type ModelCall } from "./endpoint-model.ts";
import type { RowShape } from "./job-shape.ts";

/** Of one row, or of a whole job. */
export interface StepUse {
  /** Requests, those that were tried again included. */
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface RowUse {
  /** Of the row's texts that go into prompts: what is known of every row without paying. */
  readonly textBytes: number;
  /** One entry for each step of the job. */
  readonly steps: readonly StepUse[];
  readonly shape: RowShape;
}

/** What a step's requests go to. */
export interface StepTarget {
  readonly name: string;
  readonly gateway: number;
  readonly isTgi: boolean;
  /** What its calls may generate at most, as far as the spec says. */
  readonly maxNewTokens: number;
}

const NOTHING = { requests: 0, inputTokens: 0, outputTokens: 0 };
/** About so many letters make a token, of a server that counts none. */
const LETTERS_A_TOKEN = 4;

/** @param targets one for each step; null for a step without a model */
export function useOfRow(row: SampledRow, textBytes: number, targets: readonly (StepTarget | null)[]): RowUse {
  const perStep = targets.map((target, index) => {
    const calls = row.calls.filter(({ step }) => step === index);
    return { target, calls, counted: calls.map((call) => tokensOf(call, textBytes)) };
  });
  return {
    textBytes,
    steps: perStep.map(({ target, calls, counted }) => {
      const lost = row.error !== null && row.error.step === target?.name ? row.error : NOTHING;
      return {
        calls: calls.reduce((sum, { requests }) => sum + requests, lost.requests),
        inputTokens: counted.reduce((sum, { promptTokens }) => sum + promptTokens, lost.inputTokens),
        outputTokens: counted.reduce((sum, { outputTokens }) => sum + outputTokens, lost.outputTokens),
      };
    }),
    shape: {
      steps: perStep.flatMap(({ target, calls }, step) => {
        if (target === null || calls.length === 0) return [];
        const generations = [...new Set(calls.map(({ generation }) => generation))];
        const chains = generations.map((of) =>
          chainOf(
            calls.filter(({ generation }) => generation === of),
            { textBytes, target },
          ),
        );
        return [{ step, gateway: target.gateway, chains }];
      }),
    },
  };
}

export function tokensOf({ inputTokens, outputTokens, answerChars }: SampledCall, textBytes: number) {
  return {
    promptTokens: inputTokens ?? Math.ceil(textBytes / LETTERS_A_TOKEN),
    outputTokens: outputTokens ?? Math.ceil(answerChars / LETTERS_A_TOKEN),
  };
}

function chainOf(
  calls: readonly SampledCall[],
  { textBytes, target }: { readonly textBytes: number; readonly target: StepTarget },
): readonly ModelCall[] {
  const inOrder = calls.toSorted((a, b) => a.startedAtMs - b.startedAtMs);
  return inOrder.map((call) => {
    const { promptTokens, outputTokens } = tokensOf(call, textBytes);
    const asked = { promptTokens, outputTokens: Math.max(1, outputTokens) };
    return { ...asked, reservedTokens: reservedTokens(asked, target) };
  });
}

/** The row with more or fewer tokens: a factor each for the steps' prompts and answers, by the job's step order. */
export function scaledShape(
  { shape }: RowUse,
  factors: readonly { readonly input: number; readonly output: number }[],
): RowShape {
  return {
    steps: shape.steps.map(({ step, gateway, chains }) => {
      const { input, output } = factors[step]!;
      const scaled = chains.map((chain) =>
        chain.map(({ promptTokens, outputTokens, reservedTokens: reserved }) => ({
          promptTokens: promptTokens * input,
          outputTokens: Math.max(1, Math.round(outputTokens * output)),
          reservedTokens: reserved + promptTokens * (input - 1),
        })),
      );
      return { step, gateway, chains: scaled };
    }),
  };
}
