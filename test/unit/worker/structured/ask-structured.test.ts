import assert from "node:assert/strict";
import { test } from "node:test";
import { isTidingError, TidingError } from "../../../../shared/errors.ts";
import { compileForm } from "../../../../shared/structured/compile-form.ts";
import type { LLMInput, StructuredOutput } from "../../../../shared/task/task.ts";
import type { GatewayAnswer } from "../../../../worker/endpoints/gateway-call.ts";
import { askStructured } from "../../../../worker/structured/ask-structured.ts";
import type { Asking } from "../../../../worker/structured/ask-structured.ts";

const schema = { type: "object", properties: { age: { type: "integer" } }, required: ["age"] };
const json: StructuredOutput = { format: "json", schema };
const question = [{ role: "user", content: "How old?" }];

interface Asked {
  readonly inputs: readonly LLMInput[];
  readonly recorded: readonly (Asking & { readonly text: string })[];
  readonly outcome: unknown;
}

/** Asks a model that gives the answers in turn; an error among them is thrown, a text ending in … is cut. */
async function ask(
  answers: readonly (string | Error)[],
  { input = question, form = json, retries = 2 }: { input?: LLMInput; form?: StructuredOutput; retries?: number } = {},
): Promise<Asked> {
  const compiled = compileForm(form);
  assert.ok("faultsOf" in compiled);
  const inputs: LLMInput[] = [];
  const recorded: (Asking & { text: string })[] = [];
  const outcome: unknown = await askStructured(input, {
    compiled,
    retries,
    ask: (next) => {
      const answer = answers[inputs.length] ?? assert.fail("asked too often");
      inputs.push(next);
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answerOf(answer, inputs.length));
    },
    record: ({ text }, asking) => recorded.push({ ...asking, text }),
  }).catch((error: unknown) => error);
  return { inputs, recorded, outcome };
}

function answerOf(text: string, seed: number): GatewayAnswer {
  return {
    text,
    reasoning: "because",
    finishReason: text.endsWith("…") ? "length" : "stop",
    inputTokens: 5,
    outputTokens: 3,
    model: "m",
    endpoint: "http://e",
    seed,
    attempts: 1,
    startedAtMs: 0,
    durationMs: 1,
  };
}

function errorOf({ outcome }: Asked): TidingError {
  return isTidingError(outcome) ? outcome : assert.fail(`no error but ${JSON.stringify(outcome)}`);
}

void test("a fitting answer is asked for once, and has its canonical text and its value", async () => {
  const { inputs, recorded, outcome } = await ask(['{ "age": 36 }']);
  assert.deepEqual(inputs, [question]);
  assert.deepEqual(recorded, [{ asking: 0, isRepaired: false, text: '{ "age": 36 }' }]);
  const { text, value, reasoning, seed } = outcome as GatewayAnswer & { value: unknown };
  assert.deepEqual([text, value, reasoning, seed], ['{"age":36}', { age: 36 }, "because", 1]);
});

void test("a wrong answer is shown to the model with what is wrong, and only the last one", async () => {
  const { inputs, recorded, outcome } = await ask(["36", "{'age': '36'}", "{'age': 36}"]);
  assert.equal((outcome as GatewayAnswer).text, '{"age":36}');
  assert.deepEqual(
    recorded.map(({ asking, isRepaired }) => [asking, isRepaired]),
    [
      [0, false],
      [1, false],
      [2, true],
    ],
  );
  const last = inputs[2];
  assert.deepEqual(last, [
    ...question,
    { role: "assistant", content: "{'age': '36'}" },
    {
      role: "user",
      content:
        "That answer is not valid:\n- /age must be integer\nAnswer again with nothing but the corrected answer, " +
        `JSON that fits this JSON Schema:\n${JSON.stringify(schema)}`,
    },
  ]);
});

void test("a long schema is not repeated to the model", async () => {
  const long: StructuredOutput = { format: "json", schema: { ...schema, description: "x".repeat(8_000) } };
  const { inputs } = await ask(["no", '{"age":1}'], { form: long });
  const correction = (inputs[1] as typeof question)[2]?.content;
  assert.equal(
    correction,
    "That answer is not valid:\n- the answer is not valid JSON\nAnswer again with nothing but the corrected answer.",
  );
});

void test("a rendered prompt, an empty answer and a message to be continued are asked again as they stand", async () => {
  const begun = [...question, { role: "assistant", content: "It is" }];
  for (const [input, wrong] of [
    ["<|user|>How old?", "no"],
    [question, " \n"],
    [begun, "no"],
  ] as const) {
    assert.deepEqual((await ask([wrong, '{"age":1}'], { input })).inputs, [input, input]);
  }
});

void test("after the last asking the row fails with the reason in the schema's words and the raw answer", async () => {
  const asked = await ask(["a", "b", '{"age":"not to be told"}']);
  const error = errorOf(asked);
  assert.deepEqual([error.code, error.class, asked.inputs.length], ["ANSWER_MISFIT", "row", 3]);
  assert.equal(
    error.message,
    "The answer does not have the form of structured_output (asked 3 times): it must be integer (#/properties/age/type).",
  );
  assert.equal(error.rawResponse, '{"age":"not to be told"}');
  assert.deepEqual(error.details, { seed: 3, endpoint: "http://e" });
  assert.equal(errorOf(await ask(["a"], { retries: 0 })).message.match(/\(.*?\)/)?.[0], "(asked once)");
});

void test("an answer that was cut is told apart and not asked for again, unless what came is whole", async () => {
  const cut = await ask(['{"age": 3…']);
  assert.deepEqual([errorOf(cut).code, cut.inputs.length, cut.recorded.length], ["ANSWER_CUT", 1, 1]);
  assert.equal(errorOf(cut).rawResponse, '{"age": 3…');
  const whole = await ask(['{"age": 3} and so …']);
  assert.equal((whole.outcome as GatewayAnswer).text, '{"age":3}');
});

void test("what a call rejects with passes through", async () => {
  const filtered = new TidingError("CONTENT_FILTERED", "filtered");
  const asked = await ask(["no", filtered]);
  assert.equal(asked.outcome, filtered);
  assert.equal(asked.recorded.length, 1);
});

void test("a conversation that grew too long by the correction is asked again without it", async () => {
  const tooLong = new TidingError("CONTEXT_TOO_LONG", "too long");
  const { inputs, outcome } = await ask(["no", tooLong, '{"age":1}']);
  assert.equal((outcome as GatewayAnswer).text, '{"age":1}');
  assert.deepEqual([inputs[1]?.length, inputs[2]], [3, question]);
  assert.equal((await ask([tooLong])).outcome, tooLong);
});
