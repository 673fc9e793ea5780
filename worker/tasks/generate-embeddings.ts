/** The built-in task: a text to its embedding. */
import { TidingError } from "../../shared/errors.ts";
import type { StepSpec } from "../../shared/spec/job-spec.ts";
import type { Task } from "../../shared/task/task.ts";
import { textOf } from "./formed-task.ts";
import type { TaskCard } from "./task-card.ts";

export const generateEmbeddingsCard: TaskCard = {
  does: "The embedding of each row's text: one vector of a model for embeddings.",
  inputs: { text: { need: "required", does: "The text." } },
  outputs: {
    embedding: { type: { list: "float32" }, does: "The vector, as long as the model makes it." },
    model_name: { type: "string", does: "The served name, or `model_display_name`." },
  },
  keys: [],
  example: `input: { path: passages.jsonl }
steps:
  - task: generate-embeddings
    columns: { text: passage }
    llm:
      base_url: http://127.0.0.1:8080
      slots: 32
      generation_kwargs: { normalize: true, truncate: true }
output: { path: out/embeddings }
`,
};

export function generateEmbeddings(_step: StepSpec): Task {
  return {
    inputs: ["text"],
    outputs: { embedding: { list: "float32" }, model_name: "string" },
    makes: "embedding",
    async run({ row, llm }) {
      const { embedding } = await llm.generate(textOf(row, "text"));
      if (embedding === undefined) {
        throw new TidingError("TASK_INVALID", "The LLM of the step answered without an embedding.", {
          place: "llm.class",
          mend: "Return `embedding`, a list of numbers, from its `call`, or take `class` out.",
        });
      }
      return { embedding, model_name: llm.modelName };
    },
  };
}
