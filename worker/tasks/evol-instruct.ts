/** The built-in task: an instruction, made harder or rarer in one or more evolutions. */
import type { StepSpec } from "../../shared/spec/job-spec.ts";
import type { Task } from "../../shared/task/task.ts";
import { formedQuestion, systemPromptOf, textOf } from "./formed-task.ts";
import type { TaskCard } from "./task-card.ts";

export const evolInstructCard: TaskCard = {
  does: "Rewrites an instruction into a harder or a rarer one, `num_evolutions` times, each time by another method.",
  inputs: { instruction: { need: "required", does: "The instruction to begin with." } },
  outputs: {
    evolved_instruction: { type: "string", does: "The instruction of the last evolution." },
    evolution_methods: { type: { list: "string" }, does: "The method of each evolution, in order." },
    model_name: { type: "string", does: "The served name, or `model_display_name`." },
  },
  keys: ["num_evolutions", "system_prompt", "structured_retries"],
  example: `input: { path: questions.jsonl }
steps:
  - task: evol-instruct
    columns: { instruction: question }
    num_evolutions: 2
    llm:
      base_url: http://127.0.0.1:8080
      generation_kwargs: { max_new_tokens: 1024, temperature: 0.9 }
output: { path: out/evolved }
`,
};

/** The methods of Evol-Instruct (WizardLM, Xu et al., 2023), in our own words. */
const METHODS: readonly (readonly [name: string, does: string])[] = [
  ["constraint", "Add one more requirement or constraint that an answer must meet."],
  ["deepening", "Ask for more depth and breadth about what the instruction asks."],
  ["concretizing", "Replace what is general in it by something more specific."],
  ["reasoning", "Make it need several explicit steps of reasoning."],
  ["breadth", "Write a new instruction of the same field and length, about something rarer."],
];

const SYSTEM =
  "You rewrite instructions for a language model. Change the user's instruction by the method below, so that the result is clear, can be answered by somebody who sees nothing else, is in the same language, and is only a little longer. Do not answer the instruction.";

export function evolInstruct(step: StepSpec): Task {
  const question = formedQuestion({ evolved_instruction: { type: "string", minLength: 1 } });
  const system = systemPromptOf(step) ?? SYSTEM;
  const times = step.num_evolutions ?? 1;
  return {
    inputs: ["instruction"],
    outputs: { ...question.columns, evolution_methods: { list: "string" }, model_name: "string" },
    async run({ row, llm, seed }) {
      let instruction = textOf(row, "instruction");
      const methods: string[] = [];
      for (let turn = 0; turn < times; turn++) {
        // From one drawn at random onwards, so that none comes twice before all have come.
        const [name, does] = METHODS[(seed + turn) % METHODS.length] as (typeof METHODS)[number];
        const answer = await question.ask(llm, { system: `${system}\n\nThe method: ${does}`, user: instruction, turn });
        instruction = answer["evolved_instruction"] as string;
        methods.push(name);
      }
      return { evolved_instruction: instruction, evolution_methods: methods, model_name: llm.modelName };
    },
  };
}
