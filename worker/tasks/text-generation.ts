/** The built-in task: an instruction, or a ready conversation, to one answer. */
import type { RowValues } from "../../shared/rows/row-schema.ts";
import type { StepSpec } from "../../shared/spec/job-spec.ts";
import type { Task } from "../../shared/task/task.ts";
import { conversationReader } from "./read-conversation.ts";
import type { TaskCard, TaskContext } from "./task-card.ts";

export const textGenerationCard: TaskCard = {
  does: "One answer for each row: to an instruction, a template filled from the row's columns, or a conversation.",
  inputs: {
    instruction: { need: "one of", does: "The user's message; a `template` makes it from other columns." },
    messages: { need: "one of", does: "In its place a conversation, sent as it stands." },
    system_prompt: { need: "optional", does: "The system message; wins over the step's `system_prompt`." },
    image: {
      need: "optional",
      does: "An image that goes with the user's message: an address, a file, base64, or bytes.",
    },
  },
  outputs: {
    generation: { type: "string", does: "The answer." },
    model_name: { type: "string", does: "The served name, or `model_display_name`." },
    reasoning: { type: "string", does: "The model's reasoning; with `reasoning: true`." },
  },
  keys: ["system_prompt", "template", "reasoning"],
  example: `input: { path: questions.jsonl }
steps:
  - task: text-generation
    columns: { instruction: question }
    system_prompt: Answer in at most three sentences.
    llm:
      base_url: http://127.0.0.1:8080
      generation_kwargs: { max_new_tokens: 512, temperature: 0.7 }
output: { path: out/answers }
`,
};

/**
 * Makes the task from its step; `read-conversation.ts` says what is asked. Throws `SPEC_INVALID` for a template that
 * does not parse.
 */
export function textGeneration(step: StepSpec, { folder }: TaskContext): Task {
  const conversation = conversationReader(step, folder);
  return {
    ...conversation.inputs,
    outputs: { generation: "string", model_name: "string", ...(step.reasoning ? { reasoning: "string" } : {}) },
    async run({ row, llm }) {
      const answer = await llm.generate(await conversation.read(row));
      const outputs: RowValues = { generation: answer.text, model_name: llm.modelName };
      if (step.reasoning) outputs["reasoning"] = answer.reasoning;
      return outputs;
    },
  };
}
