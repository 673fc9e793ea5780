/** The built-in task for answers of a form: an instruction, or a ready conversation, to JSON of a schema. */
import { TidingError } from "../../shared/errors.ts";
import type { RowValues } from "../../shared/rows/row-schema.ts";
import type { StepSpec } from "../../shared/spec/job-spec.ts";
import { project, structOf } from "../../shared/structured/column-type.ts";
import { formOfRow } from "../../shared/structured/written-form.ts";
import type { StructuredOutput, Task } from "../../shared/task/task.ts";
import { conversationReader } from "./read-conversation.ts";
import type { TaskCard, TaskContext } from "./task-card.ts";
import { textGenerationCard } from "./text-generation.ts";

export const structuredGenerationCard: TaskCard = {
  does: "One answer for each row, in a form that is checked: JSON of a schema, or a text that matches a regex.",
  inputs: {
    ...textGenerationCard.inputs,
    structured_output: {
      need: "optional",
      does: "The row's own form, in place of `llm.structured_output`; required where the step has none.",
    },
  },
  outputs: {
    generation: { type: "string", does: "The answer: JSON without spaces, or the text that matched." },
    model_name: { type: "string", does: "The served name, or `model_display_name`." },
    reasoning: { type: "string", does: "The model's reasoning; with `reasoning: true`." },
    structured: {
      type: { struct: { name: "string", age: "int64" } },
      does: "The schema's properties as typed fields, where `llm.structured_output` is the schema of an object; null for rows with a form of their own.",
    },
  },
  keys: ["system_prompt", "template", "reasoning", "structured_retries", "llm.structured_output"],
  example: `input: { path: articles.jsonl }
steps:
  - task: structured-generation
    columns: { instruction: article }
    system_prompt: Who is this article about?
    llm:
      base_url: http://127.0.0.1:8080
      structured_output:
        schema:
          type: object
          properties: { name: { type: string }, age: { type: integer, minimum: 0 } }
          required: [name, age]
          additionalProperties: false
      generation_kwargs: { max_new_tokens: 512 }
output: { path: out/people }
`,
};

/**
 * Makes the task from its step; `read-conversation.ts` says what is asked. A row's `structured_output` wins over the
 * step's. Throws `SPEC_INVALID` for a template that does not parse.
 */
export function structuredGeneration(step: StepSpec, { folder }: TaskContext): Task {
  const conversation = conversationReader(step, folder);
  const own = step.llm?.structured_output ?? null;
  const struct = own?.format === "json" ? structOf(own.schema) : null;
  const { inputs, optionalInputs } = conversation.inputs;
  return {
    ...conversation.inputs,
    inputs: own === null ? [...inputs, "structured_output"] : inputs,
    optionalInputs: own === null ? optionalInputs : [...optionalInputs, "structured_output"],
    outputs: {
      generation: "string",
      model_name: "string",
      ...(step.reasoning ? { reasoning: "string" } : {}),
      ...(struct === null ? {} : { structured: struct }),
    },
    async run({ row, llm }) {
      const messages = await conversation.read(row);
      const form = ownForm(row) ?? own;
      if (form === null) throw invalid("The row has no `structured_output`, and its step none either.");
      const answer = await llm.generate(messages, { structuredOutput: form });
      const outputs: RowValues = { generation: answer.text, model_name: llm.modelName };
      if (step.reasoning) outputs["reasoning"] = answer.reasoning;
      if (struct !== null) outputs["structured"] = form === own ? project(struct, answer.value) : null;
      return outputs;
    },
  };
}

function ownForm(row: Readonly<RowValues>): StructuredOutput | null {
  const form = formOfRow(row["structured_output"]);
  if (typeof form === "string") throw invalid(form);
  return form;
}

function invalid(message: string): TidingError {
  return new TidingError("ROW_INVALID", message, {
    mend: "Write it as { format, schema }, or map another column with the step's `columns`.",
  });
}
