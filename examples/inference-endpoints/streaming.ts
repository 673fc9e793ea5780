// An answer text by text, up to a stop sequence. Breaking out of the loop ends the request.
//
//   BASE_URL=http://127.0.0.1:8080 npx jiti examples/inference-endpoints/streaming.ts
import { InferenceEndpointsLLM } from "tiding";

const llm = new InferenceEndpointsLLM({
  base_url: process.env["BASE_URL"] ?? "http://127.0.0.1:8080",
  generation_kwargs: { max_new_tokens: 64, stop_sequences: ["\n\n", "User:"] },
});

for await (const text of llm.stream([{ role: "user", content: "Count to ten." }])) process.stdout.write(text);
process.stdout.write("\n");

await llm.close();
