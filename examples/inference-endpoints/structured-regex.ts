// Answers of a regular expression. The last input brings a form of its own, as rows of a dataset may.
//
//   BASE_URL=http://127.0.0.1:8080 npx jiti examples/inference-endpoints/structured-regex.ts
import { InferenceEndpointsLLM } from "tiding";

const llm = new InferenceEndpointsLLM({
  base_url: process.env["BASE_URL"] ?? "http://127.0.0.1:8080",
  structured_output: { format: "regex", schema: "[0-9]{4}-[0-9]{2}-[0-9]{2}" },
});
await llm.load();

const outputs = await llm.generateOutputs({
  inputs: [
    [{ role: "user", content: "When was the first Tour de France?" }],
    [[{ role: "user", content: "Was it in summer?" }], { format: "regex", schema: "(yes|no)" }],
  ],
});
console.log(JSON.stringify(outputs.map(({ generations }) => generations)));

await llm.close();
