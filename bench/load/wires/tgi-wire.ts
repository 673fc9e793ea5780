/**
 * TGI's `/generate_stream`: an event a token, also with speculation; the last one carries `generated_text` and the details.
 * There is no `[DONE]` (router v3.3.7, `server.rs`).
 */
import { tgiParameters } from "../../../worker/llms/wires/tgi-parameters.ts";
import { bodyHead } from "../../../worker/llms/wires/wire.ts";
import { withoutNulls } from "../../../worker/llms/wires/direct-wire.ts";
import type { Answer } from "../answer.ts";
import type { LoadTarget } from "../load-target.ts";
import type { BenchWire } from "./bench-wire.ts";
import { takeError } from "./event-error.ts";
import { countOf, jsonEvent } from "./json-event.ts";
import type { JsonObject } from "./json-event.ts";

export function tgiWire({ generation }: LoadTarget): BenchWire {
  const { max_tokens: _, max_new_tokens: ownMaximum, seed, ...others } = generation;
  const parameters = tgiParameters({ generationKwargs: withoutNulls(others), structuredOutput: null, stream: true });
  const head = bodyHead({ ...parameters, ...(seed == null ? {} : { seed }), details: true });
  return {
    body({ text, maxTokens }) {
      const most = ownMaximum === undefined ? maxTokens : ownMaximum;
      return `{"parameters":${head}"max_new_tokens":${JSON.stringify(most)}},"inputs":${JSON.stringify(text)}}`;
    },
    take,
    eventsAreTokens: true,
  };
}

function take(data: string, answer: Answer, stampMs: number): void {
  const event = jsonEvent(data, answer);
  if (event === null || takeError(event, data, answer)) return;
  if (typeof event["token"] === "object" && event["token"] !== null) {
    answer.hasChoice = true;
    // A token's text may be empty: half a character, or the end of the sequence.
    answer.addEvent(stampMs, 1);
  }
  if (typeof event["generated_text"] !== "string") return;
  answer.isComplete = true;
  const details = event["details"] as JsonObject | null | undefined;
  if (typeof details?.["finish_reason"] === "string") answer.finishReason = details["finish_reason"];
  answer.outputTokens = countOf(details?.["generated_tokens"]);
  answer.promptTokens = countOf(details?.["input_length"]);
}
