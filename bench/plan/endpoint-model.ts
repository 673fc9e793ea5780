/** What a plan believes of an endpoint: a server that decodes all its requests in one batch, a token each a step. */

export interface EndpointModel {
  /**
   * Milliseconds of a step in which so many sequences take part, besides what prompt tokens add. Steps that read prompts
   * may have a base of their own: they run without the graphs that are captured for decoding.
   */
  readonly stepMs: (batch: number, readsPrompts: boolean) => number;
  /** What each prompt token adds to the step that reads it. */
  readonly prefillMsPerToken: number;
  /** Prompt tokens that one step reads at most; a single longer prompt is read in one step all the same. */
  readonly prefillBudget: number;
  /** Between client and batch: network, router, validation; per request, both ways together. */
  readonly overheadMs: number;
  /** Tokens for which the cache has room; infinite where that is not known to matter. */
  readonly kvTokens: number;
  /** Steps that must pass between two in which requests join a running batch: 1 in TGI, 0 elsewhere. */
  readonly stepsBetweenAdmissions: number;
}

/** A request as the server sees it. */
export interface ModelCall {
  readonly promptTokens: number;
  /** What it will generate, at least 1. */
  readonly outputTokens: number;
  /** Tokens of cache that it is let in with. */
  readonly reservedTokens: number;
}

/** TGI allots at most so many new tokens at once (`DEFAULT_GENERATION_LENGTH`), whatever a request asks for. */
const TGI_ALLOTS = 1_024;

/**
 * Tokens of cache that a request holds: in TGI its prompt and what it may generate, from the start; elsewhere, where pages
 * are taken as they are needed, its prompt and on average half of what it does generate.
 */
export function reservedTokens(
  call: Omit<ModelCall, "reservedTokens">,
  server: { readonly isTgi: boolean; readonly maxNewTokens: number },
): number {
  const { promptTokens, outputTokens } = call;
  if (server.isTgi) return promptTokens + Math.min(Math.max(server.maxNewTokens, 1), TGI_ALLOTS) - 1;
  return promptTokens + outputTokens / 2;
}
