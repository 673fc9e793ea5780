/** What rows would use where none is paid for: rendered here, with answers between a tenth of what they may be and all of it. */
import type { PreparedJob } from "../../jobs/prepare-job.ts";
import { TidingError } from "../../shared/errors.ts";
import type { RowValues } from "../../shared/rows/row-schema.ts";
import { dryRow, type DryCall, type DryRow } from "./dry-run.ts";
import type { StepTarget } from "./sample-use.ts";
import { useOfRow, type RowUse } from "./sample-use.ts";
import type { SampledCall } from "./paid-sample.ts";

/** Bytes of UTF-8 to a token: four of English, and about as many of scripts whose letters take three bytes each. */
const SUPPOSED = {
  low: { bytesAToken: 5, shareOfMost: 0.1 },
  likely: { bytesAToken: 4, shareOfMost: 0.5 },
  high: { bytesAToken: 3, shareOfMost: 1 },
} as const;

export interface UnsampledUses {
  readonly low: readonly RowUse[];
  readonly likely: readonly RowUse[];
  readonly high: readonly RowUse[];
  /** Steps whose task could not go on with a made-up answer. */
  readonly cutShort: readonly string[];
}

/** Throws `USAGE` for a step whose answers nothing bounds. */
export async function unsampledUses(
  job: PreparedJob,
  rows: readonly { readonly values: RowValues; readonly textBytes: number }[],
  { targets, signal }: { readonly targets: readonly (StepTarget | null)[]; readonly signal: AbortSignal },
): Promise<UnsampledUses> {
  const { steps } = job.steps.pipeline(0);
  const maxNewTokens = job.loaded.spec.steps.map(({ llm }) => llm?.generation_kwargs.max_new_tokens ?? null);
  const { bytesAToken, shareOfMost } = SUPPOSED.likely;
  const answerBytes = (most: number | null): number => (most ?? 0) * shareOfMost * bytesAToken;
  const dry: (DryRow & { readonly textBytes: number })[] = [];
  for (const { values, textBytes } of rows)
    dry.push({ textBytes, ...(await dryRow(values, { steps, maxNewTokens, answerBytes, signal })) });
  const unbounded = dry
    .flatMap(({ calls }) => calls)
    .find((call) => call.maxNewTokens === null && makesText(job, call));
  if (unbounded !== undefined) throw withoutBound(unbounded.step);
  const usesAt = (supposed: (typeof SUPPOSED)[keyof typeof SUPPOSED]): readonly RowUse[] =>
    dry.map(({ calls, textBytes }, rowId) => {
      const supposedCalls = calls.map((call, order) => supposedCall(call, order, supposed));
      return useOfRow({ rowId, error: null, calls: supposedCalls }, textBytes, targets);
    });
  return {
    low: usesAt(SUPPOSED.low),
    likely: usesAt(SUPPOSED.likely),
    high: usesAt(SUPPOSED.high),
    cutShort: [...new Set(dry.flatMap(({ cutShort }) => cutShort))],
  };
}

function makesText({ steps }: PreparedJob, { step }: DryCall): boolean {
  return (steps.pipeline(0).steps[step]?.task.makes ?? "text") === "text";
}

function supposedCall(
  { step, generation, promptBytes, maxNewTokens }: DryCall,
  order: number,
  { bytesAToken, shareOfMost }: { readonly bytesAToken: number; readonly shareOfMost: number },
): SampledCall {
  return {
    step,
    generation,
    endpoint: "",
    inputTokens: Math.ceil(promptBytes / bytesAToken),
    outputTokens: maxNewTokens === null ? 0 : Math.ceil(maxNewTokens * shareOfMost),
    answerChars: 0,
    isCut: false,
    requests: 1,
    startedAtMs: order,
    durationMs: 0,
  };
}

function withoutBound(step: number): TidingError {
  return new TidingError(
    "USAGE",
    "Without a sample the answers' length is known by nothing but max_new_tokens, which is not set.",
    {
      place: `steps.${step}.llm.generation_kwargs.max_new_tokens`,
      mend: "Set it, also by --set for this plan alone; or leave out --no-sample.",
    },
  );
}
