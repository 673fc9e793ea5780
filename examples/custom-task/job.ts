// Every answer gets a critique: one row, two calls. Run it with: tiding run examples/custom-task/job.ts
import { defineJob } from "tiding";

export default defineJob({
  name: "answer-and-critique",
  input: { path: "../quickstart/questions.jsonl", limit: 20 },
  steps: [
    {
      task: "./answer-and-critique.ts",
      options: { strictness: "Be brief and name the worst flaw first." },
      llm: {
        base_url: "${BASE_URL:-http://127.0.0.1:8080}",
        generation_kwargs: { max_new_tokens: 256 },
      },
    },
  ],
  output: { path: "out", format: "jsonl" },
});
