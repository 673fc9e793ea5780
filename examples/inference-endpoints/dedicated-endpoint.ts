// A dedicated endpoint, by the name that it has on Hugging Face. Its URL and its model are looked up with the token
// (HF_TOKEN, or `hf auth login`); one that is starting is waited for, one that is scaled to zero is woken.
//
//   npx jiti examples/inference-endpoints/dedicated-endpoint.ts my-endpoint [my-organisation]
import { InferenceEndpointsLLM } from "tiding";

const [endpoint_name = "my-endpoint", endpoint_namespace] = process.argv.slice(2);

const llm = new InferenceEndpointsLLM({ endpoint_name, endpoint_namespace, endpoint_wait: "5m" });
const [served] = await llm.load();

const outputs = await llm.generateOutputs({ inputs: [[{ role: "user", content: "Hello world!" }]] });
console.log(JSON.stringify({ model: llm.modelName, revision: served?.revision, outputs }));

await llm.close();
