/** The wire of OpenAI chat completions, as TGI, vLLM, SGLang, llama.cpp and gateways speak it. */
import type { ChatMessage } from "../../../shared/task/task.ts";
import { OPENAI_CHAT } from "../classify-response.ts";
import type { RecognisedServer } from "../recognise-server.ts";
import { readChatAnswer } from "./chat-answer.ts";
import { ChatStream } from "./chat-stream.ts";
import { samplingFields } from "./openai-fields.ts";
import { structuredFields } from "./structured-fields.ts";
import { bodyHead } from "./wire.ts";
import type { BodyFields, Wire } from "./wire.ts";

/** The chat route of a server; `adapt` puts the fields of a body, messages and seed aside, into the server's own words. */
export function openAIChat(
  server: RecognisedServer,
  path: string,
  adapt: (fields: BodyFields) => BodyFields = (fields) => fields,
): Wire<readonly ChatMessage[]> {
  const { isTgi, requestModel } = server;
  return {
    service: OPENAI_CHAT,
    path: () => path,
    head: ({ generationKwargs, structuredOutput, stream }) =>
      bodyHead(
        adapt({
          ...samplingFields(generationKwargs, { isTgi }),
          ...(structuredOutput === null ? {} : structuredFields(structuredOutput, server, "chat")),
          ...(requestModel === null ? {} : { model: requestModel }),
          ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}),
        }),
      ),
    body: (head, input, seed) => `${head}"messages":${JSON.stringify(input)},"seed":${seed}}`,
    read: readChatAnswer,
    openStream: (context, onText) => new ChatStream(context, onText),
  };
}
