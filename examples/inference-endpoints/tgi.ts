// A server of your own: TGI, vLLM, SGLang, llama.cpp or a gateway. Which one it is, is asked of it.
//
//   BASE_URL=http://127.0.0.1:8080 npx jiti examples/inference-endpoints/tgi.ts
import { InferenceEndpointsLLM } from "tiding";

const llm = new InferenceEndpointsLLM({
  base_url: process.env["BASE_URL"] ?? "http://127.0.0.1:8080",
  generation_kwargs: { max_new_tokens: 64, temperature: 0.7 },
});
await llm.load();

const outputs = await llm.generateOutputs({
  inputs: [[{ role: "user", content: "Hello world!" }], [{ role: "user", content: "How are you?" }]],
  num_generations: 2,
});
console.log(JSON.stringify(outputs));

await llm.close();
