/**
 * How long one forward pass takes:
 *
 *   a(B) + b(B) * B + prefillTokenMs * prefill tokens + kvTokenMs * tokens of context
 *
 * with B the sequences in the step. `a` and `b` jump where CUDA graphs end (TGI captures them up to 32 sequences); a step
 * with prefill runs without graphs whatever its size.
 */

export interface StepLine {
  readonly baseMs: number;
  readonly sequenceMs: number;
}

export interface StepTimeOptions {
  /** Steps that only decode, of at most `graphSequences`. */
  readonly graphs: StepLine;
  /** All other steps. */
  readonly eager: StepLine;
  readonly graphSequences: number;
  readonly prefillTokenMs: number;
  readonly kvTokenMs: number;
}

export interface StepWork {
  readonly sequences: number;
  readonly prefillTokens: number;
  /** Tokens whose keys and values the step reads. */
  readonly contextTokens: number;
}

/** Milliseconds. */
export function stepMs(options: StepTimeOptions, { sequences, prefillTokens, contextTokens }: StepWork): number {
  const inGraph = prefillTokens === 0 && sequences <= options.graphSequences;
  const { baseMs, sequenceMs } = inGraph ? options.graphs : options.eager;
  return baseMs + sequenceMs * sequences + options.prefillTokenMs * prefillTokens + options.kvTokenMs * contextTokens;
}
