// A container without any of the usual APIs, which takes `inputs` at its own URL: `POST /`. A text goes to the model as it
// stands; give `tokenizer_id` to have conversations rendered for it.
//
//   BASE_URL=http://127.0.0.1:8080 npx jiti examples/inference-endpoints/inputs-route.ts
import { InferenceEndpointsLLM } from "tiding";

const llm = new InferenceEndpointsLLM({
  base_url: process.env["BASE_URL"] ?? "http://127.0.0.1:8080",
  generation_kwargs: { max_new_tokens: 32 },
});
await llm.load();

const [outputs] = await llm.generateOutputs({ inputs: ["Once upon a time"] });
console.log(outputs?.generations[0]);

await llm.close();
