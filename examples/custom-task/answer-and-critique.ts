import { defineTask } from "tiding";

/** Answers the question, then has the same model criticise the answer at a low temperature. */
export default defineTask(({ strictness }) => ({
  inputs: ["question"],
  outputs: { answer: "string", critique: "string" },
  async run({ row, llm }) {
    const question = { role: "user", content: row["question"] };
    const answer = await llm.generate([question]);
    const critique = await llm.generate(
      [
        question,
        { role: "assistant", content: answer.text },
        { role: "user", content: `Criticise your answer. ${String(strictness)}` },
      ],
      { turn: 1, generationKwargs: { temperature: 0.2 } },
    );
    return { answer: answer.text, critique: critique.text };
  },
}));
