/** The client for endpoints that make images: a prompt goes out, one image comes back. */
import type { LLMSpec } from "../../../shared/spec/job-spec.ts";
import type { Generation, LLMInput } from "../../../shared/task/task.ts";
import { DirectLLM, refuseUnsent } from "../direct-llm.ts";
import type { EndpointContext } from "../endpoint.ts";
import type { LLMCall } from "../llm.ts";
import { fetchImage } from "./fetch-image.ts";
import { readImageAnswer } from "./image-answer.ts";
import { openImageEndpoints } from "./open-image-endpoints.ts";

export class ImageEndpointsLLM extends DirectLLM {
  readonly #context: EndpointContext;
  readonly #timeoutMs: number;
  /** False where the spec takes the seed out with a null, for servers that know none. */
  readonly #takesSeed: boolean;

  /** The spec has been checked, and its secrets are references. Throws `SPEC_INVALID` and `SECRET_MISSING`. */
  constructor(spec: LLMSpec, context: EndpointContext) {
    super(spec, openImageEndpoints(spec, context));
    this.#context = context;
    this.#timeoutMs = spec.request_timeout;
    this.#takesSeed = spec.generation_kwargs["seed"] !== null;
  }

  override async call(call: LLMCall): Promise<Generation> {
    const { seed, generationKwargs } = call;
    const parameters = this.#takesSeed ? { ...generationKwargs, seed } : generationKwargs;
    const { answer, context, model } = await this.ask(call, promptOf(call), parameters);
    const { image, text, inputTokens, outputTokens } = readImageAnswer(answer, context);
    return {
      text,
      image: image instanceof URL ? await this.#fetch(image, context.endpoint, call.signal) : image,
      reasoning: null,
      finishReason: "stop",
      inputTokens,
      outputTokens,
      model,
    };
  }

  #fetch(url: URL, endpoint: string, signal: AbortSignal): ReturnType<typeof fetchImage> {
    const { environment } = this.#context;
    return fetchImage(url, { endpoint, signal: this.ending(signal), timeoutMs: this.#timeoutMs, environment });
  }
}

/** Throws `TASK_INVALID` for what no image can be made of. */
function promptOf({ input, structuredOutput, preQuery }: LLMCall): string {
  const prompt = textOf(input);
  if (prompt !== null && structuredOutput === null && !preQuery) return prompt;
  const what = prompt === null ? "a conversation" : "an answer of a form, or a message of the user,";
  return refuseUnsent(
    `The task makes images, and asked for ${what} in place of one prompt.`,
    "Call `llm.generate` with a text.",
  );
}

function textOf(input: LLMInput): string | null {
  if (typeof input === "string") return input;
  const [message] = input;
  return input.length === 1 && typeof message?.content === "string" ? message.content : null;
}
