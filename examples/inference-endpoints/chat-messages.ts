// A conversation of several messages, on the server's chat route whatever else it speaks.
//
//   BASE_URL=http://127.0.0.1:8080 npx jiti examples/inference-endpoints/chat-messages.ts
import { InferenceEndpointsLLM } from "tiding";

const llm = new InferenceEndpointsLLM({
  base_url: process.env["BASE_URL"] ?? "http://127.0.0.1:8080",
  use_openai_client: true,
});
await llm.load();

const answer = await llm.generate([
  { role: "system", content: "You are a helpful assistant." },
  { role: "user", content: "What is the capital of France?" },
  { role: "assistant", content: "Paris." },
  { role: "user", content: "And of Spain?" },
]);
console.log(JSON.stringify({ text: answer.text, finish: answer.finishReason, tokens: answer.outputTokens }));

await llm.close();
