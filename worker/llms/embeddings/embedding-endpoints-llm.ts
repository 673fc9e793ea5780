/** The client for endpoints that make embeddings: a text goes out, one vector comes back. No seed: nothing is drawn. */
import type { LLMSpec } from "../../../shared/spec/job-spec.ts";
import type { Generation } from "../../../shared/task/task.ts";
import { DirectLLM, refuseUnsent } from "../direct-llm.ts";
import type { EndpointContext } from "../endpoint.ts";
import type { LLMCall } from "../llm.ts";
import { readEmbeddingAnswer } from "./embedding-answer.ts";
import { openEmbeddingEndpoints } from "./open-embedding-endpoints.ts";

export class EmbeddingEndpointsLLM extends DirectLLM {
  /** The spec has been checked, and its secrets are references. Throws `SPEC_INVALID` and `SECRET_MISSING`. */
  constructor(spec: LLMSpec, context: EndpointContext) {
    super(spec, openEmbeddingEndpoints(spec, context));
  }

  override async call(call: LLMCall): Promise<Generation> {
    const { answer, context, model } = await this.ask(call, textOf(call), call.generationKwargs);
    const { embedding, inputTokens } = readEmbeddingAnswer(answer, context);
    return { text: "", embedding, reasoning: null, finishReason: "stop", inputTokens, outputTokens: 0, model };
  }
}

/** Throws `TASK_INVALID` for what no embedding can be made of. */
function textOf({ input, structuredOutput, preQuery }: LLMCall): string {
  if (typeof input === "string" && structuredOutput === null && !preQuery) return input;
  return refuseUnsent(
    "The task makes embeddings, and asked for something else than one.",
    "Call `llm.generate` with a text, and without structured output.",
  );
}
