/** One HTTP dialect of streamed generation, as the load generator needs it: what is sent, and what an event means. */
import { endpointAddress, ownRoute } from "../../../worker/llms/endpoint-address.ts";
import type { Answer } from "../answer.ts";
import type { LoadTarget } from "../load-target.ts";
import { openAIWire } from "./openai-wire.ts";
import { tgiWire } from "./tgi-wire.ts";

/** What is asked: the prompt as a conversation and as a text, and the most tokens of the answer. */
export interface WirePrompt {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly text: string;
  readonly maxTokens: number;
}

export interface BenchWire {
  body(prompt: WirePrompt): string;
  /** Takes the data of one event that was read at `stampMs`. What it cannot read is an error of the answer. */
  take(data: string, answer: Answer, stampMs: number): void;
  /** Each event that carries tokens carries one. */
  readonly eventsAreTokens: boolean;
}

/** Origin and path that requests are posted to. Throws `SPEC_INVALID`. */
export function routeOf({ url, route }: LoadTarget): { readonly origin: string; readonly path: string } {
  const address = endpointAddress(url);
  const { origin } = address;
  if (route === "tgi") return { origin, path: ownRoute(address, "/generate_stream") };
  return { origin, path: route === "chat" ? address.chatPath : address.completionsPath };
}

export function wireOf(target: LoadTarget): BenchWire {
  return target.route === "tgi" ? tgiWire(target) : openAIWire(target, target.route);
}
