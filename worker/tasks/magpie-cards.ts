import type { TaskCard } from "./task-card.ts";

const COLUMNS: TaskCard["outputs"] = {
  instruction: { type: "string", does: "The user's message; not where `conversation` stands." },
  response: { type: "string", does: "The answer; not with `only_instruction`." },
  conversation: {
    type: { list: { struct: { role: "string", content: "string" } } },
    does: "In place of both: with more than one turn, `end_with_user` or `include_system_prompt`.",
  },
  system_prompt_key: {
    type: "string",
    does: "Name of the system prompt that was drawn; where `system_prompt` is a map.",
  },
  model_name: { type: "string", does: "The served name, or `model_display_name`." },
};

const KEYS = [
  "n_turns",
  "end_with_user",
  "include_system_prompt",
  "only_instruction",
  "system_prompt",
  "llm.tokenizer_id",
  "llm.magpie_pre_query_template",
];

const LLM_EXAMPLE = `    llm:
      base_url: http://127.0.0.1:8080
      tokenizer_id: Qwen/Qwen2.5-7B-Instruct
      generation_kwargs: { max_new_tokens: 1024, temperature: 0.9 }`;

export const magpieCard: TaskCard = {
  does: "An instruction with its answer, or a conversation, all written by the model; rows give system prompts.",
  inputs: { system_prompt: { need: "optional", does: "The system message; wins over the step's `system_prompt`." } },
  outputs: COLUMNS,
  keys: KEYS,
  example: `input: { path: personas.jsonl }
steps:
  - task: magpie
    columns: { system_prompt: persona }
    n_turns: 2
${LLM_EXAMPLE}
output: { path: out/conversations }
`,
};

export const magpieGeneratorCard: TaskCard = {
  does: "The same as magpie for a number of rows made from nothing: the job needs no input.",
  inputs: {},
  outputs: COLUMNS,
  keys: ["num_rows", ...KEYS],
  example: `steps:
  - task: magpie-generator
    num_rows: 10000
${LLM_EXAMPLE}
output: { path: out/instructions }
`,
};
