// A model of the Hub's inference providers, by its name alone. It needs a token: HF_TOKEN, or `hf auth login`.
//
//   npx jiti examples/inference-endpoints/serverless-model.ts
import { InferenceEndpointsLLM } from "tiding";

const llm = new InferenceEndpointsLLM({ model_id: process.env["MODEL_ID"] ?? "meta-llama/Llama-3.1-8B-Instruct" });
await llm.load();

const outputs = await llm.generateOutputs({ inputs: [[{ role: "user", content: "Hello world!" }]] });
console.log(JSON.stringify(outputs));

await llm.close();
