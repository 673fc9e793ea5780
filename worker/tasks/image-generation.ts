/** The built-in task: a prompt to one image. */
import { TidingError } from "../../shared/errors.ts";
import type { StepSpec } from "../../shared/spec/job-spec.ts";
import { compileTemplate } from "../../shared/task/template.ts";
import type { Task } from "../../shared/task/task.ts";
import { requireText } from "./read-conversation.ts";
import type { TaskCard } from "./task-card.ts";

export const imageGenerationCard: TaskCard = {
  does: "One image for each row, from a prompt or a template filled from the row's columns.",
  inputs: {
    prompt: { need: "required", does: "What the image is to show; a `template` makes it from other columns." },
  },
  outputs: {
    image: {
      type: "image",
      does: "The image, as `datasets` and the Hub's viewer show it: `bytes`, with a `path` of null.",
    },
    model_name: { type: "string", does: "The served name, or `model_display_name`." },
  },
  keys: ["template"],
  example: `input: { path: prompts.jsonl }
steps:
  - task: image-generation
    columns: { prompt: description }
    llm:
      base_url: http://127.0.0.1:8080
      slots: 4
      generation_kwargs: { width: 1024, height: 1024, num_inference_steps: 30, guidance_scale: 7 }
output: { path: out/images }
`,
};

/** Makes the task from its step. Throws `SPEC_INVALID` for a template that does not parse. */
export function imageGeneration(step: StepSpec): Task {
  const template = step.template === undefined ? null : compileTemplate(step.template);
  return {
    inputs: template === null ? ["prompt"] : template.needed,
    optionalInputs: template === null ? [] : template.optional,
    outputs: { image: "image", model_name: "string" },
    makes: "image",
    async run({ row, llm }) {
      const prompt = requireText(template === null ? row["prompt"] : template.render(row), "prompt");
      const { image } = await llm.generate(prompt);
      if (image === undefined) {
        throw new TidingError("TASK_INVALID", "The LLM of the step answered without an image.", {
          place: "llm.class",
          mend: "Return `image: { bytes, mediaType }` from its `call`, or take `class` out.",
        });
      }
      return { image: { bytes: image.bytes, path: null }, model_name: llm.modelName };
    },
  };
}
