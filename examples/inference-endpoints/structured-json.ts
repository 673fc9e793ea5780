// Answers of a JSON Schema, which may be written with zod: asked of the server, and checked when they come.
//
//   BASE_URL=http://127.0.0.1:8080 npx jiti examples/inference-endpoints/structured-json.ts
import { InferenceEndpointsLLM } from "tiding";
import { z } from "zod";

const User = z.object({ name: z.string(), last_name: z.string(), id: z.int() });

const llm = new InferenceEndpointsLLM({
  base_url: process.env["BASE_URL"] ?? "http://127.0.0.1:8080",
  structured_output: { format: "json", schema: User },
  generation_kwargs: { max_new_tokens: 200 },
});
await llm.load();

const question = [{ role: "user", content: "Create a user profile for the Tour de France." }];
const { value } = await llm.generate(question);
const user = User.parse(value);
console.log(JSON.stringify(user));

await llm.close();
