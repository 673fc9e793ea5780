/** The wires of one endpoint, chosen by what its server is. */
import type { ChatMessage, LLMInput } from "../../../shared/task/task.ts";
import { rootPath } from "../endpoint-address.ts";
import type { EndpointAddress } from "../endpoint-address.ts";
import type { RecognisedServer } from "../recognise-server.ts";
import { openAIChat } from "./openai-chat.ts";
import { openAICompletions } from "./openai-completions.ts";
import { ShapeCache } from "./shape-cache.ts";
import { rootGenerate, tgiGenerate } from "./tgi-generate.ts";
import type { BodyFields, PromptWire, Wire } from "./wire.ts";

/** A wire with the shapes of the calls over it. */
export interface WireInUse<Input extends LLMInput, Kind extends Wire<Input> = Wire<Input>> {
  readonly wire: Kind;
  readonly shapes: ShapeCache;
}

export interface EndpointWires {
  /** For conversations. */
  readonly chat: WireInUse<readonly ChatMessage[]>;
  /** For prompts; null where everything is a conversation. */
  readonly prompt: WireInUse<string, PromptWire> | null;
}

export interface EndpointWiresOptions {
  readonly address: EndpointAddress;
  /** Texts at which a message of the user ends that the model writes, beside the stop sequences of the spec. */
  readonly turnEnds: readonly string[];
  /** The spec asks for the chat route whatever the server has. */
  readonly isChatOnly?: boolean;
}

export function endpointWires(server: RecognisedServer, options: EndpointWiresOptions): EndpointWires {
  const { address, turnEnds, isChatOnly = false } = options;
  const chatOnly = chatOnlyWires(openAIChat(server, address.chatPath));
  if (isChatOnly) return chatOnly;
  const prompt = promptWire(server, address);
  return {
    ...chatOnly,
    prompt: inUse(prompt, (kwargs, preQuery) =>
      preQuery ? withStops(kwargs, turnEnds, prompt.maxStopSequences) : kwargs,
    ),
  };
}

export function chatOnlyWires(chat: Wire<readonly ChatMessage[]>): EndpointWires {
  return { chat: inUse(chat, (kwargs) => kwargs), prompt: null };
}

/**
 * TGI's native routes on TGI; OpenAI completions wherever the server or its address names that API; else the base URL
 * itself, which is where containers without either API take prompts.
 */
function promptWire(server: RecognisedServer, address: EndpointAddress): PromptWire {
  if (server.isTgi) return tgiGenerate(server, address);
  const isContainer = server.server === "container" || (server.server === "unknown" && !address.namesOpenAI);
  return isContainer ? rootGenerate(rootPath(address)) : openAICompletions(server, address.completionsPath);
}

function inUse<Input extends LLMInput, Kind extends Wire<Input>>(
  wire: Kind,
  kwargsFor: (kwargs: BodyFields, preQuery: boolean) => BodyFields,
): WireInUse<Input, Kind> {
  const shapes = new ShapeCache(({ generationKwargs, structuredOutput, preQuery }, stream) => {
    const shape = { generationKwargs: kwargsFor(generationKwargs, preQuery), structuredOutput, stream };
    return { shape, head: wire.head(shape) };
  });
  return { wire, shapes };
}

/** The user's stop sequences, whatever their number, and as many of the others as the server takes beside them. */
function withStops(kwargs: BodyFields, others: readonly string[], most: number): BodyFields {
  const given = kwargs["stop_sequences"] ?? kwargs["stop"] ?? [];
  const own = Array.isArray(given) ? (given as readonly string[]) : [given as string];
  const stops = [...new Set([...own, ...others])].slice(0, Math.max(most, own.length));
  return stops.length === 0 ? kwargs : { ...kwargs, stop_sequences: stops };
}
