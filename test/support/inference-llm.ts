/** An `InferenceEndpointsLLM` over one endpoint, and what tests of its wires send through it. */
import type { ServerResponse } from "node:http";
import { LLMSpec } from "../../shared/spec/job-spec.ts";
import type { Generation, LLMInput } from "../../shared/task/task.ts";
import { InferenceEndpointsLLM } from "../../worker/llms/inference-endpoints-llm.ts";
import type { LLMCall } from "../../worker/llms/llm.ts";
import type { PromptRenderer } from "../../worker/llms/prompts/prompt-renderer.ts";
import { sendJson } from "./scripted-server.ts";
import type { Script } from "./scripted-server.ts";

export interface OpenLLM extends AsyncDisposable {
  readonly llm: InferenceEndpointsLLM;
  readonly endpoint: string;
  call(input: LLMInput, more?: Partial<LLMCall>): Promise<Generation>;
}

/** Calls have the spec's `generation_kwargs` and seed 11. */
export function openLLM(spec: Record<string, unknown>, renderer: PromptRenderer | null = null): OpenLLM {
  const parsed = LLMSpec.parse(spec);
  const llm = new InferenceEndpointsLLM(parsed, { secret: () => "key-canary", environment: {}, renderer });
  const [endpoint = ""] = llm.endpoints;
  const signal = new AbortController().signal;
  const common = { endpoint, generationKwargs: parsed.generation_kwargs, structuredOutput: null, preQuery: false };
  return {
    llm,
    endpoint,
    call: (input, more = {}) => llm.call({ input, seed: 11, signal, ...common, ...more }),
    [Symbol.asyncDispose]: () => llm.close(),
  };
}

/** A template with Llama's BOS and turns in angle brackets. */
export const bracketRenderer: PromptRenderer = {
  bosToken: "<s>",
  revision: "brackets-1",
  stopSequences: ["</turn>", "</s>"],
  checkRoom: () => null,
  render: (messages, { preQuery }) =>
    `<s>${messages.map(({ role, content }) => `<${role}>${String(content)}</turn>`).join("")}<${preQuery ? "user" : "assistant"}>`,
};

/** Answers `/v1/models` as a server does that names its owner, and everything else by the script given. */
export function listing(ownedBy: string, script: Script): Script {
  return (request, response) => {
    if (request.method === "POST") return script(request, response);
    if (request.path !== "/v1/models") return sendJson(response, { detail: "Not Found" }, { status: 404 });
    return sendJson(response, { object: "list", data: [{ id: "served", object: "model", owned_by: ownedBy }] });
  };
}

/** Answers a list of models with 404, so that nothing is known of the server. */
export function unlisted(script: Script): Script {
  return (request, response) =>
    request.method === "POST"
      ? script(request, response)
      : sendJson(response, { error: "no such route" }, { status: 404 });
}

export function sendEvents(response: ServerResponse, events: readonly string[]): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.end(events.join(""));
}

/** A server-sent event. */
export function event(payload: unknown): string {
  return `data: ${JSON.stringify(payload)}\n\n`;
}
