/** The forms that the real model's answers are to have, each with what asks for it. */
export interface AnswerForm {
  readonly systemPrompt: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

const ANSWER = { type: "string", minLength: 10, maxLength: 48 };

/** Objects in a list in an object, each part with bounds; llama.cpp's server can hold the model to all of it. */
export const NESTED_FORM: AnswerForm = {
  // With an example, because a small model otherwise fills its lines with blanks, which the form allows.
  systemPrompt:
    "Answer in one line of JSON, with a short answer, how hard the question is, and its topics: " +
    '{"answer":"Rain falls from clouds.","level":"easy","topics":[{"name":"weather","weight":4},{"name":"water","weight":2}]}',
  schema: {
    type: "object",
    properties: {
      answer: ANSWER,
      level: { enum: ["easy", "medium", "hard"] },
      topics: {
        type: "array",
        minItems: 2,
        maxItems: 3,
        items: {
          type: "object",
          properties: {
            name: { type: "string", minLength: 2, maxLength: 16 },
            weight: { type: "integer", minimum: 1, maximum: 5 },
          },
          required: ["name", "weight"],
          additionalProperties: false,
        },
      },
    },
    required: ["answer", "level", "topics"],
    additionalProperties: false,
  },
};

/** With bounds that the server does not hold the model to, so that Tiding's own check is all there is. */
export const UNHELD_FORM: AnswerForm = {
  systemPrompt:
    "Answer in one line of JSON, with a short answer and how hard the question is, from 0 to 1, such as 0.4.",
  schema: {
    type: "object",
    properties: { answer: ANSWER, hardness: { type: "number", minimum: 0, maximum: 1 } },
    required: ["answer", "hardness"],
    additionalProperties: false,
  },
};
