/** The keys of an `llm` that say where on Hugging Face its model is served, by distilabel's names. */
import { z } from "zod";

/** What a job does to the dedicated endpoint that it calls. */
const EndpointUse = z.strictObject({
  ensure: z
    .enum(["running"])
    .optional()
    .describe(
      "`running`: resumed at the start where it is paused or scaled to zero, and waited for up to `run.endpoint_wait`. Costs money from then on.",
    ),
  when_done: z
    .enum(["pause", "scale_to_zero", "leave"])
    .default("leave")
    .describe(
      "Once the job has finished, failed or was interrupted: pause the endpoint, scale it to zero, or leave it as it is.",
    ),
});
export type EndpointUse = z.output<typeof EndpointUse>;

export const ENDPOINT_LLM_KEYS = {
  endpoint_name: z
    .string()
    .regex(/^[\w-]+$/, "the name of an endpoint, as Hugging Face shows it")
    .optional()
    .describe("A dedicated endpoint on Hugging Face, by its name: its URL and its model are looked up."),
  endpoint_namespace: z
    .string()
    .regex(/^[\w.-]+$/, "the name of a user or an organisation")
    .optional()
    .describe("Whose endpoint `endpoint_name` is: a user or an organisation. The token's user when absent."),
  endpoint: EndpointUse.optional().describe(
    "For `endpoint_name`: whether the job starts the endpoint, and what becomes of it afterwards. Its keys are below.",
  ),
  provider: z
    .string()
    .min(1)
    .optional()
    .describe(
      "For `model_id` alone: which of the Hub's inference providers serves it. `auto`, the default, leaves that to the Hub.",
    ),
  bill_to: z.string().min(1).optional().describe("The organisation that Hugging Face bills; sent as X-HF-Bill-To."),
  payload_limit: z
    .int()
    .positive()
    .optional()
    .describe(
      "Most bytes of a request; a row that needs more fails unsent. 2,000,000 for TGI, as its --payload-limit.",
    ),
  use_openai_client: z
    .boolean()
    .optional()
    .describe(
      "Always the server's chat route, also where prompts could be rendered here. Chosen by the server when absent.",
    ),
};
