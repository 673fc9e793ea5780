/** The keys of an `llm` that say where on Hugging Face its model is served, by distilabel's names. */
import { z } from "zod";

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
  provider: z
    .string()
    .min(1)
    .optional()
    .describe(
      "For `model_id` alone: which of the Hub's inference providers serves it. `auto`, the default, leaves that to the Hub.",
    ),
  bill_to: z.string().min(1).optional().describe("The organisation that Hugging Face bills; sent as X-HF-Bill-To."),
  use_openai_client: z
    .boolean()
    .optional()
    .describe(
      "Always the server's chat route, also where prompts could be rendered here. Chosen by the server when absent.",
    ),
};
